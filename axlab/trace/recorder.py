"""The recorder is the observer that keeps a trace: events go in, columns and a fingerprint stay."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import merge
from typing import Any

from axlab.errors import AxError, nearest
from axlab.events import Event
from axlab.trace.columns import EXECUTED, KINDS, ROWS, kind_of
from axlab.trace.executed import Executed
from axlab.trace.fingerprint import Fingerprint
from axlab.trace.table import Table, values_of

BATCH = 4096  # events are put into columns many at a time, which costs a fraction of one at a time
LEVELS = ("off", "events")


class Recorder:
    """Called with every event. `level` "off" keeps the fingerprint only, "events" the columns too.

    `limit`: keep about the last `limit` events (at least so many, at most twice so many) and
    count those that were dropped in `dropped`. `executed` are the recordings of instructions.
    """

    def __init__(self, level: str = "events", limit: int | None = None) -> None:
        self.tables: dict[str, Table] = {}
        self.order = array("B")  # of each event kept, the place of its kind in `tables`
        self.dropped = 0
        self.executed = Executed()
        self.limit = limit
        self._fingerprint = Fingerprint()
        self._pending: list[Event] = []
        self._level = "off"
        self.level = level

    @property
    def level(self) -> str:
        """What is kept from now on: one of `LEVELS`. Setting another raises `AxError`."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        if level not in LEVELS:
            known = ", ".join(LEVELS)
            raise AxError(f"{level!r} is no level of recording{nearest(level, list(LEVELS))} (levels: {known})")
        self.flush()
        self._level = level

    def __call__(self, event: Event) -> None:
        self._pending.append(event)
        if len(self._pending) >= BATCH:
            self.flush()

    def __len__(self) -> int:
        """How many events are kept."""
        self.flush()
        return len(self.order)

    def flush(self) -> None:
        """Put what is pending into the fingerprint and the columns. Reading does this by itself."""
        batch, self._pending = self._pending, []
        self._fingerprint.add(batch)
        if self._level == "off" or not batch:
            return
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for event in batch:
            kind = kind_of(type(event))
            if kind not in self.tables:
                self.tables[kind] = Table(type(event))
            rows.setdefault(kind, []).append(values_of(type(event))(event))
        places = {kind: place for place, kind in enumerate(self.tables)}
        self.order.extend([places[kind_of(type(event))] for event in batch])
        for kind, of_kind in rows.items():
            self.tables[kind].extend(of_kind)
        if self.limit is not None and len(self.order) > 2 * self.limit:
            self._drop(len(self.order) - self.limit)

    def _drop(self, count: int) -> None:
        gone = Counter(self.order[:count])
        for place, table in enumerate(self.tables.values()):
            table.drop(gone[place])
        del self.order[:count]
        self.dropped += count

    def table(self, kind: str) -> Table:
        """The rows of one kind; empty where nothing of it has happened. Raises `AxError`."""
        self.flush()
        if kind in self.tables:
            return self.tables[kind]
        if kind not in ROWS:
            raise AxError(f"a trace has no {kind!r}{nearest(kind, list(ROWS))} (kinds: {', '.join(ROWS)})")
        return self.executed.table(kind) if kind in EXECUTED else Table(KINDS[kind])

    def kinds(self) -> list[str]:
        """The kinds of a file of the whole trace: all events, and what was executed, if that was recorded."""
        self.flush()
        finest = self.executed.finest()
        return list(dict.fromkeys([*KINDS, *self.tables, *([finest] if finest else [])]))

    def rows(self) -> Iterator[tuple[str, Table, tuple[Any, ...]]]:
        """(kind, table, row) of everything kept, in the order in which it happened."""
        finest = self.executed.finest()
        if not finest:
            return self._events()
        table = self.executed.table(finest)
        executed = ((finest, table, row) for row in table.rows())
        return merge(self._events(), executed, key=lambda found: found[2][0])

    def _events(self) -> Iterator[tuple[str, Table, tuple[Any, ...]]]:
        self.flush()
        names = list(self.tables)
        tables = list(self.tables.values())
        rows = [table.rows() for table in tables]
        for place in self.order:
            yield names[place], tables[place], next(rows[place])

    def fingerprint(self, vm: int | None = None) -> str:
        """The hash of all events until now (of one VM), kept or not: 64 hexadecimal digits."""
        self.flush()
        return self._fingerprint.hexdigest(vm)

    def clear(self) -> None:
        """Forget the rows; the fingerprint goes on."""
        self.flush()
        self.tables = {}
        self.order = array("B")
        self.dropped = 0
        for recording in self.executed.recordings:
            recording.clear()
