"""The text of assembly source before it is parsed: comments blanked out, lines kept as they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCANNER = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?(?:\*/|\Z)|\'(?:\\.|[^\\\n])', re.DOTALL)
LINE_COMMENT = re.compile(r"^[ \t]*#.*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line as it was written, for messages, and its `code` without comments. `number` counts from 1; `file`
    is the one that was included, or nothing."""

    number: int
    text: str
    code: str
    file: str = ""


def source_lines(source: str, file: str = "") -> list[SourceLine]:
    """The lines of a source. Comments become spaces, so that columns stay as they are."""
    code = SCANNER.sub(blank, LINE_COMMENT.sub("", source))
    pairs = zip(source.split("\n"), code.split("\n"), strict=True)
    return [SourceLine(number, text, bare, file) for number, (text, bare) in enumerate(pairs, 1)]


def blank(match: re.Match[str]) -> str:
    """Spaces in place of a comment; strings and characters stay."""
    text = match.group()
    return text if text[0] in "\"'" else re.sub(r"[^\n]", " ", text)
