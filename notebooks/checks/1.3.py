"""Exercise 1.3: a plan from any state to any other, carried out on real VMs."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest

OK_FORMAT = False
name = "1.3"
points = 3

HINTS = [
    "Draw the four states and an arrow for each command that a state admits. A plan is a way along the arrows.",
    "Write down the twelve pairs first; most plans have one command. No plan leads back to Loaded.",
    "A table is enough: `plans = {('Loaded', 'Running'): ['start'], ...}` and `plans.get((start, goal), [])`.",
]

SLEEPER = "_start: wfi\n b _start"  # a plan is about states: this guest costs no time
COMMANDS = {"start": "vm start counter -d", "stop": "vm stop counter --force", "suspend": "vm suspend counter",
            "resume": "vm resume counter"}  # fmt: skip
WAYS = {"Loaded": [], "Running": ["start"], "Suspended": ["start", "suspend"], "Stopped": ["start", "stop"]}
GOALS = ("Running", "Suspended", "Stopped")
PAIRS = [(start, goal) for start in WAYS for goal in GOALS if start != goal]
FEWEST = {("Loaded", "Suspended"): 2, ("Stopped", "Suspended"): 2}  # one command for all others


@cache
def carried_out(start, *commands):
    """(state in the end, whether something was refused) after commands from a state."""
    lab = Lab()
    vm = guest(lab, SLEEPER, "counter")
    refused = False
    for command in [*WAYS[start], *commands]:
        refused |= not lab.shell(COMMANDS[command]).ok
        lab.shell("vm run --for 200us")
    return str(vm.state), refused


def plans(plan):
    return {pair: list(plan(*pair)) for pair in PAIRS}


def some_plan(plan, holds):
    return any(holds(pair, commands) for pair, commands in plans(plan).items())


MISTAKES = [
    (
        lambda plan: any(word not in COMMANDS for commands in plans(plan).values() for word in commands),
        "A plan is a list of the words start, stop, suspend and resume, without options and names.",
    ),
    (
        lambda plan: plan("Suspended", "Running") == ["start"],
        "A suspended VM refuses `start`: it is resumed.",
    ),
    (
        lambda plan: plan("Suspended", "Running") == ["stop", "start"],
        "The state is right, the guest is not: it was stopped and begins anew, and all that it had done is lost.",
    ),
    (
        lambda plan: plan("Stopped", "Running") == ["resume"],
        "A stopped VM refuses `resume`: its guest is gone. It is started.",
    ),
    (
        lambda plan: some_plan(plan, lambda pair, commands: carried_out(pair[0], *commands)[1]),
        "At least one plan has a command that the VM refuses in the state that it is in by then.",
    ),
]


@test_case(points=1)
def test_every_plan_arrives(plan):
    for start, goal in PAIRS:
        commands = list(plan(start, goal))
        expect(f"the state after {commands} from {start}", carried_out(start, *commands)[0], goal)


@test_case(points=1)
def test_nothing_is_refused(plan):
    for start, goal in PAIRS:
        commands = list(plan(start, goal))
        refused = "a command refused" if carried_out(start, *commands)[1] else "nothing refused"
        expect(f"{commands} from {start}", refused, "nothing refused")


@test_case(points=1)
def test_no_plan_is_longer_than_it_must_be(plan):
    for pair in PAIRS:
        fewest = FEWEST.get(pair, 1)
        length = len(list(plan(*pair)))
        expect_that(f"commands from {pair[0]} to {pair[1]}", length <= fewest, length, f"at most {fewest}")
