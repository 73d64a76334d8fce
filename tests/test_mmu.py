"""Stage 1: every fault at every level of every granule, permissions, and what holds without it.

QEMU's judgement of the same code is in test_mmu_oracle.py, stage 2 in test_mmu_stage2.py.
"""

from __future__ import annotations

import pytest
from mmu_tables import (
    BASE,
    FIRST_BLOCK,
    FIRST_LEVEL,
    LEAVES,
    LEVELS,
    NOWHERE,
    PAGE,
    STAGE2_PAGE,
    TABLES1,
    TARGET,
    TG0,
    VA,
    MmuState,
    entry_address,
    fault_of,
    leaf,
    new_memory,
    outcome,
    shift,
    stage1,
    stage2,
)

from axlab.machine import descriptors as d
from axlab.machine import memory_type, mmu
from axlab.machine.mmu import EXECUTE, READ, WRITE, TranslationFault, translate

# Where it leads


@pytest.mark.parametrize("granule, level", LEAVES)
def test_a_block_or_page_of_any_level_maps_all_its_bytes(granule: int, level: int) -> None:
    cpu = stage1(granule, level, leaf(level, PAGE))
    offset = VA & (1 << shift(granule, level)) - 1
    found = translate(cpu, VA, "r", 1)
    assert found.pa == (TARGET | offset) & ~0xFFF == found.ipa
    assert found.allows == READ | WRITE | EXECUTE and not found.is_device


@pytest.mark.parametrize("granule, level", LEAVES)
def test_upper_addresses_are_translated_by_ttbr1(granule: int, level: int) -> None:
    va = VA | 0xFFFF << 48
    cpu = stage1(granule, level, leaf(level, PAGE), va=va, TTBR0_EL1=0)
    assert translate(cpu, va, "r", 1).pa == (TARGET | va & (1 << shift(granule, level)) - 1) & ~0xFFF


@pytest.mark.parametrize("granule, starts", [(12, {25: 2, 30: 2, 31: 1, 39: 1, 40: 0, 48: 0}),
    (14, {25: 3, 26: 2, 36: 2, 37: 1, 47: 1, 48: 0}), (16, {25: 3, 29: 3, 30: 2, 42: 2, 43: 1, 48: 1})])  # fmt: skip
def test_the_size_of_addresses_decides_where_the_walk_begins(granule: int, starts: dict[int, int]) -> None:
    for bits, start in starts.items():
        regime = d.stage1_regime(64 - bits | TG0[granule] << 14, False)
        assert [level.number for level in regime.levels] == list(range(start, 4))
        assert regime.levels[0].index_mask == (1 << bits - shift(granule, start)) - 1


def test_the_contiguous_hint_and_software_bits_change_nothing() -> None:
    plain = translate(stage1(12, 3, leaf(3, PAGE)), VA, "r", 1)
    hinted = translate(stage1(12, 3, leaf(3, PAGE | d.CONTIGUOUS | 0xF << 55)), VA, "r", 1)
    assert plain == hinted


def test_a_tag_in_the_top_byte_is_ignored_where_tcr_says_so() -> None:
    tagged = VA | 0xAB << 56
    assert fault_of(stage1(12, 3, leaf(3, PAGE)), tagged) == (1, "translation", 0)
    cpu = stage1(12, 3, leaf(3, PAGE))
    cpu.sys["TCR_EL1"] |= 1 << 37
    assert translate(cpu, tagged, "r", 1) == translate(cpu, VA, "r", 1)
    assert fault_of(cpu, tagged | 1 << 48) == (1, "translation", 0)


@pytest.mark.parametrize("va", [1 << 48, 1 << 55, 0xFFFE << 48, 1 << 63, 0x8000 << 48 | VA])
def test_an_address_between_the_two_ranges_is_never_translated(va: int) -> None:
    assert fault_of(stage1(12, 3, leaf(3, PAGE)), va) == (1, "translation", 0)


@pytest.mark.parametrize("half, bit", [(0, 7), (0xFFFF << 48, 23)])
def test_epd_forbids_walks_of_its_half(half: int, bit: int) -> None:
    cpu = stage1(12, 3, leaf(3, PAGE), va=VA | half)
    translate(cpu, VA | half, "r", 1)
    cpu.sys["TCR_EL1"] |= 1 << bit
    assert fault_of(cpu, VA | half) == (1, "translation", 0)


@pytest.mark.parametrize("size", [0, 15, 40, 63])
def test_an_impossible_size_lets_nothing_be_translated(size: int) -> None:
    cpu = stage1(12, 3, leaf(3, PAGE))
    cpu.sys["TCR_EL1"] = cpu.sys["TCR_EL1"] & ~0x3F | size
    assert fault_of(cpu, 0) == (1, "translation", 0)


