"""A lab's history: what came from outside, checkpoints on the way, and going to any moment of it.

`History` is told by the hypervisor (`vmm/outside.py`) and drives it when time is travelled: from the checkpoint before
a moment the lab runs again, unseen by observers and past stop points, with the same commands at the same positions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from axlab.errors import AxError
from axlab.time import moment
from axlab.time.branches import START, Branches, Command, Place
from axlab.time.checkpoints import Checkpoint, Checkpoints, instructions
from axlab.units import format_duration
from axlab.vmm.outside import Position
from axlab.vmm.stops import Stopped, StopPoint, Stops
from axlab.vmm.vm import Vm

INTERVAL = 0.2  # CPU seconds between two checkpoints
FIRST_PART = 2_000  # instructions
MAKE_OBJECTS = ("create", "start")  # a VM, its CPUs and devices
EVERY = 8  # turns between two looks at the clock

Asked = Callable[[], bool]


def never() -> bool:
    """Nobody interrupts."""
    return False


@dataclass(frozen=True)
class Hit:
    """Where a stop point held, and which."""

    place: Place
    stopped: Stopped | None


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
        with self.travel():
            self.run_to(place, done, stopped)

    def back(self, vm: int, count: int, stopped: Asked = never) -> None:
        """To where a VM had executed `count` instructions less. Raises `AxError` where it has not executed so many."""
        goal = instructions(self.lab.hypervisor.vms.find(vm)) - count
        with self.travel():
            start = next((one for one in reversed(self.known()) if one.executed.get(vm, 0) <= goal), None)
            if start is None:
                most = goal + count - min(one.executed.get(vm, 0) for one in self.known())
                raise AxError(f"VM[{vm}] can go back {most} instructions, and {count} are too many")
            self.jump(start)
            self.run_until_executed(vm, goal, stopped)

    def to(self, time: int, stopped: Asked = never) -> None:
        """To a virtual time in ns, in the past or in the known future. Raises `AxError` for one that is neither."""
        first, last = self.known()[0].place.now, self.end.now
        if not first <= time <= last:
            known = f"{format_duration(first)} to {format_duration(last)}"
            raise AxError(f"{format_duration(time)} is not in the lab's history, which is known from {known}")
        hypervisor = self.lab.hypervisor
        with self.travel():
            start = next(one for one in reversed(self.known()) if one.place.now <= time)
            if hypervisor.now > time or hypervisor.now < start.place.now:
                self.jump(start)
            while hypervisor.advance(time, stop=stopped) == "stop":
                raise KeyboardInterrupt
            hypervisor.now = hypervisor.edge = max(hypervisor.now, time)

    def back_until(self, points: Iterable[StopPoint], stopped: Asked = never) -> Hit | None:
        """To the last moment before this one at which a stop point holds. None where there is none: nothing changes."""
        points, behind, found = list(points), self.place.position, None
        with self.travel():
            for start in reversed([one for one in self.known() if one.place.position < behind]):
                found = self.last_hit(points, start, behind, stopped)
                if found is not None:
                    self.jump(start)
                    self.run_to(found.place, None, stopped)
                    for vcpu in [vcpu for vm in self.lab.hypervisor.vms for vcpu in vm.vcpus]:
                        vcpu.cpu.passed = (vcpu.cpu.pc, vcpu.cpu.executed)
                    break
                behind = start.place.position
            else:
                raise NothingFound
        self.lab.hypervisor.stops.stopped = found.stopped if found else None
        return found

    def look_back(self, points: Iterable[StopPoint], stopped: Asked = never) -> Hit | None:
        """The last moment before this one at which a stop point held, if there is one. The lab stays where it is."""
        points, behind, found = list(points), self.place.position, None
        with self.travel():
            for start in reversed([one for one in self.known() if one.place.position < behind]):
                found = self.last_hit(points, start, behind, stopped)
                if found is not None:
                    break
                behind = start.place.position
            raise NothingFound
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
        with self.travel():
            try:
                self.branches.current = number
                self.jump(self.known()[-1])
                self.run_to(self.branches.here.end, len(self.commands), stopped)
            except BaseException:
                self.branches.current = current
                raise

    # On the way

    @contextmanager
    def travel(self) -> Iterator[None]:
        """While this is entered the lab runs unseen; if anything goes wrong, it is where it was."""
        self.branches.here.end = self.end
        present = moment.take(self.lab)
        before, looked = self.done, self.lab.hypervisor.stops.stopped
        self.travelling = True
        try:
            with unseen(self.lab):
                yield
            self.lab.hypervisor.stops.stopped = None
        except BaseException as error:
            moment.go(self.lab, present)
            self.done, self.lab.hypervisor.stops.stopped = before, looked
            if not isinstance(error, NothingFound):
                raise
        finally:
            self.travelling, self.limit = False, None
            moment.forget(self.lab, present)
            self.since, self.look_at = self.clock(), 0

    def known(self) -> list[Checkpoint]:
        """The checkpoints, by position."""
        return self.checkpoints.known

    def jump(self, checkpoint: Checkpoint) -> None:
        """Make the lab what it was at a checkpoint."""
        moment.go(self.lab, checkpoint.moment)
        self.done = checkpoint.done

    def jump_before(self, position: Position, done: int | None = None) -> None:
        """To the last checkpoint that is not behind a position, nor behind so many commands."""
        fitting = [one for one in self.known() if one.place.position <= position]
        self.jump(next(one for one in reversed(fitting) if done is None or one.done <= done))

    def run_to(self, place: Place, done: int | None, stopped: Asked) -> None:
        """To a place, from the best checkpoint or from here."""
        hypervisor = self.lab.hypervisor
        is_ahead = place.position > hypervisor.position or (
            place.position == hypervisor.position and done is not None and done >= self.done
        )
        checkpoint = self.checkpoints.before(place.position)
        if not is_ahead or (checkpoint is not None and checkpoint.place.position > hypervisor.position):
            self.jump_before(place.position, done)
        while hypervisor.position < place.position:
            self.step_towards(place.position, stopped)
        while done is not None and self.done < done:
            self.give()
        hypervisor.now = hypervisor.edge = place.now

    def run_until_executed(self, vm: int, goal: int, stopped: Asked) -> None:
        """Advance until a VM has executed so many instructions. No other VM's can be more than what is left."""
        hypervisor = self.lab.hypervisor
        while vm not in hypervisor.vms:  # its creation is a command of the future
            self.advance(lambda: stopped() or vm in hypervisor.vms, None, stopped)
        while (left := goal - instructions(hypervisor.vms.find(vm))) > 0:
            self.advance(stopped, left, stopped)

    def advance(self, stop: Asked, most: int | None, stopped: Asked) -> str:
        """Advance on the way; somewhere the machine has been it cannot stand still."""
        hypervisor = self.lab.hypervisor
        before = hypervisor.position, self.done
        why = str(hypervisor.advance(stop=stop, max_instructions=most))
        if stopped():
            raise KeyboardInterrupt
        if (hypervisor.position, self.done) == before and why != "break":
            raise unseen_change(why)
        return why

    def last_hit(self, points: list[StopPoint], start: Checkpoint, behind: Position, stopped: Asked) -> Hit | None:
        """The last place between a checkpoint and a position at which a stop point holds.

        A short part before the end is looked at first, then longer ones: a stop may be hit in every loop.
        """
        part, whole = FIRST_PART, behind[1] - start.place.position[1]
        while True:
            self.jump(start)
            if part < whole:
                self.limit = behind
                self.lab.hypervisor.advance(stop=stopped, max_instructions=whole - part)
            found = self.last_hit_from_here(points, behind, stopped)
            if found is not None or part >= whole:
                return found
            part *= 16

    def last_hit_from_here(self, points: list[StopPoint], behind: Position, stopped: Asked) -> Hit | None:
        """Advance to a position; the last place before it at which a stop point holds."""
        hypervisor = self.lab.hypervisor
        for point in points:
            hypervisor.stops.points[point.number] = replace(point)  # so that nobody's hits are counted
        hypervisor.stops.apply(hypervisor)
        found = None
        while hypervisor.position < behind:
            why = self.step_towards(behind, stopped)
            if why == "break" and hypervisor.position < behind:
                found = Hit(self.place, hypervisor.stops.stopped)
        hypervisor.stops.points.clear()
        hypervisor.stops.apply(hypervisor)
        return found

    def step_towards(self, position: Position, stopped: Asked) -> str:
        """Advance to a position, or a part of the way. Returns why it ended."""
        hypervisor = self.lab.hypervisor
        self.limit = position
        if hypervisor.turns < position[0]:
            why = self.advance(lambda: hypervisor.turns >= position[0] or stopped(), None, stopped)
        else:
            why = self.advance(stopped, position[1] - hypervisor.executed, stopped)
        if hypervisor.position > position:
            raise unseen_change(why)
        return why


