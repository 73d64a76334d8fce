"""QEMU judges the MMU: random tables and registers, AT instructions run there and here, the same PAR_EL1.

`oracle_at.S` runs at EL2 of QEMU's virt machine; it reads records of register values from memory, executes
AT and writes PAR_EL1 to a file. Descriptors are random too: tables that lead into the tables' own memory,
blocks and pages of all kinds, and now and then anything.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mmu_tables import MmuState

from axlab.machine import descriptors, memory_type, mmu, walks
from axlab.machine.memory import Memory

TABLES = 0x4800_0000  # 1 MB that stage 1's tables are in, then 1 MB for stage 2's
TABLE_BYTES = 1 << 20
RECORDS = 0x4400_0000
NOWHERE = 0x70_0000_0000  # no memory, and no device, in QEMU and here
EXCEPTION = 1 << 63 | 1  # with these bits it is no PAR_EL1, but twice the syndrome of an exception that AT took
LEVEL, S1PTW, STAGE2 = 3 << 1, 1 << 8, 1 << 9  # of a failed PAR_EL1; the first two stand so in the doubled syndrome
FAR_AWAY = 1 << 43  # neither, above it

OPERATIONS = [(stages, el, write) for stages in ("1", "12") for el in (1, 0) for write in (False, True)]
REGISTERS = (
    "HCR_EL2", "VTCR_EL2", "VTTBR_EL2", "SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1",
)  # fmt: skip
SHAREABILITIES = (0, 2, 3)
OUTPUT_BITS = (32, 36, 40, 42, 44, 44)


def chance(draw: random.Random, probability: float) -> bool:
    return draw.random() < probability


def stage1_descriptor(draw: random.Random) -> int:
    if chance(draw, 0.05):
        return draw.getrandbits(44) & ~3 | draw.choice((0, 2))
    target = TABLES + draw.randrange(0, TABLE_BYTES, 4096)
    if chance(draw, 0.03):
        target = draw.choice((NOWHERE, draw.getrandbits(44) & ~0xFFF | FAR_AWAY))
    above = sum(1 << bit for bit in (59, 60, 61, 62) if chance(draw, 0.1)) if chance(draw, 0.5) else 0
    fields = draw.getrandbits(6) << 2 | draw.choice(SHAREABILITIES) << 8 | draw.randrange(2) << 11
    fields |= 0 if chance(draw, 0.05) else 1 << 10
    never = sum(1 << bit for bit in (52, 53, 54) if chance(draw, 0.3))
    return target | above | fields | never | (3 if chance(draw, 0.75) else 1)


def stage2_descriptor(draw: random.Random) -> int:
    if chance(draw, 0.01):
        return draw.getrandbits(44) & ~3
    target = TABLES + draw.randrange(TABLE_BYTES, 2 * TABLE_BYTES, 4096)
    if chance(draw, 0.01):
        target = draw.choice((NOWHERE, draw.getrandbits(44) & ~0xFFF | FAR_AWAY))
    mem_attr = 0xF if chance(draw, 0.9) else draw.choice([kind for kind in range(16) if kind < 4 or kind & 3])
    access = 3 if chance(draw, 0.9) else draw.randrange(4)
    fields = mem_attr << 2 | access << 6 | draw.choice(SHAREABILITIES) << 8 | (0 if chance(draw, 0.02) else 1 << 10)
    return target | fields | draw.randrange(2) << 54 | (3 if chance(draw, 0.6) else 1)


def tables(draw: random.Random) -> bytes:
    """Tables of stage 1, then of stage 2, drawn from a stock of descriptors."""
    entries = TABLE_BYTES // 8
    words: list[int] = []
    for make in (stage1_descriptor, stage2_descriptor):
        words += draw.choices([make(draw) for _ in range(entries // 16)], k=entries)
    return struct.pack(f"<{2 * entries}Q", *words)


def random_vtcr(draw: random.Random) -> int:
    """A start level that fits, and settings on which implementations may not differ: input no larger than output."""
    while True:
        ps = draw.choice((0, 1, 2, 3, 4, 4, 4, 5))
        vtcr = draw.randrange(64 - OUTPUT_BITS[ps], 40) | draw.randrange(3) << 6 | draw.randrange(3) << 14 | ps << 16
        if not descriptors.stage2_regime(vtcr).disabled and (ps >= 4 or vtcr >> 6 & 3 < 2):
            return vtcr


def random_registers(draw: random.Random) -> dict[str, int]:
    tcr = draw.randrange(16, 40) | draw.randrange(16, 40) << 16
    tcr |= draw.randrange(3) << 14 | draw.randrange(1, 4) << 30 | draw.choice((1, 2, 4, 4, 5)) << 32
    tcr |= sum(1 << bit for bit in (7, 23) if chance(draw, 0.05)) | draw.randrange(4) << 37
    hcr = 1 << 31 | draw.choice((0, 0, 1, 1, 1 | 1 << 2)) | (1 << 12 if chance(draw, 0.03) else 0)
    bases = [TABLES + draw.randrange(0, TABLE_BYTES, 4096) for _ in range(2)]
    if chance(draw, 0.05):
        bases[0] |= draw.getrandbits(44) | FAR_AWAY
    return {
        "HCR_EL2": hcr,
        "VTCR_EL2": random_vtcr(draw),
        "VTTBR_EL2": TABLES + draw.randrange(TABLE_BYTES, 2 * TABLE_BYTES, 4096) | draw.getrandbits(8) << 48,
        "SCTLR_EL1": 0 if chance(draw, 0.05) else 1,
        "TCR_EL1": tcr,
        "TTBR0_EL1": bases[0] | draw.getrandbits(8) << 48,
        "TTBR1_EL1": bases[1],
        "MAIR_EL1": int.from_bytes(
            bytes(draw.choice((0x00, 0x04, 0x08, 0x0C, 0x44, 0xFF, 0xBB, 0x4F)) for _ in range(8))
        ),
    }


def random_address(draw: random.Random, registers: dict[str, int]) -> int:
    upper = chance(draw, 0.4)
    size = 64 - (registers["TCR_EL1"] >> (16 if upper else 0) & 0x3F)
    if not registers["SCTLR_EL1"] & 1 or registers["HCR_EL2"] & 1 << 12:  # stage 1 is off
        size = 31
        upper = False
    va = draw.getrandbits(size) if size == 31 or chance(draw, 0.97) else draw.getrandbits(56)
    if upper:
        va ^= (1 << 64) - 1
    return va ^ draw.getrandbits(8) << 56 if size > 31 and chance(draw, 0.1) else va


Case = tuple[dict[str, int], int, int]  # registers, VA, index of the operation


def cases(draw: random.Random, count: int) -> list[Case]:
    result: list[Case] = []
    while len(result) < count:
        registers = random_registers(draw)
        result += [(registers, random_address(draw, registers), draw.randrange(len(OPERATIONS))) for _ in range(20)]
    return result[:count]


def ask_qemu(folder: Path, qemu: str, program: Path, memory: bytes, cases: list[Case]) -> list[int]:
    """What QEMU leaves in PAR_EL1; or, marked by EXCEPTION, the syndrome."""
    records = struct.pack("<Q", len(cases)) + b"".join(
        struct.pack("<10Q", *(registers[name] for name in REGISTERS), va, operation)
        for registers, va, operation in cases
    )
    (folder / "records").write_bytes(records)
    (folder / "memory").write_bytes(memory)
    command = [
        qemu,
        "-M",
        "virt,virtualization=on",
        "-cpu",
        "neoverse-n1",
        "-m",
        "512",
        "-net",
        "none",
        "-display",
        "none",
    ]
    command += ["-semihosting", "-kernel", str(program)]
    for name, address in (("records", RECORDS), ("memory", TABLES)):
        command += ["-device", f"loader,file={name},addr={address:#x},force-raw=on"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    result = (folder / "result").read_bytes()
    return list(struct.unpack(f"<{len(cases)}Q", result))


def ask_axlab(memory: Memory, case: Case) -> int:
    """The same from AxLab, AT at EL2, where a fault of stage 2 is reported in PAR_EL1 as well."""
    registers, va, operation = case
    stages, el, write = OPERATIONS[operation]
    cpu = MmuState(memory, registers)
    try:
        return walks.address_translate(cpu, va, stages, write, el)
    except mmu.TranslationFault as fault:
        return walks.failed_par(fault) if fault.kind != "external" else EXCEPTION | fault.fsc << 1 | fault.s1ptw << 8


def settle(par: int, ours: int) -> int:
    """QEMU's answer without what an implementation may choose, and without what QEMU 7.2 does wrong."""
    if par & 1:
        marked = par & EXCEPTION == EXCEPTION
        if marked:
            par = EXCEPTION | par & 0xBF << 1  # S1PTW and DFSC of the syndrome
        if par & S1PTW and (marked or par & STAGE2):
            par = par & ~LEVEL | ours & LEVEL  # QEMU reports the level of stage 1's walk, not stage 2's
        return par
    par &= ~(0b11 << 9)  # NS, and an implementation-defined bit
    if ours >> 56 < memory_type.FIRST_NORMAL:
        if par >> 56 < memory_type.FIRST_NORMAL:  # QEMU takes an inner Non-cacheable stage 2 for nGnRE
            par = par & ~(0xFF << 56) | ours & 0xFF << 56
        par = par & ~(3 << 7) | 2 << 7  # always outer shareable: QEMU gives the descriptor's
    elif ours >> 56 == memory_type.NORMAL_NON_CACHEABLE:
        par = par & ~(3 << 7) | 2 << 7
    return par


