"""Events on disk: the columns of all kinds of a stretch of the trace, each kind read when it is asked for."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from axlab.trace.spill import Spill, Spilled
from axlab.trace.table import Lists, Names, Table


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind in a segment: the place of its first column, and for each column of words the words."""

    event_type: type[Any]
    first: int
    names: tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True)
class Segment:
    """Events on disk. The columns of the file: first the order of the kinds, then those of each kind."""

    file: Spilled
    rows: int
    kinds: dict[str, Kept]

    @classmethod
    def put(cls, spill: Spill, tables: Mapping[str, Table], order: array[int]) -> Segment | None:
        """A segment of tables. None where it cannot be written."""
        columns = [order]
        kinds = {}
        for kind, table in tables.items():
            stores = table.stores.values()
            names = tuple(tuple(store.names) if isinstance(store, Names) else None for store in stores)
            kinds[kind] = Kept(table.event_type, len(columns), names)
            columns += chain.from_iterable(store.columns() for store in stores)
        file = spill.put(tuple(columns), len(order))
        return None if file is None else cls(file, len(order), kinds)

    def event_kinds(self) -> list[str]:
        """The kinds, in the order by which `event_order` names them."""
        return list(self.kinds)

    def event_order(self) -> array[int]:
        """Of each event the place of its kind."""
        return self.file.read(0, 1)[0]

    def event_table(self, kind: str) -> Table:
        """The events of a kind, read from disk."""
        kept = self.kinds[kind]
        table = Table(kept.event_type)
        count = sum(len(store.columns()) for store in table.stores.values())
        columns = iter(self.file.read(kept.first, count))
        for store, names in zip(table.stores.values(), kept.names, strict=True):
            store.values = next(columns)
            if isinstance(store, Names):
                store.names = {name: place for place, name in enumerate(names or ())}
            if isinstance(store, Lists):
                store.ends = next(columns)
        return table


def joined(tables: Sequence[Table]) -> Table:
    """The rows of several tables of one kind, one table after the other."""
    whole = Table(tables[0].event_type)
    for table in tables:
        for store, more in zip(whole.stores.values(), table.stored().values(), strict=True):
            store.append(more)
    return whole
