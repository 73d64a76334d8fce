"""Translation tables for tests, built by hand, and the CPU that walks them.

`stage1` and `stage2` give a CPU whose walk finds one descriptor at one level; `nested` one with both stages.
"""

from __future__ import annotations

import pytest

from axlab.machine import descriptors as d
from axlab.machine import memory_type, mmu
from axlab.machine.memory import Memory
from axlab.machine.mmu import TranslationFault, translate

BASE = 0x4000_0000
TABLES1 = BASE + 0x10_0000  # stage 1's tables, 64 KiB each, one a level
TABLES2 = BASE + 0x20_0000  # stage 2's
TARGET = BASE + 0x40_0000_0000 & ~((1 << 36) - 1)  # aligned for the largest block, far from any RAM
NOWHERE = 0x70_0000_0000

NORMAL, DEVICE = 0, 1  # indices in MAIR_EL1
MAIR = memory_type.NORMAL_WRITE_BACK | 0x04 << 8
PAGE = d.ACCESS_FLAG | 3 << 8  # accessed, inner shareable
STAGE2_PAGE = PAGE | 0xF << 2 | d.S2AP_READ | d.S2AP_WRITE

GRANULES = {"4K": 12, "16K": 14, "64K": 16}
TG0 = {12: 0, 14: 2, 16: 1}
TG1 = {12: 2, 14: 1, 16: 3}
FIRST_LEVEL = {12: 0, 14: 0, 16: 1}  # of a 48-bit address
FIRST_BLOCK = {12: 1, 14: 2, 16: 2}
STAGE2_START = {12: 0, 14: 1, 16: 1}  # of a 44-bit address
LEVELS = [(granule, level) for granule in GRANULES.values() for level in range(FIRST_LEVEL[granule], 4)]
STAGE2_LEVELS = [(granule, level) for granule in GRANULES.values() for level in range(STAGE2_START[granule], 4)]
LEAVES = [(granule, level) for granule, level in LEVELS if level >= FIRST_BLOCK[granule]]

VA = 0x0000_1234_5678_9ABC
IPA = 0x123_4567_8000

REGISTERS = (
    "HCR_EL2", "VTCR_EL2", "VTTBR_EL2", "SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1",
)  # fmt: skip


class MmuState:
    def __init__(self, memory: Memory, registers: dict[str, int]) -> None:
        self.memory = memory
        self.sys = dict.fromkeys(REGISTERS, 0) | registers
        self.stage2_pages: dict[int, mmu.Stage2Page] = {}


def new_memory() -> Memory:
    return Memory(BASE, 1 << 30)


def shift(granule: int, level: int) -> int:
    """Address bits that an entry of a table of this level maps."""
    return granule + (3 - level) * (granule - 3)


def entry_address(table: int, granule: int, level: int, start: int, bits: int, address: int) -> int:
    width = granule - 3 if level > start else bits - shift(granule, level)
    return table + 8 * (address >> shift(granule, level) & (1 << width) - 1)


def place(
    memory: Memory, tables: int, granule: int, start: int, bits: int, address: int, level: int, descriptor: int
) -> None:
    """A walk of `address` finds `descriptor` at `level`, and tables before it."""
    for number in range(start, level):
        at = entry_address(tables + (number << 16), granule, number, start, bits, address)
        memory.write_int(at, 8, tables + (number + 1 << 16) | 3)
    memory.write_int(entry_address(tables + (level << 16), granule, level, start, bits, address), 8, descriptor)


def stage1(granule: int, level: int, descriptor: int, va: int = VA, **registers: int) -> MmuState:
    """A CPU that finds `descriptor` at `level` of a 48-bit stage 1, by TTBR0 or TTBR1."""
    start = FIRST_LEVEL[granule]
    cpu = MmuState(new_memory(), {"SCTLR_EL1": 1, "MAIR_EL1": MAIR})
    cpu.sys["TCR_EL1"] = 16 | TG0[granule] << 14 | 16 << 16 | TG1[granule] << 30 | 4 << 32
    cpu.sys["TTBR0_EL1"] = cpu.sys["TTBR1_EL1"] = TABLES1 + (start << 16)
    cpu.sys |= registers
    place(cpu.memory, TABLES1, granule, start, 48, va & (1 << 48) - 1, level, descriptor)
    return cpu


def stage2(granule: int, level: int, descriptor: int, ipa: int, **registers: int) -> MmuState:
    """A CPU without stage 1 that finds `descriptor` at `level` of a 44-bit stage 2."""
    start = STAGE2_START[granule]
    start_level = (2 if granule == 12 else 3) - start
    cpu = MmuState(new_memory(), {"HCR_EL2": mmu.HCR_VM, "VTTBR_EL2": TABLES2 + (start << 16) | 7 << 48})
    cpu.sys["VTCR_EL2"] = 20 | start_level << 6 | TG0[granule] << 14 | 4 << 16
    cpu.sys |= registers
    place(cpu.memory, TABLES2, granule, start, 44, ipa, level, descriptor)
    return cpu


def leaf(level: int, attributes: int, target: int = TARGET) -> int:
    return target | attributes | (3 if level == 3 else 1)


def fault_of(cpu: MmuState, va: int = VA, access: str = "r", el: int = 1) -> tuple[int, str, int]:
    """Stage, kind and level of the fault that an access ends in."""
    with pytest.raises(TranslationFault) as caught:
        translate(cpu, va, access, el)
    return caught.value.stage, caught.value.kind, caught.value.level


def nested(stage1_attributes: int, stage2_attributes: int, **registers: int) -> MmuState:
    """Both stages: the VA's page is IPA `BASE`, and stage 2 maps its 2 MiB, and that of stage 1's tables."""
    cpu = stage1(12, 3, leaf(3, stage1_attributes, BASE))
    cpu.sys |= {"HCR_EL2": mmu.HCR_VM, "VTCR_EL2": 25 | 1 << 6 | 4 << 16, "VTTBR_EL2": TABLES2}
    cpu.sys |= registers
    place(cpu.memory, TABLES2, 12, 1, 39, BASE, 2, BASE + 0x800_0000 | stage2_attributes | 1)
    cpu.sys["VTTBR_EL2"] = TABLES2 + (1 << 16)
    # Stage 1's tables are read through stage 2 as well: move them to where it maps them.
    tables = cpu.memory.read(TABLES1, 4 << 16)
    cpu.memory.write(TABLES1 + 0x800_0000, tables)
    return cpu


def outcome(cpu: MmuState, va: int, access: str, el: int) -> object:
    """A translation, or all that a fault says."""
    try:
        return translate(cpu, va, access, el)
    except TranslationFault as fault:
        return str(fault), fault.access, fault.s1ptw, fault.fsc
