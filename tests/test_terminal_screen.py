"""A terminal's screen: what is obeyed, what does nothing, and that no bytes of a guest break it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.notebook.terminal_colours import PALETTE, Style, css, styled
from axlab.notebook.terminal_grid import HISTORY
from axlab.notebook.terminal_html import row_html, still_html, still_svg
from axlab.notebook.terminal_screen import Screen


def shown(data: bytes, columns: int = 20, height: int = 5) -> list[str]:
    """The lines of the screen after these bytes."""
    screen = Screen(columns, height)
    screen.feed(data)
    return ["".join(cell.character for cell in row).rstrip() for row in screen.rows]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\r\ntwo", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"abc\rX", ["Xbc"]),
        (b"abc\b\bX", ["aXc"]),
        (b"a\tb", ["a       b"]),
        (b"\x1b[2;3Hx", ["", "  x"]),
        (b"abc\x1b[2Dx", ["axc"]),
        (b"abc\x1b[1K", [""]),
        (b"abcdef\x1b[4G\x1b[K", ["abc"]),
        (b"abcdef\x1b[2G\x1b[2P", ["adef"]),
        (b"abc\x1b[1G\x1b[2@", ["  abc"]),
        (b"abcdef\x1b[2G\x1b[2X", ["a  def"]),
        (b"a\r\nb\r\nc\x1b[2;1H\x1b[L", ["a", "", "b", "c"]),
        (b"a\r\nb\r\nc\x1b[1;1H\x1b[M", ["b", "c"]),
        (b"a\x1b[2Jb", [" b"]),
        (b"a\x1b[B\x1b[Ab", ["ab"]),
        (b"a\x1b7\x1b[3;3Hb\x1b8c", ["ac", "", "  b"]),
        (b"\x1b[2;3r\x1b[3;1Ha\n\x1b[3;1Hb", ["", "a", "b"]),
        (b"\x1b[1;1Ha\x1bMb", [" b", "a"]),
        (b"main\x1b[?1049hfull\x1b[?1049l!", ["main!"]),
        (b"\x1b(0lqk\x1b(Bx", ["\u250c\u2500\u2510x"]),
        (b"\x1b[4hb\x1b[1Ga", ["ab"]),
        ("wide 中文!".encode(), ["wide 中文!"]),
        ("e\u0301".encode(), ["e\u0301"]),
        (b"12345678901234567890ab", ["12345678901234567890", "ab"]),
        (b"\x1b[?7l1234567890123456789012", ["12345678901234567892"]),
    ],
)
def test_movement_and_erasing_are_obeyed(data: bytes, lines: list[str]) -> None:
    assert shown(data) == lines + [""] * (5 - len(lines))


@pytest.mark.parametrize(
    "data",
    [
        b"a\x1b]0;a title\x07b",
        b"a\x1b]52;c;aGVsbG8=\x1b\\b",
        b"a\x1b]8;;http://x\x07b",
        b"a\x1bPq#0;2;0\x1b\\b",
        b"a\x1b^private\x1b\\\x1b_app\x1b\\b",
        b"a\x1b[6n\x1b[c\x1b[>0c\x1b[5n\x1b]11;?\x07b",
        b"a\x1b[?2004h\x1b[?1000h\x1b[>4;1m\x1b[!pb",
        b"a\x07\x00\x05b",
        b"a\xc2\x90hidden\xc2\x9cb",
        b"a\x1b[99999999999999999999mb",
    ],
)
def test_everything_else_does_nothing(data: bytes) -> None:
    assert shown(data)[0] == "ab"


def test_text_that_turns_its_order_around_is_replaced() -> None:
    assert shown("a\u202eb".encode())[0] == "a\ufffdb"


def test_a_string_without_an_end_ends_with_its_line() -> None:
    assert shown(b"a\x1b]0;never\nb")[:2] == ["a", "b"]


@given(st.binary(max_size=200), st.data())
def test_pieces_give_the_same_as_the_whole(data: bytes, pick: st.DataObject) -> None:
    cut = pick.draw(st.integers(0, len(data)))
    whole, pieces = Screen(20, 5), Screen(20, 5)
    whole.feed(data)
    pieces.feed(data[:cut])
    pieces.feed(data[cut:])
    assert (whole.rows, whole.row, whole.column, whole.text()) == (
        pieces.rows, pieces.row, pieces.column, pieces.text(),
    )  # fmt: skip


PARTS = [
    b"\x1b", b"[", b"?", b";", b"5", b"99", b"m", b"H", b"A", b"]", b"\x07", b"P", b"\\", b"x", b"\r", b"\n",
    b"\xc2\x9b", b"J", b"K", b"r", b"h", b"l", b"(0", b"\xe2\x82", b"\xf0", b"\x00", b"q", b"L", b"M", b"@",
    b"X", b"d", b"1049", b"38;5;", "中".encode(), "\u0301".encode(), b"S", b"T", b"\t", b"\b", b"4", b"7",
    b"2;4", b"c", b"8",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=60))
def test_no_output_breaks_the_screen(parts: list[bytes]) -> None:
    screen = Screen(20, 5)
    screen.feed(b"".join(parts))
    assert len(screen.rows) == 5 and all(len(row) <= 21 for row in screen.rows)
    assert 0 <= screen.row < 5 and 0 <= screen.column <= 21
    page = "".join(row_html(row) for row in screen.rows) + still_svg(screen, "x")
    assert "\x1b" not in page and "\x9b" not in page


def test_lines_that_go_off_the_top_are_kept_up_to_a_limit() -> None:
    screen = Screen(20, 5)
    screen.feed(b"".join(b"%d\r\n" % n for n in range(HISTORY + 100)))
    assert len(screen.history) == HISTORY and screen.scrolled == HISTORY + 96
    assert screen.text().endswith(f"{HISTORY + 99}")


def test_colours_and_styles_become_css() -> None:
    screen = Screen(20, 2)
    screen.feed(b"a\x1b[1;31mb\x1b[0m<\x1b[38;5;208;48;2;1;2;3mc\x1b[m\x1b[7md")
    assert row_html(screen.rows[0]) == (
        f'a<span style="color:{PALETTE[1]};font-weight:bold">b</span>&lt;'
        '<span style="color:#ff8700;background:#010203">c</span>'
        '<span style="color:#1b1e23;background:#d6d9de">d</span>'
    )


def test_an_unknown_colour_changes_nothing() -> None:
    assert styled(Style(bold=True), "38;9;77;99") == Style(bold=True)
    assert css(Style()) == ""


def test_the_cursor_is_reversed_also_behind_the_text() -> None:
    screen = Screen(20, 2)
    screen.feed(b"a")
    assert row_html(screen.rows[0], 1).startswith('a<span style="color:#1b1e23;background:#d6d9de"> </span>')


def test_a_still_screen_is_escaped_text() -> None:
    screen = Screen()
    screen.feed(b"<script>\r\n\x1b[32m&ok")
    page = still_html(screen, "VM <0>")
    assert "&lt;script&gt;\n" in page and "&amp;ok</span>" in page and "VM &lt;0&gt;" in page and "<script>" not in page


def test_a_screen_can_be_copied_while_a_sequence_is_unfinished() -> None:
    screen = Screen()
    screen.feed(b"a\x1b[3")
    other = copy.deepcopy(screen)
    other.feed(b"1mb")
    assert other.text() == "ab" and screen.text() == "a"
