"""Which vCPU task a physical CPU runs next: AxVisor's FIFO, and two others to compare it with.

To write your own, subclass `Scheduler` and hand an instance to the lab:

    class Lottery(Scheduler):
        name = "lottery"
        def choose(self, tasks, pcpu, now):
            return tasks[(now // 1000) % len(tasks)]

Everything that it keeps must be plain data, because a lab is saved with its scheduler.
"""

from __future__ import annotations

from typing import Protocol

from axlab.errors import AxError


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

    def __init__(self) -> None:
        self.ready: list[Schedulable] = []

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


SCHEDULERS: dict[str, type[Scheduler]] = {kind.name: kind for kind in (Fifo, RoundRobin, Fair)}


def make_scheduler(wanted: str | Scheduler) -> Scheduler:
    """A scheduler by its name, or the given one; `AxError` for an unknown name."""
    if isinstance(wanted, Scheduler):
        return wanted
    if wanted not in SCHEDULERS:
        raise AxError(f"unknown scheduler {wanted!r}; there are {', '.join(SCHEDULERS)}, or hand over a Scheduler")
    return SCHEDULERS[wanted]()
