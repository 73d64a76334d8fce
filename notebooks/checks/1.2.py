"""Exercise 1.2: how long a VM was in each state, from the table of its moves."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "1.2"
points = 2

HINTS = [
    "A row says at which time the VM came into the state `new`. How long did it stay there?",
    "It stayed until the time of the next row. The last row has no next one: it is in that state until `end`.",
    "A VM can come into a state several times: add to what is there already, with "
    "`durations[state] = durations.get(state, 0) + ...`.",
]

COUNTER = "_start: add x19, x19, #1\n b _start"


@cache
def life(student, rounds):
    """(moves, end, lab) of a VM that was started, suspended, resumed and stopped so many times, and runs now."""
    mine = seed(student, name)
    lab = Lab()
    vm = guest(lab, COUNTER, "counter")
    for number in range(rounds):
        for command in ("start counter -d", "suspend counter", "resume counter", "stop counter", "wait counter"):
            lab.shell(f"vm {command}")
            lab.shell(f"vm run --for {mine.number(f'{command} {number}', 1, 9)}ms")
    lab.shell("vm start counter -d")
    lab.shell(f"vm run --for {mine.number('end', 1, 9)}ms")
    return lab.trace.frame("vm_states", vm=vm.id), lab.now, lab


def truth(lab, end):
    """What is right, from the recorder's rows."""
    rows = [(time, str(new)) for time, vm, _, new, _ in lab.trace.recorder.table("vm_states").rows() if vm == 0]
    ends = [time for time, _ in rows[1:]] + [end]
    sums = {}
    for (begin, state), until in zip(rows, ends, strict=True):
        sums[state] = sums.get(state, 0) + until - begin
    return {state: time for state, time in sums.items() if time}


def answer(time_in, student, rounds):
    """(what the student's function says, what is right), as plain dicts without states of no length."""
    moves, end, lab = life(student, rounds)
    said = time_in(moves, end)
    if not isinstance(said, dict):
        return said, truth(lab, end)
    return {str(state): int(time) for state, time in said.items() if time}, truth(lab, end)


def is_that(time_in, student, change):
    """Whether the answer is the right one after `change`, and that differs from the right one."""
    said, right = answer(time_in, student, 2)
    wrong = change(student, right)
    return said == wrong != right


def without_the_last(student, right):
    moves, end, _ = life(student, 2)
    last = moves.iloc[-1]
    return right | {last["new"]: right[last["new"]] - (end - int(last["time"]))}


def of_the_old_state(student, right):
    moves, _, _ = life(student, 2)
    sums, before = {}, 0
    for time, new in zip(moves["time"], moves["new"]):
        sums[new] = sums.get(new, 0) + int(time) - before
        before = int(time)
    return {state: time for state, time in sums.items() if time}


def overwritten(student, right):
    moves, end, _ = life(student, 2)
    times = [*moves["time"], end]
    last = {str(new): int(times[index + 1] - times[index]) for index, new in enumerate(moves["new"])}
    return {state: time for state, time in last.items() if time}


MISTAKES = [
    (
        lambda time_in, student: is_that(time_in, student, without_the_last),
        "The state that the VM is in now is missing: from the last row until `end`.",
    ),
    (
        lambda time_in, student: is_that(time_in, student, of_the_old_state),
        "The time before a move belongs to the state `old`, the time after it to the state `new`.",
    ),
    (
        lambda time_in, student: is_that(time_in, student, overwritten),
        "Right for a VM that is in each state once. This one ran, stopped, and ran again: the later time overwrites "
        "the earlier.",
    ),
    (
        lambda time_in, student: is_that(
            time_in, student, lambda _, right: {state: time // 1_000_000 for state, time in right.items()}
        ),
        "These are milliseconds. Nanoseconds are wanted, as in the column `time`.",
    ),
]


@test_case(points=1)
def test_one_life(time_in, student):
    said, right = answer(time_in, student, 1)
    expect("time_in(moves, end) of a VM that ran once", said, right)


@test_case(points=1)
def test_two_lives(time_in, student):
    said, right = answer(time_in, student, 2)
    expect("time_in(moves, end) of a VM that ran twice", said, right)
