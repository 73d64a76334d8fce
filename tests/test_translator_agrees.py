"""Translated blocks do exactly what the stepper does: on random programs, with faults, interrupts and changing code."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from cpu_setup import DATA, DEVICE, PAGES, RAM, VECTORS, cpu_with, latch_of, map_page, turn_mmu_on
from loop_programs import CODE, OTHER, looping_program
from test_machine_fuzz import HANDLER
from unicorn_oracle import BRANCHES, POINTER, random_fields, writes_pointer

from axlab.machine.cpu import Cpu
from axlab.machine.isa.assembler import assemble
from axlab.machine.isa.table import Row, load_table
from axlab.machine.translator import hot, promotion
from axlab.machine.translator import translated as translated_code
from axlab.machine.traps import Trap

pytestmark = pytest.mark.slow

PROGRAMS = 1_000
ROWS = list(load_table().rows.values())
FREQUENT = [row for row in ROWS if row.chapter == "C6.2" and row.name not in ("ERET", "HLT", "UDF", "SMC", "DRPS")]
ENDLESS = {"BR", "BLR", "RET"}  # their targets are registers: aimed separately
MASK = (1 << 64) - 1

# What an operating system does all the time, and random fields seldom hit. {d}, {s} and {t} are any registers.
SYSTEM_CODE = (
    "mrs x{d}, sp_el0", "msr sp_el0, x{s}", "mrs x{d}, daif", "msr daif, x{s}", "msr daifset, #2", "msr daifclr, #3",
    "mrs x{d}, tpidr_el1", "msr tpidr_el1, x{s}", "mrs x{d}, tpidr_el0", "msr tpidr_el0, x{s}", "mrs x{d}, elr_el1",
    "dc zva, x{p}", "tlbi vae1, x{s}", "ldxr x{d}, [x{p}]", "stxr w{d}, x{s}, [x{p}]", "ldaxr w{d}, [x{p}]",
    "stlxr w{d}, w{s}, [x{p}]", "stxrb w{d}, w{s}, [x{p}]", "ldxp x{d}, x{t}, [x{p}]", "stxp w{d}, x{t}, x{s}, [x{p}]",
    "ccmp x{s}, x{t}, #4, ne", "ccmn w{s}, #3, #1, ge", "csel x{d}, x{s}, x{t}, lt", "adc x{d}, x{s}, x{t}",
    "subs x{d}, x{d}, #1", "ldrb w{d}, [x{p}], #1", "str x{s}, [x{p}, #-8]!", "ldp x{d}, x{t}, [x{p}, #16]",
)  # fmt: skip


@pytest.fixture(autouse=True)
def soon_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    translate_soon(monkeypatch)


def translate_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are short: translate blocks when they are entered for the third time, and look often at what is hot."""
    monkeypatch.setattr(translated_code, "HOT", 3)
    monkeypatch.setattr(hot, "PERIOD", 60)
    monkeypatch.setattr(hot, "HOT_SAMPLES", 2)
    monkeypatch.setattr(hot, "WATCHED", 40)
    monkeypatch.setattr(promotion, "PER_LOOK", 1000)


def state(cpu: Cpu) -> dict[str, object]:
    """All that a program can tell, and the time."""
    return {
        "executed": cpu.executed,
        "pc": hex(cpu.pc),
        "x": [hex(value) for value in cpu.x],
        "sp": (cpu.sp_el0, cpu.sp_el1),
        "pstate": (cpu.el, cpu.sp_sel, cpu.nzcv, cpu.daif, cpu.il, cpu.ss, cpu.event),
        "v": cpu.v,
        "sys": cpu.sys,
        "ppis": cpu.active_ppis,
        "device": latch_of(cpu).accesses,
    }


def memory_of(cpu: Cpu) -> dict[int, bytes]:
    """What is not zero."""
    return {number: bytes(page) for number, page in cpu.memory.pages.items() if any(page)}


def random_program(rng: random.Random, length: int) -> list[int]:
    """Instructions of all kinds, most of them frequent ones, that branch among themselves."""
    words: list[int] = []
    while len(words) < length:
        if rng.random() < 0.15:
            words.append(system_instruction(rng))
            continue
        row = rng.choice(FREQUENT) if rng.random() < 0.9 else rng.choice(ROWS)
        values = random_fields(row, rng)
        if values is None or writes_pointer(row, values) or row.name in ENDLESS:
            continue
        aim(row, values, rng, len(words), length)
        words.append(row.encode(values))
    return words


def system_instruction(rng: random.Random) -> int:
    """The word of one of `SYSTEM_CODE`."""
    d, t, s = rng.sample([n for n in range(30) if n != POINTER], 3)
    source = rng.choice(SYSTEM_CODE).format(d=d, t=t, s=s, p=POINTER)
    return int.from_bytes(assemble(source).code, "little")


