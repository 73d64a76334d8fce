"""Exercise 5.3: a scheduler of one's own, on a known load."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "5.3"
points = 4

HINTS = [
    "How can a scheduler that knows no names tell the two kinds apart? Look at how long they have run in all.",
    "Add what each task ran to `task.virtual_ns` in `ran`. One that has run far less than the others goes first at "
    "once. Between equals, who was interrupted goes on, until its turn has lasted for some 8 ms.",
    "Keep `self.turn`, the name of the one whose turn it is, and `self.used`, how long it has had it. `choose` gives "
    "the CPU back to `self.turn` while `self.used` is small; `preempts` is True for a far lighter one, or when it is "
    "not small any more.",
]

COUNTS = "_start: add x19, x19, #1\n b _start"
TICKER = """
        .include "axlab.S"
_start: mov     x0, #1 << 27
        bl      gic_enable
again:  ldr     x0, =62500
        bl      timer_in
        wfi
        mrs     x2, icc_iar1_el1
        bl      timer_off
        msr     icc_eoir1_el1, x2
        add     x19, x19, #1
        b       again
"""


@cache
def measured(scheduler, student):
    """(longest wait of the ticker in ms, shares of the others, changes, complaint) over 100 ms."""
    mine = seed(student, name)
    try:
        lab = Lab(cpus=1, tick="1ms", scheduler=scheduler, code_cache=False)
        order = mine.shuffled("order", [("alpha", COUNTS), ("beta", COUNTS), ("gamma", TICKER)])
        vms = {vm: guest(lab, source, vm).id for vm, source in order}
        lab.shell("vm start all --detach")
        lab.run("100ms")
    except AxError as error:
        return 0.0, [0.0, 0.0], 0, str(error)
    rows = {row.vm: row for row in lab.trace.sched().itertuples()}
    shares = [100 * rows[vms[vm]].running / lab.now for vm in ("alpha", "beta")]
    others = {vms["alpha"], vms["beta"]}
    runs = [span.vm for span in lab.trace.spans() if span.state == "Running" and span.vm in others]
    changes = sum(one != two for one, two in zip(runs, runs[1:], strict=False))
    woken = [span.length for span in lab.trace.spans(vms["gamma"]) if span.state == "Ready" and span.begin]
    return max(woken, default=lab.now) / 1e6, shares, changes, ""


MISTAKES = [
    (lambda mine_5_3, student: "is no scheduler" in measured(mine_5_3, student)[3] or not callable(mine_5_3),
     "`mine_5_3` is no scheduler: write the class there, `mine_5_3 = Mine`, and not its name as text."),
    (lambda mine_5_3, student: measured(mine_5_3, student)[3] != "",
     "Your scheduler raised an exception or answered what is no answer. The message below has its line."),
    (lambda mine_5_3, student: min(measured(mine_5_3, student)[1]) < 5,
     "One of the two that count hardly gets the CPU at all. `preempts` never says True for it, or `choose` always "
     "takes the other."),
    (lambda mine_5_3, student: measured(mine_5_3, student)[0] > 5,
     "The ticker waits for many ticks. Who wakes must not have to wait until a whole time slice is over."),
    (lambda mine_5_3, student: measured(mine_5_3, student)[2] > 30,
     "The two that count change places at every other tick. They are equal: between them a longer slice does as well."),
    (lambda mine_5_3, student: min(measured(mine_5_3, student)[1]) < 45,
     "The two that count get unequal shares. Whose turn is it when the ticker is asleep again?"),
]  # fmt: skip


@test_case(points=1, success_message="It schedules.")
def test_it_is_a_scheduler(mine_5_3, student):
    expect("what was wrong with it", measured(mine_5_3, student)[3] or "nothing", "nothing")


@test_case(points=1, success_message="Who wakes is served.")
def test_the_ticker(mine_5_3, student):
    wait, _, _, wrong = measured(mine_5_3, student)
    expect_that("the ticker's longest wait", not wrong and wait <= 1.1, wrong or f"{wait:.2f} ms", "at most 1.1 ms")


@test_case(points=1, success_message="Who computes gets an equal share.")
def test_the_shares(mine_5_3, student):
    _, shares, _, wrong = measured(mine_5_3, student)
    got = wrong or " and ".join(f"{share:.1f} %" for share in shares)
    expect_that("the shares of the two others", min(shares) >= 45, got, "at least 45 % each")


@test_case(points=1, success_message="And is left alone for a while.")
def test_the_changes(mine_5_3, student):
    _, shares, changes, wrong = measured(mine_5_3, student)
    good = not wrong and min(shares) > 5 and changes <= 30
    expect_that("how often they change places", good, wrong or changes, "at most 30, with both of them running")
