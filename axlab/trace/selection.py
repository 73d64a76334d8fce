"""A part of a trace: the rows of one VM, of a span of virtual time, for which a filter holds."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from axlab.machine.access_trace import IS_WRITE
from axlab.machine.instruction_trace import COUNT_MASK
from axlab.trace.executed import ACCESSES, BLOCKS, INSTRUCTIONS, Accesses, Executed, Recording
from axlab.trace.filter import Filter
from axlab.trace.recorder import Recorder
from axlab.trace.scope import FOREVER
from axlab.trace.table import Table


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: of one VM, or of all; of times from `since` to before `until`; those for which a filter holds."""

    vm: int | None = None
    since: int = 0
    until: int = FOREVER
    where: Filter | None = None

    def places(self, table: Table) -> list[int]:
        """The numbers of the rows of a table that belong to it. Raises `AxError` for a filter that asks for more."""
        stores = table.stored()
        vms = stores["vm"].values if "vm" in stores else None
        times = stores["time"].values
        places: Iterable[int] = range(len(times)) if self.where is None else self.where.rows(table)
        places = [place for place in places if self.since <= times[place] < self.until]
        if self.vm is None:
            return places
        return [place for place in places if vms is not None and vms[place] == self.vm]

    def recorder(self, whole: Recorder) -> Recorder:
        """A recorder of the rows that belong to it."""
        found = Recorder()
        found.executed = self.executed(whole.executed)
        chosen: dict[str, Iterator[int]] = {}
        for kind, table in whole.tables.items():
            places = self.places(table)
            found.tables[kind] = table.chosen(places)
            chosen[kind] = numbered(places, len(table))
        kinds = list(chosen)
        found.order = array("B", [place for place in whole.order if next(chosen[kinds[place]])])
        found.forgotten = whole.dropped
        return found

    def executed(self, whole: Executed) -> Executed:
        """What was executed, as far as it belongs to it: recordings of their own."""
        found = Executed()
        for kind in whole.in_files():
            table = whole.table(kind)
            places = self.places(table)
            for vm, vcpu, rows in by_vcpu(table.chosen(places)):
                if kind == ACCESSES:
                    found.accesses.append(accesses_of(vm, vcpu, rows))
                else:
                    ns = next(one.ns for one in whole.recordings if (one.vm, one.vcpu) == (vm, vcpu))
                    found.recordings.append(recording_of(vm, vcpu, ns, kind, rows))
        return found


def numbered(places: list[int], count: int) -> Iterator[int]:
    """For each of `count` rows whether it is among the places: 1 or 0."""
    marks = bytearray(count)
    for place in places:
        marks[place] = 1
    return iter(marks)


def by_vcpu(table: Table) -> list[tuple[int, int, list[tuple[Any, ...]]]]:
    """The rows of each vCPU."""
    found: dict[tuple[int, int], list[tuple[Any, ...]]] = {}
    for row in table.rows():
        found.setdefault((row[1], row[2]), []).append(row)
    return [(vm, vcpu, rows) for (vm, vcpu), rows in found.items()]


def recording_of(vm: int, vcpu: int, ns: int, kind: str, rows: list[tuple[Any, ...]]) -> Recording:
    """A recording of blocks or of single instructions."""
    recording = Recording(vm, vcpu, ns, BLOCKS if kind == BLOCKS else INSTRUCTIONS, goes_on=False)
    trace = recording.trace
    expected = executed = 0
    for row in rows:
        time, pc, left = row[0], row[3], row[4] if kind == BLOCKS else 1
        if time != expected or not trace.marks:
            trace.mark(executed, time)
        expected = time + left * ns
        executed += left
        while left:
            count = min(left, COUNT_MASK)
            trace.add(pc, count)
            pc, left = pc + 4 * count, left - count
    return recording


def accesses_of(vm: int, vcpu: int, rows: list[tuple[Any, ...]]) -> Accesses:
    """A recording of accesses to memory."""
    recording = Accesses(vm, vcpu, goes_on=False)
    trace = recording.trace
    times, _, _, pcs, addresses, widths, values, writes = zip(*rows, strict=True)
    trace.times, trace.pcs, trace.addresses, trace.values = (
        array("Q", column) for column in (times, pcs, addresses, values)
    )
    trace.sizes = array("B", [width | IS_WRITE if write else width for width, write in zip(widths, writes)])
    return recording
