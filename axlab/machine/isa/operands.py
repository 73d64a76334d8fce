"""What an operand is: a pair of functions, bits to text and text to bits, and the form shown in messages.

`a64.isa` names a kind behind the fields of an operand, as in `{rd,sf|reg_sp}`. The modules
`operands_registers`, `operands_immediates`, `operands_memory`, `operands_system` and
`operands_vectors` define the kinds, `operand_kinds` collects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from axlab.machine.isa.expressions import Expression, Item, Number, evaluate

Values = tuple[int, ...]


class Mismatch(Exception):
    """The items do not have this form. `position` is the item at fault; `weight` prefers a wrong value (1) to a
    wrong form (0) when a person must be told one of several reasons."""

    def __init__(self, message: str, position: int, weight: int = 0) -> None:
        super().__init__(message)
        self.position = position
        self.weight = weight


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instruction stands, and the names of addresses."""

    address: int = 0
    names: Mapping[int, str] | None = None

    def label(self, address: int) -> str:
        """An address as text: its name if it has one."""
        name = self.names.get(address) if self.names else None
        return name or f"{address:#x}"


@dataclass(slots=True)
class Reader:
    """Goes through the items of a statement. Methods that do not find what they want raise `Mismatch`."""

    items: tuple[Item, ...]
    scope: Mapping[str, int]
    address: int = 0
    position: int = 0

    def item(self) -> Item | None:
        """The next item."""
        return self.items[self.position] if self.position < len(self.items) else None

    def wrong(self, message: str, back: int = 0, weight: int = 0) -> Mismatch:
        """A reason to give up here, or `back` items before."""
        return Mismatch(message, self.position - back, weight)

    def at(self, mark: str) -> bool:
        """Whether a mark is next."""
        item = self.item()
        return item is not None and item.kind == "mark" and item.text == mark

    def skip(self, mark: str) -> bool:
        """Take a mark if it is next."""
        found = self.at(mark)
        self.position += found
        return found

    def expect(self, mark: str) -> None:
        """Take a mark that must be next."""
        if not self.skip(mark):
            raise self.wrong(f"expected {mark!r}")

    def peek(self, ahead: int = 0) -> str:
        """The name that the item after `ahead` others consists of, in lower case; empty if it is no name."""
        position = self.position + ahead
        return self.items[position].name if position < len(self.items) else ""

    def name(self, what: str) -> str:
        """Take a name, in lower case; `what` was expected."""
        name = self.peek()
        if not name:
            raise self.wrong(f"expected {what}")
        self.position += 1
        return name

    def choice(self, choices: Mapping[str, int], what: str) -> int:
        """Take one of some names."""
        name = self.name(what)
        if name not in choices:
            raise self.wrong(f"expected {what}", back=1)
        return choices[name]

    def expression(self, what: str = "a number") -> Expression:
        """Take a value, with `#` or without; never the name of a register."""
        item = self.item()
        if item is None or item.expression is None or item.kind == "literal":
            raise self.wrong(f"expected {what}")
        if is_register(item.name) and item.expression.name not in self.scope:
            raise self.wrong(f"expected {what}")
        self.position += 1
        return item.expression

    def number(self, what: str = "a number") -> Number:
        """Take a value and evaluate it; may be a floating-point number."""
        return evaluate(self.expression(what), self.scope)

    def integer(self, low: int, high: int, what: str = "a number") -> int:
        """Take an integer from `low` to `high`."""
        value = self.number(what)
        if isinstance(value, float):
            raise self.wrong(f"{value} is no integer", back=1, weight=1)
        if not low <= value <= high:
            raise self.wrong(f"{show_number(value)} is not in {low} to {high}", back=1, weight=1)
        return value

    def multiple(self, low: int, high: int, scale: int) -> int:
        """Take a multiple of `scale` from `low * scale` to `high * scale`, divided by it."""
        value = self.integer(low * scale, high * scale)
        if value % scale:
            raise self.wrong(f"{value} is no multiple of {scale}", back=1, weight=1)
        return value // scale


def show_number(value: int) -> str:
    """A number in a message: decimal when small."""
    return str(value) if -4096 < value < 65536 else hex(value)


@dataclass(frozen=True, slots=True)
class Kind:
    """Bits to text, text to bits.

    `show(*values)` gives the text, or None where an alias does not apply. `read(reader, *known)`
    takes items and gives the values; `known` are those values that are already known, else None.
    `form` stands for the operand in messages, with `@` for the name of the register.
    A `relative` kind depends on the instruction's place: `show(place, *values)`. A kind that `refines`
    may change values that an operand before it has only narrowed down.
    """

    show: Callable[..., str | None]
    read: Callable[..., Values]
    form: str
    relative: bool = False
    refines: bool = False


@dataclass(frozen=True, slots=True)
class Spelling:
    """A kind with a fixed set of texts: part of a mnemonic, or words. One text may stand for several values."""

    choices: Mapping[Values, str]

    def show(self, *values: int) -> str | None:
        """The text of some values."""
        return self.choices.get(values)


def is_register(name: str) -> bool:
    """Whether a name is a register's and so never a symbol."""
    if not name:
        return False
    head, rest = name[0], name[1:].partition(".")[0]
    if head in "wxvbhsdq" and rest.isdigit():
        return int(rest) < 32
    return name in ("sp", "wsp", "xzr", "wzr", "lr", "fp")
