"""A terminal's screen: what a guest's output looks like, with colours and cursor movement (ECMA-48, DEC VT100, xterm).

The bytes are a guest's and not trusted. Sequences that move the cursor, erase, scroll and colour are obeyed; all
others (titles, links, clipboard, device queries, bells) do nothing, and nothing is ever answered.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from axlab.notebook.terminal_colours import Style, styled

COLUMNS, ROWS = 80, 24
HISTORY = 2000  # lines above the screen
LONGEST = 4096  # characters of a sequence; more is no sequence
MOST = 9999  # of a parameter

TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<params>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|(?P<string>(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\x18\x1a\n]*(?:\x07|\x1b\\|\x9c|\x18|\x1a|(?=\n)))"
    r"|\x1b(?P<escape>[ -/]*[0-OQ-WYZ\\`-~])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
)
UNFINISHED = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\x18\x1a\n]*\x1b?\Z|\x1b[ -/]*\Z"
)
UNSAFE = re.compile(r"[\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # breaks lines, or turns the order of text around
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
class Screen:
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
    rest: str = ""
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def __post_init__(self) -> None:
        self.rows = [[] for _ in range(self.height)]
        self.bottom = self.height - 1

    def feed(self, data: bytes) -> None:
        """Show bytes, in pieces of any size."""
        text, place = self.rest + self.decoder.decode(data), 0
        self.rest = ""
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                if UNFINISHED.match(text, place) and len(text) - place < LONGEST:
                    self.rest = text[place:]
                    return
                place += 1  # an escape that begins nothing
                continue
            place = match.end()
            self._obey(match)

    def _obey(self, match: re.Match[str]) -> None:
        kind = match.lastgroup
        if kind == "text":
            self._print(UNSAFE.sub("\ufffd", match["text"]))
        elif kind == "control":
            if handler := CONTROLS.get(match["control"]):
                handler(self)
        elif kind == "final":
            self._sequence(match["params"], match["between"], match["final"])
        elif kind == "escape" and (handler := ESCAPES.get(match["escape"])):
            handler(self)

    def _sequence(self, params: str, between: str, final: str) -> None:
        """A control sequence. Private ones (`?`) only set and reset modes."""
        if final == "m" and not between and params[:1] not in ("?", ">", "<", "="):
            self.style = styled(self.style, params)
            return
        private = params[:1] == "?"
        if between or params[:1] in ("<", "=", ">") or (private and final not in "hlJK"):
            return
        numbers = [min(MOST, int(part)) if part.isdecimal() else 0 for part in params.lstrip("?").split(";")]
        if final in "hl":
            for number in numbers:
                if mode := MODES.get(("?" if private else "") + str(number)):
                    mode(self, final == "h")
        elif handler := SEQUENCES.get(final):
            handler(self, numbers)

    # --- printing

    def _print(self, text: str) -> None:
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
        fresh = Screen(self.columns, self.height)
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


def tab(screen: Screen) -> None:
    screen.move(screen.row, (screen.column // 8 + 1) * 8)


def next_line(screen: Screen) -> None:
    screen.column = 0
    screen.line_feed()


CONTROLS: dict[str, Callable[[Screen], None]] = {
    "\r": lambda s: s.move(s.row, 0),
    "\b": lambda s: s.move(s.row, min(s.column, s.columns) - 1),
    "\t": tab,
    **dict.fromkeys("\n\x0b\x0c", Screen.new_line),
    "\x84": Screen.line_feed,
    "\x85": next_line,
    "\x8d": Screen.reverse_line_feed,
    "\x0e": Screen.draw_lines,
    "\x0f": Screen.draw_letters,
}
ESCAPES: dict[str, Callable[[Screen], None]] = {
    "7": Screen.save,
    "8": Screen.restore,
    "D": Screen.line_feed,
    "E": next_line,
    "M": Screen.reverse_line_feed,
    "c": Screen.reset,
    "(0": Screen.draw_lines,
    "(B": Screen.draw_letters,
}
Handler = Callable[[Screen, list[int]], None]


def one(numbers: list[int]) -> int:
    """A count: at least 1."""
    return max(1, numbers[0])


SEQUENCES: dict[str, Handler] = {
    "A": lambda s, n: s.up(one(n)),
    **dict.fromkeys("Be", lambda s, n: s.down(one(n))),
    **dict.fromkeys("Ca", lambda s, n: s.move(s.row, s.column + one(n))),
    "D": lambda s, n: s.move(s.row, s.column - one(n)),
    "E": lambda s, n: s.move(s.row + one(n), 0),
    "F": lambda s, n: s.move(s.row - one(n), 0),
    **dict.fromkeys("G`", lambda s, n: s.move(s.row, one(n) - 1)),
    **dict.fromkeys("Hf", lambda s, n: s.move(one(n) - 1, one(n[1:] or [1]) - 1)),
    "d": lambda s, n: s.move(one(n) - 1, s.column),
    "J": lambda s, n: s.erase_display(n[0]),
    "K": lambda s, n: s.erase_line(n[0]),
    "X": lambda s, n: s.erase(s.row, s.column, min(s.columns, s.column + one(n))),
    "L": lambda s, n: s.insert_lines(one(n)),
    "M": lambda s, n: s.delete_lines(one(n)),
    "@": lambda s, n: s.insert_cells(one(n)),
    "P": lambda s, n: s.delete_cells(one(n)),
    "S": lambda s, n: s.scroll(one(n)),
    "T": lambda s, n: s.scroll(-one(n)),
    "r": lambda s, n: s.set_region(n[0], (n[1:] or [0])[0]),
    "s": lambda s, n: s.save(),
    "u": lambda s, n: s.restore(),
}


def set_cursor(screen: Screen, on: bool) -> None:
    screen.cursor = on


def set_wrap(screen: Screen, on: bool) -> None:
    screen.wraps = on


def set_insert(screen: Screen, on: bool) -> None:
    screen.inserts = on


MODES: dict[str, Callable[[Screen, bool], None]] = {
    "4": set_insert,
    "?7": set_wrap,
    "?25": set_cursor,
    **dict.fromkeys(("?47", "?1047", "?1049"), Screen.alternate),
}