def meets_a_block_where_none_may_be(memory: Memory, case: Case) -> bool:
    """QEMU 7.2 takes a block at a level that has none (level 0, or 1 with large granules); it is reserved."""
    registers, va, operation = case
    _, el, write = OPERATIONS[operation]
    walk = walks.walk(MmuState(memory, registers), va, "w" if write else "r", el)
    return any(step.kind == "reserved" and step.level < 3 for step in walk.steps)


def build(folder: Path, needs: Callable[[str, str], str]) -> Path:
    gcc = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    source = Path(__file__).parent / "oracle_at.S"
    program = folder / "oracle.elf"
    subprocess.run([gcc, "-nostdlib", "-static", "-Wl,-Ttext=0x40100000", source, "-o", program], check=True)
    return program


@pytest.mark.parametrize("seed", range(3))
def test_qemu_and_axlab_leave_the_same_in_par(
    seed: int, tmp_path: Path, needs: Callable[[str, str], str], volume: Callable[[int], int]
) -> None:
    qemu = needs("qemu-system-aarch64", "qemu-system-arm")
    program = build(tmp_path, needs)
    draw = random.Random(seed)
    contents = tables(draw)
    memory = Memory(0x4000_0000, 512 << 20)
    memory.write(TABLES, contents)
    asked = [case for case in cases(draw, volume(40_000)) if not meets_a_block_where_none_may_be(memory, case)]
    succeeded = 0
    for case, par in zip(asked, ask_qemu(tmp_path, qemu, program, contents, asked), strict=True):
        ours = ask_axlab(memory, case)
        assert f"{ours:#x}" == f"{settle(par, ours):#x}", report(memory, case)
        succeeded += not ours & 1
    assert succeeded > len(asked) // 10


def report(memory: Memory, case: Case) -> str:
    registers, va, operation = case
    stages, el, write = OPERATIONS[operation]
    shown = " ".join(f"{name}={value:#x}" for name, value in registers.items())
    return f"stages {stages} {shown}\n{walks.walk(MmuState(memory, registers), va, 'w' if write else 'r', el)}"
