"""Inputs of exercises that differ from student to student, and are the same for one on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seed:
    """Numbers that follow from a student's name, an exercise and the name of an input, and from nothing else.

    They are taken from SHA-256 and not from `random`, whose methods may change between versions of Python.
    """

    student: str
    exercise: str

    def _bits(self, name: str) -> int:
        text = "\n".join((self.student, self.exercise, name))
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest(), "big")

    def number(self, name: str, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return low + self._bits(name) % (high - low + 1)

    def choice(self, name: str, among: Sequence[T]) -> T:
        """One of several."""
        return among[self._bits(name) % len(among)]

    def shuffled(self, name: str, items: Sequence[T]) -> list[T]:
        """All of them, in another order."""
        order = sorted(range(len(items)), key=lambda index: self._bits(f"{name}/{index}"))
        return [items[index] for index in order]


def seed(student: str | None, exercise: str) -> Seed:
    """The seed of a student for an exercise. No name is a student too, so that a lab can be tried without one."""
    return Seed(" ".join(str(student or "").split()).casefold(), exercise)
