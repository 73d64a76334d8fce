"""Which vCPU task a physical CPU runs next: AxVisor's FIFO, and three others to compare it with.

To write your own, subclass `Scheduler` and hand the class (or an object) to the lab, `Lab(scheduler=Lottery)`:

    class Lottery(Scheduler):
        def choose(self, tasks, pcpu, now):
            return tasks[self.draw(len(tasks))]

Everything that it keeps must be plain data, because a lab is saved with its scheduler.
"""

from __future__ import annotations

from typing import Any, Protocol

from axlab.errors import AxError

M64 = (1 << 64) - 1


class Schedulable(Protocol):
    """What a scheduler may know of a task. `virtual_ns` is its own to write."""

    slice_ns: int
    virtual_ns: int

    @property
    def name(self) -> str: ...
    @property
    def affinity(self) -> int | None: ...
    def may_run_on(self, pcpu: int) -> bool: ...


class Scheduler:
    """First in, first out, without preemption: a task keeps its physical CPU until it blocks, as in ArceOS's FIFO.

    `ready` holds the tasks that wait for a physical CPU, in the order in which they became ready.
    Times are virtual nanoseconds.
    """

    name = "fifo"
    seed = 0  # the lab's: what `draw` gives depends on it
    drawn = 0  # how often `draw` was asked
    mistake: AxError | None = None  # what went wrong in a person's own scheduler; it ends the run
    asking = ""  # the method of a person's own scheduler that is running

    def __init__(self) -> None:
        self.ready: list[Schedulable] = []

    @property
    def title(self) -> str:
        """Its name in texts."""
        return type(self).__name__

    def draw(self, below: int) -> int:
        """A number from 0 to `below` - 1 as if by chance; with the same seed the same ones in every run.

        (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.)
        """
        self.drawn += 1
        z = self.seed + self.drawn * 0x9E37_79B9_7F4A_7C15 & M64
        z = (z ^ z >> 30) * 0xBF58_476D_1CE4_E5B9 & M64
        z = (z ^ z >> 27) * 0x94D0_49BB_1331_11EB & M64
        return (z ^ z >> 31) % below

    def add(self, task: Schedulable, now: int) -> None:
        """A task became ready and no physical CPU that it may use is idle; or it was preempted."""
        self.ready.append(task)

    def remove(self, task: Schedulable) -> None:
        """A task is ready no longer (its VM is stopped by force)."""
        self.ready = [known for known in self.ready if known is not task]

    def next(self, pcpu: int, now: int) -> Schedulable | None:
        """Take the task that physical CPU `pcpu` is to run now off the ready ones; None leaves it idle."""
        admitted = [task for task in self.ready if task.may_run_on(pcpu)]
        if not admitted:
            return None
        chosen = self.choose(admitted, pcpu, now)
        self.remove(chosen)
        return chosen

    def choose(self, tasks: list[Schedulable], pcpu: int, now: int) -> Schedulable:
        """Which of the tasks, at least one, in the order in which they became ready."""
        return tasks[0]

    def ran(self, task: Schedulable, ns: int) -> None:
        """`task` had a physical CPU for `ns` nanoseconds."""

    def preempts(self, task: Schedulable, waiting: list[Schedulable], now: int) -> bool:
        """At a host tick: must `task` make way? `waiting` (at least one) may run on its physical CPU.

        `task.slice_ns` is how long it has run since it was chosen.
        """
        return False


class Fifo(Scheduler):
    """The base class under its own name."""


class RoundRobin(Scheduler):
    """A task that has run for a whole time slice goes to the end of the queue."""

    name = "rr"

    def __init__(self, time_slice: int = 10_000_000) -> None:
        super().__init__()
        self.time_slice = time_slice

    def preempts(self, task: Schedulable, waiting: list[Schedulable], now: int) -> bool:
        return task.slice_ns >= self.time_slice


class Fair(Scheduler):
    """The task that has run least goes first (the idea of Linux's CFS, without weights).

    A task that slept does not save up: it begins where the one that has run least stands.
    """

    name = "fair"

    def __init__(self) -> None:
        super().__init__()
        self.least = 0

    def add(self, task: Schedulable, now: int) -> None:
        task.virtual_ns = max(task.virtual_ns, self.least)
        super().add(task, now)

    def choose(self, tasks: list[Schedulable], pcpu: int, now: int) -> Schedulable:
        chosen = min(tasks, key=lambda task: task.virtual_ns)
        self.least = max(self.least, chosen.virtual_ns)
        return chosen

    def ran(self, task: Schedulable, ns: int) -> None:
        task.virtual_ns += ns

    def preempts(self, task: Schedulable, waiting: list[Schedulable], now: int) -> bool:
        return min(other.virtual_ns for other in waiting) < task.virtual_ns


class Random(RoundRobin):
    """A time slice for each, and chance says who is next: the lab's `seed` decides what chance says."""

    name = "random"

    def choose(self, tasks: list[Schedulable], pcpu: int, now: int) -> Schedulable:
        return tasks[self.draw(len(tasks))]


SCHEDULERS: dict[str, type[Scheduler]] = {kind.name: kind for kind in (Fifo, RoundRobin, Fair, Random)}
METHODS = ("add", "remove", "next", "choose", "ran", "preempts")
"""What may be written anew in a scheduler of one's own."""


def make_scheduler(wanted: Any, seed: int = 0) -> Scheduler:
    """A scheduler by its name, a class, or the given one; a person's own gets a guard. Raises `AxError`."""
    if isinstance(wanted, str):
        if wanted not in SCHEDULERS:
            raise AxError(f"unknown scheduler {wanted!r}; there are {', '.join(SCHEDULERS)}, or hand over a Scheduler")
        made = SCHEDULERS[wanted]()
        made.seed = seed
        return made
    if type(wanted) in SCHEDULERS.values():
        return wanted  # type: ignore[no-any-return]
    from axlab.vmm.own_scheduler import OwnScheduler, guarded

    return wanted if isinstance(wanted, OwnScheduler) else guarded(wanted, seed)
