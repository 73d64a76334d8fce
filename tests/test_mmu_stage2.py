"""Stage 2: its faults, what both stages are together, and memory types."""

from __future__ import annotations

import pytest
from mmu_tables import (
    BASE,
    FIRST_BLOCK,
    IPA,
    NOWHERE,
    PAGE,
    STAGE2_LEVELS,
    STAGE2_PAGE,
    TABLES1,
    TABLES2,
    TARGET,
    VA,
    MmuState,
    entry_address,
    fault_of,
    leaf,
    nested,
    new_memory,
    shift,
    stage1,
    stage2,
)

from axlab.machine import descriptors as d
from axlab.machine import memory_type, mmu
from axlab.machine.mmu import READ, TranslationFault, translate


@pytest.mark.parametrize("granule, level", [pair for pair in STAGE2_LEVELS if pair[1] >= FIRST_BLOCK[pair[0]]])
def test_stage_2_maps_blocks_and_pages(granule: int, level: int) -> None:
    cpu = stage2(granule, level, leaf(level, STAGE2_PAGE), IPA)
    found = translate(cpu, IPA + 0x10, "r", 1)
    assert (found.ipa, found.pa) == (IPA, TARGET | IPA & (1 << shift(granule, level)) - 1)
    assert mmu.translate_stage2(cpu, IPA).pa == found.pa


@pytest.mark.parametrize("granule, level", STAGE2_LEVELS)
def test_stage_2_faults_have_their_level_and_the_ipa(granule: int, level: int) -> None:
    is_leaf = level >= FIRST_BLOCK[granule]
    faults = {0: "translation", 1 << 44 | STAGE2_PAGE | 3: "address_size"}
    if is_leaf:
        faults[leaf(level, STAGE2_PAGE & ~d.ACCESS_FLAG)] = "access_flag"
        faults[leaf(level, STAGE2_PAGE & ~d.S2AP_READ)] = "permission"
    if not is_leaf or level == 3:
        faults[TARGET | STAGE2_PAGE | 1] = "translation"
    for descriptor, kind in faults.items():
        cpu = stage2(granule, level, descriptor, IPA)
        with pytest.raises(TranslationFault) as caught:
            translate(cpu, IPA + 0x10, "r", 1)
        fault = caught.value
        assert (fault.stage, fault.kind, fault.level) == (2, kind, level)
        assert (fault.va, fault.ipa, fault.s1ptw) == (IPA + 0x10, IPA + 0x10, False)


def test_an_ipa_beyond_the_input_size_is_a_translation_fault_of_level_0() -> None:
    cpu = stage2(12, 3, leaf(3, STAGE2_PAGE), IPA)
    cpu.sys["VTCR_EL2"] = 25 | 1 << 6 | 4 << 16
    assert fault_of(cpu, 1 << 39) == (2, "translation", 0)


@pytest.mark.parametrize("vtcr", [20 | 1 << 6, 34 | 1 << 6, 40, 19 | 2 << 6, 25 | 3 << 6])
def test_a_start_level_that_does_not_fit_lets_nothing_be_translated(vtcr: int) -> None:
    cpu = stage2(12, 3, leaf(3, STAGE2_PAGE), IPA, VTCR_EL2=vtcr | 4 << 16)
    assert fault_of(cpu, BASE) == (2, "translation", 0)


def test_sixteen_tables_side_by_side_save_a_level() -> None:
    regime = d.stage2_regime(21 | 1 << 6 | 4 << 16)
    assert [(level.number, level.index_mask) for level in regime.levels][0] == (1, (1 << 13) - 1)
    cpu = MmuState(new_memory(), {"HCR_EL2": 1, "VTCR_EL2": 21 | 1 << 6 | 4 << 16, "VTTBR_EL2": TABLES2 | 1 << 48})
    cpu.memory.write_int(TABLES2 + 8 * 0x1FFF, 8, leaf(1, STAGE2_PAGE))
    assert translate(cpu, 0x1FFF << 30, "r", 1).pa == TARGET


@pytest.mark.parametrize("s2ap", range(4))
@pytest.mark.parametrize("xn", [False, True])
def test_what_stage_2_does_not_allow_is_its_permission_fault(s2ap: int, xn: bool) -> None:
    rights = STAGE2_PAGE & ~(3 << 6) | s2ap << 6 | (d.UXN if xn else 0)
    cpu = stage2(12, 3, leaf(3, rights), IPA, HCR_EL2=mmu.HCR_VM)
    wanted = {"r": bool(s2ap & 1), "w": bool(s2ap & 2), "x": not xn}
    for access, fine in wanted.items():
        if fine:
            translate(cpu, IPA, access, 1)
        else:
            assert fault_of(cpu, IPA, access) == (2, "permission", 3)


