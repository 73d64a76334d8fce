"""From text to commands: `grammars/shell.lark` read, words decoded, and every word's place kept.

`parse("vm start 0; vm list")` gives one `CommandLine` per command. A word knows where it stands in
the text, so that any later error can be drawn with a caret under it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput

from axlab.errors import AxError, display_width
from axlab.languages import read_grammar

ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
    "\n": "",
}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word after quotes and escapes; `start` and `end` are its place in the source text."""

    text: str
    start: int
    end: int

    @property
    def plain(self) -> bool:
        """Written without quotes and escapes: its characters are those of the source."""
        return self.end - self.start == len(self.text)

    def part(self, offset: int) -> Word:
        """The word from `offset` on; its place is exact where the word is plain, else the whole word's."""
        return Word(self.text[offset:], self.start + offset if self.plain else self.start, self.end)


@dataclass(frozen=True, slots=True)
class Redirection:
    """`> FILE` or, with `append`, `>> FILE`."""

    target: Word
    append: bool


@dataclass(frozen=True, slots=True)
class Source:
    """The text that commands were read from, and its name for messages (a file, or nothing)."""

    text: str
    name: str = ""

    def error(self, message: str, start: int, end: int, usage: str = "") -> AxError:
        """An AxError that points at `text[start:end]`, in the line where that begins."""
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", first)
        line = self.text[first:] if last < 0 else self.text[first:last]
        wrong = self.text[start : min(end, first + len(line))]
        several = "\n" in self.text.strip("\n") or bool(self.name)
        return AxError(
            message,
            source=(self.name or "line") if several else "",
            line=self.text.count("\n", 0, start) + 1 if several else 0,
            text=CONTROL.sub(" ", line).rstrip() or " ",
            column=start - first,
            length=max(1, display_width(wrong)),
            usage=usage,
        )


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command: at least one word, and where its output goes."""

    words: tuple[Word, ...]
    source: Source
    redirection: Redirection | None = None

    @property
    def text(self) -> str:
        """The command as it was written."""
        last = self.redirection.target if self.redirection else self.words[-1]
        return self.source.text[self.words[0].start : last.end]

    def error(self, message: str, word: Word | None = None, usage: str = "") -> AxError:
        """An AxError at `word`; without one, just behind the last word: something is missing there."""
        if word is None:
            end = self.words[-1].end
            return self.source.error(message, end + 1, end + 2, usage)
        return self.source.error(message, word.start, word.end, usage)


def unescape(text: str) -> str:
    r"""Backslash escapes as between double quotes: `\n`, `\t`, `\x1b`, ...; any other `\c` is c."""

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else ESCAPES.get(match[3], match[3])

    return ESCAPE.sub(character, text)


DECODE: dict[str, Callable[[str], str]] = {
    "PLAIN": lambda text: text,
    "HASHED": lambda text: text,
    "ESCAPED": lambda text: text[1:],
    "SINGLE": lambda text: text[1:-1],
    "DOUBLE": lambda text: unescape(text[1:-1]),
}


@functools.cache
def _parser() -> Lark:
    return Lark(read_grammar("shell.lark"), start="script", parser="lalr")


def parse(text: str, name: str = "") -> list[CommandLine]:
    """All commands of `text`. Raises AxError for an open quote, a trailing backslash or a stray `>`."""
    source = Source(text, name)
    try:
        script = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(source, error) from None
    return [_command(tree, source) for tree in script.children if isinstance(tree, Tree)]


def _command(tree: Tree[Token], source: Source) -> CommandLine:
    parts = [part for part in tree.children if isinstance(part, Tree)]
    redirection = _redirection(parts.pop()) if parts[-1].data == "redirection" else None
    return CommandLine(tuple(_word(part) for part in parts), source, redirection)


def _redirection(tree: Tree[Token]) -> Redirection:
    arrow, target = tree.children
    assert isinstance(target, Tree)
    return Redirection(_word(target), append=arrow == ">>")


def _word(tree: Tree[Token]) -> Word:
    pieces = [piece for piece in tree.children if isinstance(piece, Token)]
    start, end = pieces[0].start_pos, pieces[-1].end_pos
    assert start is not None and end is not None
    return Word("".join(DECODE[piece.type](str(piece)) for piece in pieces), start, end)


def _explained(source: Source, error: UnexpectedInput) -> AxError:
    start = error.pos_in_stream
    if start is None or start < 0 or start >= len(source.text):
        start = len(source.text)
    character = source.text[start : start + 1] if isinstance(error, UnexpectedCharacters) else ""
    if character in ("'", '"') and character:
        return source.error(f"this quote is never closed; write another {character} where it ends", start, start + 1)
    if character == "\\":
        message = "a backslash at the end of a line quotes nothing; write \\\\ for a backslash"
        return source.error(message, start, start + 1)
    arrow = max(source.text.rfind(">", 0, start + 1), 0)
    return source.error("`>` stands between a command and one file name, and ends the command", arrow, arrow + 1)
