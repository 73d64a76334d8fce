"""A lab's history: what came from outside, checkpoints on the way, and going to any moment of it.

`History` is told by the hypervisor (`vmm/outside.py`) and drives it when time is travelled: from the checkpoint before
a moment the lab runs again, unseen by observers and past stop points, with the same commands at the same positions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.time import moment
from axlab.time.branches import START, Branches, Command, Place
from axlab.time.checkpoints import Checkpoint, Checkpoints, instructions
from axlab.time.journey import Asked, Journey, asked_on_the_way, never, obey, unseen
from axlab.units import format_duration
from axlab.vmm.outside import Leg, Position
from axlab.vmm.stops import StopPoint
from axlab.vmm.vm import Vm

if TYPE_CHECKING:
    from axlab.time.search import Hit

INTERVAL = 0.2  # CPU seconds between two checkpoints
MAKE_OBJECTS = ("create", "start", "put_back")  # a VM, its CPUs and devices
EVERY = 8  # turns between two looks at the clock


@dataclass(frozen=True)
class Mark:
    """A place in the tree of branches: after so many commands of a branch."""

    branches: Branches
    branch: int
    done: int


class History:
    """The history of one lab, from the moment when it is made.

    `done` commands of the current branch have been given. `is_whole`: it began with a new lab. `clock` gives CPU
    seconds.
    """

    def __init__(self, lab: Any, clock: Callable[[], float] = time.process_time) -> None:
        self.lab = lab
        self.clock = clock
        self.branches = Branches()
        self.checkpoints = Checkpoints()
        self.begin()

    def begin(self) -> None:
        """History begins now: nothing before can be gone to."""
        for place in reversed(range(len(self.checkpoints.known))):
            self.checkpoints.forget(self.lab, place)
        self.branches = Branches()
        self.branches.here.fork = self.branches.here.end = self.place
        self.is_whole = self.place == START and not len(self.lab.hypervisor.vms)
        self.done = 0
        self.effort = 0.0
        self.since = self.clock()
        self.look_at = 0
        self.travelling = False
        self.limit: Position | None = None  # of a journey: commands from there on are not given by themselves
        self.leg: Leg | None = None
        self.checkpoints.add(self.lab, 0, 0.0)

    @property
    def place(self) -> Place:
        """The present."""
        return Place(self.lab.hypervisor.position, self.lab.hypervisor.now)

    @property
    def commands(self) -> list[Command]:
        """All commands of the current branch, those of its future too."""
        return self.branches.here.commands

    @property
    def end(self) -> Place:
        """How far the current branch is known."""
        return max(self.branches.here.end, self.place)

    @property
    def in_past(self) -> bool:
        """Whether there is a known future."""
        return self.done < len(self.commands) or self.place.position < self.branches.here.end.position

    # What the hypervisor tells

    def look(self) -> None:
        """Remember the present if coming here again would take long."""
        self.look_at = self.lab.hypervisor.turns + EVERY
        spent = self.clock() - self.since
        if spent >= INTERVAL:
            self.remember()

    def remember(self, pinned: bool = False) -> None:
        """Make the present a checkpoint."""
        self.effort += self.clock() - self.since
        self.checkpoints.add(self.lab, self.done, self.effort, pinned)
        self.since = self.clock()

    def note(self, command: str, arguments: dict[str, Any]) -> None:
        """A command is given: in the past, that is the beginning of another branch."""
        if self.in_past:
            self.fork()
        plain = {name: value.id if isinstance(value, Vm) else value for name, value in arguments.items()}
        if "vcpu" in plain and not isinstance(plain["vcpu"], int):
            plain |= {"vm": next(vm.id for vm in self.lab.hypervisor.vms if plain["vcpu"] in vm.vcpus)}
            plain["vcpu"] = plain["vcpu"].id
        self.commands.append(Command(self.place, command, plain))
        self.done += 1

    def refused(self) -> None:
        """The last command has changed nothing."""
        self.commands.pop()
        self.done -= 1

    def obeyed(self) -> None:
        """The last command has been given. What makes objects is never given again: whoever holds them keeps them."""
        if self.commands[self.done - 1].name in MAKE_OBJECTS:
            self.remember(pinned=True)

    def fork(self) -> None:
        """Leave the known future for another."""
        self.checkpoints.drop_behind(self.lab, self.place.position, self.done)
        self.branches.begin(self.place, self.done)

    def due(self) -> tuple[Position, int] | None:
        """The next command of the known future. Whoever runs the lab himself needs no checkpoints ahead."""
        if not self.travelling:
            self.checkpoints.drop_behind(self.lab, self.place.position, self.done)
        if self.done == len(self.commands):
            return None
        found = self.commands[self.done].place
        if found.position < self.place.position:  # something was changed past the hypervisor's commands
            self.fork()
            return None
        if self.limit is not None and found.position >= self.limit:
            return None
        return found.position, found.now

    def give(self) -> None:
        """Give the command that is due."""
        command = self.commands[self.done]
        hypervisor = self.lab.hypervisor
        hypervisor.now = hypervisor.edge = command.place.now
        self.done += 1
        obey(hypervisor, command)

    # Snapshots

    def mark(self) -> Mark:
        """Where a snapshot belongs to."""
        return Mark(self.branches, self.branches.current, self.done)

    def restored(self, mark: Mark | None, end: Place) -> None:
        """The lab was made what it was at a mark, and stood at `end` before: another future begins here."""
        if mark is None or mark.branches is not self.branches:
            self.begin()
            return
        self.branches.here.end = max(self.branches.here.end, end)
        shared, done = self.branches.shared(mark.branch)
        self.checkpoints.drop_behind(self.lab, *min((shared.position, done), (self.place.position, mark.done)))
        self.branches.current, self.done = mark.branch, mark.done
        if self.in_past:
            self.branches.begin(self.place, self.done)
        self.since, self.look_at = self.clock(), 0

    # Travelling. `stopped` is asked on the way: true, and the lab stays where it was, and KeyboardInterrupt is raised

    def go(self, place: Place, done: int | None = None, stopped: Asked = never) -> None:
        """Make the lab what it was, or is going to be, at a place of the current branch.

        `done`: after so many commands, where some were given just there; by default before those.
        """
        with self.travel(stopped) as journey:
            journey.run_to(place, done)

    def back(self, vm: int, count: int, stopped: Asked = never) -> None:
        """To where a VM had executed `count` instructions less. Raises `AxError` where it has not executed so many."""
        goal = instructions(self.lab.hypervisor.vms.find(vm)) - count
        with self.travel(stopped) as journey:
            start = next((one for one in reversed(self.known()) if one.executed.get(vm, 0) <= goal), None)
            if start is None:
                most = goal + count - min(one.executed.get(vm, 0) for one in self.known())
                raise AxError(f"VM[{vm}] can go back {most} instructions, and {count} are too many")
            journey.jump(start)
            journey.run_until_executed(vm, goal)

    def to(self, time: int, stopped: Asked = never) -> None:
        """To a virtual time in ns, in the past or in the known future. Raises `AxError` for one that is neither."""
        self.check_time(time, self.end.now)
        with self.travel(stopped) as journey:
            start = self.before(time)
            if not start.place.now <= self.lab.hypervisor.now <= time:
                journey.jump(start)
            journey.run_to_time(time)

    def check_time(self, time: int, last: int) -> None:
        """`AxError` for a virtual time that is not between the beginning of history and `last`."""
        first = self.known()[0].place.now
        if not first <= time <= last:
            known = f"{format_duration(first)} to {format_duration(last)}"
            raise AxError(f"{format_duration(time)} is not in the lab's history, which is known from {known}")

    def before(self, time: int) -> Checkpoint:
        """The last checkpoint that is not behind a virtual time of the history."""
        return next(one for one in reversed(self.known()) if one.place.now <= time)

    def back_until(self, points: Iterable[StopPoint], stopped: Asked = never) -> Hit | None:
        """To the last moment before this one at which a stop point holds. None where there is none: nothing changes."""
        from axlab.time.search import Search

        found = None
        with self.travel(stopped) as journey:
            found = Search(journey, list(points)).last_hit()
            if found is None:
                raise Return
            for vcpu in [vcpu for vm in self.lab.hypervisor.vms for vcpu in vm.vcpus]:
                vcpu.cpu.passed = (vcpu.cpu.pc, vcpu.cpu.executed)
        self.lab.hypervisor.stops.stopped = found.stopped if found else None
        return found

    def look_back(self, points: Iterable[StopPoint], stopped: Asked = never) -> Hit | None:
        """The last moment before this one at which a stop point held, if there is one. The lab stays where it is."""
        from axlab.time.search import Search

        found = None
        with self.travel(stopped) as journey:
            found = Search(journey, list(points)).last_hit()
            raise Return
        return found

    def to_end(self, stopped: Asked = never) -> None:
        """To the end of what is known of the current branch."""
        self.go(self.end, len(self.commands), stopped)

    def switch(self, number: int, stopped: Asked = never) -> None:
        """To the end of another branch. Raises `AxError` where there is none of that number."""
        if number not in self.branches.known:
            known = ", ".join(map(str, self.branches.known))
            raise AxError(f"there is no branch {number} (there are: {known})")
        current, (shared, done) = self.branches.current, self.branches.shared(number)
        self.checkpoints.drop_behind(self.lab, shared.position, done)
        with self.travel(stopped) as journey:
            try:
                self.branches.current = number
                journey.jump(self.known()[-1])
                journey.run_to(self.branches.here.end, len(self.commands))
            except BaseException:
                self.branches.current = current
                raise

    @contextmanager
    def travel(self, asked: Asked) -> Iterator[Journey]:
        """While this is entered the lab runs unseen; if anything goes wrong, it is where it was. So it is after Ctrl-C.

        Who waits sees how far it is, where the lab shows progress.
        """
        self.branches.here.end = self.end
        present = moment.take(self.lab)
        before, looked = self.done, self.lab.hypervisor.stops.stopped
        self.travelling = True
        try:
            with asked_on_the_way(self.lab, asked) as stopped, unseen(self.lab):
                yield Journey(self, stopped)
            self.lab.hypervisor.stops.stopped = None
        except BaseException as error:
            moment.go(self.lab, present)
            self.done, self.lab.hypervisor.stops.stopped = before, looked
            if not isinstance(error, Return):
                raise
        finally:
            self.travelling, self.limit, self.leg = False, None, None
            moment.forget(self.lab, present)
            self.since, self.look_at = self.clock(), 0

    def known(self) -> list[Checkpoint]:
        """The checkpoints, by position."""
        return self.checkpoints.known


class Return(Exception):
    """A journey ends where it began."""
