"""A journey of a lab through its history: from one moment to another, by running again what lies between.

While it lasts the lab runs unseen by observers and past stop points, with the same commands at the same positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.time import moment
from axlab.time.branches import Command, Place
from axlab.time.checkpoints import Checkpoint, instructions
from axlab.units import format_duration
from axlab.vmm.outside import Leg, Position
from axlab.vmm.stops import Stops

if TYPE_CHECKING:
    from axlab.time.history import History

Asked = Callable[[], bool]


def never() -> bool:
    """Nobody interrupts."""
    return False


class Journey:
    """One way through a history. `stopped` is asked again and again on it: true, and KeyboardInterrupt is raised."""

    def __init__(self, history: History, stopped: Asked = never) -> None:
        self.history = history
        self.lab = history.lab
        self.hypervisor = history.lab.hypervisor
        self.stopped = stopped

    def jump(self, checkpoint: Checkpoint) -> None:
        """Make the lab what it was at a checkpoint."""
        moment.go(self.lab, checkpoint.moment)
        self.history.done = checkpoint.done

    def jump_before(self, position: Position, done: int | None = None) -> None:
        """To the last checkpoint that is not behind a position, nor behind so many commands."""
        fitting = [one for one in self.history.known() if one.place.position <= position]
        self.jump(next(one for one in reversed(fitting) if done is None or one.done <= done))

    def run_to(self, place: Place, done: int | None = None) -> None:
        """To a place, from the best checkpoint or from here; `done`: after so many commands."""
        position, here = place.position, self.hypervisor.position
        is_ahead = position > here or (position == here and done is not None and done >= self.history.done)
        checkpoint = self.history.checkpoints.before(position)
        if not is_ahead or (checkpoint is not None and checkpoint.place.position > here):
            self.jump_before(position, done)
        self.run_on(place, done)

    def run_on(self, place: Place, done: int | None = None) -> None:
        """To a place that lies ahead."""
        self.show(place)
        while self.hypervisor.position < place.position:
            self.step_towards(place.position)
        while done is not None and self.history.done < done:
            self.history.give()
        self.hypervisor.now = self.hypervisor.edge = place.now

    def run_to_time(self, time: int) -> None:
        """To a virtual time that lies ahead, in ns."""
        now = self.hypervisor.now
        self.history.leg = Leg(f"replaying {format_duration(now)} to {format_duration(time)}", "now", now, time)
        while self.hypervisor.advance(time, stop=self.stopped) == "stop":
            raise KeyboardInterrupt
        self.hypervisor.now = self.hypervisor.edge = max(self.hypervisor.now, time)

    def run_until_executed(self, vm: int, goal: int) -> None:
        """Advance until a VM has executed so many instructions. No other VM's can be more than what is left."""
        vms = self.hypervisor.vms
        self.show(self.history.end)
        while vm not in vms:  # its creation is a command of the future
            self.advance(lambda: self.stopped() or vm in vms, None)
        while (left := goal - instructions(vms.find(vm))) > 0:
            self.advance(self.stopped, left)

    def run(self, count: int, limit: Position) -> None:
        """Execute so many instructions; commands from `limit` on are not given."""
        self.history.limit = limit
        self.hypervisor.advance(stop=self.stopped, max_instructions=count)
        if self.stopped():
            raise KeyboardInterrupt

    def step_towards(self, position: Position) -> str:
        """Advance to a position, or a part of the way. Returns why it ended."""
        hypervisor = self.hypervisor
        self.history.limit = position
        if hypervisor.turns < position[0]:
            why = self.advance(lambda: hypervisor.turns >= position[0] or self.stopped(), None)
        else:
            why = self.advance(self.stopped, position[1] - hypervisor.executed)
        if hypervisor.position > position:
            raise unseen_change(why)
        return why

    def advance(self, stop: Asked, most: int | None) -> str:
        """Advance on the way; somewhere the machine has been it cannot stand still."""
        before = self.hypervisor.position, self.history.done
        why = str(self.hypervisor.advance(stop=stop, max_instructions=most))
        if self.stopped():
            raise KeyboardInterrupt
        if (self.hypervisor.position, self.history.done) == before and why != "break":
            raise unseen_change(why)
        return why

    def show(self, place: Place) -> None:
        """Who waits is told what is replayed: from here to a place."""
        here = self.history.place
        text = f"replaying {format_duration(here.now)} to {format_duration(place.now)}"
        self.history.leg = Leg(text, "executed", here.position[1], place.position[1])


def unseen_change(why: str) -> AxError:
    return AxError(
        f"the lab does not come to that moment again ({why}): something was changed past its commands, such as a "
        "register in a cell of Python"
    )


@contextmanager
def asked_on_the_way(lab: Any, asked: Asked) -> Iterator[Asked]:
    """While this is entered, progress is shown; what is given is true when `asked` is, and after Ctrl-C."""
    from axlab.shell.running import Interruptible, progress_of

    with Interruptible() as interrupt, progress_of(lab) as progress:

        def stopped() -> bool:
            progress.look()
            return interrupt.requested or asked()

        yield stopped


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
