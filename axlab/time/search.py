"""Searching a lab's history backwards for the last moment at which a stop point held.

The latest interval between two checkpoints comes first, then the one before it. What lies in an interval is replayed
by translated code as far as the stop points allow, and stops at every hit. Where hits are many (a stop in a loop),
most of the rest is skipped, and looked into only if nothing comes behind it. What is just before the present is looked
into first, and a stop point that is asked before every instruction is looked for in parts that grow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from axlab.time import moment
from axlab.time.branches import Place
from axlab.time.checkpoints import Checkpoint
from axlab.time.journey import Journey
from axlab.time.moment import Moment
from axlab.units import format_duration
from axlab.vmm.advancing import QUANTUM
from axlab.vmm.outside import Leg, Position
from axlab.vmm.stops import Stopped, StopPoint

FEW = 100  # hits at which one look stops
SKIPPED = 7, 8  # of what is left when there were more
FIRST_PART = 5_000  # instructions before the present that are looked into first
GROWTH, ALL = 16, 1 << 62  # how much longer the next part is: where every instruction is stepped, and otherwise


@dataclass(frozen=True)
class Hit:
    """Where a stop point held, and which."""

    place: Place
    stopped: Stopped | None


@dataclass(frozen=True)
class Near:
    """A moment at a hit or not far before it, and how many commands had been given."""

    moment: Moment
    done: int


@dataclass
class Search:
    """The search for the last hit of `points` before the present: `journey` has just begun, at `last` instructions."""

    journey: Journey
    points: list[StopPoint]
    last: int = 0

    def last_hit(self) -> Hit | None:
        """The last one, at which the lab stands then; None, and it stands anywhere, where there is none."""
        history = self.journey.history
        present = history.place.position
        self.last = present[1]
        slack = QUANTUM * self.journey.hypervisor.ns_per_instruction  # clocks of physical CPUs are so far apart
        behind = min(present, self.end_of_window(slack))
        is_end = behind == present
        after = min((point.after for point in self.points), default=0) - slack
        for start in reversed([one for one in history.known() if one.place.position < behind]):
            found = self.between(start, behind, is_end)
            if found is not None:
                return found
            behind, is_end = start.place.position, False
            if start.place.now < after:
                break
        return None

    def end_of_window(self, slack: int) -> Position:
        """A position behind which none of the points can hold any more, for the times that their filters name."""
        history, here = self.journey.history, self.journey.history.place
        end = max((point.before for point in self.points), default=here.now) + slack
        if end >= here.now:
            return here.position
        if end <= history.known()[0].place.now:
            return history.known()[0].place.position
        self.journey.jump(history.before(end))
        self.journey.run_to_time(end)
        return history.place.position

    def between(self, start: Checkpoint, behind: Position, is_end: bool) -> Hit | None:
        """The last hit from a checkpoint to a position, in one part after the other from the end on.

        `is_end`: a hit just at that position is none, since we come from there.
        """
        growth = GROWTH if any(point.everywhere for point in self.points) else ALL
        part = FIRST_PART if is_end or growth < ALL else ALL
        while True:
            self.journey.jump(start)
            count = behind[1] - start.place.position[1] - part
            self.show(start, behind, max(0, count))
            if count > 0:
                self.journey.run(count, behind)
            begin = self.journey.hypervisor.position
            found = self.latest(behind, is_end)
            if found is not None or count <= 0:
                return found
            behind, is_end, part = begin, False, part * growth

    def latest(self, behind: Position, is_end: bool) -> Hit | None:
        """The last hit from where the lab stands to a position, at which it stands then."""
        found, is_all = self.look(behind, is_end, FEW)
        if is_all:
            return found
        journey = self.journey
        left = (behind[1] - journey.hypervisor.executed) * SKIPPED[0] // SKIPPED[1]
        if not left:
            return self.look(behind, is_end)[0] or found
        here = self.near()
        journey.run(left, behind)
        middle = journey.hypervisor.position
        later = self.latest(behind, is_end)
        if later is None:
            self.go(here)
            later = self.latest(middle, False)
        if later is None:
            self.go(here)
        moment.forget(journey.lab, here.moment)
        return later or found

    def look(self, behind: Position, is_end: bool, most: int = 0) -> tuple[Hit | None, bool]:
        """Advance to a position, or to the `most`-th hit on the way: the last hit, and whether there was no more.

        Where there was no more, the lab stands at the last hit then.
        """
        hypervisor = self.journey.hypervisor
        self.set(self.points)
        found, first, hits = None, None, 0
        while hypervisor.position < behind and (hits < most or not most):
            why = self.journey.step_towards(behind)
            if why == "break" and (hypervisor.position < behind or not is_end):
                found, hits = Hit(self.journey.history.place, hypervisor.stops.stopped), hits + 1
                first = first or self.near()
        self.set(())
        is_all = hypervisor.position >= behind
        if found is not None and first is not None:
            if is_all:
                self.go(first)
                self.journey.run_on(found.place)
            moment.forget(self.journey.lab, first.moment)
        return found, is_all

    def show(self, start: Checkpoint, behind: Position, count: int) -> None:
        """Who waits is told what is looked into: from `count` instructions behind a checkpoint on to a position."""
        history = self.journey.history
        began = start.place.position[1] + count - (self.last - behind[1])
        whole = self.last - history.known()[0].place.position[1]
        history.leg = Leg(f"looking back to {format_duration(start.place.now)}", "executed", began, began + whole)

    def near(self) -> Near:
        """The present."""
        return Near(moment.take(self.journey.lab), self.journey.history.done)

    def go(self, near: Near) -> None:
        """Make the lab what it was."""
        moment.go(self.journey.lab, near.moment)
        self.journey.history.done = near.done

    def set(self, points: Iterable[StopPoint]) -> None:
        """Let the lab stop at these, also where it stands; copies, so that nobody's hits are counted."""
        hypervisor = self.journey.hypervisor
        hypervisor.stops.points = {point.number: replace(point) for point in points}
        hypervisor.stops.apply(hypervisor)
        for vcpu in [vcpu for vm in hypervisor.vms for vcpu in vm.vcpus]:
            vcpu.cpu.passed = (0, -1)
