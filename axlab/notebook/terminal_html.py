"""A terminal's screen as HTML and as a picture: every character of a guest is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from axlab.notebook import drawing as d
from axlab.notebook.terminal_colours import GROUND, INK, css
from axlab.notebook.terminal_grid import BLANK, Cell, Row
from axlab.notebook.terminal_screen import Screen

FRAME = (
    f"background:{GROUND};color:{INK};font-family:var(--jp-code-font-family,monospace);font-size:13px;line-height:1.25;"
    "padding:8px 10px;margin:0;border-radius:6px;overflow:auto;white-space:pre"
)
SHOWN = 400  # lines of a still console
CHARACTER, LINE = 7.8, 17  # of the picture, in pixels


def row_html(row: Row, cursor: int | None = None) -> str:
    """A row as spans of one style each; the cell of the `cursor` is reversed."""
    if cursor is not None:
        row = [*row, *[BLANK] * (cursor + 1 - len(row))]
        character, style = row[cursor]
        row[cursor] = Cell(character or " ", replace(style, reverse=not style.reverse))
    return "".join(
        f'<span style="{rules}">{html.escape(text)}</span>' if rules else html.escape(text) for text, rules in runs(row)
    )


def runs(row: Row) -> Iterator[tuple[str, str]]:
    """(text, CSS) of neighbouring cells that look the same."""
    for rules, cells in groupby(row, lambda cell: css(cell.style)):
        yield "".join(cell.character for cell in cells), rules


def lines_of(screen: Screen) -> list[Row]:
    """History and screen, without empty lines at the end; at most the last SHOWN."""
    lines = [*screen.history, *screen.rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines[-SHOWN:]


def still_html(screen: Screen, title: str) -> str:
    """The whole screen, as it stands in a saved notebook."""
    body = "\n".join(row_html(row) for row in lines_of(screen)) or " "
    return (
        f'<div role="region" aria-label="{html.escape(title)}"><div style="color:#808080;font-size:12px">'
        f'{html.escape(title)}</div><pre style="{FRAME};max-height:40em">{body}</pre></div>'
    )


def still_svg(screen: Screen, title: str) -> str:
    """The last screenful as a picture."""
    lines = lines_of(screen)[-screen.height :]
    width, height = 20 + screen.columns * CHARACTER, 20 + max(1, len(lines)) * LINE
    parts = [d.box(0, 0, width, height, GROUND, radius=6)]
    for number, row in enumerate(lines):
        y, column = 24 + number * LINE, 0
        for style, cells in groupby(row, lambda cell: cell.style):
            found = list(cells)
            text = "".join(cell.character for cell in found)
            if text.strip():
                x = 10 + column * CHARACTER
                fill = (style.background or GROUND) if style.reverse else style.foreground or INK
                parts.append(d.words(x, y, text.rstrip(), size=13, mono=True, fill=fill, bold=style.bold))
            column += len(found)
    return d.document(width, height, title, parts)
