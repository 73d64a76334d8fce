"""Exercise 7.3: the first lost update, in recorded accesses of real races."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "7.3"
points = 3

HINTS = [
    "A store destroys somebody's addition if that somebody stored after *this* vCPU had loaded. What do you have to "
    "remember of each vCPU?",
    "Go through the rows. At a load remember, for this vCPU, which store was the last one until then. At a store "
    "compare: is it still the last one?",
    "`stores = 0; at_load = {}`; a load: `at_load[vcpu] = stores`; a store: if `stores != at_load[vcpu]`, return its "
    "time; then `stores += 1`.",
]

TURN = 100_000  # ns
ADDS = """
        .include "axlab.S"
_start: mov     x1, #1
        adr     x2, work
        bl      start_vcpu
        mov     x5, #FIRST
        b       begin
work:   mov     x5, #OTHER
begin:  mov     x8, #600                // until both are there
2:      subs    x8, x8, #1
        b.ne    2b
again:  adr     x4, counter
        LOAD    x6, [x4]
        mov     x8, #GAP                // the store is late
1:      subs    x8, x8, #1
        b.ne    1b
        add     x6, x6, #STEP
        STORE   x6, [x4]
        subs    x5, x5, #1
        b.ne    again
        b       vcpu_off
        .balign 8
counter: .quad  0
"""


@cache
def accesses(first, other, gap, step=1, safe=False):
    """The accesses of two vCPUs to one counter in a real run, in the order in which memory saw them.

    Physical CPUs run side by side in turns of 100 us, one behind the other in each turn.
    """
    source = ADDS.replace("STORE   x6,", "stxr w7, x6,").replace("LOAD ", "ldxr ") if safe else ADDS
    for word, number in {"FIRST": first, "OTHER": other, "GAP": gap, "STEP": step}.items():
        source = source.replace(f"#{word}", f"#{number}")
    lab = Lab(code_cache=False)
    vm = guest(lab, source.replace("STORE", "str").replace("LOAD", "ldr"), "adds", cpus=2)
    lab.trace.record("memory", vm=vm.id)
    lab.shell("vm start adds")
    frame = lab.trace.frame("accesses")
    written = frame[frame["is_write"]]["address"].iloc[0]
    rows = frame[frame["address"] == written][["time", "vcpu", "is_write", "value"]].itertuples(index=False)
    seen = [(int(time), int(vcpu), bool(is_write), int(value)) for time, vcpu, is_write, value in rows]
    seen.sort(key=lambda row: (row[0] // TURN, row[1], row[0]))
    return seen


def given(student):
    mine = seed(student, name)
    turns = [mine.number(f"turns {n}", 7, 11) for n in (1, 2)]
    return {"accesses_7_3": accesses(*turns, mine.number("gap", 55, 75))}


def truth(rows):
    """(time of the first store that loses an update, of its load, of the last such store); None where there is none."""
    stores, at_load, loaded, lost = 0, {}, {}, []
    for time, vcpu, is_write, _ in rows:
        if not is_write:
            at_load[vcpu], loaded[vcpu] = stores, time
            continue
        if stores != at_load[vcpu]:
            lost.append((time, loaded[vcpu]))
        stores += 1
    return (lost[0][0], lost[0][1], lost[-1][0]) if lost else None


def cases(student):
    rows = given(student)["accesses_7_3"]
    return {
        "your accesses": rows,
        "another race": accesses(19, 25, 80),
        "one that adds nothing": accesses(12, 20, 70, step=0),
        "a single vCPU": [row for row in rows if row[1] == 0],
        "one turn each": accesses(1, 1, 5),
        "exclusive accesses": accesses(20, 20, 60, safe=True),
    }


def said(first_lost, rows):
    got = first_lost(list(rows))
    return None if got is None else int(got)


def all_are(first_lost, student, place):
    """Whether the answers for races are the number at that place of the truth, and not the right one."""
    races = [(rows, truth(rows)) for rows in cases(student).values() if truth(rows)]
    return all(said(first_lost, rows) == true[place] for rows, true in races)


def right_but_for(first_lost, student, what):
    mine = given(student)["accesses_7_3"]
    other = cases(student)[what]
    return said(first_lost, mine) == truth(mine)[0] and said(first_lost, other) != truth(other)[0]


MISTAKES = [
    (lambda first_lost, student: all(said(first_lost, frame) is None for frame in cases(student).values()),
     "You never find anything, and in `accesses_7_3` there is a lost update."),
    (lambda first_lost, student: all_are(first_lost, student, 1),
     "That is when the vCPU *loaded*. The harm is done by its store."),
    (lambda first_lost, student: all_are(first_lost, student, 2), "That is the last lost update. The first is wanted."),
    (lambda first_lost, student: said(first_lost, cases(student)["a single vCPU"]) is not None,
     "You find a lost update where a single vCPU counts alone."),
    (lambda first_lost, student: right_but_for(first_lost, student, "one that adds nothing"),
     "Right where each adds 1. You look at the values, and they may be equal by chance; look at the order."),
]  # fmt: skip


@test_case(points=1, success_message="Found.")
def test_the_accesses_given(first_lost, student):
    rows = given(student)["accesses_7_3"]
    expect("first_lost(accesses_7_3)", said(first_lost, rows), truth(rows)[0])


@test_case(points=2, success_message="In every race, and nowhere else.")
def test_others(first_lost, student):
    for what, rows in cases(student).items():
        found = truth(rows)
        expect(f"first_lost of {what}", said(first_lost, rows), found[0] if found else None)