def aim(row: Row, values: dict[str, int], rng: random.Random, place: int, length: int) -> None:
    """Let loads and stores use the pointers, and branches stay in the program, mostly forward."""
    if "rn" in values and "rt" in values and rng.random() < 0.95:
        values["rn"] = rng.choice((POINTER, 31))
        for name in ("imm12", "imm9", "imm7"):
            if name in values and rng.random() < 0.7:
                values[name] &= 7
    if row.name in BRANCHES:
        for name, width in (("imm26", 26), ("imm19", 19), ("imm14", 14)):
            if name in values:
                target = rng.randrange(length) if rng.random() < 0.2 else min(length, place + rng.randint(1, 8))
                values[name] = target - place & (1 << width) - 1


def random_machine(rng: random.Random, looping: bool = False) -> list[Cpu]:
    """One CPU or two before programs, with pages of data that end in nothing nearby."""
    first = cpu_with("nop", count=rng.choice((1, 1, 2)), lse=rng.random() < 0.5, fp=rng.random() < 0.9)
    first.memory.write(VECTORS, HANDLER * 16)
    first.memory.write(DATA, rng.randbytes(0x3000))
    mmu = rng.random() < 0.7
    for cpu in first.peers:
        prepare(cpu, rng, looping_words(rng) if looping else random_program(rng, rng.randint(4, 120)))
        if mmu:
            turn_mmu_on(cpu)
            map_page(cpu, 0, 0)
    return list(first.peers)


def looping_words(rng: random.Random) -> list[int]:
    """The instructions of a program with nested loops."""
    return list(memoryview(assemble(looping_program(rng)).code).cast("I"))


def prepare(cpu: Cpu, rng: random.Random, words: list[int]) -> None:
    """A program, registers that mostly point to where something is, and perhaps a timer."""
    words.append(0x14000000 | -len(words) & (1 << 26) - 1)  # back to the first
    start = RAM + 0x4000 * cpu.index + rng.choice((0, 0x1000 - 4 * rng.randrange(1, 60)))
    for index, word in enumerate(words):
        cpu.memory.write_int(start + 4 * index, 4, word)
    targets = (DATA + 0x1000, DATA + 0x1FF8, PAGES + 0xFF0, PAGES + 0x20, RAM + 0x100, start & ~15, DEVICE)
    cpu.x = [rng.choice((rng.getrandbits(64), rng.getrandbits(6), rng.choice(targets))) for _ in range(31)]
    cpu.x[POINTER] = rng.choice(targets) + rng.choice((0, 0, 0, 1, 4, 8))
    cpu.x[CODE], cpu.x[OTHER] = start, rng.choice(targets)
    cpu.v = [rng.getrandbits(128) for _ in range(32)]
    cpu.sp_el1 = DATA + 0x1800 + rng.choice((0, 0, 0, 8))
    cpu.sp_el0 = DATA + 0x800
    cpu.nzcv = rng.getrandbits(4)
    cpu.pc = start
    cpu.sys["CPACR_EL1"] = rng.choice((0, 3, 3, 3)) << 20
    if rng.random() < 0.3:
        cpu.el = cpu.sp_sel = 0
    if rng.random() < 0.5:
        cpu.sys.update(CNTV_CTL_EL0=1, CNTV_CVAL_EL0=rng.randrange(5000))


def go_on(cpu: Cpu, trap: Trap | None, choice: float, start: int) -> None:
    """What a hypervisor does with a trap, the same for both."""
    if trap is None:
        return
    if trap.kind == "irq":
        cpu.active_ppis.discard(trap.intid)
        cpu.sys["CNTV_CVAL_EL0"] = cpu.sys["CNTV_CVAL_EL0"] + int(choice * 3000) & MASK
        if choice < 0.5:
            cpu.sys["HCR_EL2"] ^= 1 << 7
    elif choice < 0.2:
        cpu.inject_abort(trap.far, write=False)
    else:
        cpu.pc = start


def run_both(seed: int, looping: bool = False) -> int:
    """Run the programs on both, in the same slices, and compare them after each. How many regions there are."""
    rng = random.Random(seed)
    stepped = random_machine(rng, looping)
    starts = [cpu.pc for cpu in stepped]
    translated = copy.deepcopy(stepped)
    for cpu in stepped:
        cpu.translates = False
    for number in range(12):
        index = rng.randrange(len(stepped))
        slice_length = rng.choice((1, 3, 50, 333, 1000)) * (1 + looping)
        choice = rng.random()
        pair = (stepped[index], translated[index])
        traps = [cpu.run(slice_length) for cpu in pair]
        where = f"program {seed}, slice {number}"
        assert traps[0] == traps[1], where
        ours, theirs = [state(cpu) for cpu in pair]
        different = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
        assert not different, where
        for cpu in pair:
            go_on(cpu, traps[0], choice, starts[index])
    assert memory_of(stepped[0]) == memory_of(translated[0]), f"program {seed}"
    return sum(regions_of(cpu) for cpu in translated)


