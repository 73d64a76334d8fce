"""Trace: what happened in a lab, as rows, frames, sums and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError, nearest
from axlab.events import Event, Exit, Interrupt, Log, Observers, VcpuState, VmState
from axlab.trace.columns import Column, Covered, Hot
from axlab.trace.deliveries import Delivery, Latency, deliveries, latencies
from axlab.trace.executed import EVERYTHING, Recording
from axlab.trace.executed import LEVELS as RECORDED
from axlab.trace.recorder import LEVELS as EVENT_LEVELS
from axlab.trace.recorder import Recorder
from axlab.trace.recording import attach, end_recordings, record_vcpu
from axlab.trace.scheduling import Turns, fairness, turns
from axlab.trace.scope import FOREVER, Scope, moment, scope_of
from axlab.trace.spans import Span, spans_of
from axlab.trace.spill import Bounds, Spill
from axlab.trace.story import Story
from axlab.trace.vms import Which, id_of
from axlab.units import format_duration

if TYPE_CHECKING:
    import pandas

    from axlab.trace.compare import Difference
    from axlab.trace.summary import ExitSummary

LEVELS = (*EVENT_LEVELS, *RECORDED)


class Trace:
    """A lab's trace. `recorder` is the observer; add it to a lab's events. `follow` says whose instructions there are.

    >>> lab.trace.frame("exits")        # a DataFrame; kinds: axlab.trace.columns.KINDS
    >>> print(lab.trace.summary(vm=0))  # exits by reason
    >>> lab.trace.save("run.csv")

    Wherever a view takes `vm`, that is a VM, its id or its name; a VM that is not there raises `AxError`.
    """

    def __init__(self, level: str = "events", limit: int | None = None) -> None:
        self.recorder = Recorder(level, limit)
        self.level = level
        self.problem = ""  # why it ended early
        self._scope = EVERYTHING  # of VMs to come
        self._next_end = FOREVER  # when the first window of a recording is over
        self._bounds = (0, FOREVER)  # the part of another trace that this one is
        self._hypervisor: Any = None
        self._events: Observers | None = None

    def follow(self, hypervisor: Any, events: Observers) -> None:
        """The hypervisor whose VMs' instructions can be recorded, and the hub that tells of new ones.

        A copy of a lab calls this, too: recordings that went on go on in the copy.
        """
        self._hypervisor = hypervisor
        self._events = events
        executed = self.recorder.executed
        for recording in executed.every():
            vm = hypervisor.vms.get(recording.vm)
            if recording.goes_on and vm is not None:
                attach(vm.vcpus[recording.vcpu].cpu, recording)

    def __getstate__(self) -> dict[str, Any]:
        """A copy of a trace alone belongs to no lab."""
        return self.__dict__ | {"_hypervisor": None, "_events": None}

    def record(
        self,
        level: str,
        vm: Which = None,
        *,
        addresses: Any = None,
        window: Any = None,
        limit: int | None = None,
        spill: bool = False,
    ) -> None:
        """What is recorded from now on. Raises `AxError`.

        "off": the fingerprint only; "events": what happens; "blocks" and "instructions": also what the vCPUs of
        all VMs, or of `vm` (a VM, its id or name), execute, by runs or one by one; "memory": their loads and stores
        too, which is much slower. What was recorded before stays. For one VM, "off" ends also its events.

        `addresses` ("0x40080000..0x40080fff", a function, or several) chooses instructions, and accesses by the
        address that they go to. `window` ("10ms..20ms") chooses virtual time. `limit`: keep about so many of the
        last rows (of events, and of each vCPU). `spill`: put on disk, in the lab's folder, what gets long.
        """
        if level not in LEVELS:
            raise AxError(f"{level!r} is no level of recording{nearest(level, list(LEVELS))} ({', '.join(LEVELS)})")
        if level in RECORDED and self._events is None:
            raise AxError("this trace was loaded from a file or belongs to no lab: there is nobody to record")
        one = None if vm is None else self._hypervisor.vms.find(self.id_of(vm))
        scope = scope_of(addresses, window, self._extent(one))
        if one is None or limit is not None or spill:
            self._bound(limit, spill)
        self.recorder.flush()  # what has happened until now is kept as it was to be kept then
        if one is not None:
            self._record([one], level, scope)
            (self.recorder.silent.add if level == "off" else self.recorder.silent.discard)(one.id)
        else:
            self.recorder.silent.clear()
            self.recorder.level = level if level in EVENT_LEVELS else EVENT_LEVELS[-1]
            self.recorder.scope = replace(scope, addresses=())
            self.level, self._scope = level, scope
            if self._events is not None:
                self._record(self._hypervisor.vms, level, scope)
        self._observe()

    def _observe(self) -> None:
        """Be told of events while something goes on that has to end, to become a part, or to begin with a new VM."""
        going = [one for one in self.recorder.executed.every() if one.goes_on]
        self._next_end = min((one.scope.end for one in going), default=FOREVER)
        if self._events is not None:
            self._events.remove(self)
            if going or self.level in RECORDED:
                self._events.add(self)

    def _extent(self, vm: Any) -> Callable[[str], range | None]:
        """Where a function is: of a VM, or of the first that knows the name."""
        vms = [vm] if vm is not None else self._vms()

        def extent(name: str) -> range | None:
            return next((found for one in vms if (found := one.symbols.extent(name)) is not None), None)

        return extent

    def _bound(self, limit: int | None, spill: bool) -> None:
        """How much is kept, and where."""
        if limit is not None and limit < 1:
            raise AxError(f"limit = {limit} is wrong: at least one row is kept, or all (None)")
        if spill and limit is not None:
            raise AxError("limit and spill exclude each other: one forgets what is old, the other puts it on disk")
        if spill and self._hypervisor is None:
            raise AxError("this trace was loaded from a file or belongs to no lab, which would have a folder for it")
        self.recorder.executed.bounds = Bounds(limit, Spill(str(self._hypervisor.folder / "trace")) if spill else None)

    def _record(self, vms: Iterable[Any], level: str, scope: Scope) -> None:
        for vm in vms:
            for vcpu in vm.vcpus:
                record_vcpu(self.recorder.executed, vm.id, vcpu, level, scope)

    def __call__(self, event: Event) -> None:
        """As an observer: a VM that is new is recorded from its first instruction on; what is long becomes a part."""
        if isinstance(event, VmState) and event.new == "Loaded" and event.time < self._scope.end:
            self._record([self._hypervisor.vms.find(event.vm)], self.level, self._scope)
            self._observe()
        executed = self.recorder.executed
        executed.settle()
        if event.time >= self._next_end:
            self._end_recordings(event.time)
        elif executed.bounds.spill is not None and executed.bounds.spill.problem:
            self._stop(event.time, executed.bounds.spill.problem)

    def _end_recordings(self, time: int) -> None:
        """Those whose windows are over: the machine need not record for them any more."""
        over = [one for one in self.recorder.executed.every() if one.goes_on and one.scope.end <= time]
        end_recordings([vcpu.cpu for vm in self._hypervisor.vms for vcpu in vm.vcpus], over)
        self._observe()

    def _stop(self, time: int, why: str) -> None:
        """Nothing more is recorded, because there is no place for it; what was is kept."""
        assert self._events is not None
        self.record(EVENT_LEVELS[0])
        self.problem = f"the trace ends at {format_duration(time)}: {why}; what was recorded until then is kept"
        self._events.emit(Log(time, "warn", self.problem))

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self.recorder)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events{'; ' + self.problem if self.problem else ''}>"

    def frame(self, kind: str = "exits", vm: Which = None) -> pandas.DataFrame:
        """All rows of a kind (of one VM) as a typed DataFrame, oldest first. Raises `AxError`.

        The columns of each kind are described in `axlab.trace.columns`.
        """
        from axlab.trace.frames import frame_of

        return frame_of(self.recorder.table(kind), self.id_of(vm))

    def select(self, vm: Which = None, *, since: Any = None, until: Any = None, where: str = "") -> Trace:
        """A part of this trace as a trace of its own: it has frames, views and files. Raises `AxError`.

        `since` and `until` (moments of virtual time: "10ms", or ns), `where` a filter.

        >>> lab.trace.select(0, since="1ms", where="exit == mmio and write").frame("exits")
        """
        from axlab.trace.filter import Filter
        from axlab.trace.filter_names import Scope as Names
        from axlab.trace.selection import Selection

        chosen, vms = self.id_of(vm), self._vms()
        named = [known for known in vms if chosen in (None, known.id)]
        names = Names(symbols=tuple(known.symbols for known in named), vms={known.name: known.id for known in vms})
        selection = Selection(
            chosen,
            0 if since is None else moment(since),
            FOREVER if until is None else moment(until),
            Filter(where, names) if where else None,
        )
        found = Trace()
        found.recorder = selection.recorder(self.recorder.whole())
        found._hypervisor = self._hypervisor
        found._bounds = selection.since, selection.until
        return found

    def exits(self, vm: Which = None) -> pandas.DataFrame:
        """Every exit from a guest: when, where and in which function, why, what it cost, how long the guest was away.

        `cost` is the time that the hypervisor took, `away` that until the guest ran again: it may have slept.
        """
        from axlab.trace.exit_frame import exit_frame

        frame = exit_frame(self.recorder.table("exits"), self.spans(), self.symbol)
        one = self.id_of(vm)
        return frame if one is None else frame[frame["vm"] == one].reset_index(drop=True)

    def spans(self, vm: Which = None) -> list[Span]:
        """From when to when vCPUs (of one VM) were in which state, and on which physical CPU. Needs no pandas."""
        one = self.id_of(vm)
        changes = [VcpuState(*row) for row in self.recorder.table("vcpu_states").rows()]
        chosen = [change for change in changes if one in (None, change.vm)]
        return spans_of(chosen, self._now(), since=self._since())

    def timeline(self, vm: Which = None) -> pandas.DataFrame:
        """The spans of vCPUs as a typed DataFrame: vm, vcpu, pcpu, state, begin, end, reason."""
        from axlab.trace.frames import frame_of_rows

        return frame_of_rows(Span, self.spans(vm))

    def deliveries(self, vm: Which = None) -> list[Delivery]:
        """Interrupts on their way (to one VM): when each was raised, injected, taken and ended. Needs no pandas."""
        one = self.id_of(vm)
        steps = (Interrupt(*row) for row in self.recorder.table("interrupts").rows())
        return deliveries(step for step in steps if one in (None, step.vm))

    def latency(self, kind: str = "irq", vm: Which = None) -> pandas.DataFrame:
        """How long interrupts took from raised to injected to taken to ended; `kind` is irq, sgi, ppi or spi.

        Raises `AxError` for another kind.
        """
        from axlab.trace.frames import frame_of_rows

        return frame_of_rows(Latency, latencies(self.deliveries(vm), kind))

    def sched(self, vm: Which = None) -> pandas.DataFrame:
        """How long each vCPU ran, waited for a physical CPU and slept, and which part it got of what it wanted."""
        from axlab.trace.frames import frame_of_rows

        return frame_of_rows(Turns, turns(self.spans(vm)))

    def fairness(self, vm: Which = None) -> float:
        """Jain's index of what vCPUs got of the time that they wanted: 1 is fair, 1/n is one vCPU of n with all."""
        return fairness(one.got for one in turns(self.spans(vm)))

    def hot(self, by: str = "functions", vm: Which = None) -> pandas.DataFrame:
        """Where instructions were spent, by "functions" or "blocks", the most first. Raises `AxError` for another word.

        It needs a recording at the level "blocks" or finer.
        """
        from axlab.trace.frames import frame_of_rows
        from axlab.trace.profile import hot_blocks, hot_functions

        ways = {"functions": hot_functions, "blocks": hot_blocks}
        if by not in ways:
            raise AxError(f"hot code is found by {' or '.join(ways)}, not by {by!r}{nearest(by, list(ways))}")
        found = [row for of, recordings in self._executed(vm) for row in ways[by](of, recordings, self._symbols(of))]
        return frame_of_rows(Hot, found)

    def coverage(self, vm: Which = None) -> pandas.DataFrame:
        """Which code was executed at least once, by function; by page where no symbols are known.

        It needs a recording at the level "blocks" or finer. Functions of which nothing was executed are there, too.
        """
        from axlab.trace.frames import frame_of_rows
        from axlab.trace.profile import coverage

        found = []
        for of, recordings in self._executed(vm):
            known = self._vm(of)
            functions = known.symbols.functions() if known is not None else ()
            found += coverage(of, recordings, self._symbols(of), functions)
        return frame_of_rows(Covered, found)

    def compare(self, other: Any) -> Difference:
        """The first difference between this run and another (a `Trace` or a `Lab`), in words. Raises `AxError`."""
        from axlab.trace.compare import compare

        trace = getattr(other, "trace", other)
        if not isinstance(trace, Trace):
            raise AxError(f"a run is compared with a lab or a trace, not with {other!r}")
        return compare(self.recorder, trace.recorder)

    def _executed(self, vm: Which) -> list[tuple[int, list[Recording]]]:
        """The recordings of instructions by VM."""
        one = self.id_of(vm)
        every = self.recorder.executed.recordings
        return [
            (of, [recording for recording in every if recording.vm == of])
            for of in sorted({recording.vm for recording in every})
            if one in (None, of)
        ]

    def id_of(self, vm: Which) -> int | None:
        """The id of a VM, given by its id, its name or itself; None for None. Raises `AxError` for an unknown one."""
        return id_of(vm, self._vms(), self.recorder)

    def _vms(self) -> list[Any]:
        """The VMs that there are; none in a trace that belongs to no lab."""
        return [] if self._hypervisor is None else list(self._hypervisor.vms)

    def _vm(self, vm: int) -> Any:
        """The VM of an id; None where it is no more, and in a trace that belongs to no lab."""
        return self._hypervisor.vms.get(vm) if self._hypervisor is not None else None

    def _symbols(self, vm: int) -> Callable[[int], Any]:
        """A function: the address of a VM -> the symbol that contains it, or None."""
        known = self._vm(vm)
        return known.symbols.at if known is not None else lambda address: None

    def symbol(self, vm: int, address: int) -> str:
        """What is at an address of a VM: `main+0x10`; nothing where no symbol is known."""
        known = self._vm(vm)
        return known.symbols.name(address) if known is not None else ""

    def _now(self) -> int:
        """The end of what is recorded: the lab's time; of a trace that belongs to none, that of its last event."""
        if self._hypervisor is not None:
            return min(int(self._hypervisor.now), self._bounds[1])
        return max((row[0] for _, _, row in self.recorder.rows()), default=0)

    def _since(self) -> int:
        """The beginning of what is recorded: 0, or where events were dropped, the time of the first that is left."""
        first = min((row[0] for _, _, row in self.recorder.rows()), default=0) if self.recorder.dropped else 0
        return max(first, self._bounds[0])

    def summary(self, vm: Which = None) -> ExitSummary:
        """Exits by reason: how many, and how long the hypervisor took. Needs no pandas."""
        from axlab.trace.summary import summarise

        return summarise(self.recorder.table("exits"), self.id_of(vm))

    def fingerprint(self, vm: Which = None) -> str:
        """A hash of all that has happened (to one VM); equal runs have equal fingerprints."""
        return self.recorder.fingerprint(self.id_of(vm))

    def save(self, path: str | Path, kind: str | None = None) -> None:
        """Write the trace, or one kind of it, in the form that the extension names. Raises `AxError`.

        `.csv`, `.jsonl`, `.json`, `.parquet`, `.arrow`: rows; `.perfetto.json` (or `.chrome.json`): for Perfetto and
        chrome://tracing; `.vcd`: for GTKWave. None: AxLab's own columns, which `load` reads.
        """
        from axlab.trace.export import DRAWN, form_of, save

        save(self.recorder, Path(path), kind, self.story() if form_of(Path(path)) in DRAWN else None)

    def story(self) -> Story:
        """What `.perfetto.json` and `.vcd` files show: spans, interrupts, exits, the states of VMs."""
        exits, states = (self.recorder.table(kind).rows() for kind in ("exits", "vm_states"))
        found = [Exit(*row) for row in exits]
        changes = [VmState(*row) for row in states]
        ids = {exit.vm for exit in found} | {change.vm for change in changes}
        names = {vm: known.name for vm in ids if (known := self._vm(vm)) is not None}
        return Story(self.spans(), self.deliveries(), found, changes, names, self._now())

    def clear(self) -> None:
        """Forget all rows; the fingerprint and the recording go on."""
        self.recorder.clear()

    def columns(self, kind: str = "exits") -> tuple[Column, ...]:
        """The columns of a kind: name, form, unit and meaning of each. Raises `AxError`."""
        return self.recorder.table(kind).columns

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """A trace that was saved as AxLab's own columns. Raises `AxError`."""
        from axlab.trace.own_format import load

        trace = cls()
        load(trace.recorder, Path(path))
        return trace
