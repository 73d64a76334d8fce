"""The three kinds of failure, never mixed.

A *guest fault* is delivered to the guest or fails its VM: it is data, not a Python exception.
A *person's mistake* is an `AxError`: what was wrong, where, and what would be right.
Everything else is a defect of AxLab, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST_ERRORS = 20  # that are shown of a source
CARET = re.compile(r"^( *)(\^+)( .*)$")  # the line under a mistake
RED, BOLD, PLAIN = "\x1b[31m", "\x1b[1m", "\x1b[0m"


class AxError(Exception):
    """A person's mistake, in that person's words.

    `text` is the line that is wrong, `column` (from 0) and `length` the place in it; `source` and
    `line` (from 1) name the file. `usage` is what would be right.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str = "",
        line: int = 0,
        text: str = "",
        column: int = 0,
        length: int = 1,
        usage: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.line = line
        self.text = text
        self.column = column
        self.length = length
        self.usage = usage

    def __str__(self) -> str:
        """The message; with a line of text, that line and a caret under the mistake come first."""
        where = f"{self.source}:{self.line}: " if self.line else f"{self.source}: " if self.source else ""
        if not self.text:
            lines = [where + self.message]
        else:
            caret = " " * display_width(self.text[: self.column]) + "^" * max(1, self.length)
            lines = [self.text, f"{caret} {where}{self.message}"]
        return "\n".join(lines + ([self.usage] if self.usage else []))

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback; they are a real error output."""
        return emphasised(str(self), type(self).__name__)


class SourceErrors(AxError):
    """Everything that is wrong with a source, in the order of its lines."""

    def __init__(self, errors: list[AxError]) -> None:
        first = errors[0]
        super().__init__(
            first.message,
            source=first.source,
            line=first.line,
            text=first.text,
            column=first.column,
            length=first.length,
            usage=first.usage,
        )
        self.errors = errors

    def __str__(self) -> str:
        shown = [AxError.__str__(error) for error in self.errors[:MOST_ERRORS]]
        if len(self.errors) > MOST_ERRORS:
            shown.append(f"and {len(self.errors) - MOST_ERRORS} more errors")
        return "\n".join(shown)


class Refused(AxError):
    """The lifecycle table refuses an operation; the message is its verdict, the state is as it was."""


def emphasised(text: str, kind: str) -> list[str]:
    """The lines of an error for a terminal or a notebook: its carets in red, what they say in bold.

    Where there is no caret, its first line stands behind the `kind` of the error in red. JupyterLab puts errors on
    red: there a text in red could not be read, on a light page or on a dark one.
    """
    lines = text.splitlines() or [""]
    if any(CARET.match(line) for line in lines):
        return [CARET.sub(rf"\1{RED}\2{PLAIN}{BOLD}\3{PLAIN}", line) for line in lines]
    return [f"{RED}{kind}{PLAIN}: {BOLD}{lines[0]}{PLAIN}", *lines[1:]]


def no_vm(key: int | str, known: Mapping[int, str]) -> AxError:
    """The error for a VM that is not there: it says which are, `known` by their ids with their names."""
    close = nearest(str(key), list(known.values()))
    there = ", ".join(f"VM[{number}] {name}".rstrip() for number, name in sorted(known.items())) or "none"
    verb = "is" if len(known) < 2 else "are"
    return AxError(f"VM[{key}] not found" + (f"{close} There {verb} {there}" if close else f"; there {verb} {there}"))


def display_width(text: str) -> int:
    """Columns that a terminal needs for `text`: a wide (CJK) character takes two."""
    import unicodedata

    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean X?` for the known word that is nearest to `word`, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
