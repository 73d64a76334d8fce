"""The text that a lab's notebook is made from: MyST Markdown, as MyST-NB and Jupytext read it too.

Text is a text cell; `+++` on a line of its own begins a new one. A code cell is

    ```{code-cell}
    :tags: [exercise-1.2]

    %vm list
    ```

A translation has the same cells, its code cells empty: their code stands in the English source alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from axlab.errors import AxError

BREAK = "+++"
OPENING = re.compile(r"(`{3,})\s*(.*)")
TAGS = re.compile(r":tags:\s*\[(.*)\]\s*")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its kind, its text without a newline at the end, its tags, and the line that it begins in (from 1)."""

    kind: Literal["markdown", "code"]
    text: str
    tags: tuple[str, ...] = ()
    line: int = 0


def read_cells(text: str, source: str) -> list[Cell]:
    """The cells of a source. Raises AxError."""
    cells, words, start = [], list[str](), 1
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        opening = OPENING.fullmatch(line)
        if line.strip() == BREAK or opening and opening[2].startswith("{code-cell}"):
            cells.append(Cell("markdown", "\n".join(words).strip("\n"), line=start))
            words, start = [], number + 1
            if opening:
                body = _until(opening[1], lines, source, number)
                cells.append(_code(body, number))
                start = number + len(body) + 2
        elif opening:
            words += [line, *_until(opening[1], lines, source, number), opening[1]]
        else:
            words.append(line)
    cells.append(Cell("markdown", "\n".join(words).strip("\n"), line=start))
    return [cell for cell in cells if cell.kind == "code" or cell.text]


def _until(fence: str, lines: Iterator[tuple[int, str]], source: str, began: int) -> list[str]:
    """The lines up to the end of a fenced block, without it."""
    body: list[str] = []
    for _, line in lines:
        if line.rstrip() == fence:
            return body
        body.append(line)
    raise AxError(f"the block that begins with {fence} has no end", source=source, line=began)


def _code(body: list[str], line: int) -> Cell:
    tags: tuple[str, ...] = ()
    while body and body[0].startswith(":"):
        match = TAGS.fullmatch(body[0])
        tags += tuple(word.strip() for word in match[1].split(",")) if match else ()
        body = body[1:]
    return Cell("code", "\n".join(body).strip("\n"), tags, line)


def translated(original: list[Cell], translation: list[Cell], source: str) -> list[Cell]:
    """The cells of a translation with the code of the original. Raises AxError where they are not the same cells."""
    for index, cell in enumerate(translation):
        if index >= len(original) or cell.kind != original[index].kind:
            there = f"a {original[index].kind} cell" if index < len(original) else "nothing more"
            raise AxError(
                f"a {cell.kind} cell stands where the English source has {there}", source=source, line=cell.line
            )
        if cell.kind == "code" and cell.text:
            raise AxError(
                "a code cell of a translation is empty; its code stands in the English source",
                source=source,
                line=cell.line,
            )
    if len(translation) < len(original):
        lost = original[len(translation)]
        raise AxError(f"a {lost.kind} cell is missing at the end: {lost.text.splitlines()[0]!r}", source=source)
    pairs = zip(original, translation, strict=True)
    return [one if one.kind == "code" else replace(two, tags=one.tags) for one, two in pairs]
