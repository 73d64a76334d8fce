"""Exercise 10.1: the places that leave most often, in the exits of real runs."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "10.1"
points = 2

HINTS = [
    "Which column says where in the guest's code an exit was? How often does each value occur?",
    "`exits[\"pc\"].value_counts()` counts; it says nothing about the order of equal counts.",
    "`sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]`",
]
GUEST = """
        .include "axlab.S"
_start: mov     x10, #0x08000000
        mov     x11, #FIRST
1:      ldr     w12, [x10, #4]
        subs    x11, x11, #1
        b.ne    1b
        mov     x11, #SECOND
2:      ldr     w12, [x10, #4]
        subs    x11, x11, #1
        b.ne    2b
        mov     x11, #FIRST
3:      ldr     w12, [x10, #8]
        subs    x11, x11, #1
        b.ne    3b
        mrs     x12, cntp_ctl_el0
        mrs     x12, cntp_ctl_el0
        b       power_off
"""


@cache
def exits(student, number):
    mine = seed(student, f"{name} {number}")
    first = mine.number("first", 3, 9)
    source = GUEST.replace("FIRST", str(first)).replace("SECOND", str(first + mine.number("more", 1, 5)))
    lab = Lab(code_cache=False)
    guest(lab, source, "asks")
    lab.shell("vm start asks")
    return lab.trace.exits()


def counts(frame):
    found = {}
    for pc in frame["pc"]:
        found[int(pc)] = found.get(int(pc), 0) + 1
    return found


def truth(frame, n):
    return sorted(counts(frame).items(), key=lambda pair: (-pair[1], pair[0]))[:n]


def said(hottest, student, n, number=1):
    got = hottest(exits(student, number), n)
    try:
        return [(int(pc), int(count)) for pc, count in got]
    except (TypeError, ValueError):
        return got


MISTAKES = [
    (lambda hottest, student: not isinstance(said(hottest, student, 3), list),
     "A list of pairs is wanted: (pc, count)."),
    (lambda hottest, student: said(hottest, student, 3) == truth(exits(student, 1), 99)[::-1][:3],
     "That is the other end: those that left least often."),
    (lambda hottest, student: len(said(hottest, student, 2)) > 2, "More than `n` places are returned."),
    (lambda hottest, student: sorted(said(hottest, student, 99)) == sorted(truth(exits(student, 1), 99))
     and said(hottest, student, 99) != truth(exits(student, 1), 99),
     "The counts are right, and their order is not: of equal counts the lower address comes first."),
    (lambda hottest, student: [count for _, count in said(hottest, student, 3)]
     != [count for _, count in truth(exits(student, 1), 3)], "The counts are not those of exits at one `pc`."),
]  # fmt: skip


@test_case(points=1)
def test_three(hottest, student):
    expect("hottest(exits, 3)", said(hottest, student, 3), truth(exits(student, 1), 3))


@test_case(points=1)
def test_others(hottest, student):
    for n in (0, 1, 4, 99):
        expect(f"hottest(exits, {n})", said(hottest, student, n, 2), truth(exits(student, 2), n))
