"""Text of instructions, both ways: made from the rows' syntax strings and the kinds of operands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from axlab.errors import AxError
from axlab.machine.isa.conditions import Condition
from axlab.machine.isa.expressions import BadExpression, Item, Statement
from axlab.machine.isa.operand_kinds import KINDS
from axlab.machine.isa.operands import Kind, Mismatch, Place, Reader, Spelling
from axlab.machine.isa.table import OPERAND, Alias, Row, load_table

TOKEN = re.compile(r"[,\[\]!]|#\d+|[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Slot:
    """An operand in a syntax string: a kind and the fields that it shows."""

    fields: tuple[str, ...]
    kind: Kind | Spelling


Piece = str | Slot


@dataclass(frozen=True, slots=True)
class Printed:
    """One spelling of a row, ready to be shown: `holds` where it applies, then the pieces in order."""

    pins: tuple[tuple[str, str | int], ...]
    condition: Condition | None
    pieces: tuple[Piece, ...]

    def show(self, values: Mapping[str, int], place: Place) -> str | None:
        """The text, or None where this spelling does not apply."""
        for name, value in self.pins:
            if values[name] != (values[value] if isinstance(value, str) else value):
                return None
        if self.condition is not None and not self.condition.holds(values):
            return None
        texts = []
        for piece in self.pieces:
            text = piece if isinstance(piece, str) else show_slot(piece, values, place)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)


def show_slot(slot: Slot, values: Mapping[str, int], place: Place) -> str | None:
    """The text of an operand."""
    arguments = [values[name] for name in slot.fields]
    if isinstance(slot.kind, Kind) and slot.kind.relative:
        return slot.kind.show(place, *arguments)
    return slot.kind.show(*arguments)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a row: the mnemonic is spelled out, `fixed` are the fields that it tells."""

    row: Row
    mnemonic: str
    pieces: tuple[Piece, ...]
    fixed: dict[str, int]
    pins: tuple[tuple[str, str | int], ...]
    condition: Condition | None

    def read(self, items: tuple[Item, ...], scope: Mapping[str, int], address: int) -> int:
        """The word that the items mean. Raises `Mismatch` if they do not have this form."""
        reader = Reader(items, scope, address)
        values = dict(self.fixed)
        values.update((name, value) for name, value in self.pins if isinstance(value, int))
        for piece in self.pieces:
            if isinstance(piece, str):
                read_words(piece, reader)
            else:
                read_slot(piece, reader, values, self.row)
        if reader.item() is not None:
            raise reader.wrong("this does not belong here")
        values.update((name, values[value]) for name, value in self.pins if isinstance(value, str))
        return self.word(values, reader)

    def word(self, values: dict[str, int], reader: Reader) -> int:
        """The row's word with these fields, if condition and constraint hold."""
        if self.condition is not None and not self.condition.holds(values):
            raise reader.wrong("these operands do not go together")
        if self.row.constraint is not None and not self.row.constraint.holds(values):
            raise reader.wrong("these operands do not go together", back=1, weight=1)
        return self.row.encode(values)

    def usage(self) -> str:
        """The form as a message shows it."""
        return self.mnemonic + "".join(piece if isinstance(piece, str) else form_of(piece) for piece in self.pieces)


def form_of(slot: Slot) -> str:
    """How an operand is shown in a message: registers are named by their field."""
    assert isinstance(slot.kind, Kind)
    return slot.kind.form.replace("@", slot.fields[0].removeprefix("r"))


def read_words(text: str, reader: Reader) -> None:
    """Marks and words that must be there."""
    for token in TOKEN.findall(text):
        if token[0] == "#":
            reader.integer(int(token[1:]), int(token[1:]))
        elif not token[0].isalnum():
            reader.expect(token)
        elif reader.name(token) != token:
            raise reader.wrong(f"expected {token}", back=1)


def read_slot(slot: Slot, reader: Reader, values: dict[str, int], row: Row) -> None:
    """An operand: what it says must agree with what is known."""
    assert isinstance(slot.kind, Kind)
    start = reader.position
    found = slot.kind.read(reader, *[values.get(name) for name in slot.fields])
    for name, value in zip(slot.fields, found, strict=True):
        width = row.fields[name][1]
        if value is None:
            continue
        if value >> width:
            raise Mismatch(f"{value} is not in 0 to {(1 << width) - 1}", start, 1)
        if not slot.kind.refines and values.get(name, value) != value:
            raise Mismatch("this does not agree with the operands before it", start, 1)
        values[name] = value


