"""A filter that was checked, as a tree of plain values.

Negation is gone: it was moved to the tests at the leaves, where a test of something that is not known here (a column
that this event does not have, memory that is not mapped) is false, negated or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.trace.filter_names import Name

# Values


@dataclass(frozen=True, slots=True)
class Constant:
    """A number (time in ns, addresses of symbols) or a text."""

    value: int | str


@dataclass(frozen=True, slots=True)
class Field:
    """A column of what happened."""

    name: Name


@dataclass(frozen=True, slots=True)
class Register:
    """A register of the vCPU that stands still."""

    name: str


@dataclass(frozen=True, slots=True)
class MemoryAt:
    """`size` bytes of memory at a guest virtual address."""

    address: Value
    size: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`operator` is one of + - * & | ^ << >>; the result has 64 bits."""

    operator: str
    left: Value
    right: Value


Value = Constant | Field | Register | MemoryAt | Arithmetic

# Tests


@dataclass(frozen=True, slots=True)
class Compare:
    """`operator` is one of == != < <= > >=."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Between:
    """`low` <= value <= `high`."""

    value: Value
    low: Value
    high: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of several. Words are compared without regard to capitals."""

    value: Value
    choices: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """A text has another in it."""

    value: Value
    part: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """A column that is true or false."""

    field: Field
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of one of these kinds."""

    kinds: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every one holds."""

    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one holds."""

    tests: tuple[Test, ...]


Test = Compare | Between | OneOf | Contains | Flag | Happened | All | Some


def parts(node: Any) -> list[Any]:
    """The nodes right below a node."""
    match node:
        case All(tests) | Some(tests):
            return list(tests)
        case Compare(_, left, right) | Arithmetic(_, left, right):
            return [left, right]
        case Between(value, low, high):
            return [value, low, high]
        case OneOf(value, choices):
            return [value, *choices]
        case Contains(value, part):
            return [value, part]
        case Flag(field):
            return [field]
        case MemoryAt(address):
            return [address]
    return []


def everything(node: Any) -> list[Any]:
    """A node and all that is below it."""
    return [node, *(inner for part in parts(node) for inner in everything(part))]
