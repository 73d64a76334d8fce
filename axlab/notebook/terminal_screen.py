"""A terminal's screen: what a guest's output looks like, with colours and cursor movement (ECMA-48, DEC VT100, xterm).

The bytes are a guest's and not trusted. Sequences that move the cursor, erase, scroll and colour are obeyed; all
others (titles, links, clipboard, device queries, bells) do nothing, and nothing is ever answered.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from axlab.notebook.terminal_colours import styled
from axlab.notebook.terminal_grid import Grid

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


@dataclass
class Screen(Grid):
    """A grid that obeys bytes. `rest` is what has come of a sequence that is not whole yet."""

    rest: str = ""
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

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
            self.print(UNSAFE.sub("\ufffd", match["text"]))
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


def tab(screen: Grid) -> None:
    screen.move(screen.row, (screen.column // 8 + 1) * 8)


def next_line(screen: Grid) -> None:
    screen.column = 0
    screen.line_feed()


CONTROLS: dict[str, Callable[[Grid], None]] = {
    "\r": lambda s: s.move(s.row, 0),
    "\b": lambda s: s.move(s.row, min(s.column, s.columns) - 1),
    "\t": tab,
    **dict.fromkeys("\n\x0b\x0c", Grid.new_line),
    "\x84": Grid.line_feed,
    "\x85": next_line,
    "\x8d": Grid.reverse_line_feed,
    "\x0e": Grid.draw_lines,
    "\x0f": Grid.draw_letters,
}
ESCAPES: dict[str, Callable[[Grid], None]] = {
    "7": Grid.save,
    "8": Grid.restore,
    "D": Grid.line_feed,
    "E": next_line,
    "M": Grid.reverse_line_feed,
    "c": Grid.reset,
    "(0": Grid.draw_lines,
    "(B": Grid.draw_letters,
}
Handler = Callable[[Grid, list[int]], None]


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


def set_cursor(screen: Grid, on: bool) -> None:
    screen.cursor = on


def set_wrap(screen: Grid, on: bool) -> None:
    screen.wraps = on


def set_insert(screen: Grid, on: bool) -> None:
    screen.inserts = on


MODES: dict[str, Callable[[Grid, bool], None]] = {
    "4": set_insert,
    "?7": set_wrap,
    "?25": set_cursor,
    **dict.fromkeys(("?47", "?1047", "?1049"), Grid.alternate),
}
