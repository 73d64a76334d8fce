"""Moments that are remembered while a lab runs, so that any other is near one: dense near now, sparser with distance.

How dense is decided by the CPU time that it took to come from one to the next, because that is what it takes again.
Which moments these are changes nothing but how long going back takes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from axlab.time import moment
from axlab.time.branches import Place
from axlab.time.moment import Moment
from axlab.vmm.outside import Position

MOST = 64
MOST_BYTES = 256 << 20  # that they may keep of RAM


@dataclass(frozen=True)
class Checkpoint:
    """A moment with how many commands had been given before it, and the CPU seconds from the beginning to it.

    `executed`: the instructions of each VM until then, by id. A `pinned` one is never forgotten for want of room.
    """

    place: Place
    moment: Moment
    done: int
    effort: float
    executed: dict[int, int]
    pinned: bool = False


@dataclass
class Checkpoints:
    """Those of one lab, in the order of their positions: `most` of them, and those that are pinned."""

    most: int = MOST
    known: list[Checkpoint] = field(default_factory=list)

    def add(self, lab: Any, done: int, effort: float, pinned: bool = False) -> Checkpoint:
        """Remember the present moment, and forget one that is needed least if there are too many."""
        before = self.before(lab.hypervisor.position)
        if before is not None and before.place.position == lab.hypervisor.position and before.done == done:
            return before
        taken = moment.take(lab, None if before is None else before.moment)
        executed = {vm.id: instructions(vm) for vm in lab.hypervisor.vms}
        checkpoint = Checkpoint(Place(taken.position, taken.now), taken, done, effort, executed, pinned)
        self.known.append(checkpoint)
        self.known.sort(key=lambda one: (one.place.position, one.done))
        self.thin(lab)
        return checkpoint

    def before(self, position: Position) -> Checkpoint | None:
        """The last one that is not behind a position."""
        place = bisect_right(self.known, position, key=lambda one: one.place.position)
        return self.known[place - 1] if place else None

    def drop_behind(self, lab: Any, position: Position, done: int) -> None:
        """Forget those behind a position, or behind more commands there: their future is no more."""
        while self.known and (self.known[-1].place.position, self.known[-1].done) > (position, done):
            self.forget(lab, len(self.known) - 1)

    def forget(self, lab: Any, place: int) -> None:
        """Forget one."""
        moment.forget(lab, self.known.pop(place).moment)

    def thin(self, lab: Any) -> None:
        """Forget what is needed least: that whose gap is smallest for how far away it is. The two ends stay."""
        while True:
            free = [place for place in range(1, len(self.known) - 1) if not self.known[place].pinned]
            if not free or (len(free) <= self.most and self.size <= MOST_BYTES):
                return
            latest = self.known[-1].effort
            self.forget(lab, min(free, key=lambda place: self.need(place, latest)))

    def need(self, place: int, latest: float) -> float:
        """The CPU time between the neighbours of one, as a part of that from it to the latest one."""
        gap = self.known[place + 1].effort - self.known[place - 1].effort
        return gap / (latest - self.known[place].effort + 1e-9)

    @property
    def size(self) -> int:
        """Bytes of RAM that they keep."""
        return sum(one.moment.version.size for one in self.known)


def instructions(vm: Any) -> int:
    """What the vCPUs of a VM have executed since it was created."""
    return sum(vcpu.instructions for vcpu in vm.vcpus)
