"""Exercise 1.1: commands that take a VM along a given path."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "1.1"
points = 2

HINTS = [
    "Write the state below each line as a comment. Which command leads from each state to the next one?",
    "The picture of `%axlab states counter` names the commands on its arrows; one arrow is no command at all.",
    "From Stopping to Stopped no command leads: it happens while time passes. Which commands let time pass?",
]

COUNTER = """
_start: add     x19, x19, #1
        b       _start
"""

ENDS = {
    "Stopped": ["Stopping", "Stopped"],
    "Suspended": ["Suspended"],
    "Running": ["Stopping", "Stopped", "Running"],
}


def given(student):
    """The path that this student's VM is to take."""
    mine = seed(student, name)
    rounds = mine.number("rounds", 1, 3)
    end = ENDS[mine.choice("end", list(ENDS))]
    return {"path_1_1": ["Loaded", "Running", *["Suspended", "Running"] * rounds, *end]}


@cache
def played(script):
    """(states of the VM, first refusal) when the script is run on a fresh lab."""
    lab = Lab()
    vm = guest(lab, COUNTER, "counter")
    refusal = ""
    for line in script.splitlines():
        result = lab.shell(line)
        if result is not None and not result.ok:
            refusal = refusal or next(text for text in result.text().splitlines() if "✗" in text)
    moves = lab.trace.recorder.table("vm_states").rows()
    return [str(new) for _, of, _, new, _ in moves if of == vm.id], refusal


MISTAKES = [
    (
        lambda script_1_1: "already running" in played(script_1_1)[1],
        "Something was commanded that the VM did already. In which state is it at that line?",
    ),
    (
        lambda script_1_1: "use 'vm resume' instead" in played(script_1_1)[1],
        "A suspended VM is not started again: its guest is in the middle of its work. It is resumed.",
    ),
    (
        lambda script_1_1: played(script_1_1)[1] != "",
        "The hypervisor refused a command, and a refused command leaves the state as it was.",
    ),
    (
        lambda script_1_1: played(script_1_1)[0][-1] == "Stopping",
        "`vm stop` only asks. The VM is Stopping until its vCPU has left the guest, and for that time must pass.",
    ),
    (
        lambda script_1_1, student: len(played(script_1_1)[0]) < len(given(student)["path_1_1"]),
        "The VM takes fewer steps than it should. Lay the two paths side by side and look where they part.",
    ),
    (
        lambda script_1_1, student: len(played(script_1_1)[0]) > len(given(student)["path_1_1"]),
        "The VM goes on after the path has ended, or takes a way round.",
    ),
]


@test_case(points=1, success_message="The VM takes the path, and no other.")
def test_path(script_1_1, student):
    path, _ = played(script_1_1)
    expect("the states of the VM", " ".join(path), " ".join(given(student)["path_1_1"]))


@test_case(points=1)
def test_nothing_is_refused(script_1_1):
    _, refusal = played(script_1_1)
    expect("what the hypervisor refused", refusal or "nothing", "nothing")
