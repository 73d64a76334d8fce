"""Exercise 10.2: a session with a firmware, by what it answers."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed

OK_FORMAT = False
name = "10.2"
points = 2

HINTS = [
    "Two things are typed: a key, and a line. For what do you wait before each?",
    "First wait for `any key`, and type one key, as for U-Boot. Then wait for the prompt.",
    "`[(\"any key\", \" \"), (\"=> \", command_10_2 + \"\\n\")]`",
]
FIRMWARE = """
        .include "axlab.S"
_start: adr     x0, hello
        bl      print
        bl      read_char               // the key, whatever it is
prompt: adr     x0, ready
        bl      print
        adr     x9, word
        mov     x10, #1                 // right so far
next:   bl      read_char
        cmp     w0, #10
        b.eq    line
        ldrb    w11, [x9], #1
        cmp     w0, w11
        csel    x10, x10, xzr, eq
        cbz     w11, wrong
        b       next
wrong:  mov     x10, #0
        b       next
line:   ldrb    w11, [x9]
        cbnz    w11, bad
        cbz     x10, bad
        adr     x0, good
        bl      print
        b       power_off
bad:    adr     x0, what
        bl      print
        b       prompt
hello:  .asciz  "Firmware 1.0\\nHit any key\\n"
ready:  .asciz  "=> "
good:   .asciz  "ok\\n"
what:   .asciz  "what?\\n"
word:   .asciz  "WORD"
        .skip   64
"""


def given(student):
    mine = seed(student, name)
    words = ("boot", "go", "launch", "run", "bootm", "start", "wake", "begin", "load", "exec", "enter", "jump")
    return {"command_10_2": f"{mine.choice('word', words)} {mine.number('number', 10, 99)}"}


def well_formed(session):
    return isinstance(session, list) and all(
        isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in session
    )


@cache
def held(session, command):
    """(console, which text never came, state) of a session, pairs of texts."""
    lab = Lab(code_cache=False)
    vm = guest(lab, FIRMWARE.replace("WORD", command), "firmware")
    lab.shell("vm start firmware --detach")
    missed = ""
    for awaited, typed in session:
        result = lab.shell(f"vm run --until-text {quoted(awaited)} --for 4ms")
        if not result.ok:
            missed = missed or awaited
            break
        lab.hypervisor.console_input(vm, typed.encode())
    lab.shell("vm run --for 4ms")
    rows = lab.trace.recorder.table("console").rows()
    said = b"".join(row[2] for row in rows if row[3] == "output").decode("latin-1")
    return said, missed, str(vm.state)


def quoted(text):
    return "'" + text.replace("'", "'\"'\"'") + "'"


def result(session, student):
    return held(tuple(map(tuple, session)), given(student)["command_10_2"])


MISTAKES = [
    (lambda session_10_2: not well_formed(session_10_2),
     "A list of pairs of texts is wanted: [(wait for, type), ...]."),
    (lambda session_10_2, student: result(session_10_2, student)[1] != "",
     "A text that you wait for never comes. Capital letters count, and what was printed before does not come again."),
    (lambda session_10_2, student: len(session_10_2) == 1 and "what?" in result(session_10_2, student)[0],
     "The first letter of your command was taken for the key. A key is typed before the command."),
    (lambda session_10_2, student: result(session_10_2, student)[0].endswith("=> ") and "\n" not in session_10_2[-1][1],
     "The command was typed, and its line has no end: where is the newline?"),
    (lambda session_10_2, student: result(session_10_2, student)[0].count("what?") > 0,
     "The firmware does not know what was typed. Is it the command of `command_10_2`, to the letter?"),
]  # fmt: skip


@test_case(points=2, success_message="It says ok.")
def test_the_session(session_10_2, student):
    expect_that("session_10_2", well_formed(session_10_2), session_10_2, "a list of pairs of texts")
    said, missed, state = result(session_10_2, student)
    expect("texts that never came", missed, "")
    expect_that("the firmware's console", said.endswith("ok\n"), said, "that it ends with ok")
    expect("the VM", state, "Stopped")