def test_both_stages_together_allow_what_each_allows() -> None:
    cpu = nested(PAGE | d.AP_READ_ONLY, STAGE2_PAGE | d.UXN)
    found = translate(cpu, VA, "r", 1)
    assert (found.pa, found.ipa, found.allows) == (BASE + 0x800_0000, BASE, READ)
    assert fault_of(cpu, access="w") == (1, "permission", 3)
    assert fault_of(cpu, access="x") == (2, "permission", 2)


def test_the_second_time_stage_2_is_not_walked_again() -> None:
    cpu = nested(PAGE, STAGE2_PAGE)
    found = translate(cpu, VA, "r", 1)
    cpu.memory.zero(TABLES2, 4 << 16)
    assert translate(cpu, VA, "r", 1) == found
    cpu.stage2_pages = {}
    assert fault_of(cpu) == (2, "translation", 1)


def test_a_stage_1_table_that_stage_2_does_not_map_is_a_fault_of_the_table_walk() -> None:
    cpu = nested(PAGE, STAGE2_PAGE)
    cpu.memory.zero(TABLES2, 4 << 16)
    with pytest.raises(TranslationFault) as caught:
        translate(cpu, VA, "w", 1)
    fault = caught.value
    assert (fault.stage, fault.kind, fault.level, fault.s1ptw, fault.access) == (2, "translation", 1, True, "w")
    assert fault.ipa == entry_address(TABLES1, 12, 0, 0, 48, VA)
    assert str(fault) == (
        "stage 2 translation fault, level 1, VA 0x123456789abc (IPA 0x40100120), on a walk of stage 1"
    )


def test_a_stage_1_table_needs_to_be_readable_only_whatever_the_access() -> None:
    cpu = nested(PAGE, STAGE2_PAGE & ~d.S2AP_WRITE | d.UXN)
    assert fault_of(cpu, access="w") == (2, "permission", 2)
    with pytest.raises(TranslationFault) as caught:
        translate(cpu, VA, "w", 1)
    assert not caught.value.s1ptw
    cpu = nested(PAGE, STAGE2_PAGE & ~d.S2AP_READ)
    with pytest.raises(TranslationFault) as caught:
        translate(cpu, VA, "w", 1)
    assert caught.value.s1ptw


def test_protected_table_walks_refuse_tables_in_device_memory() -> None:
    in_device = STAGE2_PAGE & ~(0xF << 2)
    translate(nested(PAGE, in_device), VA, "r", 1)
    cpu = nested(PAGE, in_device, HCR_EL2=mmu.HCR_VM | mmu.HCR_PTW)
    assert fault_of(cpu) == (2, "permission", 2)


def test_stage_2s_tables_where_no_memory_is_end_the_walk_in_an_external_abort() -> None:
    cpu = nested(PAGE, STAGE2_PAGE, VTTBR_EL2=NOWHERE)
    cpu.sys["VTTBR_EL2"] = NOWHERE
    with pytest.raises(TranslationFault) as caught:
        translate(cpu, VA, "r", 1)
    assert (caught.value.stage, caught.value.kind, caught.value.level, caught.value.s1ptw) == (2, "external", 1, True)


# Memory types

TYPES = {0x00: "Device-nGnRnE", 0x04: "Device-nGnRE", 0x08: "Device-nGRE", 0x0C: "Device-GRE",
         0x44: "Normal, Non-cacheable", 0xBB: "Normal, Write-Through", 0xFF: "Normal, Write-Back",
         0x4F: "Normal, outer Non-cacheable, inner Write-Back"}  # fmt: skip


@pytest.mark.parametrize("attributes, words", TYPES.items())
def test_mair_is_read_in_the_manuals_words(attributes: int, words: str) -> None:
    assert memory_type.describe(attributes) == words
    cpu = stage1(12, 3, leaf(3, PAGE | 5 << 2), MAIR_EL1=attributes << 40)
    found = translate(cpu, VA, "r", 1)
    assert (found.attributes, found.is_device) == (attributes, words.startswith("Device"))


STRENGTH = ["Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE", "Normal, Non-cacheable"]
STRENGTH += ["Normal, Write-Through", "Normal, Write-Back"]
MEM_ATTR = [0b0000, 0b0001, 0b0010, 0b0011, 0b0101, 0b1010, 0b1111]
MAIR_BYTES = [0x00, 0x04, 0x08, 0x0C, 0x44, 0xBB, 0xFF]


@pytest.mark.parametrize("first", range(7))
@pytest.mark.parametrize("second", range(7))
def test_the_weaker_of_both_stages_types_wins(first: int, second: int) -> None:
    cpu = nested(PAGE, STAGE2_PAGE & ~(0xF << 2) | MEM_ATTR[second] << 2, MAIR_EL1=MAIR_BYTES[first])
    found = translate(cpu, VA, "r", 1)
    assert memory_type.describe(found.attributes) == STRENGTH[min(first, second)]
