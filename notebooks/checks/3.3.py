"""Exercise 3.3: waiting without asking, by the time at which a letter came and the exits that it took."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest
from axlab.errors import AxError

OK_FORMAT = False
name = "3.3"
points = 3

HINTS = [
    "Which of the four registers of experiment 3 tells the time, and is it an exit?",
    "Read `cntvct_el0` once and add what 5 ms are; then read it in a loop until it is there. No access to a device in "
    "the loop.",
    "`mrs x1, cntvct_el0` / `ldr x2, =312500` / `add x1, x1, x2` / `1: mrs x0, cntvct_el0` / `cmp x0, x1` / `b.lo 1b`, "
    "then `mov w0, '.'` / `bl print_char` / `b power_off`.",
]
EARLY, LATE, MOST = 5_000_000, 5_300_000, 4


@cache
def run(source):
    """(console, times of the letters in ns, exits by reason, state, complaint)."""
    lab = Lab(code_cache=False)
    try:
        vm = guest(lab, source, "waiter")
    except (AxError, TypeError, AttributeError) as error:
        return "", [], {}, "", str(error)
    lab.shell("vm start waiter --for 20ms")
    letters = [row for row in lab.trace.recorder.table("console").rows() if row[3] == "output"]
    said = b"".join(row[2] for row in letters).decode("latin-1")
    return said, [row[0] for row in letters], dict(vm.exits), str(vm.state), vm.fault


def own_exits(source):
    """Exits but for the host's timer, which no guest can help."""
    return {reason: count for reason, count in run(source)[2].items() if reason != "ExternalInterrupt"}


MISTAKES = [
    (lambda source_3_3: run(source_3_3)[3] == "",
     "This is no assembly that AxLab can read: the message below has the line."),
    (lambda source_3_3: run(source_3_3)[1] == [], "Nothing is printed within 20 ms. Does the loop end?"),
    (lambda source_3_3: sum(own_exits(source_3_3).values()) > MOST,
     "It leaves again and again while it waits: whom does it ask?"),
    (lambda source_3_3: run(source_3_3)[1][0] < EARLY,
     "The letter comes too early. A millisecond is 62 500 of the counter."),
    (lambda source_3_3: run(source_3_3)[1][0] > LATE,
     "The letter comes too late. How long does an instruction take here?"),
    (lambda source_3_3: run(source_3_3)[0] == "." and run(source_3_3)[3] != "Stopped",
     "The letter comes in time, and the guest does not power off."),
]  # fmt: skip


@test_case(points=1, success_message="In time.")
def test_the_time(source_3_3):
    said, times, _, state, wrong = run(source_3_3)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("the console", said, ".")
    expect_that("when the letter comes", EARLY <= times[0] <= LATE, f"{times[0] / 1e6:.2f} ms", "5.0 to 5.3 ms")
    expect("the state of the VM", state, "Stopped")


@test_case(points=2, success_message="And without asking.")
def test_the_exits(source_3_3):
    found = own_exits(source_3_3)
    expect_that("its exits", 0 < sum(found.values()) <= MOST, found, f"at most {MOST}")
