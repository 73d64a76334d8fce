"""The fields of a translation table descriptor, spelled out: DDI 0487, D5.3.1 to D5.3.3.

`fields_of` reads two tables of (name, high bit, low bit, what a value means), one row for each field of a stage's
blocks and pages, and one for its tables. The address is a field as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axlab.machine import memory_type
from axlab.machine.walks import SHAREABILITY, Step, allowed


@dataclass(frozen=True, slots=True)
class Field:
    """Bits `high` to `low` of a descriptor, their value, and what it means."""

    name: str
    high: int
    low: int
    value: int
    meaning: str

    @property
    def bits(self) -> str:
        """`10` or `47..12`."""
        return str(self.high) if self.high == self.low else f"{self.high}..{self.low}"

    @property
    def digits(self) -> str:
        """The value: addresses in hexadecimal, all others in binary."""
        width = self.high - self.low + 1
        return f"{self.value << self.low:#x}" if width > 8 else f"{self.value:0{width}b}"


Meaning = Callable[[int], str]
Row = tuple[str, int, int, Meaning]


def words(*meanings: str) -> Meaning:
    """The meanings of the values from 0 on."""
    return lambda value: meanings[value]


VALID = ("V", 0, 0, words("not valid: every access faults", "valid"))
SHARED = ("SH", 9, 8, words(*SHAREABILITY))
ACCESSED = ("AF", 10, 10, words("the first access faults", "has been accessed"))
CONTIGUOUS = ("Contiguous", 52, 52, words("an entry of its own", "one of a row that a TLB may keep as one"))

STAGE1_LEAF: tuple[Row, ...] = (
    ("NS", 5, 5, words("no effect here", "no effect here")),
    ("AP", 7, 6, words("EL1 read write", "EL1 and EL0 read write", "EL1 read-only", "EL1 and EL0 read-only")),
    SHARED,
    ACCESSED,
    ("nG", 11, 11, words("global: for every ASID", "for one ASID only")),
    CONTIGUOUS,
    ("PXN", 53, 53, words("EL1 may execute", "EL1 never executes")),
    ("UXN", 54, 54, words("EL0 may execute", "EL0 never executes")),
)
STAGE2_LEAF: tuple[Row, ...] = (
    ("MemAttr", 5, 2, lambda value: memory_type.describe(memory_type.mair_byte(value))),
    ("S2AP", 7, 6, lambda value: f"the guest may {allowed(value)}" if value else "no access"),
    SHARED,
    ACCESSED,
    CONTIGUOUS,
    ("XN", 54, 54, words("the guest may execute", "never executes")),
)
STAGE1_TABLE: tuple[Row, ...] = (
    ("PXNTable", 59, 59, words("takes nothing away", "EL1 executes nothing below")),
    ("UXNTable", 60, 60, words("takes nothing away", "EL0 executes nothing below")),
    ("APTable", 62, 61, words("takes nothing away", "not for EL0", "read-only", "read-only, not for EL0")),
    ("NSTable", 63, 63, words("no effect here", "no effect here")),
)


def fields_of(step: Step, mair: int = 0) -> tuple[Field, ...]:
    """The fields of the descriptor of a step, from bit 0 up; stage 1's AttrIndx selects a byte of `mair`, MAIR_EL1."""
    rows: list[Row] = [VALID]
    if step.kind != "invalid":
        kinds = {"table": "the next table follows", "page": "a page", "block": "a block", "reserved": "reserved here"}
        rows.append(("type", 1, 1, lambda _: kinds[step.kind]))
    if step.kind == "table":
        rows += [("next table", 47, 12, lambda value: f"at {value << 12:#x}")]
        rows += STAGE1_TABLE if step.stage == 1 else ()
    if step.kind in ("block", "page"):
        low = step.size.bit_length() - 1
        rows += [("output", 47, low, lambda value: f"begins at {value << low:#x}")]
        if step.stage == 1:
            rows += [("AttrIndx", 4, 2, lambda value: memory_type.describe(mair >> 8 * value & 0xFF)), *STAGE1_LEAF]
        else:
            rows += STAGE2_LEAF
    return read(step.descriptor, rows)


def read(descriptor: int, rows: Sequence[Row]) -> tuple[Field, ...]:
    """The fields that rows describe."""
    found = []
    for name, high, low, meaning in sorted(rows, key=lambda row: row[2]):
        value = descriptor >> low & (1 << high - low + 1) - 1
        found.append(Field(name, high, low, value, meaning(value)))
    return tuple(found)
