"""The table of instructions: what loading refuses, and what decoding finds."""

from __future__ import annotations

import random
import time

import pytest
from isa_oracle import words_of

from axlab.errors import AxError
from axlab.machine.isa.codec import load_codec
from axlab.machine.isa.conditions import bit_mask
from axlab.machine.isa.operand_kinds import KINDS
from axlab.machine.isa.semantics import SEMANTICS
from axlab.machine.isa.table import OPERAND, load_table, read_table

GOOD = """
// A row as an illustration.
ADD_imm sf:1 0 0 100010 sh:1 imm12:12 rn:5 rd:5 C6.2 "ADD (immediate)"
  "add {rd,sf|reg_sp}, {rn,sf|reg_sp}, {imm12,sh|imm12_shifted}"
  where sf=1 or imm12<32
"""


def refusal(text: str) -> str:
    """What loading says of a table."""
    with pytest.raises(AxError) as caught:
        read_table(text, "my.isa")
    return str(caught.value)


def test_a_row_is_read_with_its_bits_fields_and_section() -> None:
    row = read_table(GOOD, "my.isa").rows["ADD_imm"]
    assert (row.mask, row.value) == (0x7F800000, 0x11000000)
    assert row.fields == {"sf": (31, 1), "sh": (22, 1), "imm12": (10, 12), "rn": (5, 5), "rd": (0, 5)}
    assert (row.chapter, row.section, row.line) == ("C6.2", "ADD (immediate)", 3)


def test_the_order_of_fields_is_the_order_of_values() -> None:
    found = read_table(GOOD, "my.isa").decode(0x91001C41)
    assert found is not None
    assert found[1] == (1, 0, 7, 2, 1)


def test_a_word_that_breaks_the_constraint_of_its_row_is_not_allocated() -> None:
    table = read_table(GOOD, "my.isa")
    assert table.decode(0x1100FC41) is None
    assert table.decode(0x9100FC41) is not None


def test_a_row_that_is_not_32_bits_is_refused() -> None:
    assert refusal(GOOD.replace("100010", "10010")) == "my.isa:3: ADD_imm has 31 bits, not 32"


def test_a_field_that_nothing_prints_is_refused() -> None:
    message = refusal(GOOD.replace(", {imm12,sh|imm12_shifted}", ""))
    assert message == "my.isa:3: ADD_imm: the field sh is not in its syntax"


def test_two_fields_of_one_name_are_refused() -> None:
    assert refusal(GOOD.replace("rn:5", "rd:5")) == "my.isa:3: ADD_imm has two fields rd"


def test_a_name_that_is_no_field_is_refused() -> None:
    assert refusal(GOOD.replace("sf=1 or", "hw=1 or")) == "my.isa:3: ADD_imm has no field hw"


def test_a_predicate_that_does_not_exist_is_refused() -> None:
    assert refusal(GOOD.replace("sf=1 or", "odd(rd) or")) == "my.isa:3: ADD_imm: there is no predicate odd"


def test_an_alias_that_leaves_a_field_open_is_refused() -> None:
    alias = '  alias "mov {rd,sf|reg_sp}, {rn,sf|reg_sp}" sh=0\n'
    assert refusal(GOOD + alias) == "my.isa:6: ADD_imm: an alias leaves imm12 open"


def test_two_rows_of_one_name_are_refused() -> None:
    assert refusal(GOOD + GOOD) == "my.isa:8: ADD_imm stands already in line 3"


def test_rows_that_share_a_word_are_refused() -> None:
    other = GOOD.replace("ADD_imm", "OTHER").replace("sf:1 0 0", "1 0 0").replace(",sf|", "|")
    other = other.replace("reg_sp", "x_sp").replace("where sf=1 or imm12<32", "")
    message = refusal(GOOD + other)
    assert message == "my.isa:8: OTHER overlaps ADD_imm of line 3: 0x913ffc00 is both"


def test_constraints_can_keep_rows_apart() -> None:
    first = GOOD.replace("where sf=1 or imm12<32", "where imm12<32")
    second = first.replace("ADD_imm", "OTHER").replace("imm12<32", "imm12>31")
    assert len(read_table(first + second, "my.isa").rows) == 2


def test_a_line_that_is_no_row_is_shown() -> None:
    message = refusal("ADD_imm sf:1 = 0\n")
    assert message == "ADD_imm sf:1 = 0\n             ^ my.isa:1: this is no row of an instruction table"


