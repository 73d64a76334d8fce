"""All orders in which the steps of a few threads can come: a model checker of a page, for designs that look right.

A thread is a generator. What it does between two `yield`s is one step that nobody can come between; what it yields
is the step's name, or `until(...)`, which it waits for.

>>> def waker(vm):
...     vm.state = "Running"
...     yield "sets Running"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError

if TYPE_CHECKING:
    from axlab.notebook.picture import Picture

MOST = 20_000  # orders that are looked at


@dataclass(frozen=True)
class Until:
    """What a thread waits for; `name` is the step's."""

    condition: Callable[[], bool]
    name: str


def until(condition: Callable[[], bool], name: str = "waits") -> Until:
    """`yield until(lambda: vm.ready)`: the thread goes on when the condition holds, and not before."""
    return Until(condition, name)


Thread = Iterator[str | Until]
Make = Callable[[], tuple[Any, dict[str, Thread]]]


@dataclass(frozen=True)
class Step:
    """A step that was made: whose, and its name."""

    thread: str
    name: str


@dataclass(frozen=True)
class Outcome:
    """What `explore` found: an order of steps that goes wrong, and how (`wrong` is empty where none does).

    `orders` is how many were looked at, `waiting` the threads that wait for ever at the end of `steps`.
    """

    wrong: str
    steps: tuple[Step, ...]
    orders: int
    threads: tuple[str, ...]
    waiting: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.wrong

    def __repr__(self) -> str:
        if self.ok:
            return f"✓ {self.orders} orders of steps, and none goes wrong"
        width = max(len(step.thread) for step in self.steps) if self.steps else 0
        lines = [f"  {number}. {step.thread:<{width}}  {step.name}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([f"✗ {self.wrong}, after these steps (order {self.orders} that was tried):", *lines])

    def picture(self) -> Picture:
        """The steps from top to bottom, a column for each thread."""
        from axlab.course.interleaving_picture import draw

        return draw(self)


def explore(make: Make, check: Callable[[Any, bool], str] = lambda state, ended: "") -> Outcome:
    """Try every order of the threads' steps, and return the first that goes wrong.

    `make()` gives a new state and the threads over it, by name. `check(state, ended)` is asked after each step, and
    with `ended` when all threads are done; it says what is wrong, or nothing. It is wrong, too, when every thread that
    is left waits. A thread that raises is a panic. Raises AxError where there are too many orders.
    """
    orders, choices = 0, list[int]()
    while True:
        orders += 1
        if orders > MOST:
            raise AxError(f"more than {MOST} orders of steps; use fewer threads, or fewer and longer steps")
        wrong, steps, waiting, names, open_choices = _one_order(make, check, choices)
        if wrong:
            return Outcome(wrong, tuple(steps), orders, names, waiting)
        while open_choices and open_choices[-1][0] + 1 >= open_choices[-1][1]:
            open_choices.pop()
        if not open_choices:
            return Outcome("", (), orders, names)
        choices = [taken for taken, _ in open_choices[:-1]] + [open_choices[-1][0] + 1]


def _one_order(
    make: Make, check: Callable[[Any, bool], str], choices: list[int]
) -> tuple[str, list[Step], tuple[str, ...], tuple[str, ...], list[tuple[int, int]]]:
    """One order: the `choices` first, then always the first thread that can go on.

    Returns what is wrong, the steps, who waits for ever, all threads, and (choice, of how many) at each step.
    """
    state, threads = make()
    names = tuple(threads)
    blocked: dict[str, Until] = {}
    steps: list[Step] = []
    taken: list[tuple[int, int]] = []
    while threads:
        able = [name for name in threads if name not in blocked or blocked[name].condition()]
        if not able:
            who = " and ".join(threads)
            return f"{who} wait{'s' * (len(threads) == 1)} for ever", steps, tuple(threads), names, taken
        choice = choices[len(taken)] if len(taken) < len(choices) else 0
        taken.append((choice, len(able)))
        name = able[choice]
        blocked.pop(name, None)
        try:
            made = next(threads[name])
        except StopIteration:
            del threads[name]
            continue
        except Exception as error:
            steps.append(Step(name, f"panics: {error}"))
            return f"{name} panics ({type(error).__name__})", steps, (), names, taken
        if isinstance(made, Until):
            blocked[name] = made
        steps.append(Step(name, made.name if isinstance(made, Until) else str(made)))
        if wrong := check(state, False):
            return wrong, steps, (), names, taken
    return check(state, True), steps, (), names, taken
