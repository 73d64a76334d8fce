"""The table of instructions: `a64.isa`, read, checked, and indexed for decoding.

A row is bits, names, an assembly syntax and aliases. The decoder is here; text is made from the
rows by `codec`, meaning by `semantics`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

from axlab.errors import AxError
from axlab.machine.isa.conditions import Condition

OPERAND = re.compile(r"\{([a-z0-9_,]+)\|([a-z0-9_]+)\}")
"""An operand in a syntax string: `{field,field|kind}`."""

INDEX_SHIFT = 21
"""Rows are found by the upper 11 bits of a word."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another spelling of a row. `pins` fix fields (to a number or to another field); an alias that is not
    `printed` is only understood by the assembler."""

    syntax: str
    pins: tuple[tuple[str, str | int], ...] = ()
    condition: Condition | None = None
    printed: bool = True
    line: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One instruction: a word is one if `word & mask == value` and the constraint holds of its fields.

    `fields` maps a name to (lsb, width), most significant first, and that is the order of the
    parameters of the semantics function. `should` are the bits that should be one, ignored when decoding.
    """

    name: str
    mask: int
    value: int
    should: int
    fields: dict[str, tuple[int, int]]
    chapter: str
    section: str
    syntax: str
    pins: tuple[tuple[str, str | int], ...] = ()
    constraint: Condition | None = None
    aliases: tuple[Alias, ...] = ()
    line: int = 0
    extracts: tuple[tuple[int, int], ...] = field(default=(), repr=False)

    def values(self, word: int) -> tuple[int, ...]:
        """The fields of a word, in order."""
        return tuple([word >> lsb & mask for lsb, mask in self.extracts])

    def allocated(self, values: tuple[int, ...]) -> bool:
        """Whether the row's constraint holds of its field values."""
        return self.constraint is None or self.constraint.holds(dict(zip(self.fields, values, strict=True)))

    def encode(self, values: dict[str, int]) -> int:
        """The word whose fields have these values; `ValueError` for a value that is too wide."""
        word = self.value | self.should
        for name, (lsb, width) in self.fields.items():
            if values[name] >> width:
                raise ValueError(f"{self.name}: {name}={values[name]} needs more than {width} bits")
            word |= values[name] << lsb
        return word


class Table:
    """All rows, and an index of them."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = {row.name: row for row in rows}
        self.index: list[tuple[Row, ...]] = index(rows)

    def decode(self, word: int) -> tuple[Row, tuple[int, ...]] | None:
        """The row of a word and its field values in the row's order; None where nothing is allocated."""
        for row in self.index[word >> INDEX_SHIFT]:
            if word & row.mask == row.value:
                values = row.values(word)
                if row.allocated(values):
                    return row, values
        return None


def index(rows: list[Row]) -> list[tuple[Row, ...]]:
    """For every value of a word's upper 11 bits the rows that it may be."""
    buckets: list[list[Row]] = [[] for _ in range(1 << (32 - INDEX_SHIFT))]
    for row in rows:
        fixed = row.mask >> INDEX_SHIFT
        for bits in subsets(~fixed & len(buckets) - 1):
            buckets[row.value >> INDEX_SHIFT | bits].append(row)
    return [tuple(bucket) for bucket in buckets]


def subsets(mask: int) -> Iterator[int]:
    """Every number that has no bits but those of `mask`."""
    bits = mask
    while True:
        yield bits
        if not bits:
            return
        bits = bits - 1 & mask


@cache
def load_table() -> Table:
    """The table of A64, read once in a process from `grammars/a64.isa`."""
    from axlab.languages import read_grammar

    return read_table(read_grammar("a64.isa"), "a64.isa")


def read_table(text: str, source: str) -> Table:
    """A table from its text. Raises `AxError` with file and line for whatever is wrong with a row."""
    from axlab.machine.isa.table_reader import read_rows

    rows = read_rows(text, source)
    names: dict[str, Row] = {}
    for row in rows:
        if row.name in names:
            raise AxError(f"{row.name} stands already in line {names[row.name].line}", source=source, line=row.line)
        names[row.name] = row
    table = Table(rows)
    refuse_overlaps(table, source)
    return table


def refuse_overlaps(table: Table, source: str) -> None:
    """No word may belong to two rows."""
    seen = set()
    for bucket in {tuple(row.name for row in bucket): bucket for bucket in table.index}.values():
        for first, second in combinations(bucket, 2):
            if (first.value ^ second.value) & first.mask & second.mask:
                continue
            pair = (first.name, second.name)
            if pair in seen:
                continue
            seen.add(pair)
            word = shared_word(first, second)
            if word is not None:
                raise AxError(
                    f"{second.name} overlaps {first.name} of line {first.line}: {word:#010x} is both",
                    source=source,
                    line=second.line,
                )


def shared_word(first: Row, second: Row) -> int | None:
    """A word that is in both of two rows whose fixed bits agree; their constraints may keep them apart."""
    base = first.value | second.value
    free = 0
    for row in (first, second):
        for name in row.constraint.fields if row.constraint else ():
            lsb, width = row.fields[name]
            free |= ((1 << width) - 1) << lsb
    for bits in subsets(free & ~(first.mask | second.mask)):
        word = base | bits
        if first.allocated(first.values(word)) and second.allocated(second.values(word)):
            return word
    return None
