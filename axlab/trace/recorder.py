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
from axlab.trace.executed import EVERYTHING, Executed
from axlab.trace.fingerprint import Fingerprint
from axlab.trace.segment import Segment, joined
from axlab.trace.spill import Spill
from axlab.trace.table import Table, values_of

BATCH = 4096  # events are put into columns many at a time, which costs a fraction of one at a time
SEGMENT = 1 << 17  # events that are put on disk at once
LEVELS = ("off", "events")

Found = tuple[str, Table, tuple[Any, ...]]


class Recorder:
    """Called with every event. `level` "off" keeps the fingerprint only, "events" the columns too.

    `limit`: keep about the last `limit` events (at least so many, at most twice so many) and
    count those that were dropped in `dropped`. `executed` are the recordings of instructions and accesses.
    `segments` are older events, on disk.
    """

    def __init__(self, level: str = "events", limit: int | None = None) -> None:
        self.tables: dict[str, Table] = {}
        self.order = array("B")  # of each event kept, the place of its kind in `tables`
        self.forgotten = 0
        self.executed = Executed()
        self.limit = limit
        self.scope = EVERYTHING  # of events only its window counts
        self.silent: set[int] = set()  # ids of VMs whose events are not kept
        self.segments: list[Segment] = []
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
        return len(self.order) + sum(segment.rows for segment in self.segments)

    def flush(self) -> None:
        """Put what is pending into the fingerprint and the columns. Reading does this by itself."""
        batch, self._pending = self._pending, []
        self._fingerprint.add(batch)
        if self.is_quiet:
            batch = [event for event in batch if self._keeps(event)]
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
        if self.spill is not None and len(self.order) >= SEGMENT:
            self._put_on_disk()

    @property
    def limit(self) -> int | None:
        """How many events, instructions of a vCPU and accesses of a vCPU are kept at least; None: all."""
        return self.executed.bounds.limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self.executed.bounds.limit = limit

    @property
    def spill(self) -> Spill | None:
        """Where rows go that would fill memory; None: nowhere, or no more, because it is full."""
        spill = self.executed.bounds.spill
        return spill if spill is not None and not spill.problem else None

    @property
    def is_quiet(self) -> bool:
        """Whether some events are left out."""
        return bool(self.silent) or not self.scope.is_everything

    def _keeps(self, event: Event) -> bool:
        return self.scope.begin <= event.time < self.scope.end and getattr(event, "vm", -1) not in self.silent

    def _put_on_disk(self) -> None:
        """Make a segment on disk of the events in memory. Where that fails they stay."""
        assert self.spill is not None
        segment = Segment.put(self.spill, self.tables, self.order)
        if segment is not None:
            self.segments.append(segment)
            self.tables = {}
            self.order = array("B")

    def _drop(self, count: int) -> None:
        gone = Counter(self.order[:count])
        for place, table in enumerate(self.tables.values()):
            table.drop(gone[place])
        del self.order[:count]
        self.forgotten += count

    @property
    def dropped(self) -> int:
        """Rows that were forgotten, because only so many were to be kept."""
        return self.forgotten + self.executed.dropped

    def table(self, kind: str) -> Table:
        """The rows of one kind; empty where nothing of it has happened. Raises `AxError`."""
        self.flush()
        pieces = [one.event_table(kind) for one in self._stretches() if kind in one.event_kinds()]
        if pieces:
            return pieces[0] if len(pieces) == 1 else joined(pieces)
        if kind not in ROWS:
            raise AxError(f"a trace has no {kind!r}{nearest(kind, list(ROWS))} (kinds: {', '.join(ROWS)})")
        return self.executed.table(kind) if kind in EXECUTED else Table(KINDS[kind])

    def kinds(self) -> list[str]:
        """The kinds of a file of the whole trace: all events, and what was executed, if that was recorded."""
        self.flush()
        return list(dict.fromkeys([*KINDS, *self._segment_kinds(), *self.tables, *self.executed.in_files()]))

    def rows(self) -> Iterator[Found]:
        """(kind, table, row) of everything kept, in the order in which it happened."""
        executed = [_named(kind, self.executed.table(kind)) for kind in self.executed.in_files()]
        return merge(self._events(), *executed, key=lambda found: found[2][0]) if executed else self._events()

    def _events(self) -> Iterator[Found]:
        self.flush()
        for segment in self._stretches():
            tables = {kind: segment.event_table(kind) for kind in segment.event_kinds()}
            rows = [_named(kind, table) for kind, table in tables.items()]
            for place in segment.event_order():
                yield next(rows[place])

    def _stretches(self) -> list[Segment | Recorder]:
        """The events in stretches, oldest first: those on disk, then those in memory."""
        return [*self.segments, self]

    def event_kinds(self) -> list[str]:
        """The kinds of the events in memory, as a segment has it."""
        return list(self.tables)

    def event_table(self, kind: str) -> Table:
        """The events of a kind in memory, as a segment has it."""
        return self.tables[kind]

    def event_order(self) -> array[int]:
        """The order of the events in memory, as a segment has it."""
        return self.order

    def _segment_kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for segment in self.segments for kind in segment.event_kinds()))

    def whole(self) -> Recorder:
        """This recorder with all of its events in memory, for who needs columns and not rows."""
        self.flush()
        if not self.segments:
            return self
        whole = Recorder()
        whole.executed, whole.forgotten = self.executed, self.forgotten
        whole.tables = {kind: self.table(kind) for kind in dict.fromkeys([*self._segment_kinds(), *self.tables])}
        places = {kind: place for place, kind in enumerate(whole.tables)}
        for segment in self._stretches():
            mine = [places[kind] for kind in segment.event_kinds()]
            whole.order.extend(mine[place] for place in segment.event_order())
        return whole

    def fingerprint(self, vm: int | None = None) -> str:
        """The hash of all events until now (of one VM), kept or not: 64 hexadecimal digits."""
        self.flush()
        return self._fingerprint.hexdigest(vm)

    def clear(self) -> None:
        """Forget the rows; the fingerprint goes on."""
        self.flush()
        self.tables = {}
        self.segments = []
        self.order = array("B")
        self.forgotten = 0
        self.executed.clear()


def _named(kind: str, table: Table) -> Iterator[Found]:
    return ((kind, table, row) for row in table.rows())
