"""How virtual time advances: the event, or the physical CPU, whose time comes first goes next, again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab.vmm.due_events import EVENTS
from axlab.vmm.outside import History
from axlab.vmm.physical_cpus import PhysicalCpu

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.phases import Act

QUANTUM = 1000  # instructions: how far the clocks of busy physical CPUs may be apart


def advance(hv: Hypervisor, until: int | None, stop: Callable[[], bool] | None, max_instructions: int | None) -> str:
    """See `Hypervisor.advance`."""
    hv.budget = max_instructions
    hv.stops.stopped = None
    try:
        why = run(hv, until, stop) if hv.history is None else follow(hv, hv.history, until, stop)
    finally:
        hv.budget = None
    settle(hv, until if why == "time" else None)
    for vm in hv.vms:
        vm.folder.flush()
    if why == "mistake":
        mistake, hv.scheduler.mistake = hv.scheduler.mistake, None
        assert mistake is not None
        raise mistake
    return why


def follow(hv: Hypervisor, history: History, until: int | None, stop: Callable[[], bool] | None) -> str:
    """Advance, and where the machine is in its past, let commands come again where they came."""
    while (due := history.due()) is not None:
        (turns, executed), now = due
        if hv.position == (turns, executed) and (until is None or now <= until):
            history.give()
            continue
        left, began, last = hv.budget, hv.executed, hv.turns == turns
        if last:
            hv.budget = executed - began if left is None else min(left, executed - began)
        why = run(hv, until, stop, turns + last)
        hv.budget = None if left is None else left - (hv.executed - began)
        if why != "turn" and (why != "instructions" or hv.position != (turns, executed)):
            return why
    return run(hv, until, stop)


def run(hv: Hypervisor, until: int | None, stop: Callable[[], bool] | None, turn: int | None = None) -> str:
    """Let the next one go until something ends it. `turn`: no further than to so many turns.

    What exits lead to is imported for the first guest that runs: a lab's first command needs nothing of it.
    """
    from axlab.vmm.phases import PHASES

    history = hv.history
    while True:
        if history is not None and hv.turns >= history.look_at:
            history.look()
        if hv.turns == turn:
            return "turn"
        if hv.stops.stopped is not None:
            return "break"
        if hv.scheduler.mistake is not None:
            return "mistake"
        if stop is not None and stop():
            return "stop"
        pcpu, busy = hv.physical_cpus.turn()
        cut = pcpu is not None and pcpu.cut > pcpu.clock
        due = hv.timeline.next_time()
        if pcpu is None and due is None:
            return "idle"
        is_event = pcpu is None or not cut and due is not None and due <= pcpu.clock
        at = due if is_event else pcpu.clock  # type: ignore[union-attr]
        assert at is not None
        if until is not None and at >= until:
            return "time"
        if is_event:
            dispatch(hv)
        elif hv.budget is not None and hv.budget <= 0:
            return "instructions"
        else:
            assert pcpu is not None and pcpu.task is not None
            limit = slice_end(hv, pcpu, busy, due)
            end = limit if until is None or busy > 1 else min(limit, until)
            step(hv, PHASES[pcpu.task.phase], pcpu, pcpu.cut if cut else end, limit)


def slice_end(hv: Hypervisor, pcpu: PhysicalCpu, busy: int, due: int | None) -> int:
    """Where the slice of a physical CPU ends: at its tick, the next event, and, if others are busy, at the quantum.

    It depends on nothing that a caller of `advance` chooses, so that slices interleave in the same way
    however often it is called. `until` ends the slice of a physical CPU that is alone.
    """
    limit = pcpu.next_tick
    if due is not None:
        limit = min(limit, due)
    if busy > 1:
        quantum = QUANTUM * hv.ns_per_instruction
        limit = min(limit, (pcpu.clock // quantum + 1) * quantum)
    return limit


def step(hv: Hypervisor, phase: Act, pcpu: PhysicalCpu, limit: int, whole: int) -> None:
    """The phase of the task on a physical CPU up to `limit`; it is a turn if it ends as one to `whole` would."""
    task = pcpu.task
    assert task is not None
    hv.now = pcpu.clock
    pcpu.limit = limit
    hv.inside = True
    try:
        phase(hv, pcpu, task)
    finally:
        hv.inside = False
    ended = not task.in_guest or pcpu.clock >= whole or task.vcpu.cpu.ended_slice
    hv.turns += ended and pcpu.cut <= pcpu.clock


def dispatch(hv: Hypervisor) -> None:
    """The next event of the timeline."""
    hv.now, event = hv.timeline.pop()
    hv.inside = True
    try:
        EVENTS[event[0]](hv, *event[1:])
    finally:
        hv.inside = False
    hv.turns += 1


def settle(hv: Hypervisor, until: int | None) -> None:
    """`now` for whoever looks from outside: `until`, or how far all physical CPUs have come; it never goes back."""
    busy = [pcpu.clock for pcpu in hv.physical_cpus.busy()]
    reached = until if until is not None else min(busy) if busy else hv.now
    hv.now = hv.edge = max(hv.edge, reached)
