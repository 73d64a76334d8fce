"""Conditions on an instruction's fields, as `a64.isa` writes them after `where` and `if`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


def bit_mask(sf: int, n: int, imms: int) -> bool:
    """Whether sf:N:imms name a logical immediate: an element of 2 to 64 bits that is not all ones (DecodeBitMasks)."""
    if n and not sf:
        return False
    length = (n << 6 | ~imms & 0x3F).bit_length() - 1
    if length < 1:
        return False
    levels = (1 << length) - 1
    return imms & levels != levels


def even(number: int) -> bool:
    """Whether a register can be the first of a pair (CASP)."""
    return number % 2 == 0


def lane_b(imm5: int) -> bool:
    """Whether imm5 names a lane of bytes: its lowest bit that is one is bit 0 (DUP, INS, SMOV, UMOV)."""
    return imm5 & 1 == 1


def lane_h(imm5: int) -> bool:
    """Whether imm5 names a lane of halfwords."""
    return imm5 & 3 == 2


def lane_s(imm5: int) -> bool:
    """Whether imm5 names a lane of words."""
    return imm5 & 7 == 4


def lane_d(imm5: int) -> bool:
    """Whether imm5 names a lane of doublewords."""
    return imm5 & 15 == 8


PREDICATES: dict[str, Callable[..., bool]] = {
    "bit_mask": bit_mask,
    "even": even,
    "lane_b": lane_b,
    "lane_h": lane_h,
    "lane_s": lane_s,
    "lane_d": lane_d,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison or predicate, or several joined by `and` or `or`. `fields` are those it looks at."""

    kind: str
    left: str = ""
    right: str | int | tuple[int, ...] | tuple[str, ...] = 0
    parts: tuple[Condition, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that the condition depends on."""
        names = {self.left} if self.kind not in PREDICATES else set()
        right = self.right if isinstance(self.right, tuple) else (self.right,)
        names.update(name for name in right if isinstance(name, str))
        return frozenset(names - {""}).union(*(part.fields for part in self.parts))

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether the condition is true of the field values."""
        return HOLDS.get(self.kind, predicate)(self, values)


def predicate(condition: Condition, values: Mapping[str, int]) -> bool:
    """A named predicate of fields: its definition is in `PREDICATES`."""
    arguments = condition.right
    assert isinstance(arguments, tuple)
    return PREDICATES[condition.kind](*(values[str(name)] for name in arguments))


def right_of(condition: Condition, values: Mapping[str, int]) -> int:
    """The right side of a comparison: a number, or the value of a field."""
    right = condition.right
    if isinstance(right, str):
        return values[right]
    assert isinstance(right, int)
    return right


def member(condition: Condition, values: Mapping[str, int]) -> bool:
    """Whether a field has one of the listed values."""
    assert isinstance(condition.right, tuple)
    return values[condition.left] in condition.right


HOLDS: dict[str, Callable[[Condition, Mapping[str, int]], bool]] = {
    "or": lambda condition, values: any(part.holds(values) for part in condition.parts),
    "and": lambda condition, values: all(part.holds(values) for part in condition.parts),
    "=": lambda condition, values: values[condition.left] == right_of(condition, values),
    "!=": lambda condition, values: values[condition.left] != right_of(condition, values),
    "<": lambda condition, values: values[condition.left] < right_of(condition, values),
    ">": lambda condition, values: values[condition.left] > right_of(condition, values),
    "in": member,
}
