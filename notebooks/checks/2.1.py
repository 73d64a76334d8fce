"""Exercise 2.1: a guest that prints a text and switches its machine off."""

from functools import cache

from otter.test_files import test_case

from axlab.course import expect, fresh, seed

OK_FORMAT = False
name = "2.1"
points = 3

HINTS = [
    "Three steps: the address of the text into `x0`, a call of `print`, and what experiment 1 did in the end.",
    '`ldr x0, =text` and `bl print`; the text stands behind the code: `text: .asciz "..."`.',
    "After `print` has come back: `ldr w0, =PSCI_SYSTEM_OFF`, then `hvc #0`. A guest that has nothing to do goes on "
    "all the same, into whatever stands there.",
]


def given(student):
    """The text that this student's guest is to print."""
    mine = seed(student, name)
    return {
        "text_2_1": f"{mine.choice('who', ['Guest', 'Kernel', 'Core'])} {mine.number('number', 1000, 9999)} is awake"
    }


@cache
def ran(lab):
    """(what the guest printed, its state, why it stopped, its fault) after 20 ms in a lab of its own."""
    own, vm = fresh(lab.vm("hello"))
    if b"TODO" in open(vm.config.kernel.kernel_path, "rb").read():
        raise NotImplementedError("the guest `hello`")
    own.shell(f"vm start {vm.id} --detach")
    own.shell("vm run --for 20ms")
    return vm.console.text, str(vm.state), vm.reason, vm.fault


def mistaken(holds):
    """A predicate over (printed, state, reason, wanted)."""
    return lambda lab, student: holds(*ran(lab)[:3], given(student)["text_2_1"])


MISTAKES = [
    (
        mistaken(lambda printed, state, reason, wanted: printed == wanted + "\n" and state == "Stopped"),
        "There is a newline at the end that is not part of the text.",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: printed.startswith(wanted) and state == "Running"),
        "The text is right. But the guest runs on: nobody has switched its machine off.",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: printed.startswith(wanted) and state == "Failed"),
        "The text is right. Then the guest went on into what stands behind its code, which is no code.",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: not printed and state == "Stopped"),
        "The guest switches off before it has printed anything.",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: not printed and state == "Failed"),
        "The guest breaks before it has printed anything. Is the UART where it writes to?",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: printed.casefold().strip() == wanted.casefold()),
        "Nearly: capitals and blanks count.",
    ),
    (
        mistaken(lambda printed, state, reason, wanted: printed.startswith("Guest") or printed.startswith("Kernel")),
        "This is a text of the right kind, but not the one in `text_2_1`.",
    ),
]


@test_case(points=2, success_message="The guest says what it should.")
def test_text(lab, student):
    expect("what the guest prints", ran(lab)[0], given(student)["text_2_1"])


@test_case(points=1)
def test_power_off(lab):
    printed, state, reason, fault = ran(lab)
    expect("the state of the VM after 20 ms", state + (f": {fault}" if fault else ""), "Stopped")
    expect("why it stopped", reason, "guest power-off")
