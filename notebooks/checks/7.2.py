"""Exercise 7.2: a lock, by what three vCPUs count under it."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest
from axlab.errors import AxError

OK_FORMAT = False
name = "7.2"
points = 3

HINTS = [
    "Taking a lock is: see that it is 0 and make it 1, as one step. Which two instructions of experiment 3 do that?",
    "`lock`: `ldxr w9, [x0]`; not 0: begin anew; `stxr w10, w11, [x0]` with 1 in `w11`; refused: begin anew. "
    "`unlock` stores 0.",
    "`lock: mov w11, #1` / `1: ldaxr w9, [x0]` / `cbnz w9, 1b` / `stxr w10, w11, [x0]` / `cbnz w10, 1b` / `ret`, and "
    "`unlock: stlr wzr, [x0]` / `ret`.",
]

TURNS = 1000
USERS = """
        .include "axlab.S"
_start: mov     x1, #1
        adr     x2, work
        bl      start_vcpu
        mov     x1, #2
        adr     x2, work
        bl      start_vcpu
work:   mov     x5, #TURNS
again:  adr     x0, the_lock
        bl      lock
        adr     x4, counter
        ldr     x6, [x4]
        add     x6, x6, #1
        add     x7, x7, #1
        str     x6, [x4]
        adr     x0, the_lock
        bl      unlock
        subs    x5, x5, #1
        b.ne    again
        mov     x19, #1
        b       vcpu_off
        .balign 8
counter: .quad  0
the_lock: .quad 0
"""


@cache
def counted(lock):
    """(the greatest sum that a vCPU stored, how many vCPUs came to their end, complaint) after 25 ms at most."""
    lab = Lab(code_cache=False)
    try:
        vm = guest(lab, USERS.replace("TURNS", str(TURNS)) + str(lock) + "\n", "users", cpus=3)
    except AxError as error:
        return 0, 0, str(error)
    lab.shell("vm start users --detach; vm run --for 25ms")
    return max(vcpu.cpu.x[6] for vcpu in vm.vcpus), sum(vcpu.cpu.x[19] for vcpu in vm.vcpus), vm.fault


TWICE = """
_start: adr     x0, the_lock
        bl      lock
        adr     x0, the_lock
        bl      lock
        mov     x19, #1
end:    b       end
        .balign 8
the_lock: .quad 0
"""


@cache
def closes(lock):
    """Whether a lock that was taken is not taken again."""
    lab = Lab(code_cache=False)
    try:
        vm = guest(lab, TWICE + str(lock) + "\n", "twice")
    except AxError:
        return True
    lab.shell("vm start twice --detach; vm run --for 100us")
    return vm.vcpus[0].cpu.x[19] == 0


MISTAKES = [
    (lambda lock_7_2: "lock" in counted(lock_7_2)[2] and "VCpu" not in counted(lock_7_2)[2],
     "There is no routine `lock`, or none `unlock`: both have to be labels of your text."),
    (lambda lock_7_2: counted(lock_7_2)[2] != "", "Your text cannot be assembled, or the guest broke: see below."),
    (lambda lock_7_2: not closes(lock_7_2), "A lock that was taken can be taken once more. Two can be in at once."),
    (lambda lock_7_2: counted(lock_7_2)[1] == 3 and counted(lock_7_2)[0] < 3 * TURNS,
     "Some additions are lost. `stxr` may say no: does your code look?"),
    (lambda lock_7_2: counted(lock_7_2)[1] == 0 and counted(lock_7_2)[0] <= 1,
     "After the first addition everybody waits for ever. Who opens the lock again?"),
    (lambda lock_7_2: counted(lock_7_2)[1] < 3,
     "Not all vCPUs come to their end. Does each of them get the lock some time?"),
]  # fmt: skip


@test_case(points=1, success_message="Everybody comes through.")
def test_all_end(lock_7_2):
    _, ended, wrong = counted(lock_7_2)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("vCPUs that came to their end", ended, 3)


@test_case(points=2, success_message="And nothing is lost.")
def test_nothing_is_lost(lock_7_2):
    expect("the counter", counted(lock_7_2)[0], 3 * TURNS)
