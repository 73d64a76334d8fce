"""Exercise 3.1: a hypercall and what it answers, by the guest's console and its exits."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "3.1"
points = 2

HINTS = [
    "In which register is the number, and in which the answer? What is -1 as a 64-bit register?",
    "`mov x0, #NUMBER`, `hvc #0`, then `tbnz x0, #63, unknown`: bit 63 is the sign. Behind it `adr x0, text` and "
    "`bl print`.",
    "Two texts and two ways: `adr x0, good` / `bl print` / `b power_off`, and `unknown: adr x0, bad` / `bl print` / "
    "`b power_off`.",
]
KNOWN = (2,)


def given(student):
    return {"nr_3_1": seed(student, name).choice("nr", (2, 9, 77, 1000))}


@cache
def run(source):
    """(console, numbers of the hypercalls, reasons of the exits, state, complaint)."""
    lab = Lab(code_cache=False)
    try:
        vm = guest(lab, source, "caller")
    except (AxError, TypeError, AttributeError) as error:
        return "", [], {}, "", str(error)
    result = lab.shell("vm start caller --for 20ms")
    calls = [row[3] for row in lab.trace.recorder.table("hypercalls").rows()]
    said = "".join(block.data.decode("latin-1") for block in result.transcript if hasattr(block, "data"))
    return said, calls, dict(vm.exits), str(vm.state), vm.fault


def wanted(student):
    return "ok\n" if given(student)["nr_3_1"] in KNOWN else "no\n"


MISTAKES = [
    (lambda source_3_1: run(source_3_1)[3] == "", "Your source cannot be assembled: the message below has its line."),
    (lambda source_3_1: run(source_3_1)[1] == [], "There is no hypercall among its exits. It is made by `hvc #0`."),
    (lambda source_3_1, student: given(student)["nr_3_1"] not in run(source_3_1)[1],
     "A hypercall was made, with another number. The number is in `x0`, and `print` changes that register."),
    (lambda source_3_1, student: run(source_3_1)[0] in ("ok\n", "no\n") and run(source_3_1)[0] != wanted(student),
     "It says the opposite. The answer is in `x0` after the call, and -1 has its highest bit set."),
    (lambda source_3_1, student: run(source_3_1)[0] == wanted(student) and run(source_3_1)[3] != "Stopped",
     "It says the right thing, and does not power off. What does it execute behind the last `print`?"),
    (lambda source_3_1, student: run(source_3_1)[0] == wanted(student).strip(), "The newline is missing."),
]  # fmt: skip


@test_case(points=1, success_message="The call is made.")
def test_the_call(source_3_1, student):
    _, calls, _, _, wrong = run(source_3_1)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("the numbers of its hypercalls", calls, [given(student)["nr_3_1"]])


@test_case(points=1, success_message="And understood.")
def test_the_answer(source_3_1, student):
    said, _, _, state, _ = run(source_3_1)
    expect("the console", said, wanted(student))
    expect("the state of the VM", state, "Stopped")