def regions_of(cpu: Cpu) -> int:
    """How many regions a CPU has."""
    pages = cpu.translated.pages.values() if cpu.translated else ()
    return sum(function.plain is not None for page in pages for function in page.functions.values())


def test_random_programs_go_the_same_way_stepped_and_translated(volume: Callable[[int], int]) -> None:
    for seed in range(volume(PROGRAMS)):
        run_both(seed)


def test_programs_with_nested_loops_go_the_same_way_stepped_and_in_regions(volume: Callable[[int], int]) -> None:
    programs = volume(400)
    assert sum(run_both(seed, looping=True) > 0 for seed in range(programs)) > programs // 3


def test_the_programs_reach_both_levels_and_both_counts_of_cpus() -> None:
    machines = [random_machine(random.Random(seed)) for seed in range(30)]
    assert {cpu.el for machine in machines for cpu in machine} == {0, 1}
    assert {len(machine) for machine in machines} == {1, 2}


FILLS_AND_COPIES = (
    "1: str x5, [x1, x3]\n add x3, x3, #8\n sub x4, x2, x3\n cmp x4, #7\n b.hi 1b",  # x2: size
    "1: strb w5, [x1], #1\n subs x2, x2, #1\n b.ne 1b",
    "1: stp x5, x6, [x1], #16\n cmp x1, x7\n b.lo 1b",  # x7: end
    "1: str wzr, [x1], #4\n sub x2, x2, #4\n cbnz x2, 1b",
    "1: ldp x5, x6, [x0], #16\n stp x5, x6, [x1], #16\n cmp x1, x7\n b.lo 1b",
    "1: ldrb w5, [x0], #1\n strb w5, [x1], #1\n cmp x1, x7\n b.ne 1b",
    "1: ldr x5, [x0, x3]\n str x5, [x1, x3]\n add x3, x3, #8\n cmp x3, x2\n b.ne 1b",
    "1: str w3, [x1, x3]\n add x3, x3, #4\n cmp x3, x2\n b.ne 1b",  # what is stored changes
    "1: ldr w5, [x0], #4\n add w6, w6, w5\n str w5, [x1], #4\n cmp x1, x7\n b.ne 1b",  # a sum is carried on
)


def filling(source: str, rng: random.Random) -> Cpu:
    """A CPU at a loop over a random range, which may be misaligned, overlap what it reads, or leave what is mapped."""
    cpu = cpu_with(f"{source}\n add x9, x9, #1\n b .")
    cpu.memory.write(VECTORS, HANDLER * 16)
    cpu.memory.write(DATA, rng.randbytes(0x3000))
    start, size = DATA + rng.choice((0, 0x7F0, 0xFF8, 0x1001, 0x1230)), 16 * rng.randint(1, 400)
    cpu.x[:8] = [
        DATA + rng.choice((0x2000, start - DATA - 16, start - DATA + 32)),
        start,
        size,
        0,
        0,
        77,
        88,
        start + size,
    ]
    cpu.sys.update(CNTV_CTL_EL0=1, CNTV_CVAL_EL0=rng.randrange(5000))
    if rng.random() < 0.5:
        turn_mmu_on(cpu)
    return cpu


@pytest.mark.parametrize("source", FILLS_AND_COPIES)
def test_loops_that_fill_or_copy_end_where_they_would_step_by_step(source: str, volume: Callable[[int], int]) -> None:
    for seed in range(volume(20)):
        rng = random.Random(seed)
        stepped = filling(source, rng)
        translated = copy.deepcopy(stepped)
        stepped.translates = False
        while stepped.x[9] == 0 and stepped.executed < 9000:
            length = rng.choice((60, 333, 1000, 3000))
            traps = [cpu.run(length) for cpu in (stepped, translated)]
            assert traps[0] == traps[1] and state(stepped) == state(translated), f"{seed}: {source}"
        assert memory_of(stepped) == memory_of(translated)


def test_loops_that_fill_or_copy_do_many_iterations_at_once() -> None:
    for number, source in enumerate(FILLS_AND_COPIES):
        cpu = filling(source, random.Random(1))
        cpu.run(1000)
        assert cpu.translated is not None
        text = "".join(block.source for block in cpu.translated.blocks.values())
        assert ("n=fill(" in text, "n=copy(" in text) == (number < 4, 4 <= number < 7)