class NothingFound(Exception):
    """There is no such moment."""


def unseen_change(why: str) -> AxError:
    return AxError(
        f"the lab does not come to that moment again ({why}): something was changed past its commands, such as a "
        "register in a cell of Python"
    )


@contextmanager
def unseen(lab: Any) -> Iterator[None]:
    """While this is entered, the lab runs for itself: only its trace sees it, and nothing stops it."""
    observers, stops, watchers = lab.events.observers, lab.hypervisor.stops, lab.watchers
    lab.events.observers = [known for known in observers if known is lab.trace.recorder or known is lab.trace]
    lab.hypervisor.stops, lab.watchers = Stops(), []
    lab.hypervisor.stops.apply(lab.hypervisor)
    try:
        yield
    finally:
        lab.events.observers, lab.hypervisor.stops, lab.watchers = observers, stops, watchers
        stops.apply(lab.hypervisor)
        for vm in lab.hypervisor.vms:
            vm.folder.rewrite(vm.config.anywhere().to_toml())


def obey(hypervisor: Any, command: Command) -> None:
    """Give a command again."""
    arguments = dict(command.arguments)
    if "vm" in arguments:
        vm = hypervisor.vms.find(arguments.pop("vm"))
        if command.name == "set_affinity":
            arguments["vcpu"] = vm.vcpus[arguments["vcpu"]]
        else:
            arguments["vm"] = vm
    hypervisor.inside = True
    try:
        getattr(hypervisor, command.name)(**arguments)
    finally:
        hypervisor.inside = False
