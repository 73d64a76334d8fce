"""The assembler: its language, its messages, and that it does as the GNU assembler does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.errors import AxError
from axlab.guests import source as guest_source
from axlab.machine.isa.assembler import SourceErrors, assemble, assemble_file

Needs = Callable[[str, str], str]


def words(source: str, origin: int = 0) -> list[str]:
    """The words of a program, in hexadecimal."""
    code = assemble(source, origin).code
    return [f"{int.from_bytes(code[n : n + 4], 'little'):08x}" for n in range(0, len(code), 4)]


def complaint(source: str) -> str:
    """What the assembler says of a source."""
    with pytest.raises(AxError) as caught:
        assemble(source, name="a.S")
    return str(caught.value)


# ---- The language


def test_labels_are_known_before_and_after_they_stand() -> None:
    program = assemble("start: b end\n b start\nend: ret", 0x1000)
    assert program.code == bytes.fromhex("02000014 ffffff17 c0035fd6")
    assert program.symbols == {"start": 0x1000, "end": 0x1008}


def test_a_number_is_a_label_that_may_come_again() -> None:
    assert words("1: b 1b\n b 1f\n1: b 1b\n1: b 1b") == ["14000000", "14000001", "14000000", "14000000"]


def test_case_does_not_matter_in_mnemonics_and_registers_but_in_labels() -> None:
    assert words("Loop: ADD X0, x1, W2, UXTW\nloop: B Loop") == ["8b224020", "17ffffff"]


def test_comments_are_as_in_the_gnu_assembler() -> None:
    source = '# a line\nnop // to the end\n/* two\nlines */ ret ; nop\n .ascii "//x;"\n'
    assert assemble(source).code == bytes.fromhex("1f2003d5 c0035fd6 1f2003d5") + b"//x;"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("1 << 4 | 1", 17),
        ("1 | 2 + 4", 7),
        ("0x10 - 020", 0),
        ("0b101 ^ 1", 4),
        ("~0 & 0xff", 255),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7 - -1", 8),
        ("'a'", 97),
        ("'\\n' + 1", 11),
        ("end - start", 16),
        ("size * 2", 64),
        (". - start", 8),
        (":lo12:0x12345", 0x345),
        ("256 >> 3", 32),
    ],
)
def test_an_expression_has_its_value(expression: str, value: int) -> None:
    source = f".equ size, 32\nstart: .quad 0\n.quad {expression}\nend:"
    assert int.from_bytes(assemble(source, 0x8000).code[8:], "little", signed=True) == value


def test_data_directives_write_little_endian_numbers() -> None:
    source = '.byte 1, -1\n.hword 0x1234\n.word 0x12345678\n.quad end\n.asciz "h\\n\\x41"\nend:'
    assert assemble(source).code == bytes.fromhex("01ff 3412 78563412 1400000000000000") + b"h\nA\0"


def test_code_is_aligned_with_nops_and_data_with_zeros() -> None:
    assert words("ret\n.balign 16\nret") == ["d65f03c0", "d503201f", "d503201f", "d503201f", "d65f03c0"]
    assert assemble(".data\n.byte 1\n.align 2\n.byte 2").code == bytes.fromhex("01000000 02")


def test_an_instruction_after_data_is_aligned_and_its_label_with_it() -> None:
    program = assemble(".byte 1\nlabel: nop\nb label")
    assert program.code == bytes.fromhex("01000000 1f2003d5 ffffff17")
    assert program.symbols["label"] == 4


def test_space_and_fill_and_org_make_room() -> None:
    assert assemble(".space 3, 0xaa\n.fill 2, 2, 0x1234\n.org 10\n.byte 1").code.hex() == "aaaaaa341234120000" + "0001"


def test_constants_can_be_set_again_and_used_before_they_stand() -> None:
    assert assemble(".byte later\n.set n, 1\n.byte n\n.set n, n + 1\n.byte n\nlater = 9").code == bytes([9, 1, 2])


def test_literals_stand_where_ltorg_says_and_equal_ones_are_shared() -> None:
    source = ".equ one, 1\nldr x0, =one\nldr x1, =1\nldr w2, =end\n.ltorg\nend: nop"
    program = assemble(source)
    assert len(program.code) == program.symbols["end"] + 4
    assert program.code.count((1).to_bytes(8, "little")) == 1


def test_literals_without_ltorg_stand_at_the_end() -> None:
    assert words("ldr x0, =0x1122334455667788\nret") == ["58000040", "d65f03c0", "55667788", "11223344"]


def test_sections_follow_each_other() -> None:
    program = assemble("adr x0, value\n.data\nvalue: .word 7\n.text\nret", 0x1000)
    assert program.code == bytes.fromhex("40000010 c0035fd6 07000000")
    assert program.symbols["value"] == 0x1008


def test_adrp_and_lo12_reach_a_label() -> None:
    source = "adrp x0, value\nadd x0, x0, :lo12:value\nldr x1, [x0, #:lo12:value]\n.org 0x3008\nvalue: .quad 1"
    assert words(source, 0x4000_0000)[:3] == ["f0000000", "91002000", "f9400401"]


@pytest.mark.parametrize(
    ("constant", "meaning"),
    [
        ("x0, #0", "movz x0, #0"),
        ("x0, #0x12340000", "movz x0, #0x1234, lsl #16"),
        ("x0, #-1", "movn x0, #0"),
        ("w0, #0xffff0000", "movz w0, #0xffff, lsl #16"),
        ("w0, #-2", "movn w0, #1"),
        ("x0, #0x5555555555555555", "orr x0, xzr, #0x5555555555555555"),
        ("sp, #0xff0", "orr sp, xzr, #0xff0"),
        ("x0, x1", "orr x0, xzr, x1"),
        ("x0, sp", "add x0, sp, #0"),
        ("v0.s[1], w2", "ins v0.s[1], w2"),
        ("w0, v1.s[2]", "umov w0, v1.s[2]"),
        ("d0, v1.d[1]", "dup d0, v1.d[1]"),
    ],
)
def test_mov_chooses_the_instruction_that_can(constant: str, meaning: str) -> None:
    assert words(f"mov {constant}") == words(meaning)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("add x0, x1, #-4", "sub x0, x1, #4"),
        ("cmp x0, #-4", "cmn x0, #4"),
        ("and x0, x1, #~1", "and x0, x1, #0xfffffffffffffffe"),
        ("bic x0, x1, #1", "and x0, x1, #0xfffffffffffffffe"),
        ("add x0, x1, #0x3000", "add x0, x1, #3, lsl #12"),
        ("ldr x0, [x1, #-8]", "ldur x0, [x1, #-8]"),
        ("ldr x0, [x1, #1]", "ldur x0, [x1, #1]"),
        ("str lr, [sp]", "str x30, [sp]"),
        ("beq 8", "b.eq 8"),
        ("b.hs 8", "b.cs 8"),
        ("hint #3", "wfi"),
        ("hint #34", "bti c"),
        ("msr s3_0_c1_c0_0, x1", "msr sctlr_el1, x1"),
        ("ret x30", "ret"),
        ("isb sy", "isb"),
        ("ldaxr w0, [x1, #0]", "ldaxr w0, [x1]"),
        ("ld1 {v0.8b-v3.8b}, [x0]", "ld1 {v0.8b, v1.8b, v2.8b, v3.8b}, [x0]"),
        ("cmlt v0.4s, v1.4s, v2.4s", "cmgt v0.4s, v2.4s, v1.4s"),
        ("tbz x0, #3, 0", "tbz w0, #3, 0"),
        ("movz x0, #:abs_g1:0x12345678", "movz x0, #0x1234, lsl #16"),
    ],
)
def test_another_spelling_means_the_same(text: str, meaning: str) -> None:
    assert words(text) == words(meaning)


def test_the_result_tells_the_line_of_every_instruction() -> None:
    program = assemble("nop\n\nnop; nop\n.word 1", 0x100)
    assert program.lines == {0x100: 1, 0x104: 3, 0x108: 3, 0x10C: 4}


# ---- As the GNU assembler does


EVERYTHING = """
        .equ    UART, 0x09000000
