"""Exercise 9.1: a command that waits until two vCPUs stand still, in every order of the steps."""

from functools import cache

from otter.test_files import test_case

from axlab.course import expect_that, explore, until
from axlab.course.interleavings import Until

OK_FORMAT = False
name = "9.1"
points = 3

HINTS = [
    "What must not come between the look at `vm.parked` and going to sleep? And what happens if both vCPUs read "
    "`vm.parked` before one of them writes?",
    "A vCPU that stands still is one step: `vm.add(\"parked\", 1)`, then `yield \"parks\"`. The command needs no bell "
    "if it sleeps until what it wants is true.",
    "`yield until(lambda: vm.parked == 2, \"waits\")` looks and sleeps in one step. Then set `vm.suspended`.",
]


class Vm:
    """The VM of the model. It counts how often it was touched in a step, so that a step is one thing."""

    def __init__(self):
        self.__dict__.update(values={"parked": 0, "bell": 0, "suspended": False}, touched=0)

    def __getattr__(self, name):
        self.__dict__["touched"] += 1
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"the VM has parked, bell and suspended, and no {name!r}") from None

    def __setattr__(self, name, value):
        self.__dict__["touched"] += 1
        self.__dict__["values"][name] = value

    def add(self, name, amount):
        """Read and change in one step; the value before."""
        self.__dict__["touched"] += 1
        before = self.__dict__["values"][name]
        self.__dict__["values"][name] = before + amount
        return before

    def peek(self, name):
        return self.__dict__["values"][name]


def one_thing_at_a_time(vm, thread):
    """The thread, where a step that touches the VM more than once is a panic."""
    while True:
        vm.__dict__["touched"] = 0
        try:
            made = next(thread)
        except StopIteration:
            if vm.__dict__["touched"] > 1:
                raise ValueError("a step does several things: put a yield between them") from None
            return
        if vm.__dict__["touched"] > 1:
            raise ValueError("a step does several things: put a yield between them")
        yield Until(made.condition, made.name) if isinstance(made, Until) else str(made)


def too_early(vm, ended):
    if vm.peek("suspended") and vm.peek("parked") != 2:
        return "the command says that all stand still, and one does not"
    if ended and not vm.peek("suspended"):
        return "the command ends and has not set vm.suspended"
    return ""


@cache
def found(parks, waits):
    """What `explore` says of the student's threads; a text where they are no threads."""

    def make():
        vm = Vm()
        threads = {"vCPU 0": parks(vm), "vCPU 1": parks(vm), "vm suspend": waits(vm)}
        return vm, {name: one_thing_at_a_time(vm, thread) for name, thread in threads.items()}

    for function in (parks, waits):
        if not hasattr(function(Vm()), "__next__"):
            return f"{function.__name__} is no generator: there is no yield in it"
    return explore(make, too_early)


def goes_wrong(parks, waits, words):
    outcome = found(parks, waits)
    return words in (outcome if isinstance(outcome, str) else outcome.wrong)


def step_that(parks, waits, words):
    outcome = found(parks, waits)
    return not isinstance(outcome, str) and any(words in step.name for step in outcome.steps)


def lost(parks, waits):
    """Two vCPUs alone: do they count to two in every order?"""

    def make():
        vm = Vm()
        return vm, {f"vCPU {number}": one_thing_at_a_time(vm, parks(vm)) for number in range(2)}

    return not explore(make, lambda vm, ended: "lost" * (ended and vm.peek("parked") != 2)).ok


MISTAKES = [
    (lambda parks, waits: goes_wrong(parks, waits, "no generator"),
     "A step ends with a `yield`. One of your functions has none."),
    (lambda parks, waits: step_that(parks, waits, "several things"),
     "One of your steps reads and writes, or reads two things. No processor does that at once: somebody can come "
     "between."),
    (lambda parks, waits: lost(parks, waits),
     "Two vCPUs that park at the same time are counted as one. What reads and changes in one step?"),
    (lambda parks, waits: goes_wrong(parks, waits, "one does not"),
     "There is an order in which the command ends too early. For what does it wait: for both?"),
    (lambda parks, waits: goes_wrong(parks, waits, "has not set"),
     "There is an order in which the command ends without `vm.suspended`. Did it look once, and give up?"),
    (lambda parks, waits: goes_wrong(parks, waits, "for ever"),
     "There is an order in which the command sleeps for ever: the bell rang before it slept."),
]  # fmt: skip


@test_case(points=3, success_message="Right in every order.")
def test_every_order(parks, waits):
    outcome = found(parks, waits)
    if isinstance(outcome, str):
        expect_that("the two functions", False, outcome, "two generators")
    expect_that("all orders of the steps", outcome.ok, repr(outcome), "none goes wrong")


assert until  # the students' own cells use it