# Faults


@pytest.mark.parametrize("granule, level", LEVELS)
def test_an_invalid_descriptor_is_a_translation_fault_of_its_level(granule: int, level: int) -> None:
    for descriptor in (0, 2, leaf(level, PAGE) & ~1):
        assert fault_of(stage1(granule, level, descriptor)) == (1, "translation", level)


@pytest.mark.parametrize(
    "granule, level", sorted(set(LEVELS) - set(LEAVES)) + [(granule, 3) for granule in (12, 14, 16)]
)
def test_a_block_where_none_may_be_is_a_translation_fault(granule: int, level: int) -> None:
    assert fault_of(stage1(granule, level, TARGET | PAGE | 1)) == (1, "translation", level)


@pytest.mark.parametrize("granule, level", LEVELS)
def test_an_output_beyond_the_physical_addresses_is_an_address_size_fault(granule: int, level: int) -> None:
    for descriptor in (1 << 44 | PAGE | 3, 1 << 47 | PAGE | (1 if level in range(FIRST_BLOCK[granule], 3) else 3)):
        assert fault_of(stage1(granule, level, descriptor)) == (1, "address_size", level)


@pytest.mark.parametrize("ips, bits", [(0, 32), (1, 36), (2, 40), (3, 42), (4, 44), (5, 44), (7, 44)])
def test_ips_limits_outputs_up_to_what_the_cpu_has(ips: int, bits: int) -> None:
    for exponent, fits in ((bits - 1, True), (bits, False)):
        cpu = stage1(12, 3, leaf(3, PAGE, 1 << exponent))
        cpu.sys["TCR_EL1"] = cpu.sys["TCR_EL1"] & ~(7 << 32) | ips << 32
        if fits:
            assert translate(cpu, VA, "r", 1).pa == 1 << exponent
        else:
            assert fault_of(cpu) == (1, "address_size", 3)


def test_a_first_table_beyond_the_physical_addresses_is_an_address_size_fault_of_level_0() -> None:
    assert fault_of(stage1(16, 3, leaf(3, PAGE), TTBR0_EL1=1 << 44)) == (1, "address_size", 0)


@pytest.mark.parametrize("granule, level", LEAVES)
def test_the_first_use_of_a_page_without_its_access_flag_faults(granule: int, level: int) -> None:
    cpu = stage1(granule, level, leaf(level, PAGE & ~d.ACCESS_FLAG | d.AP_READ_ONLY))
    assert fault_of(cpu, access="w") == (1, "access_flag", level)


@pytest.mark.parametrize("granule, level", LEAVES)
def test_a_store_to_a_read_only_block_or_page_is_a_permission_fault(granule: int, level: int) -> None:
    cpu = stage1(granule, level, leaf(level, PAGE | d.AP_READ_ONLY))
    assert fault_of(cpu, access="w") == (1, "permission", level)
    assert not translate(cpu, VA, "r", 1).writable


@pytest.mark.parametrize("granule, level", LEVELS)
def test_a_table_where_no_memory_is_ends_the_walk_in_an_external_abort(granule: int, level: int) -> None:
    if level == FIRST_LEVEL[granule]:
        cpu = stage1(granule, 3, leaf(3, PAGE), TTBR0_EL1=NOWHERE)
    else:
        cpu = stage1(granule, level - 1, NOWHERE | 3)
    assert fault_of(cpu) == (1, "external", level)


def test_the_first_fault_in_the_manuals_order_is_reported() -> None:
    worst = 1 << 45 | (PAGE & ~d.ACCESS_FLAG) | d.AP_READ_ONLY
    assert fault_of(stage1(12, 3, worst), access="w") == (1, "translation", 3)
    assert fault_of(stage1(12, 3, worst | 3), access="w") == (1, "address_size", 3)
    assert fault_of(stage1(12, 3, worst & ~(1 << 45) | 3), access="w") == (1, "access_flag", 3)
    assert fault_of(stage1(12, 3, worst & ~(1 << 45) | 3 | d.ACCESS_FLAG), access="w") == (1, "permission", 3)


FAULT_CODES = {"address_size": 0, "translation": 4, "access_flag": 8, "permission": 12, "external": 20}


@pytest.mark.parametrize("kind, code", FAULT_CODES.items())
def test_a_fault_status_code_has_its_level_in_the_low_bits(kind: str, code: int) -> None:
    for level in range(4):
        assert TranslationFault(mmu.Request(0, "r", 1), kind, level).fsc == code | level
    assert TranslationFault(mmu.Request(0, "r", 1), "alignment", 0).fsc == 0b100001


