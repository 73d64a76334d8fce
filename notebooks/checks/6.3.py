"""Exercise 6.3: work in masked sections that are short enough, by the latency of ticks and by what was done."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "6.3"
points = 3

HINTS = [
    "A unit takes about 20 us. How many of them fit into 30 us?",
    "Mask before each unit and unmask behind it: `msr daifset, #2`, `bl unit`, `msr daifclr, #2`.",
    "Put `daifset` and `daifclr` into the loop. An interrupt that waits is taken right behind `daifclr`.",
]

CLOCK = """
        .include "axlab.S"
_start: adr     x0, vectors
        msr     vbar_el1, x0
        mov     x0, #1 << 27
        bl      gic_enable
        ldr     x20, =COUNTS
        mrs     x21, cntvct_el0
        add     x21, x21, x20
        msr     cntv_cval_el0, x21
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        msr     daifclr, #2
        WORK

        TICK

        .balign 2048
vectors: .skip  0x280
        b       tick
"""

TICK = """
tick:   mrs     x10, icc_iar1_el1
        add     x21, x21, x20
        msr     cntv_cval_el0, x21
        add     x19, x19, #1
        msr     icc_eoir1_el1, x10
        eret
unit:   add     x27, x27, #1
        mrs     x23, daif
        tbz     x23, #7, 3f             // not masked: bit I is 0
        add     x28, x28, #1
3:      mov     x23, #98
4:      subs    x23, x23, #1
        b.ne    4b
        ret
"""
MOST_NS = 30_000


def given(student):
    return {"units_6_3": seed(student, name).number("units", 300, 600)}


@cache
def run(work):
    """(longest wait in ns, units done, of them masked, x25, ticks, complaint) after 40 ms."""
    lab = Lab(code_cache=False)
    try:
        source = CLOCK.replace("TICK", TICK).replace("WORK", work).replace("COUNTS", "62500")
        vm = guest(lab, source, "driver")
    except (AxError, TypeError, AttributeError) as error:
        return 0, 0, 0, 0, 0, str(error)
    lab.shell("vm start driver --detach")
    lab.run("40ms")
    x = vm.vcpus[0].cpu.x
    waits = [one.taken - one.raised for one in lab.trace.deliveries() if one.taken is not None]
    return max(waits, default=0), x[27], x[28], x[25], x[19], vm.fault


MISTAKES = [
    (lambda work_6_3: run(work_6_3)[5] != "" and run(work_6_3)[1] == 0,
     "Your work cannot be assembled: the message below has its line."),
    (lambda work_6_3, student: run(work_6_3)[1] != given(student)["units_6_3"],
     "That is not the number of units that was asked for. Count the calls of `unit`; which register does it change?"),
    (lambda work_6_3: run(work_6_3)[2] == 0,
     "No unit is done with interrupts masked. What must not be interrupted, was."),
    (lambda work_6_3: run(work_6_3)[2] < run(work_6_3)[1], "Some units are done with interrupts open."),
    (lambda work_6_3: run(work_6_3)[0] > 1_000_000,
     "A tick waits until all the work is done: it is still one section."),
    (lambda work_6_3: run(work_6_3)[0] > MOST_NS, "The sections are still too long: several units are in one."),
    (lambda work_6_3: run(work_6_3)[3] != 1, "All is done, and `x25` does not say so."),
    (lambda work_6_3: run(work_6_3)[4] < 35,
     "The ticks stop when the work is done. Are interrupts open while it sleeps?"),
]  # fmt: skip


@test_case(points=1, success_message="All the work is done, and nothing interrupts it.")
def test_the_work(work_6_3, student):
    _, units, masked, done, _, wrong = run(work_6_3)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("units done, and of them with interrupts masked", (units, masked), (given(student)["units_6_3"],) * 2)
    expect("x25", done, 1)


@test_case(points=2, success_message="And no tick waits for long.")
def test_the_ticks(work_6_3, student):
    longest, units, _, _, ticks, _ = run(work_6_3)
    expect_that("ticks in 40 ms", ticks >= 38, ticks, "at least 38")
    expect_that("the longest wait of a tick", 0 < longest <= MOST_NS, f"{longest / 1000:g} us", "at most 30 us")
    expect("units done", units, given(student)["units_6_3"])
