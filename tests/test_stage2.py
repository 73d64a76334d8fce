"""Stage 2: real tables, as the MMU walks them, and the flags of a memory region enforced."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_guests import finished, report, reported

from axlab.machine import mmu
from axlab.machine.memory import Memory
from axlab.vmm import stage2
from axlab.vmm.config import MemoryRegion
from axlab.vmm.host_memory import HostMemory
from axlab.vmm.stage2 import Stage2

GIB, MIB, PAGE = 1 << 30, 1 << 20, 1 << 12


def tables() -> Stage2:
    memory = Memory(0x4000_0000, 4 * GIB)
    return Stage2(memory, HostMemory(memory.base, memory.size), 5)


def as_the_mmu_sees_it(made: Stage2, ipa: int) -> int | None:
    """The physical address that the machine's MMU finds."""
    cpu = SimpleNamespace(
        sys={"VTTBR_EL2": made.vttbr, "VTCR_EL2": stage2.VTCR, "HCR_EL2": 1}, memory=made.memory, stage2_pages={}
    )
    try:
        return mmu.translate_stage2(cpu, ipa, "r").pa | ipa & 0xFFF
    except mmu.TranslationFault:
        return None


pages = st.integers(0, 3 * 512 + 3)
ranges = st.tuples(st.booleans(), pages, st.integers(1, 1100), st.integers(0, 3000))


@settings(max_examples=40)
@given(st.lists(ranges, max_size=6))
def test_mapping_and_unmapping_mean_what_a_table_of_pages_means(steps: list[tuple[bool, int, int, int]]) -> None:
    made = tables()
    model: dict[int, int] = {}
    for is_map, page, count, target in steps:
        for n in range(count):
            model.pop(page + n, None)
            if is_map:
                model[page + n] = 0x5000_0000 + (target + n) * PAGE
        if is_map:
            made.map(page * PAGE, 0x5000_0000 + target * PAGE, count * PAGE, 7)
        else:
            made.unmap(page * PAGE, count * PAGE)
    for page in {0, 1, 511, 512, *(p + d for _, p, c, _ in steps for d in (-1, 0, c - 1, c))}:
        if page >= 0:
            assert as_the_mmu_sees_it(made, page * PAGE + 8) == (model[page] + 8 if page in model else None)


def test_large_ranges_take_blocks() -> None:
    made = tables()
    made.map(0x8000_0000, 0x8000_0000, GIB, 7)
    assert len(made.tables) == 1
    made.map(0x1_0000_0000, 0x5000_0000, 2 * MIB, 7)
    assert len(made.tables) == 2


def test_the_top_of_forty_bits_can_be_mapped() -> None:
    made = tables()
    made.map((1 << 40) - PAGE, 0x5000_0000, PAGE, 7)
    assert as_the_mmu_sees_it(made, (1 << 40) - 4) == 0x5000_0FFC


def test_destroying_the_tables_gives_all_memory_back() -> None:
    made = tables()
    made.map(0x1000, 0x5000_0000, 8 * MIB, 7)
    made.destroy()
    assert made.host.used() == 0
    assert made.memory.touched() == 0


FLAGS = (
    """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x1, =0x50000000
    {access}
    mov x3, #1
"""
    + report("x3")
    + """ldr w0, =0x84000008
    hvc #0
    .balign 2048
vectors: .space 0x200
    mov x3, #2
    mrs x4, esr_el1
    mrs x5, far_el1
"""
    + report("x3", "x4", "x5")
    + """ldr w0, =0x84000008
    hvc #0"""
)
RAM = MemoryRegion(0x4000_0000, 0x100_0000)


@pytest.mark.parametrize(
    ("flags", "access", "faults"),
    [
        (1, "ldr x2, [x1]", False),
        (1, "str x2, [x1]", True),
        (2, "ldr x2, [x1]", True),
        (2, "str x2, [x1]", False),
        (3, "str x2, [x1]", False),
    ],
)
def test_the_flags_of_a_memory_region_are_enforced(flags: int, access: str, faults: bool) -> None:
    """Fix 24: the original maps everything RWX."""
    vm = finished(FLAGS.format(access=access), regions=(RAM, MemoryRegion(0x5000_0000, 0x1000, flags)))
    seen, esr, far = reported(vm, 3)
    assert seen == (2 if faults else 1)
    if faults:
        assert (esr & 0x3F, far) == (0x10, 0x5000_0000)  # a synchronous external abort


def test_executing_memory_without_x_fails_the_vm() -> None:
    vm = finished("ldr x1, =0x50000000\n br x1", regions=(RAM, MemoryRegion(0x5000_0000, 0x1000, 3)))
    assert vm.state == "Failed"
    assert vm.reason.endswith("instruction fetch from 0x50000000, which it may not execute")


def test_reserved_memory_is_mapped_where_it_is_when_it_is_touched() -> None:
    source = "ldr x1, =0x60000000\n mov x2, #7\n str x2, [x1, #0x10]\n ldr w0, =0x84000008\n hvc #0"
    vm = finished(source, regions=(RAM, MemoryRegion(0x6000_0000, 0x80_0000, 7, 2)))
    assert vm.exits["NestedPageFault"] == 1
    assert vm.stage2.find(0x6000_0000).hpa == 0x6000_0000  # type: ignore[union-attr]
    assert vm.stage2.find(0x6020_0000) is None
    assert vm.state == "Stopped"
