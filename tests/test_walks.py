"""The walk that people read, AT, and the laws that hold for every walk."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmu_tables import (
    BASE,
    DEVICE,
    IPA,
    PAGE,
    STAGE2_PAGE,
    TARGET,
    VA,
    MmuState,
    leaf,
    nested,
    new_memory,
    outcome,
    stage1,
    stage2,
)
from test_mmu_oracle import TABLES, cases, tables

from axlab.machine import descriptors as d
from axlab.machine import mmu
from axlab.machine.memory import Memory
from axlab.machine.mmu import READ, TranslationFault
from axlab.machine.walks import address_translate, walk, walk_stage2


def test_a_walk_reads_as_the_manual_would_tell_it() -> None:
    cpu = stage1(12, 2, leaf(2, PAGE | DEVICE << 2 | d.PXN | d.AP_EL0, 0x8000_0000))
    assert str(walk(cpu, VA, "w", 0)).splitlines() == [
        "VA 0x123456789abc, write at EL0",
        "stage 1: TTBR0_EL1, 4 KiB granule, 48-bit input from level 0",
        "stage 2: off (HCR_EL2.VM = 0), PA = IPA",
        "  stage 1 level 0 table 0x40100000 [36] = 0x40110003: table at 0x40110000",
        "  stage 1 level 1 table 0x40110000 [209] = 0x40120003: table at 0x40120000",
        "  stage 1 level 2 table 0x40120000 [179] = 0x20000080000745: block 2 MiB at 0x80000000, "
        "EL1 and EL0 read write, AttrIndx 1 (Device-nGnRE), inner shareable, AF, PXN",
        "PA 0x80189abc, Device-nGnRE, read write execute",
    ]


def test_a_walk_shows_the_stage_2_walks_that_reading_its_tables_takes() -> None:
    cpu = nested(PAGE, STAGE2_PAGE)
    found = walk(cpu, VA)
    assert [(step.stage, step.level, step.for_table) for step in found.steps] == [
        step for level in range(4) for step in ((2, 1, True), (2, 2, True), (1, level, False))
    ] + [(2, 1, False), (2, 2, False)]
    assert (found.ipa, found.pa) == (BASE | VA & 0xFFF, BASE + 0x800_0000 | VA & 0xFFF)
    assert cpu.stage2_pages == {}


def test_a_walk_ends_in_the_fault_that_the_access_has() -> None:
    found = walk(stage1(12, 1, 0), VA, "x")
    assert found.pa is None and found.steps[-1].meaning == "invalid"
    assert found.end == "stage 1 translation fault, level 1, VA 0x123456789abc"


@pytest.mark.parametrize(
    "registers, words",
    [
        ({"SCTLR_EL1": 0}, "stage 1: off (SCTLR_EL1.M = 0), IPA = VA"),
        ({"HCR_EL2": mmu.HCR_DC}, "stage 1: off (HCR_EL2.DC = 1), IPA = VA"),
        ({"HCR_EL2": mmu.HCR_TGE}, "stage 1: off (HCR_EL2.TGE = 1), IPA = VA"),
        ({"TCR_EL1": 16 | 1 << 7}, "stage 1: TCR_EL1.EPD0 = 1 forbids walks"),
        ({"TCR_EL1": 4}, "stage 1: TCR_EL1.T0SZ = 4 is not in 16..39"),
        ({"HCR_EL2": 1, "VTCR_EL2": 3}, "stage 2: VTCR_EL2.T0SZ = 3 is not in 20..39"),
        ({"HCR_EL2": 1, "VTCR_EL2": 25}, "stage 2: VTCR_EL2.SL0 = 0 does not fit an input size of 39 bits"),
    ],
)
def test_a_walk_says_why_a_stage_is_off_or_impossible(registers: dict[str, int], words: str) -> None:
    assert words in walk(stage1(12, 3, leaf(3, PAGE), **registers), VA).setup


def test_stage_2_alone_can_be_walked() -> None:
    cpu = stage2(12, 3, leaf(3, STAGE2_PAGE & ~d.S2AP_WRITE | d.UXN), IPA)
    found = walk_stage2(cpu, IPA + 8)
    assert (found.pa, found.allows) == (TARGET + 8, READ)
    assert found.steps[-1].meaning == (
        f"page 4 KiB at {TARGET:#x}, S2AP read, MemAttr Normal, Write-Back, inner shareable, AF, XN"
    )
    assert walk_stage2(cpu, IPA, "w").end == f"stage 2 permission fault, level 3, IPA {IPA:#x}"


# AT


def test_at_leaves_the_address_its_type_and_shareability_in_par() -> None:
    cpu = stage1(12, 3, leaf(3, PAGE, BASE))
    assert address_translate(cpu, VA, "1", False, 1) == 0xFF << 56 | BASE | 3 << 7 | 1 << 11
    cpu = stage1(12, 3, leaf(3, PAGE | DEVICE << 2, BASE))
    assert address_translate(cpu, VA, "1", False, 1) == 0x04 << 56 | BASE | 2 << 7 | 1 << 11


def test_at_leaves_a_failure_in_par() -> None:
    cpu = stage1(12, 3, leaf(3, PAGE | d.AP_READ_ONLY))
    assert address_translate(cpu, VA, "1", True, 1) == 1 | (0b001100 | 3) << 1 | 1 << 11
    cpu = nested(PAGE, STAGE2_PAGE & ~d.S2AP_WRITE)
    assert address_translate(cpu, VA, "12", True, 1) == 1 | (0b001100 | 2) << 1 | 1 << 9 | 1 << 11


def test_at_of_stage_1_alone_takes_an_exception_when_stage_2_stops_its_walk() -> None:
    cpu = nested(PAGE, STAGE2_PAGE & ~d.S2AP_READ)
    with pytest.raises(TranslationFault) as caught:
        address_translate(cpu, VA, "1", False, 1)
    assert caught.value.s1ptw


# Laws


def test_the_walk_that_is_shown_is_the_walk_that_is_made(volume: Callable[[int], int]) -> None:
    draw = random.Random("walks")
    memory = Memory(BASE, 512 << 20)
    memory.write(TABLES, tables(draw))
    for number, (registers, va, _) in enumerate(cases(draw, volume(20_000))):
        cpu = MmuState(memory, registers)
        access, el = "rwx"[number % 3], number // 3 % 2
        made, shown = outcome(cpu, va, access, el), walk(cpu, va, access, el)
        assert made == outcome(cpu, va, access, el)  # from stage 2's TLB, where it can
        if shown.fault is not None:
            assert made == (str(shown.fault), shown.fault.access, shown.fault.s1ptw, shown.fault.fsc)
        else:
            assert shown.pa is not None and shown.ipa is not None
            assert isinstance(made, tuple)
            assert made[:4] == (shown.pa & ~0xFFF, shown.ipa & ~0xFFF, shown.allows, shown.memory)
        assert str(shown)


@given(va=st.integers(0, (1 << 64) - 1), registers=st.data(), access=st.sampled_from("rwx"), el=st.integers(0, 1))
def test_no_register_and_no_address_makes_the_mmu_fail(va: int, registers: st.DataObject, access: str, el: int) -> None:
    cpu = MmuState(new_memory(), {})
    for name in cpu.sys:
        cpu.sys[name] = registers.draw(st.integers(0, (1 << 64) - 1), name)
    cpu.sys["SCTLR_EL1"] |= registers.draw(st.integers(0, 1))
    before = copy.deepcopy(cpu.memory.pages)
    outcome(cpu, va, access, el)
    walk(cpu, va, access, el)
    assert cpu.memory.pages == before