def pieces_of(syntax: str, row: Row, line: int) -> list[Piece]:
    """A syntax string in pieces. Raises `AxError` for a kind that does not exist."""
    pieces: list[Piece] = []
    end = 0
    for match in OPERAND.finditer(syntax):
        if match.start() > end:
            pieces.append(syntax[end : match.start()])
        kind = KINDS.get(match.group(2))
        if kind is None:
            raise AxError(f"{row.name}: there is no kind of operand {match.group(2)}", source="a64.isa", line=line)
        pieces.append(Slot(tuple(match.group(1).split(",")), kind))
        end = match.end()
    if end < len(syntax):
        pieces.append(syntax[end:])
    return pieces


def spellings(row: Row) -> list[Alias]:
    """The aliases of a row and, last, its own syntax."""
    return [*row.aliases, Alias(row.syntax, row.pins, None, True, row.line)]


def spelled_out(pieces: list[Piece]) -> Iterator[tuple[list[Piece], dict[str, int]]]:
    """The pieces with every choice of spellings, and the fields that the choice tells."""
    slots = [piece for piece in pieces if isinstance(piece, Slot) and isinstance(piece.kind, Spelling)]
    choices = [piece.kind.choices.items() for piece in slots if isinstance(piece.kind, Spelling)]
    for choice in product(*choices):
        fixed: dict[str, int] = {}
        texts = []
        for slot, (values, text) in zip(slots, choice, strict=True):
            fixed.update(zip(slot.fields, values, strict=True))
            texts.append(text)
        words = iter(texts)
        filled: list[Piece] = [next(words) if piece in slots else piece for piece in pieces]
        yield merged(filled), fixed


def merged(pieces: list[Piece]) -> list[Piece]:
    """The pieces with neighbouring texts put together."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, str) and isinstance(last, str):
            result[-1] = last + piece
        else:
            result.append(piece)
    return result


class Codec:
    """All spellings of all rows: by row for showing, by mnemonic for reading."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.printed: dict[str, tuple[Printed, ...]] = {}
        self.forms: dict[str, list[Form]] = {}
        self.rows = rows

    def printed_of(self, row: Row) -> tuple[Printed, ...]:
        """How a row may be shown, in the order of preference."""
        found = self.printed.get(row.name)
        if found is None:
            found = tuple(
                Printed(alias.pins, alias.condition, tuple(pieces_of(alias.syntax, row, alias.line)))
                for alias in spellings(row)
                if alias.printed
            )
            self.printed[row.name] = found
        return found

    def show(self, row: Row, values: tuple[int, ...], place: Place) -> str:
        """The text of an instruction."""
        fields = dict(zip(row.fields, values, strict=True))
        for printed in self.printed_of(row):
            text = printed.show(fields, place)
            if text is not None:
                return text
        raise AssertionError(f"{row.name} {values} cannot be shown")

    def forms_of(self, mnemonic: str) -> list[Form]:
        """All ways to write a mnemonic."""
        if not self.forms:
            for row in self.rows.values():
                self.add_forms(row)
        return self.forms.get(mnemonic, [])

    def add_forms(self, row: Row) -> None:
        """The ways to write a row: its own syntax first, then its aliases."""
        ordered = spellings(row)
        for alias in [ordered[-1], *ordered[:-1]]:
            for pieces, fixed in spelled_out(pieces_of(alias.syntax, row, alias.line)):
                head = pieces[0]
                assert isinstance(head, str)
                mnemonic, space, rest = head.partition(" ")
                form = Form(row, mnemonic, (space + rest, *pieces[1:]), fixed, alias.pins, alias.condition)
                self.forms.setdefault(mnemonic, []).append(form)

    def mnemonics(self) -> list[str]:
        """Every mnemonic."""
        self.forms_of("")
        return sorted(self.forms)

    def encode(self, statement: Statement, scope: Mapping[str, int], address: int) -> int:
        """The word of a statement. Raises `Unreadable`, the reason of the form that came farthest."""
        best: Mismatch | None = None
        forms = self.forms_of(statement.name.lower())
        for form in forms:
            try:
                return form.read(statement.items, scope, address)
            except Mismatch as mismatch:
                reason = mismatch
            except BadExpression as bad:
                reason = Undefined(bad, statement.items)
            if best is None or (reason.position, reason.weight) > (best.position, best.weight):
                best = reason
        assert best is not None, "the caller knows that the mnemonic exists"
        raise best


class Undefined(Mismatch):
    """An expression in an operand has no value."""

    def __init__(self, bad: BadExpression, items: tuple[Item, ...]) -> None:
        position = max((n for n, item in enumerate(items) if item.column <= bad.column), default=0)
        super().__init__(str(bad), position, 2)
        self.column = bad.column
        self.length = bad.length


@cache
def load_codec() -> Codec:
    """The codec of A64."""
    return Codec(load_table().rows)
