"""The language: words, quotes, escapes, comments, separators, redirection, and where each word stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.errors import AxError
from axlab.shell.completion import quoted
from axlab.shell.literals import unescape_literal
from axlab.shell.syntax import parse


def words(text: str) -> list[list[str]]:
    return [[word.text for word in line.words] for line in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vm start 0 1 --detach", [["vm", "start", "0", "1", "--detach"]]),
        ("", []),
        (" \t\n ;; \n", []),
        ("vm\tlist   -a", [["vm", "list", "-a"]]),
        ("vm list; vm show 0\nhelp", [["vm", "list"], ["vm", "show", "0"], ["help"]]),
        ("vm list;vm show", [["vm", "list"], ["vm", "show"]]),
        ("echo 'hello world'", [["echo", "hello world"]]),
        ('echo "hello world"', [["echo", "hello world"]]),
        (r"echo \"test\"", [["echo", '"test"']]),
        (r'vm start 0 1 --name "test vm"', [["vm", "start", "0", "1", "--name", "test vm"]]),
        ("a\"b c\"'d e'f", [["ab cd ef"]]),
        (r"a\ b", [["a b"]]),
        (r"\n\x", [["nx"]]),
        ("echo \"\" ''", [["echo", "", ""]]),
        (r"'a\b'", [[r"a\b"]]),
        (r'"a\"b\\c\n\t\x41"', [['a"b\\c\n\tA']]),
        ("'a;b\nc#d>e'", [["a;b\nc#d>e"]]),
        ("vm list # all of them; really", [["vm", "list"]]),
        ("# only a comment\nvm list", [["vm", "list"]]),
        ("echo a#b #c", [["echo", "a#b"]]),
        ("echo 'a'#b", [["echo", "a#b"]]),
        ("vm list\r\nhelp\r\n", [["vm", "list"], ["help"]]),
        ("echo 虚拟机 é", [["echo", "虚拟机", "é"]]),
    ],
)
def test_a_line_has_these_words(text: str, expected: list[list[str]]) -> None:
    """Fix 14: separators, comments and empty words, which the document's tokenizer loses."""
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("vm show 'abc", 8, "this quote is never closed; write another ' where it ends"),
        ('echo a "b\\"', 7, 'this quote is never closed; write another " where it ends'),
        ("vm list\\", 7, "a backslash at the end of a line quotes nothing; write \\\\ for a backslash"),
        ("> file", 0, "`>` stands between a command and one file name, and ends the command"),
        ("vm list > a b", 8, "`>` stands between a command and one file name, and ends the command"),
        ("vm list >", 8, "`>` stands between a command and one file name, and ends the command"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, caret: int, message: str) -> None:
    with pytest.raises(AxError) as caught:
        parse(text)
    assert caught.value.message == message
    assert caught.value.column == caret


def test_the_caret_stands_under_the_mistake() -> None:
    with pytest.raises(AxError) as caught:
        parse("echo 虚拟 'x")
    assert str(caught.value).split("\n") == [
        "echo 虚拟 'x",
        "          ^ this quote is never closed; write another ' where it ends",
    ]


def test_in_a_file_the_line_is_named() -> None:
    with pytest.raises(AxError) as caught:
        parse("vm list\necho 'x\n", "boot.axs")
    assert str(caught.value).split("\n") == [
        "echo 'x",
        "     ^ boot.axs:2: this quote is never closed; write another ' where it ends",
    ]


def test_output_goes_to_a_file_or_behind_it() -> None:
    first, second = parse("vm list > 'a b'; vm show 0 >>x # c")
    assert first.redirection and second.redirection
    assert (first.redirection.target.text, first.redirection.append) == ("a b", False)
    assert (second.redirection.target.text, second.redirection.append) == ("x", True)
    assert [word.text for word in second.words] == ["vm", "show", "0"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_every_word_can_be_quoted(given_words: list[str]) -> None:
    assert words(" ".join(quoted(word) for word in given_words)) == [given_words]


@given(st.text())
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        lines = parse(text)
    except AxError as error:
        assert 0 <= error.column <= len(text)
    else:
        for line in lines:
            assert line.words
            for word in line.words:
                assert 0 <= word.start < word.end <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"version\n", b"version\n"),
        (r"\x1b[A", b"\x1b[A"),
        (r"\xff\377", b"\xff\xff"),
        (r"\u2713\N{CHECK MARK}", "✓✓".encode()),
        (r"\q", rb"\q"),
        ("虚", "虚".encode()),
        (r"a\\n", rb"a\n"),
        ("", b""),
    ],
)
def test_typed_text_has_pythons_escapes(text: str, expected: bytes) -> None:
    assert unescape_literal(text) == expected


@pytest.mark.parametrize("text", ["\\", r"\x1", r"\u12", r"\U00ffffff", r"\N{no such thing}"])
def test_a_broken_escape_is_pointed_at(text: str) -> None:
    with pytest.raises(AxError) as caught:
        unescape_literal("ok" + text)
    assert caught.value.column == 2
