"""Exercise 6.1: an interrupt handler, by what it counts."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "6.1"
points = 3

HINTS = [
    "Begin with the handler of experiment 1. What has to happen at the device, and what at the interrupt controller?",
    "A multiple: `udiv x11, x19, x12` and `msub x13, x11, x12, x19` give the rest, with the number in `x12`.",
    "`cbnz x13, 1f` / `add x24, x24, #1` / `1:`, before `msr icc_eoir1_el1, x10` and `eret`.",
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

COMPUTES = "main: add x22, x22, #1\n b main\n"
RUN_US = 20_500


def given(student):
    mine = seed(student, name)
    return {"period_6_1": 100 * mine.number("period", 5, 12), "every_6_1": mine.number("every", 2, 13)}


@cache
def run(tick, period):
    """(x19, x24, x22, whether 27 is active, complaint) after 20.5 ms."""
    lab = Lab(code_cache=False)
    counts = str(period * 125 // 2)
    try:
        source = CLOCK.replace("TICK", tick).replace("WORK", COMPUTES).replace("COUNTS", counts)
        vm = guest(lab, source, "clock")
    except (AxError, TypeError, AttributeError) as error:
        return 0, 0, 0, False, str(error)
    lab.shell("vm start clock --detach")
    lab.run(f"{RUN_US}us")
    x = vm.vcpus[0].cpu.x
    return x[19], x[24], x[22], bool(vm.gic.gic.private[0].active >> 27 & 1), vm.fault


def rings(student):
    return RUN_US // given(student)["period_6_1"]


def counted(tick, student):
    return run(tick, given(student)["period_6_1"])


MISTAKES = [
    (lambda tick_6_1, student: counted(tick_6_1, student)[4] != "" and counted(tick_6_1, student)[2] == 0,
     "Your handler cannot be assembled, or it breaks the guest: the message below says where."),
    (lambda tick_6_1, student: counted(tick_6_1, student)[0] > 2 * rings(student),
     "It counts much too much: the timer's line stays up, and the interrupt comes again at once."),
    (lambda tick_6_1, student: counted(tick_6_1, student)[0] == 1,
     "It counts to one and no further. What did you not tell the interrupt controller?"),
    (lambda tick_6_1, student: counted(tick_6_1, student)[0] == 0,
     "It does not count at all. Does it come to its `eret`, and does it change `x19`?"),
    (lambda tick_6_1, student: counted(tick_6_1, student)[1] == counted(tick_6_1, student)[0] > 0,
     "`x24` counts each ring. It is for every `every_6_1`-th only."),
    (lambda tick_6_1, student: counted(tick_6_1, student)[0] == rings(student) and counted(tick_6_1, student)[1] == 0,
     "The rings are right, and `x24` is never changed."),
]  # fmt: skip


@test_case(points=2, success_message="It rings.")
def test_rings(tick_6_1, student):
    x19, _, x22, _, wrong = counted(tick_6_1, student)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("x19 after 20.5 ms", x19, rings(student))
    expect_that("the work that is done meanwhile", x22 > 50_000, x22, "more than 50000 turns")


@test_case(points=1, success_message="And counts every n-th.")
def test_every(tick_6_1, student):
    expect("x24 after 20.5 ms", counted(tick_6_1, student)[1], rings(student) // given(student)["every_6_1"])
