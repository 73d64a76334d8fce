"""Exercise 5.2: the longest waits, from the table of spans."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest

OK_FORMAT = False
name = "5.2"
points = 2

HINTS = [
    "Which rows say that a vCPU wants a physical CPU and has none? How long is such a span?",
    "Take the rows whose `state` is `Ready`, subtract `begin` from `end`, and take the greatest for each `vm`.",
    "`ready = spans[spans[\"state\"] == \"Ready\"]`, then `(ready[\"end\"] - ready[\"begin\"]).groupby(ready[\"vm\"])"
    ".max()`; VMs that are in `spans` and not in `ready` have 0.",
]

COUNTS = "_start: add x19, x19, #1\n b _start"
SLEEPS = "loop: wfi\n b loop"


@cache
def spans(scheduler):
    """The timeline of three guests that count, one that sleeps, and two physical CPUs."""
    lab = Lab(cpus=2, scheduler=scheduler, code_cache=False)
    for vm, source in (("a", COUNTS), ("b", COUNTS), ("idle", SLEEPS), ("c", COUNTS)):
        guest(lab, source, vm)
    lab.shell("vm start a b --detach; vm run --for 13ms; vm start idle c --detach; vm run --for 37ms")
    return lab.trace.timeline(), [(s.vm, s.state, s.begin, s.end) for s in lab.trace.spans()]


def answer(longest_waits, scheduler):
    """(what the student's function says, what is right)."""
    frame, rows = spans(scheduler)
    right = {vm: 0 for vm, _, _, _ in rows}
    for vm, state, begin, end in rows:
        if state == "Ready":
            right[vm] = max(right[vm], end - begin)
    said = longest_waits(frame)
    if isinstance(said, dict):
        said = {int(vm): int(ns) for vm, ns in said.items()}
    return said, right


def is_that(longest_waits, change, scheduler="rr"):
    """Whether the answer is what `change` makes of the rows, and that is not right."""
    said, right = answer(longest_waits, scheduler)
    wrong = change(spans(scheduler)[1], right)
    return said == wrong != right


def sums(rows, right):
    return {vm: sum(end - begin for v, state, begin, end in rows if v == vm and state == "Ready") for vm in right}


def of_any_state(rows, right):
    return {vm: max(end - begin for v, _, begin, end in rows if v == vm) for vm in right}


def without_zeros(rows, right):
    return {vm: ns for vm, ns in right.items() if ns}


def in_ms(rows, right):
    return {vm: ns // 1_000_000 for vm, ns in right.items()}


MISTAKES = [
    (lambda longest_waits: not isinstance(answer(longest_waits, "rr")[0], dict),
     "A dict is wanted: VM id -> nanoseconds."),
    (lambda longest_waits: is_that(longest_waits, without_zeros, "fifo"),
     "A VM that never waited is missing. It has 0."),
    (lambda longest_waits: is_that(longest_waits, sums),
     "That is how long each waited in all. The longest wait without a break is wanted."),
    (lambda longest_waits: is_that(longest_waits, of_any_state),
     "These are the longest spans of any state. Only who is Ready waits for a CPU; who is Blocked wants none."),
    (lambda longest_waits: is_that(longest_waits, in_ms),
     "These are milliseconds. Nanoseconds are wanted, as in the table."),
]  # fmt: skip


@test_case(points=1)
def test_turns(longest_waits):
    said, right = answer(longest_waits, "rr")
    expect("longest_waits(spans) of a run with round robin", said, right)


@test_case(points=1)
def test_first_in_first_out(longest_waits):
    said, right = answer(longest_waits, "fifo")
    expect("longest_waits(spans) of a run with FIFO", said, right)