# Permissions

# By AP[2:1]: what EL1 and EL0 may do to memory that both may execute, as far as AP allows. DDI 0487, table D5-28.
PERMISSIONS = {0b00: ("rwx", "x"), 0b01: ("rw", "rwx"), 0b10: ("rx", "x"), 0b11: ("rx", "rx")}


@pytest.mark.parametrize("ap", PERMISSIONS)
@pytest.mark.parametrize("el", [1, 0])
@pytest.mark.parametrize("pxn", [False, True])
@pytest.mark.parametrize("uxn", [False, True])
@pytest.mark.parametrize("wxn", [False, True])
def test_permissions_are_those_of_the_manuals_table(ap: int, el: int, pxn: bool, uxn: bool, wxn: bool) -> None:
    allowed = set(PERMISSIONS[ap][0 if el else 1])
    if pxn if el else uxn:
        allowed -= {"x"}
    if wxn and "w" in allowed:
        allowed -= {"x"}
    never = (d.PXN if pxn else 0) | (d.UXN if uxn else 0)
    cpu = stage1(12, 3, leaf(3, PAGE | ap << 6 | never), SCTLR_EL1=1 | wxn << 19)
    for access in "rwx":
        if access in allowed:
            found = translate(cpu, VA, access, el)
            assert {name for name, bit in mmu.ACCESS.items() if found.allows & bit} == allowed
        else:
            assert fault_of(cpu, access=access, el=el) == (1, "permission", 3)


TABLE_BITS = {d.AP_TABLE_NO_EL0: d.AP_EL0, d.AP_TABLE_READ_ONLY: d.AP_READ_ONLY, d.PXN_TABLE: d.PXN, d.UXN_TABLE: d.UXN}


@pytest.mark.parametrize("table_bit, page_bit", TABLE_BITS.items())
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_table_takes_rights_from_all_that_is_below_it(table_bit: int, page_bit: int, level: int) -> None:
    below = stage1(12, 3, leaf(3, PAGE | d.AP_EL0))
    at = entry_address(TABLES1 + (level << 16), 12, level, 0, 48, VA)
    below.memory.write_int(at, 8, below.memory.read_int(at, 8) | table_bit)
    direct = stage1(12, 3, leaf(3, (PAGE | d.AP_EL0) ^ page_bit))
    for access in "rwx":
        for el in (0, 1):
            assert outcome(below, VA, access, el) == outcome(direct, VA, access, el)


# Without stage 1


def test_without_stage_1_data_is_device_memory_and_code_is_not() -> None:
    cpu = MmuState(new_memory(), {})
    data = translate(cpu, BASE + 0x123, "w", 1)
    assert data[:4] == (BASE, BASE, READ | WRITE, memory_type.DEVICE_NGNRNE) and data.is_device
    code = translate(cpu, BASE, "x", 0)
    assert code[:4] == (BASE, BASE, EXECUTE, memory_type.NORMAL_NON_CACHEABLE) and not code.is_device
    cpu.sys["SCTLR_EL1"] = 1 << 12
    assert translate(cpu, BASE, "x", 0).attributes == memory_type.NORMAL_WRITE_THROUGH


SPANS = [(12, 3, 12), (12, 2, 21), (12, 1, 30), (14, 2, 25), (16, 2, 29)]


@pytest.mark.parametrize(("granule", "level", "span"), SPANS)
def test_a_translation_knows_how_much_one_tlbi_ends(granule: int, level: int, span: int) -> None:
    assert translate(stage1(granule, level, leaf(level, PAGE)), VA, "r", 1).span == span


def test_without_stage_1_an_address_must_be_a_physical_one() -> None:
    cpu = MmuState(new_memory(), {})
    assert translate(cpu, (1 << 44) - 1, "r", 1).pa == (1 << 44) - 4096
    assert fault_of(cpu, 1 << 44) == (1, "address_size", 0)
    assert fault_of(cpu, 1 << 56) == (1, "address_size", 0)
    cpu.sys["TCR_EL1"] = 1 << 37
    assert translate(cpu, 0xAB << 56 | BASE, "r", 1).pa == BASE


def test_default_cacheable_makes_all_memory_normal_and_turns_stage_2_on() -> None:
    cpu = stage2(12, 3, leaf(3, STAGE2_PAGE), BASE, HCR_EL2=mmu.HCR_DC, SCTLR_EL1=1)
    found = translate(cpu, BASE, "r", 1)
    assert (found.pa, found.attributes) == (TARGET, memory_type.NORMAL_WRITE_BACK)
