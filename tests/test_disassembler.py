"""From words to text: preferred aliases, targets, what is not allocated."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from axlab.errors import AxError
from axlab.machine.isa.disassembler import disassemble, disassemble_bytes, disassemble_words


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x91000C41, "add x1, x2, #0x3"),
        (0x910003FD, "mov x29, sp"),
        (0xF100001F, "cmp x0, #0x0"),
        (0xEB01001F, "cmp x0, x1"),
        (0xCB0103E0, "neg x0, x1"),
        (0xAA0103E0, "mov x0, x1"),
        (0xAA2103E0, "mvn x0, x1"),
        (0xD2800020, "mov x0, #0x1"),
        (0x92800000, "mov x0, #0xffffffffffffffff"),
        (0xB24003E0, "orr x0, xzr, #0x1"),
        (0xB200F3E0, "mov x0, #0x5555555555555555"),
        (0xF240001F, "tst x0, #0x1"),
        (0xD37EF420, "lsl x0, x1, #2"),
        (0xD342FC20, "lsr x0, x1, #2"),
        (0x93407C20, "sxtw x0, w1"),
        (0x53001C20, "uxtb w0, w1"),
        (0xD3401C20, "ubfx x0, x1, #0, #8"),
        (0xB3780C20, "bfi x0, x1, #8, #4"),
        (0x9A9F17E0, "cset x0, eq"),
        (0x9A811420, "cinc x0, x1, eq"),
        (0x1B027C20, "mul w0, w1, w2"),
        (0x9BA17C20, "umull x0, w1, w1"),
        (0xD65F03C0, "ret"),
        (0xD65F0020, "ret x1"),
        (0xD5033FDF, "isb"),
        (0xD5033B9F, "dsb ish"),
        (0xD503207F, "wfi"),
        (0xD503233F, "paciasp"),
        (0xD50320FF, "xpaclri"),
        (0xD503245F, "bti c"),
        (0xD5032FFF, "hint #0x7f"),
        (0xD50B7420, "dc zva, x0"),
        (0xD508871F, "tlbi vmalle1"),
        (0xD5381000, "mrs x0, SCTLR_EL1"),
        (0xD5130500, "msr DBGDTRTX_EL0, x0"),
        (0xD5330500, "mrs x0, DBGDTRRX_EL0"),
        (0xD538F000, "mrs x0, S3_0_C15_C0_0"),
        (0xD50342DF, "msr DAIFSet, #0x2"),
        (0xA9BF7BFD, "stp x29, x30, [sp, #-16]!"),
        (0xF8408420, "ldr x0, [x1], #8"),
        (0xF8627820, "ldr x0, [x1, x2, lsl #3]"),
        (0x38624820, "ldrb w0, [x1, w2, uxtw]"),
        (0x88DFFC20, "ldar w0, [x1]"),
        (0xB8610002, "ldaddl w1, w2, [x0]"),
        (0xB821001F, "stadd w1, [x0]"),
        (0x4C407020, "ld1 {v0.16b}, [x1]"),
        (0x4CDFA020, "ld1 {v0.16b, v1.16b}, [x1], #32"),
        (0x4EA11C20, "mov v0.16b, v1.16b"),
        (0x4E183C20, "mov x0, v1.d[1]"),
        (0x4F000400, "movi v0.4s, #0x0"),
        (0x6F00E400, "movi v0.2d, #0x0"),
        (0x1E6E1000, "fmov d0, #1.0"),
        (0x9E660020, "fmov x0, d1"),
        (0x0F0C8420, "shrn v0.8b, v1.8h, #4"),
    ],
)
def test_a_word_is_shown_as_the_manual_prefers_it(word: int, text: str) -> None:
    assert disassemble(word) == text


def test_what_is_not_allocated_is_shown_as_a_word() -> None:
    assert disassemble(0xFFFFFFFF) == ".inst 0xffffffff"
    assert disassemble(0x00010000) == ".inst 0x00010000"


def test_a_number_that_is_no_word_is_refused() -> None:
    with pytest.raises(AxError, match="0x100000000 is no instruction word: it has 32 bits"):
        disassemble(1 << 32)


def test_every_word_has_a_text(volume: Callable[[int], int]) -> None:
    source = random.Random(4)
    for _ in range(volume(500_000)):
        assert disassemble(source.getrandbits(32))


def test_the_target_of_a_branch_is_an_address() -> None:
    assert disassemble(0x14000004, 0x4000_0000) == "b 0x40000010"
    assert disassemble(0x97FFFFFF, 0x4000_0000) == "bl 0x3ffffffc"
    assert disassemble(0x17FFFFFF, 0) == "b 0xfffffffffffffffc"


def test_the_target_of_a_branch_is_a_name_where_there_is_one() -> None:
    assert disassemble(0x14000004, 0x4000_0000, {"loop": 0x4000_0010}) == "b loop"
    assert disassemble(0x90000000, 0x4000_0123, {"page": 0x4000_0000}) == "adrp x0, page"


def test_bytes_are_shown_with_address_and_word() -> None:
    code = bytes.fromhex("1f2003d5 01000014")
    assert list(disassemble_bytes(code, 0x1000)) == [(0x1000, 0xD503201F, "nop"), (0x1004, 0x14000001, "b 0x1008")]


def test_bytes_that_are_no_whole_word_come_last() -> None:
    assert list(disassemble_bytes(bytes.fromhex("1f2003d5 0102")))[1] == (4, 0x0201, ".byte 0x01, 0x02")


def test_words_in_hexadecimal_become_lines() -> None:
    lines = ["d503201f", "0xD65F03C0\n", "\n", "  ffffffff "]
    assert list(disassemble_words(lines)) == ["nop", "ret", ".inst 0xffffffff"]


def test_a_line_that_is_no_word_is_shown() -> None:
    with pytest.raises(AxError) as caught:
        list(disassemble_words(["nop"], "<stdin>"))
    assert str(caught.value) == "nop\n^^^ <stdin>:1: nop is no word: up to 8 hexadecimal digits"


@pytest.mark.slow
def test_a_hundred_thousand_words_take_a_few_seconds() -> None:
    lines = [f"{0x91000000 + 977 * n:08x}" for n in range(100_000)]
    start = time.process_time()
    assert sum(1 for _ in disassemble_words(lines)) == 100_000
    assert time.process_time() - start < 5
