"""The cells of a terminal's screen, its cursor and its history, and all that can be done to them."""

from __future__ import annotations

import unicodedata
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from axlab.notebook.terminal_colours import Style

COLUMNS, ROWS = 80, 24
HISTORY = 2000  # lines above the screen
DRAWING = dict(zip("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))  # DEC special graphics


class Cell(NamedTuple):
    """A character in its style; "" is the right half of a wide one."""

    character: str
    style: Style


Row = list[Cell]
PLAIN = Style()
BLANK = Cell(" ", PLAIN)


@dataclass
class Saved:
    """What ESC 7 keeps."""

    row: int = 0
    column: int = 0
    style: Style = PLAIN


@dataclass
class Grid:
    """`rows` of cells, which end where nothing was written; `history` has the lines that went off the top.

    `row` and `column` are the cursor's; a column of `columns` means that the next character begins a new line.
    """

    columns: int = COLUMNS
    height: int = ROWS
    rows: list[Row] = field(default_factory=list)
    history: deque[Row] = field(default_factory=lambda: deque(maxlen=HISTORY))
    scrolled: int = 0  # how many lines have ever gone into the history
    row: int = 0
    column: int = 0
    style: Style = PLAIN
    top: int = 0
    bottom: int = ROWS - 1
    cursor: bool = True
    wraps: bool = True
    inserts: bool = False
    draws: bool = False  # DEC special graphics instead of letters
    saved: Saved = field(default_factory=Saved)
    main: list[Row] | None = None  # the main screen's rows, while a program has the alternate one

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(self.height)]
        self.bottom = self.height - 1

    # --- printing

    def print(self, text: str) -> None:
        """Write text at the cursor, which goes on behind it."""
        if self.draws:
            text = "".join(DRAWING.get(character, character) for character in text)
        if text.isascii() and not self.inserts:
            while text:
                if self.column >= self.columns:
                    self._wrap()
                room = self.columns - self.column
                part, text = (text[:room], text[room:]) if self.wraps else (text[: room - 1] + text[-1:], "")
                style = self.style
                self._put([Cell(character, style) for character in part[:room]])
            return
        for character in text:
            self._print_one(character)

    def _print_one(self, character: str) -> None:
        if unicodedata.combining(character):
            self._combine(character)
            return
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > self.columns:
            self._wrap()
        cells = [Cell(character, self.style), Cell("", self.style)][:width]
        if self.inserts:
            row = self._filled(self.column)
            row[self.column : self.column] = cells
            del row[self.columns :]
            self.column += width
        else:
            self._put(cells)

    def _put(self, cells: Row) -> None:
        row = self._filled(self.column)
        row[self.column : self.column + len(cells)] = cells
        self.column += len(cells)

    def _combine(self, character: str) -> None:
        """An accent belongs to the character before it; a few of them are enough."""
        row = self.rows[self.row]
        place = min(self.column, len(row)) - 1
        if place >= 0 and len(row[place].character) < 8:
            row[place] = row[place]._replace(character=row[place].character + character)

    def _filled(self, column: int) -> Row:
        """The cursor's row, with blanks up to a column."""
        row = self.rows[self.row]
        row.extend([BLANK] * (column - len(row)))
        return row

    def _wrap(self) -> None:
        if self.wraps:
            self.column = 0
            self.line_feed()
        else:
            self.column = self.columns - 1

    # --- moving

    def move(self, row: int, column: int) -> None:
        """The cursor goes there, or as far as the screen reaches."""
        self.row = max(0, min(self.height - 1, row))
        self.column = max(0, min(self.columns - 1, column))

    def up(self, count: int) -> None:
        self.move(max(self.row - count, self.top if self.row >= self.top else 0), self.column)

    def down(self, count: int) -> None:
        self.move(min(self.row + count, self.bottom if self.row <= self.bottom else self.height - 1), self.column)

    def line_feed(self) -> None:
        """To the next line; at the bottom of the region it scrolls."""
        if self.row == self.bottom:
            self.scroll(1)
        elif self.row < self.height - 1:
            self.row += 1

    def new_line(self) -> None:
        """A guest that writes only LF means a new line; a program with the alternate screen means down."""
        if self.main is None:
            self.column = 0
        self.line_feed()

    def reverse_line_feed(self) -> None:
        if self.row == self.top:
            self.scroll(-1)
        elif self.row > 0:
            self.row -= 1

    def scroll(self, count: int, top: int | None = None) -> None:
        """The region's lines (from `top` on) go up by `count`, or down. What leaves the whole screen is kept."""
        first = self.top if top is None else top
        for _ in range(min(abs(count), self.height)):
            if count > 0:
                gone = self.rows.pop(first)
                self.rows.insert(self.bottom, [])
                if first == 0 and self.main is None:
                    self.history.append(gone)
                    self.scrolled += 1
            else:
                self.rows.pop(self.bottom)
                self.rows.insert(first, [])

    # --- erasing

    def erase(self, row: int, first: int, last: int) -> None:
        """Columns `first` up to `last` of a row become blank, in the colour of the background."""
        cells = self.rows[row]
        if last >= len(cells) and self.style.background is None:
            del cells[first:]
            return
        cells.extend([BLANK] * (last - len(cells)))
        cells[first:last] = [Cell(" ", Style(background=self.style.background))] * (last - first)

    def erase_line(self, how: int) -> None:
        """0: to the end, 1: from the beginning, 2: all of it."""
        here = min(self.column, self.columns - 1)
        self.erase(self.row, *{0: (here, self.columns), 1: (0, here + 1)}.get(how, (0, self.columns)))

    def erase_display(self, how: int) -> None:
        """0: to the end, 1: from the beginning, 2: all of it, 3: what went off the top, too."""
        if how == 3:
            self.history.clear()
        rows = {0: range(self.row + 1, self.height), 1: range(self.row)}.get(how, range(self.height))
        for row in rows:
            self.erase(row, 0, self.columns)
        if how < 2:
            self.erase_line(how)

    def insert_lines(self, count: int) -> None:
        if self.top <= self.row <= self.bottom:
            self.scroll(-count, self.row)
            self.column = 0

    def delete_lines(self, count: int) -> None:
        if self.top <= self.row <= self.bottom:
            for _ in range(min(count, self.height)):
                self.rows.pop(self.row)
                self.rows.insert(self.bottom, [])
            self.column = 0

    def insert_cells(self, count: int) -> None:
        row = self._filled(self.column)
        row[self.column : self.column] = [BLANK] * min(count, self.columns)
        del row[self.columns :]

    def delete_cells(self, count: int) -> None:
        del self.rows[self.row][self.column : self.column + count]

    # --- modes

    def set_region(self, first: int, last: int) -> None:
        """Only these lines scroll, from 1 on; 0 for all."""
        top, bottom = max(first, 1) - 1, (last or self.height) - 1
        if top < bottom < self.height:
            self.top, self.bottom = top, bottom
            self.move(0, 0)

    def save(self) -> None:
        self.saved = Saved(self.row, self.column, self.style)

    def restore(self) -> None:
        self.move(self.saved.row, self.saved.column)
        self.style = self.saved.style

    def alternate(self, on: bool) -> None:
        """A program in the whole screen: what was there comes back when it ends."""
        if on and self.main is None:
            self.save()
            self.main, self.rows = self.rows, [[] for _ in range(self.height)]
        elif not on and self.main is not None:
            self.rows, self.main = self.main, None
            self.restore()

    def reset(self) -> None:
        """As at the beginning, but that the history stays."""
        fresh = Grid(self.columns, self.height)
        for name in ("rows", "row", "column", "style", "top", "bottom", "cursor", "wraps", "inserts", "draws"):
            setattr(self, name, getattr(fresh, name))
        self.saved, self.main = Saved(), None

    def draw_letters(self) -> None:
        self.draws = False

    def draw_lines(self) -> None:
        self.draws = True

    @property
    def shown(self) -> list[Row]:
        """The rows that have something in them, and those down to the cursor."""
        last = max((number for number, row in enumerate(self.rows) if row), default=0)
        return self.rows[: max(last, self.row) + 1]

    def text(self) -> str:
        """All lines, history and screen, without blanks at their ends and empty lines at the end."""
        lines = ["".join(cell.character for cell in row).rstrip() for row in (*self.history, *self.rows)]
        while lines and not lines[-1]:
            lines.pop()
        return "\n".join(lines)