def test_every_row_has_semantics_and_the_other_way_round() -> None:
    assert sorted(SEMANTICS) == sorted(load_table().rows)


def test_the_parameters_of_semantics_are_the_fields_of_the_row() -> None:
    for row in load_table().rows.values():
        code = SEMANTICS[row.name].__code__
        assert code.co_varnames[1 : code.co_argcount] == tuple(row.fields), row.name


def test_every_kind_of_operand_is_used_and_every_used_kind_exists() -> None:
    used = {
        match.group(2)
        for row in load_table().rows.values()
        for syntax in (row.syntax, *(alias.syntax for alias in row.aliases))
        for match in OPERAND.finditer(syntax)
    }
    assert used == set(KINDS)


def test_every_alias_can_be_assembled_under_its_mnemonic() -> None:
    load_codec().forms_of("")
    forms = {form.row.name for forms in load_codec().forms.values() for form in forms}
    assert forms == set(load_table().rows)


def test_every_row_names_its_section_of_the_manual() -> None:
    assert all(row.section and row.chapter in ("C6.2", "C7.2") for row in load_table().rows.values())


def test_every_row_decodes_its_own_words() -> None:
    table = load_table()
    source = random.Random(1)
    for row in table.rows.values():
        for word in words_of(row, 20, source):
            assert table.decode(word) == (row, row.values(word)), hex(word)


def test_a_decoded_word_is_encoded_again_from_its_fields() -> None:
    source = random.Random(2)
    for row in load_table().rows.values():
        for word in words_of(row, 20, source):
            assert row.encode(dict(zip(row.fields, row.values(word), strict=True))) == word


def test_a_field_value_that_is_too_wide_is_refused() -> None:
    row = load_table().rows["SVC"]
    with pytest.raises(ValueError, match=r"SVC: imm16=65536 needs more than 16 bits"):
        row.encode({"imm16": 65536})


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (0x52C00000, "movz w0 with hw=2"),
        (0x0B008000, "add w0, w0, w0, lsl #32"),
        (0x0BC00000, "add with ror"),
        (0x8B201400, "add extended with imm3=5"),
        (0x12400000, "and w0 with N=1"),
        (0x1200FC00, "and with imms of all ones"),
        (0x13400000, "sbfm w0 with N=1"),
        (0x93000000, "sbfm x0 with N=0"),
        (0x1AC04C00, "crc32x with sf=0"),
        (0xB8C00000, "ldursw into a W register"),
        (0xF8C00000, "ldurs of a doubleword"),
        (0xB8200800, "str with option 0"),
        (0x0E080400, "dup v0.1d"),
        (0x0C408C00, "ld2 {v0.1d, v1.1d}"),
        (0x4EE0A400, "smaxp of doublewords"),
        (0xD5000000, "msr immediate with no field"),
        (0xD4000000, "svc with LL=0"),
        (0x00010000, "a word of the reserved space"),
        (0xFFFFFFFF, "all ones"),
        (0x1E602800, "fadd: later"),
    ],
)
def test_an_unallocated_encoding_decodes_to_nothing(word: int, why: str) -> None:
    assert load_table().decode(word) is None, why


def test_bits_that_should_be_one_are_ignored_when_decoding() -> None:
    table = load_table()
    for word in (0x885F7C20, 0x885F0020, 0x88407C20):
        found = table.decode(word)
        assert found is not None
        assert (found[0].name, found[1]) == ("LDXR", (2, 1, 0))


def test_constrained_unpredictable_pairs_decode_as_allocated() -> None:
    for word in (0xA9400000, 0xA8C10400, 0xF8408400):
        assert load_table().decode(word) is not None


def test_logical_immediates_number_5334() -> None:
    counts = [
        sum(bit_mask(sf, n, imms) and (immr < (64 if n else 1 << (imms ^ 0x3F).bit_length() - 1))
            for n in range(2) for imms in range(64) for immr in range(64))
        for sf in (0, 1)
    ]  # fmt: skip
    assert counts == [1302, 5334]


@pytest.mark.slow
def test_the_table_is_loaded_and_decodes_quickly() -> None:
    from axlab.languages import read_grammar

    text = read_grammar("a64.isa")
    start = time.process_time()
    table = read_table(text, "a64.isa")
    loaded = time.process_time()
    source = random.Random(3)
    for _ in range(20_000):
        table.decode(source.getrandbits(32))
    assert loaded - start < 1.0
    assert time.process_time() - loaded < 1.0
