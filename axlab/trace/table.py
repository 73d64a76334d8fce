"""A table keeps the events of one kind as columns, not as objects: eight bytes a number."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any

from axlab.trace.columns import FORMS, KINDS, Column, columns_of

WORD = (1 << 64) - 1


Getter = Callable[[Any], tuple[Any, ...]]


def _getter(event_type: type[Any]) -> Getter:
    names = [column.name for column in columns_of(event_type)]
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda event: (get(event),)


GETTERS = {event_type: _getter(event_type) for event_type in KINDS.values()}


def values_of(event_type: type[Any]) -> Getter:
    """A function that gives the fields of an event of this type, as a tuple."""
    return GETTERS.get(event_type) or _getter(event_type)


class Numbers:
    """A column of numbers. `values` is what it holds."""

    def __init__(self, code: str) -> None:
        self.values = array(code)

    def __len__(self) -> int:
        return len(self.values)

    def extend(self, values: Sequence[Any]) -> None:
        try:
            self.values.fromlist(list(values))  # all or, where one does not fit, nothing
        except OverflowError:
            self.values.extend(_wrapped(int(value), self.values) for value in values)

    def drop(self, count: int) -> None:
        del self.values[:count]

    def rows(self) -> Iterable[Any]:
        return self.values

    def columns(self) -> tuple[array[Any], ...]:
        """What it holds, to be put on disk."""
        return (self.values,)

    def append(self, more: Any) -> None:
        """Add all that another column of the same form has."""
        self.values.extend(more.values)

    def choose(self, places: Sequence[int]) -> None:
        """Keep the rows at these places."""
        self.values = array(self.values.typecode, map(self.values.__getitem__, places))


class Names:
    """A column of words that repeat: `values` are places in `names`, in the order of first use."""

    def __init__(self, code: str) -> None:
        self.values = array(code)
        self.names: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.values)

    def extend(self, values: Sequence[Any]) -> None:
        names = self.names
        self.values.extend([names.setdefault(value, len(names)) for value in values])

    def drop(self, count: int) -> None:
        del self.values[:count]

    def rows(self) -> Iterable[Any]:
        names = list(self.names)
        return (names[place] for place in self.values)

    def columns(self) -> tuple[array[int], ...]:
        return (self.values,)

    def append(self, more: Any) -> None:
        places = [self.names.setdefault(name, len(self.names)) for name in more.names]
        self.values.extend(map(places.__getitem__, more.values))

    def choose(self, places: Sequence[int]) -> None:
        self.values = array(self.values.typecode, map(self.values.__getitem__, places))


class Lists:
    """A column of sequences: their items one after the other in `values`, and where each one ends."""

    def __init__(self, code: str) -> None:
        self.values = array(code)
        self.ends = array("q")

    def __len__(self) -> int:
        return len(self.ends)

    def extend(self, values: Sequence[Any]) -> None:
        start = len(self.values)
        items: Iterable[int] = chain.from_iterable(values)
        self.values.extend([item & WORD for item in items])
        self.ends.extend(list(accumulate((len(value) for value in values), initial=start))[1:])

    def drop(self, count: int) -> None:
        if count:
            gone = self.ends[count - 1]
            del self.values[:gone], self.ends[:count]
            self.ends = array("q", (end - gone for end in self.ends))

    def rows(self) -> Iterator[Any]:
        make = bytes if self.values.typecode == "B" else tuple
        start = 0
        for end in self.ends:
            yield make(self.values[start:end])
            start = end

    def columns(self) -> tuple[array[int], ...]:
        return self.values, self.ends

    def append(self, more: Any) -> None:
        before = len(self.values)
        self.values.extend(more.values)
        self.ends.extend(before + end for end in more.ends)

    def choose(self, places: Sequence[int]) -> None:
        rows = list(self.rows())
        self.values, self.ends = array(self.values.typecode), array("q")
        self.extend([rows[place] for place in places])


Store = Numbers | Names | Lists
STORES: dict[str, type[Numbers | Names | Lists]] = {
    "time": Numbers, "moment": Numbers, "length": Numbers, "share": Numbers,
    "count": Numbers, "id": Numbers, "word": Numbers, "signed": Numbers, "flag": Numbers,
    "name": Names, "text": Names, "bytes": Lists, "words": Lists,
}  # fmt: skip


class Table:
    """The rows of one kind of event, or of a view."""

    def __init__(self, event_type: type[Any]) -> None:
        self.event_type = event_type
        self.columns: tuple[Column, ...] = columns_of(event_type)
        self.stores: dict[str, Store] = {
            column.name: STORES[column.form](FORMS[column.form].code) for column in self.columns
        }

    def __len__(self) -> int:
        return len(next(iter(self.stores.values())))

    def stored(self) -> dict[str, Store]:
        """The columns with all their values."""
        return self.stores

    def extend(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, each a tuple of values in the order of the columns."""
        if not rows:
            return
        for store, values in zip(self.stores.values(), zip(*rows, strict=True), strict=True):
            store.extend(values)

    def chosen(self, places: Sequence[int]) -> Table:
        """A table of the rows at these places; the words that columns know stay those of all rows."""
        chosen = Table(self.event_type)
        for store, whole in zip(chosen.stores.values(), self.stored().values(), strict=True):
            store.append(whole)
            store.choose(places)
        return chosen

    def drop(self, count: int) -> None:
        """Forget the first `count` rows."""
        for store in self.stores.values():
            store.drop(count)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows, oldest first, with the values that the events had (64-bit words are unsigned)."""
        stores = zip(self.stores.values(), self.columns, strict=True)
        return zip(*(_as_given(store, column) for store, column in stores), strict=True)


def _as_given(store: Store, column: Column) -> Iterable[Any]:
    return map(bool, store.rows()) if column.form == "flag" else store.rows()


def _wrapped(value: int, column: array[int]) -> int:
    """A value that does not fit: its low bits, as a register would hold it."""
    bits = 8 * column.itemsize
    value &= (1 << bits) - 1
    return value - (1 << bits) if column.typecode in "bhiq" and value >> (bits - 1) else value
