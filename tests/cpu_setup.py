"""A CPU with a program in its memory, and what tests ask of it."""

from __future__ import annotations

from functools import cache

from axlab.machine.bus import Access, Bus, Claim, NothingThere
from axlab.machine.cpu import Cpu, connect
from axlab.machine.features import Features
from axlab.machine.isa.assembler import assemble
from axlab.machine.memory import Memory
from axlab.machine.traps import ExceptionClass, Trap

RAM = 0x4000_0000
RAM_SIZE = 8 << 20
VECTORS = RAM + 0x1_0000
DATA = RAM + 0x20_0000
PAGES = RAM + 0x40_0000
TABLES = RAM + 0x60_0000
STAGE2 = RAM + 0x70_0000
DEVICE = 0x0900_0000
NOWHERE = 0x2000_0000

ACCESSED = 1 << 10
EL0_TOO = 1 << 6
READ_ONLY = 1 << 7
NO_EL0_FETCH = 1 << 54
NO_EL1_FETCH = 1 << 53

# Every vector ends the run: HVC with the vector's offset.
EACH_VECTOR = "\n".join(f"hvc #{offset:#x}\n.balign 0x80" for offset in range(0, 0x800, 0x80))


class Latch:
    """A device with one register; odd pages of it answer nothing."""

    interrupt = False

    def __init__(self) -> None:
        self.value = 0x55
        self.accesses: list[Access] = []

    def access(self, offset: int, access: Access) -> int:
        if offset >= 0x800:
            raise NothingThere("beyond the register")
        self.accesses.append(access)
        if access.is_write:
            self.value = access.value
        return self.value & (1 << 8 * access.width) - 1


@cache
def code_of(source: str, origin: int) -> bytes:
    return assemble(source, origin).code


def cpu_with(source: str, *, count: int = 1, **features: object) -> Cpu:
    """A CPU at the start of a program, MMU off, exceptions going to VECTORS: the first of `count` connected ones."""
    memory = Memory(RAM, RAM_SIZE)
    bus = Bus()
    bus.attach(Claim("latch", DEVICE, 0x1000, Latch()))
    cpus = [Cpu(memory, bus, index, index, Features(**features)) for index in range(count)]  # type: ignore[arg-type]
    connect(cpus)
    memory.write(RAM, code_of(source, RAM))
    memory.write(VECTORS, code_of(EACH_VECTOR, VECTORS))
    for cpu in cpus:
        cpu.reset(RAM)
        cpu.sys["VBAR_EL1"] = VECTORS
        cpu.sp_el1 = DATA + 0x8000
        cpu.sp_el0 = DATA + 0x9000
    return cpus[0]


def latch_of(cpu: Cpu) -> Latch:
    device = cpu.bus.claims[0].device
    assert isinstance(device, Latch)
    return device


def turn_mmu_on(cpu: Cpu) -> None:
    """Map VA to VA: code that all may read and execute, data that all may read and write, the device, no PAGES."""
    second = TABLES + 0x1000
    third = TABLES + 0x2000
    for address, descriptor in (
        (TABLES, ACCESSED | 1 << 2 | 1),  # the first gigabyte: Device memory, AttrIndx 1
        (TABLES + 8, second | 3),
        (second, RAM | ACCESSED | READ_ONLY | EL0_TOO | 1),
        (second + 8, DATA | ACCESSED | EL0_TOO | NO_EL0_FETCH | 1),
        (second + 16, third | 3),
    ):
        cpu.memory.write_int(address, 8, descriptor)
    cpu.sys.update(TTBR0_EL1=TABLES, TCR_EL1=25 | 1 << 23, MAIR_EL1=0x00FF)
    cpu.sys["SCTLR_EL1"] |= 1
    cpu.flush_tlb()


def map_page(cpu: Cpu, number: int, attributes: int) -> int:
    """Map page `number` of PAGES to itself; its address."""
    address = PAGES + (number << 12)
    cpu.memory.write_int(TABLES + 0x2000 + number * 8, 8, address | attributes | ACCESSED | 3)
    cpu.flush_tlb()
    return address


def turn_stage2_on(cpu: Cpu) -> None:
    """Map the RAM's IPAs to themselves, in blocks of 2 MB, and nothing else: 39 bits from level 1."""
    cpu.memory.write_int(STAGE2 + 8, 8, STAGE2 + 0x1000 | 3)
    for number in range(RAM_SIZE >> 21):
        block = RAM + (number << 21) | ACCESSED | 3 << 6 | 0xF << 2 | 1
        cpu.memory.write_int(STAGE2 + 0x1000 + 8 * number, 8, block)
    cpu.sys.update(VTTBR_EL2=STAGE2, VTCR_EL2=25 | 1 << 6 | 4 << 16)
    cpu.sys["HCR_EL2"] |= 1
    cpu.flush_tlb()


def run_to_trap(cpu: Cpu, limit: int = 1000) -> Trap:
    trap = cpu.run(limit)
    assert trap is not None, f"no trap; pc is {cpu.pc:#x}"
    return trap


def run_to_vector(cpu: Cpu, limit: int = 1000) -> int:
    """Run until an exception was taken to EL1, and say at which offset from VBAR_EL1 it arrived."""
    trap = run_to_trap(cpu, limit)
    assert trap.ec == ExceptionClass.HVC, f"{trap}"
    assert cpu.pc - 4 == VECTORS + trap.iss, f"an HVC of the program itself: {trap}"
    return trap.iss
