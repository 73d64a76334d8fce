"""Nothing that a guest executes raises a Python exception out of `Cpu.run`."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from axlab.machine.bus import Access, Bus, Claim, NothingThere
from axlab.machine.cpu import Cpu, connect
from axlab.machine.features import Features
from axlab.machine.isa.assembler import assemble
from axlab.machine.isa.system_names import ENCODINGS
from axlab.machine.isa.table import load_table
from axlab.machine.memory import Memory
from axlab.machine.traps import ExceptionClass

pytestmark = pytest.mark.slow

RAM = 0x4000_0000
RAM_SIZE = 1 << 20
DEVICE = 0x0900_0000
WORDS = 10_000_000
"""Instructions by each of the stepper and the translator; a twentieth of it without --long."""
SLICE = 200

VECTORS = RAM + RAM_SIZE - 0x800
HANDLER = assemble(  # skip the instruction that took the exception
    """
    msr tpidr_el1, x0
    mrs x0, elr_el1
    add x0, x0, #4
    msr elr_el1, x0
    mrs x0, tpidr_el1
    eret
    .balign 0x80
    """
).code


class Flaky:
    """A device that answers some accesses and refuses others."""

    interrupt = False

    def access(self, offset: int, access: Access) -> int:
        if offset & 0x40:
            raise NothingThere("not here")
        return 0xA5 & (1 << 8 * access.width) - 1


def machine(rng: random.Random, translates: bool = True) -> list[Cpu]:
    memory = Memory(RAM, RAM_SIZE)
    bus = Bus()
    bus.attach(Claim("flaky", DEVICE, 0x1000, Flaky()))
    features = Features(
        fp=rng.random() < 0.8, lse=rng.random() < 0.5, semihosting=rng.random() < 0.5, gic_version=rng.choice((2, 3))
    )
    cpus = [Cpu(memory, bus, index, index, features) for index in range(2)]
    connect(cpus)
    for cpu in cpus:
        cpu.translates = translates
    return cpus


def shake(cpu: Cpu, rng: random.Random) -> None:
    """Put a CPU into a random state: registers that point into memory, devices and nowhere; system registers anyhow."""
    for n in range(31):
        near = rng.choice((0, RAM, RAM + RAM_SIZE - 16, DEVICE, rng.getrandbits(64), (1 << 64) - 8))
        cpu.x[n] = near + rng.randrange(-64, 4096) & (1 << 64) - 1
    cpu.v = [rng.getrandbits(128) for _ in range(32)]
    cpu.pc = RAM + rng.randrange(RAM_SIZE) & ~3
    cpu.sp_el0, cpu.sp_el1 = RAM + rng.randrange(RAM_SIZE) & ~7, RAM + rng.randrange(RAM_SIZE) & ~15
    cpu.el = rng.randrange(2)
    cpu.sp_sel = rng.randrange(2) if cpu.el else 0
    cpu.daif = rng.randrange(16)
    cpu.sys["VBAR_EL1"] = VECTORS if rng.random() < 0.8 else RAM + rng.randrange(RAM_SIZE) & ~0x7FF
    cpu.sys["CPACR_EL1"] = rng.randrange(4) << 20
    cpu.sys["HCR_EL2"] = rng.getrandbits(34) & ~(1 | 1 << 12) if rng.random() < 0.5 else 0
    if rng.random() < 0.2:
        for name in ("SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "VTTBR_EL2", "VTCR_EL2", "HCR_EL2", "MAIR_EL1"):
            cpu.sys[name] = rng.getrandbits(64) if rng.random() < 0.5 else cpu.sys[name]
    else:
        cpu.sys["SCTLR_EL1"] &= ~1
    cpu.flush_tlb()


def random_code(rng: random.Random) -> bytes:
    """A page of words: half of them instructions of the table, half anything."""
    rows = list(load_table().rows.values())
    words = []
    for _ in range(1024):
        word = rng.getrandbits(32)
        if rng.random() < 0.7:
            row = rng.choice(rows)
            word = word & ~row.mask & 0xFFFF_FFFF | row.value
        words.append(word.to_bytes(4, "little"))
    return b"".join(words)


def run_somehow(cpu: Cpu, rng: random.Random, instructions: int) -> None:
    """Run under a hypervisor that skips what trapped, injects an exception, or gives up where no fetch works."""
    end = cpu.executed + instructions
    while cpu.executed < end:
        trap = cpu.run(end - cpu.executed)
        if trap is None or trap.kind != "sync":
            continue
        if trap.ec == ExceptionClass.INSTRUCTION_ABORT_LOWER:
            return
        if rng.random() < 0.1:
            cpu.inject_abort(trap.far, write=bool(rng.getrandbits(1)), fetch=bool(rng.getrandbits(1)))
        elif rng.random() < 0.1:
            cpu.inject_undefined()
        else:
            cpu.pc = cpu.pc + 4 & (1 << 64) - 1
            cpu.executed += 1


def check_state(cpu: Cpu) -> None:
    assert all(0 <= value < 1 << 64 for value in [*cpu.x, cpu.pc, cpu.sp_el0, cpu.sp_el1])
    assert all(0 <= value < 1 << 128 for value in cpu.v)
    assert 0 <= cpu.nzcv < 16 and 0 <= cpu.daif < 16
    assert all(0 <= value < 1 << 64 for value in cpu.sys.values())


@pytest.mark.parametrize("translates", [False, True], ids=["stepped", "translated"])
def test_random_words_as_code_never_raise(translates: bool, volume: Callable[[int], int]) -> None:
    rng = random.Random(1)
    done, rounds = 0, 0
    while done < volume(WORDS):
        if rounds % 20 == 0:
            cpus = machine(rng, translates)
            pages = [random_code(rng) for _ in range(16)]
            for page in range(RAM_SIZE >> 12):
                cpus[0].memory.write(RAM + (page << 12), pages[page % 16])
            cpus[0].memory.write(VECTORS, HANDLER * 16)
        rounds += 1
        for cpu in cpus:
            shake(cpu, rng)
            for _ in range(10):
                before = cpu.executed
                run_somehow(cpu, rng, SLICE)
                done += cpu.executed - before
                cpu.pc = RAM + rng.randrange(RAM_SIZE) & ~3
            check_state(cpu)


def test_random_system_register_accesses_never_raise(volume: Callable[[int], int]) -> None:
    rng = random.Random(2)
    rows = load_table().rows
    known = list(ENCODINGS.values())
    cpu = machine(rng)[0]
    for number in range(volume(200_000)):
        if number % 200 == 0:
            cpu = machine(rng)[0]
            shake(cpu, rng)
            cpu.sys["SCTLR_EL1"] &= ~1
            cpu.sys["HCR_EL2"] &= ~(1 | 1 << 12)
        if rng.random() < 0.8:
            op0, op1, crn, crm, op2 = rng.choice(known)
        else:
            op0, op1, crn, crm, op2 = (
                rng.choice((1, 2, 3)),
                rng.randrange(8),
                *rng.choices(range(16), k=2),
                rng.randrange(8),
            )
        fields = {"op1": op1, "crn": crn, "crm": crm, "op2": op2, "rt": rng.randrange(32)}
        if op0 == 1:
            word = rows["SYS"].encode(fields)
        else:
            word = rows[rng.choice(("MRS", "MSR_reg"))].encode({"o0": op0 & 1, **fields})
        cpu.x[rng.randrange(31)] = rng.getrandbits(64)
        cpu.pc = RAM
        cpu.memory.write_int(RAM, 4, word)
        cpu.run(1)
    check_state(cpu)