start:  ldr     x1, =UART
        ldr     w2, =0x1234
        ldr     d3, =0x3ff0000000000000
        adr     x0, text
1:      ldrb    w3, [x0], #1
        cbz     w3, 2f
        str     w3, [x1]
        b       1b
2:      mov     w0, 'a' - 10
        and     x0, x0, #~0xfff
        tbnz    x0, #40, start
        b.ne    start
        stp     q0, q1, [sp, #-32]!
        .ltorg
text:   .asciz  "tab\\t octal \\101 quote \\""
        .balign 8
        .quad   start, text - start, 1 << 40
        .hword  2 * 3 + 1, -1
        .p2align 4,,8
        .align  3
        .fill   3, 4, 0xdeadbeef
        .space  5, 1
        ldr     x9, =start
        ret
"""


@pytest.mark.parametrize("source", [EVERYTHING, guest_source("demo")], ids=["everything", "demo"])
def test_a_program_becomes_the_bytes_that_binutils_makes_of_it(source: str, needs: Needs, tmp_path: Path) -> None:
    tools = {tool: needs(f"aarch64-linux-gnu-{tool}", "binutils-aarch64-linux-gnu") for tool in ("as", "ld", "objcopy")}
    text, made, linked, image = (tmp_path / name for name in ("a.s", "a.o", "a.elf", "a.bin"))
    text.write_text(source, encoding="utf-8")
    subprocess.run([tools["as"], "-o", made, text], check=True)
    subprocess.run([tools["ld"], "-Ttext=0x40080000", "-e", "0", "-o", linked, made], check=True)
    subprocess.run([tools["objcopy"], "-O", "binary", linked, image], check=True)
    assert assemble(source, 0x4008_0000).code == image.read_bytes()


# ---- Messages


def test_a_wrong_operand_is_shown_with_the_forms_that_there_are() -> None:
    assert complaint("nop\n  svc #0x10000") == (
        "  svc #0x10000\n"
        "       ^ a.S:2: 0x10000 is not in 0 to 65535\n"
        "Expected: svc #<imm>"
    )  # fmt: skip


def test_an_instruction_that_does_not_exist_has_a_neighbour() -> None:
    assert (
        complaint("  adcz x0, x1, x2")
        .splitlines()[1]
        .startswith("  ^^^^ a.S:1: there is no instruction adcz; did you mean adc")
    )


def test_a_symbol_that_is_not_defined_is_named() -> None:
    assert complaint("b nowhere") == "b nowhere\n  ^^^^^^^ a.S:1: nowhere is not defined"


def test_all_errors_are_told_at_once_in_the_order_of_lines() -> None:
    with pytest.raises(SourceErrors) as caught:
        assemble("foo\nnop\n.byte 300\nb nowhere\nmov x0, [\n")
    assert [error.line for error in caught.value.errors] == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("add x0, x1, #4097", "4097 is not 0 to 4095, nor such a number shifted left by 12"),
        ("add x0, x1", "expected ','"),
        ("add x0, x1, w2", "expected an extension such as uxtw"),
        ("adc x0, x1, w2", "expected an X register"),
        ("ldr x0, [x1, #32768]", "32768 is not in 0 to 32760"),
        ("ldr x0, [x1", "expected ']'"),
        ("and x0, x1, #5", "5 is no bit mask: a rotated run of ones, repeated"),
        ("mov x0, #0x12345", "the constant is neither 16 bits in zeros or ones, nor a bit mask"),
        ("lsl w0, w1, #32", "32 is not in 0 to 31"),
        ("cset x0, al", "al cannot be inverted"),
        ("mrs x0, sctlr", "there is no system register sctlr; did you mean sctlr_el3?"),
        ("tbz w0, #32, 0", "32 is not in 0 to 31"),
        ("b 3", "the target is not aligned to 4 bytes"),
        ("cbz x0, 0x100000", "the target is +0x100000 bytes away; the reach is 0x100000"),
        ("nop x0", "this does not belong here"),
        ("ldr x0, [x1, w2]", "a W register as an index needs uxtw or sxtw"),
        ("stp x0, x1, [sp, #9]", "9 is no multiple of 8"),
        ("casp x1, x2, x4, x5, [x0]", "the first register of the pair must be even"),
        ("ld2 {v0.8b, v2.8b}, [x0]", "the registers of a list are consecutive and have one shape"),
        (".balign 3", "3 is no power of 2"),
        (".wrod 1", "there is no directive .wrod; did you mean .word?"),
        (".byte 1 2", "expected a comma"),
        (".byte 1, 2,", "an operand is missing behind the last comma"),
        (".space -1", "-1 is not in 0 to 268435456"),
        (".space x", "x is not defined"),
        (".ascii 1", 'expected a "string"'),
        (".quad 1 / 0", "division by zero"),
        (".equ a, a\n.quad a", "a is defined by itself"),
        (".equ a, b", "b is not defined"),
        ("x: nop\nx: nop", "x is defined already"),
        ("add x0, x1, @", "'@' is no assembly"),
        ("add x0, (x1", "the line ends too early"),
        ("1b: nop", "this does not belong here"),
        ("prfm #32, [x0]", "32 is not in 0 to 31"),
        ("strb x0, =1", "=value is only for ldr and ldrsw of a register"),
        (".quad 09", "09 is no number"),
        (".byte " + "-" * 3000 + "1", "the expression is too deep"),
        (".float32 1.5", "there is no directive .float32"),
        (".word 1e300", "1e+300 does not fit 4 bytes"),
        (".equ half, 0.5\n.byte half", "0.5 is no integer"),
        (".space 1 << 40", "1099511627776 is not in 0 to 268435456"),
        ("fmov d0, #0.3", "0.3 is not n/16 * 2^r with n from 16 to 31 and r from -3 to 4"),
    ],
)
def test_a_mistake_is_explained(source: str, message: str) -> None:
    assert f": {message}" in complaint(source)


def test_the_caret_stands_under_the_mistake_behind_tabs() -> None:
    assert complaint("\tb\tnowhere").splitlines()[:2] == [
        "        b       nowhere",
        "                ^^^^^^^ a.S:1: nowhere is not defined",
    ]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AxError, match=r"cannot read .*missing\.S: No such file or directory"):
        assemble_file(tmp_path / "missing.S")
    binary = tmp_path / "binary.S"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(AxError, match=r"cannot read .*binary\.S: it is no UTF-8 text"):
        assemble_file(binary)


def test_an_origin_that_is_not_aligned_is_refused() -> None:
    with pytest.raises(AxError, match="the origin 0x2 is no address that is aligned to 4 bytes"):
        assemble("nop", 2)
    with pytest.raises(AxError, match="the origin -0x4 is no address that is aligned to 4 bytes"):
        assemble("nop", -4)


PIECES = [
    "add", "x0", "w31", "sp", ",", "#", "1", "[", "]", "!", "{", "}", "v0.8b", "=", ":", ".word", "ldr", "mov", "lsl",
    "(", ")", "-", "*", "'", '"', ";", "//", "0x", "1f", ":lo12:", ".equ", ".balign", "\n", "msr", "@",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_source_raises_anything_but_an_error_for_the_person(pieces: list[str]) -> None:
    try:
        assemble(" ".join(pieces))
    except AxError as error:
        assert str(error)


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_an_error_for_the_person(text: str) -> None:
    try:
        assemble(text)
    except AxError as error:
        assert str(error)
