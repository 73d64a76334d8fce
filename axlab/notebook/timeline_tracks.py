"""The lanes of a timeline as arrays, made so that any window of them is found in time that does not grow with it.

A `Line` is a row of states without gaps: `codes[i]` from `edges[i]` to `edges[i + 1]`. For each code it keeps how
long that code had lasted at every edge. The share of a code between two moments is then one interpolation, however
many events lie between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

Array = Any  # a numpy array of one dimension

NOTHING, GUEST, HYPERVISOR, READY = -1, 0, 1, 2
FIRST_WAIT = 3
WAITS = ("interrupt", "input", "resume", "start", "boot delay")  # axlab.vmm.tasks.Wait
STATES = ("in the guest", "in the hypervisor", "ready", *(f"waits for {wait}" for wait in WAITS))
MARKS = ("exit", "injection", "IPI")
SGIS = 16
TOO_SHORT = 6  # so many slivers may stand beside what can be seen


@dataclass(frozen=True)
class Line:
    """A row of states in time; see above. Times are virtual ns."""

    edges: Array
    codes: Array
    sums: dict[int, Array] = field(repr=False)

    def rectangles(self, begin: int, end: int, most: int, least: float) -> list[tuple[int, int, int]] | None:
        """(begin, end, code) of what lies in a window, cut to it.

        None where one by one would not be seen: more than `most`, or several that are shorter than `least`.
        """
        first = max(0, int(numpy.searchsorted(self.edges, begin, "right")) - 1)
        last = min(len(self.codes), int(numpy.searchsorted(self.edges, end, "left")))
        if last - first > most:
            return None
        edges = numpy.clip(self.edges[first : last + 1], begin, end)
        if int((numpy.diff(edges) < least).sum()) > TOO_SHORT:
            return None
        found = zip(edges.tolist(), edges[1:].tolist(), self.codes[first:last].tolist())
        return [(start, stop, code) for start, stop, code in found if code != NOTHING and stop > start]

    def shares(self, begin: int, end: int, bins: int) -> dict[int, list[int]]:
        """For each code, the percentage of each of `bins` equal parts of a window that it takes."""
        at = begin + (end - begin) * numpy.arange(bins + 1) / bins
        width = max(1e-9, (end - begin) / bins)
        found = {}
        for code, sums in self.sums.items():
            share = numpy.diff(numpy.interp(at, self.edges, sums)) * (100 / width)
            if share.any():
                found[code] = numpy.rint(share).astype(int).tolist()
        return found


def line(edges: Array, codes: Array) -> Line:
    """A line with its sums."""
    lengths = numpy.diff(edges)
    sums = {}
    for code in numpy.unique(codes).tolist():
        if code != NOTHING:
            sums[code] = numpy.concatenate(([0], numpy.cumsum(numpy.where(codes == code, lengths, 0))))
    return Line(edges, codes, sums)


@dataclass(frozen=True)
class Marks:
    """Moments of one kind. `what` are places in `names`."""

    times: Array
    what: Array
    names: tuple[str, ...]

    def within(self, begin: int, end: int, most: int) -> tuple[int, list[tuple[int, str]] | None]:
        """How many lie in a window, and (time, what) of each; None where there are more than `most`."""
        first, last = numpy.searchsorted(self.times, [begin, end]).tolist()
        if last - first > most:
            return last - first, None
        times, what = self.times[first:last].tolist(), self.what[first:last].tolist()
        return last - first, [(time, self.names[place]) for time, place in zip(times, what)]

    def counts(self, begin: int, end: int, bins: int) -> list[int]:
        """How many lie in each of `bins` equal parts of a window."""
        at = begin + (end - begin) * numpy.arange(bins + 1) / bins
        found: list[int] = numpy.diff(numpy.searchsorted(self.times, at)).tolist()
        return found


@dataclass(frozen=True)
class VcpuTrack:
    """What a vCPU did, and what happened to it."""

    vm: int
    vcpu: int
    line: Line
    marks: dict[str, Marks]


@dataclass(frozen=True)
class Tracks:
    """All lanes. The codes of `pcpus` are places in `vcpus`."""

    pcpus: list[Line]
    vcpus: list[VcpuTrack]
    until: int


def columns(table: Any, *names: str) -> list[Array]:
    """Columns of a trace's table as numpy arrays: copies, since the recorder's own must stay free to grow."""
    stores = table.stored()
    return [numpy.array(stores[name].values) if len(table) else numpy.empty(0, dtype=int) for name in names]


def labels(table: Any, name: str) -> tuple[str, ...]:
    """The names whose places a column holds."""
    return tuple(str(one) for one in table.stored()[name].names)


def tracks_of(recorder: Any, pcpus: int, until: int) -> Tracks:
    """The lanes of what a recorder has kept, until virtual time `until`."""
    changes, exits, interrupts = (recorder.table(kind) for kind in ("vcpu_states", "exits", "interrupts"))
    times, on, vms, vcpus, new, why = columns(changes, "time", "pcpu", "vm", "vcpu", "new", "reason")
    codes = state_codes(labels(changes, "new"), labels(changes, "reason"), new, why)
    exit_columns = columns(exits, "time", "cost", "vm", "vcpu", "reason")
    interrupt_columns = columns(interrupts, "time", "vm", "vcpu", "intid", "action")
    found, running = [], []
    for place, (vm, vcpu, rows) in enumerate(by_vcpu(vms, vcpus)):
        edges = numpy.maximum.accumulate(numpy.append(times[rows], until))
        spans = numpy.flatnonzero(codes[rows] == GUEST)
        running += [(edges[spans], edges[spans + 1], on[rows][spans], numpy.full(len(spans), place))]
        of_vcpu = (exit_columns[2] == vm) & (exit_columns[3] == vcpu)
        began, cost, reason = (column[of_vcpu] for column in (exit_columns[0], exit_columns[1], exit_columns[4]))
        in_hypervisor = with_intervals(edges, codes[rows], began, began + cost)
        marks = {"exit": marks_of(began, reason, labels(exits, "reason"))}
        of_vcpu = (interrupt_columns[1] == vm) & (interrupt_columns[2] == vcpu)
        marks |= interrupt_marks(interrupts, [column[of_vcpu] for column in interrupt_columns])
        found.append(VcpuTrack(vm, vcpu, in_hypervisor, marks))
    return Tracks([pcpu_line(running, pcpu) for pcpu in range(pcpus)], found, until)


def by_vcpu(vms: Array, vcpus: Array) -> Iterator[tuple[int, int, Array]]:
    """(VM, vCPU, places of its rows) of all vCPUs, in their order."""
    keys = vms.astype(numpy.int64) << 32 | vcpus.astype(numpy.int64)
    for key in numpy.unique(keys).tolist():
        yield key >> 32, key & 0xFFFFFFFF, numpy.flatnonzero(keys == key)


def state_codes(states: tuple[str, ...], reasons: tuple[str, ...], new: Array, why: Array) -> Array:
    """The code of each state change: what the vCPU is in from then on."""
    waits = [FIRST_WAIT + WAITS.index(reason) if reason in WAITS else FIRST_WAIT for reason in reasons] or [0]
    simple = {"Running": GUEST, "Ready": READY}
    codes = numpy.array([simple.get(state, NOTHING) for state in states] or [NOTHING])[new.astype(int)]
    blocked = numpy.array([state == "Blocked" for state in states] or [False])[new.astype(int)]
    return numpy.where(blocked, numpy.array(waits)[why.astype(int)], codes)


def with_intervals(edges: Array, codes: Array, begins: Array, ends: Array) -> Line:
    """The line of a vCPU, in which it is in the hypervisor, not in the guest, during its exits."""
    if not len(begins):
        return line(edges, codes)
    ends = numpy.minimum(ends, numpy.append(begins[1:], ends[-1:]))
    cuts = numpy.concatenate((begins, ends))
    every = ascending(numpy.concatenate((edges, cuts[(cuts > edges[0]) & (cuts < edges[-1])])))
    at = every[:-1]
    base = codes[numpy.clip(numpy.searchsorted(edges, at, "right") - 1, 0, len(codes) - 1)]
    last = numpy.searchsorted(begins, at, "right") - 1
    inside = (last >= 0) & (at < ends[last])
    return line(every, numpy.where(inside & (base == GUEST), HYPERVISOR, base)) if len(at) else line(edges, codes)


def ascending(times: Array) -> Array:
    """Times in order, each once. (numpy.unique hashes, which takes several times as long here.)"""
    times = numpy.sort(times, kind="stable")
    return times[numpy.concatenate(([True], times[1:] != times[:-1]))]


def pcpu_line(running: list[tuple[Array, Array, Array, Array]], pcpu: int) -> Line:
    """Which vCPU a physical CPU had, from all spans in which vCPUs ran: (begins, ends, physical CPUs, places)."""
    begins, ends, on, places = (numpy.concatenate(column) for column in zip(*running)) if running else [NONE] * 4
    here = (on == pcpu) & (ends > begins)
    order = numpy.argsort(begins[here], kind="stable")
    begins, ends, places = begins[here][order], ends[here][order], places[here][order]
    if not len(begins):
        return line(numpy.array([0]), NONE)
    ends = numpy.minimum(ends, numpy.append(begins[1:], ends[-1:]))
    edges = numpy.column_stack((begins, ends)).ravel()
    codes = numpy.column_stack((places, numpy.full(len(places), NOTHING))).ravel()[:-1]
    return line(edges, codes)


NONE = numpy.empty(0, dtype=numpy.int64)


def marks_of(times: Array, what: Array, names: tuple[str, ...]) -> Marks:
    order = numpy.argsort(times, kind="stable")
    return Marks(times[order], what[order].astype(int), names)


def interrupt_marks(table: Any, found: list[Array]) -> dict[str, Marks]:
    """Interrupts that were put into a vCPU's list registers, and those that other vCPUs sent it."""
    times, _, _, intids, actions = found
    names = labels(table, "action")
    highest = int(intids.max()) + 1 if len(intids) else 0
    words = tuple(f"SGI {intid}" if intid < SGIS else f"INTID {intid}" for intid in range(highest))
    place = {name: index for index, name in enumerate(names)}
    injected = actions == place.get("injected", -1)
    sent = (actions == place.get("raised", -1)) & (intids < SGIS)
    return {
        "injection": marks_of(times[injected], intids[injected], words),
        "IPI": marks_of(times[sent], intids[sent], words),
    }
