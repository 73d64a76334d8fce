"""Exercise 2.3: a memory region with which a guest runs that was linked for other addresses."""

from functools import cache

from otter.test_files import test_case

from axlab import AxError, Lab
from axlab.course import expect, expect_that, guest, seed

OK_FORMAT = False
name = "2.3"
points = 3

HINTS = [
    "The region has to hold `entry_2_3` and `last_2_3`. Where may it begin, and how long must it be?",
    "The guest reads, writes and executes there. The board's RAM is 0x40000000-0x240000000: can both be the same?",
    "`[entry_2_3 - 0x80000, ...]`; the size is a multiple of 0x1000; flags 1 + 2 + 4; a map_type that takes RAM "
    "wherever some is free.",
]

SOURCE = """
_start: ldr     x1, last
        ldr     x2, uart
        mov     w3, 'O'
        str     x3, [x1]
        ldr     x4, [x1]
        str     w4, [x2]
        mov     w3, 'K'
        str     w3, [x2]
        ldr     w0, off
        hvc     #0
last:   .quad   {last:#x} - 7
uart:   .quad   0x09000000
off:    .word   0x84000008
"""
SPARE = 512 << 10


def given(student):
    """Where this student's guest is loaded and entered, and the last byte that it writes."""
    mine = seed(student, name)
    base = 0x3_0000_0000 + mine.number("base", 0, 15) * 0x1000_0000
    return {"entry_2_3": base + 0x80000, "last_2_3": base + (mine.number("size", 20, 100) << 20) - 1}


@cache
def outcome(gpa, size, flags, map_type, student):
    """What became of the guest: its console and state, or why it was refused."""
    inputs = given(student)
    source = SOURCE.format(last=inputs["last_2_3"])
    lab = Lab()
    try:
        vm = guest(lab, source, load=inputs["entry_2_3"], region=(gpa, size, flags, map_type))
    except AxError as error:
        return f"refused: {error.message}"
    lab.shell(f"vm start {vm.id} --detach")
    lab.shell("vm run --for 1ms")
    return f"{vm.console.text} {vm.state}"


def became(region_2_3, student):
    return outcome(*region_2_3, student)


MISTAKES = [
    (
        lambda region_2_3: len(region_2_3) != 4,
        "A region has four numbers: `[gpa, size, flags, map_type]`.",
    ),
    (
        lambda region_2_3, student: "MapIdentical" in became(region_2_3, student),
        "Identical means that the host's RAM lies at the same address, and there is none so high up.",
    ),
    (
        lambda region_2_3, student: "without X" in became(region_2_3, student),
        "The guest may read and write there, but not execute: it could not run its first instruction.",
    ),
    (
        lambda region_2_3: region_2_3[2] & 3 != 3,
        "The guest runs, and then its store or its load is refused: it needs R and W as well.",
    ),
    (
        lambda region_2_3, student: not region_2_3[0] <= given(student)["entry_2_3"] < sum(region_2_3[:2]),
        "The entry point lies outside of the region.",
    ),
    (
        lambda region_2_3, student: sum(region_2_3[:2]) <= given(student)["last_2_3"],
        "The region ends before the last byte that the guest writes. `last_2_3` itself has to be inside.",
    ),
    (
        lambda region_2_3, student: became(region_2_3, student) == "OK Stopped",
        "The guest runs, in more RAM than it needs. What a VM has, no other VM can have.",
    ),
]


@test_case(points=2, success_message="The guest runs to its end.")
def test_runs(region_2_3, student):
    expect("what the guest prints, and the state of its VM", became(region_2_3, student), "OK Stopped")


@test_case(points=1)
def test_size(region_2_3, student):
    inputs = given(student)
    most = inputs["last_2_3"] + 1 - inputs["entry_2_3"] + 0x80000 + SPARE
    expect("the guest in it", became(region_2_3, student).split()[-1], "Stopped")
    expect_that("the size of the region", region_2_3[1] <= most, hex(region_2_3[1]), f"at most {most:#x}")
