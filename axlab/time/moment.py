"""A moment of a lab: all that it takes to go back there, kept in memory.

RAM costs the pages that are written afterwards; what else there is (CPUs, devices, tasks, the timeline, the trace)
is small and kept whole, but for long columns of the trace, which moments share.

Going back, the trace becomes what it was then, and so does the fingerprint: what has happened since then has not
happened. Observers stay, and so do settings of those who look: what is recorded from now on, breakpoints, watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.events import Log
from axlab.machine.page_versions import Version
from axlab.time.memento import Memento, capture
from axlab.trace.executed import MEMORY

Levels = dict[tuple[int, int], str]  # (VM, vCPU) whose instructions are recorded -> at which level


@dataclass(eq=False, frozen=True)
class Moment:
    """`now` is virtual time in ns, `position` the hypervisor's."""

    now: int
    position: tuple[int, int]
    memento: Memento
    version: Version


def take(lab: Any, previous: Moment | None = None) -> Moment:
    """The present moment. `previous`, of the same lab, shares with it what is alike."""
    lab.trace.recorder.flush()
    roots = (lab.board, lab.hypervisor, lab.trace.recorder)
    memento = capture(roots, None if previous is None else previous.memento)
    return Moment(lab.hypervisor.now, lab.hypervisor.position, memento, lab.board.memory.version())


def go(lab: Any, moment: Moment) -> None:
    """Make the lab what it was. All objects of that moment are the same objects."""
    lab.trace.recorder.flush()
    looking = looking_at(lab)
    moment.memento.restore()
    lab.board.memory.go(moment.version)
    settle(lab, looking)


def forget(lab: Any, moment: Moment) -> None:
    """Nobody goes there any more: free what only this moment needs."""
    lab.board.memory.versions.forget(moment.version)


@dataclass(frozen=True)
class Looking:
    """What those who look have set: what is recorded of events, how much of it is kept, whose instructions are."""

    level: str
    limit: int | None
    instructions: Levels


def looking_at(lab: Any) -> Looking:
    """The settings of those who look, which do not go back in time."""
    recorder = lab.trace.recorder
    recordings = recorder.executed.recordings
    instructions = {(known.vm, known.vcpu): known.level for known in recordings if known.goes_on}
    return Looking(recorder.level, recorder.limit, instructions)


def settle(lab: Any, looking: Looking) -> None:
    """The state of the lab is another one: whatever hangs on it is made to fit."""
    recorder = lab.trace.recorder
    recorder.level, recorder.limit = looking.level, looking.limit
    record_again(lab, looking.instructions)
    lab.hypervisor.stops.apply(lab.hypervisor)
    for vm in lab.hypervisor.vms:
        vm.folder.rewrite(vm.config.anywhere().to_toml())


def record_again(lab: Any, levels: Levels) -> None:
    """Record what these vCPUs execute, and at the level of memory access, and of no others; recordings go on."""
    executed = lab.trace.recorder.executed
    for known in executed.recordings:
        known.goes_on = known.goes_on and (known.vm, known.vcpu) in levels
    record_accesses_again(lab, {place for place, level in levels.items() if level == MEMORY})
    going = {(known.vm, known.vcpu): known for known in executed.recordings if known.goes_on}
    for vm in lab.hypervisor.vms:
        for vcpu in vm.vcpus:
            place = (vm.id, vcpu.id)
            if place in levels:
                recording = going.get(place) or executed.begin(*place, vcpu.cpu.ns_per_instruction)
                recording.level = levels[place]
                trace = recording.trace
            else:
                trace = None
            if vcpu.cpu.trace is not trace:
                vcpu.cpu.record(trace)


def record_accesses_again(lab: Any, places: set[tuple[int, int]]) -> None:
    """Record the accesses to memory of these vCPUs and of no others; recordings that went on then go on."""
    executed = lab.trace.recorder.executed
    for known in executed.accesses:
        known.goes_on = known.goes_on and (known.vm, known.vcpu) in places
    going = {(known.vm, known.vcpu): known for known in executed.accesses if known.goes_on}
    for vm in lab.hypervisor.vms:
        for vcpu in vm.vcpus:
            place = (vm.id, vcpu.id)
            wanted = (going.get(place) or executed.begin_accesses(*place)).trace if place in places else None
            if vcpu.cpu.accesses is not wanted:
                vcpu.cpu.record_accesses(wanted)


def tell(lab: Any, text: str) -> None:
    """Tell observers of a jump in time, so that they look again. It does not go into the trace, which has none."""
    for observer in lab.events.observers:
        if observer is not lab.trace.recorder:
            observer(Log(lab.hypervisor.now, "info", text))
