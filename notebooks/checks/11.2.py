"""Exercise 11.2: a ring between two VMs, by the words that arrive at the other end."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest
from axlab.errors import AxError

OK_FORMAT = False
name = "11.2"
points = 4

HINTS = [
    "sent - received is how many words are in the ring. With which number is it full, and with which empty?",
    "`send`: load both numbers until their difference is not 8; store the word to slot (sent modulo 8), and only then "
    "sent + 1. `receive` is its mirror image: until they differ; load the word, and only then received + 1.",
    "`send: ldr x9, [x0]` / `1: add x10, x0, #8` / `ldar x11, [x10]` / `sub x12, x9, x11` / `cmp x12, #8` / `b.eq 1b` "
    "/ `and x12, x9, #7` / `add x13, x0, #16` / `str x1, [x13, x12, lsl #3]` / `add x9, x9, #1` / `stlr x9, [x0]` / "
    "`ret`.",
]

WORDS = [7 * n * n + 3 for n in range(1, 41)]
RING = 0x0C00_0010  # where both have it
HEARD = 0x4020_0000  # where the listener keeps what it hears
SLOTS_END = 16 + 16 + 64  # offset in the channel
USER = """
        .include "axlab.S"
_start: mov     x0, #CALL
        ARGUMENTS
        adr     x20, place
        hvc     #0
        cbnz    x0, _start
        ldr     x19, place
        add     x19, x19, #16
        mov     x21, #1
        ldr     x22, =0x40200000
again:  mov     x8, #THINK
1:      subs    x8, x8, #1
        b.ne    1b
        mov     x0, x19
        USE
        add     x21, x21, #1
        cmp     x21, #40
        b.ls    again
sleep:  wfi
        b       sleep
        .balign 8
place:  .quad   0
size:   .quad   4096
"""
SEND = "mul x1, x21, x21\n mov x2, #7\n mul x1, x1, x2\n add x1, x1, #3\n bl send\n"
RECEIVE = "bl receive\n str x0, [x22], #8\n"
PLACES = {
    "HVC_IVC_PUBLISH": "mov x1, #7\n adr x2, place\n adr x3, size",
    "HVC_IVC_SUBSCRIBE": "mov x1, #0\n mov x2, #7\n adr x3, place\n adr x4, size",
}


def user(lab, vm, call, use, think, ring):
    source = USER.replace("#CALL", f"#{call}").replace("ARGUMENTS", PLACES[call])
    source = source.replace("#THINK", f"#{think}").replace("USE", use)
    return guest(lab, f"{source}\n{ring}\n", vm, ivc=True)


@cache
def run(ring, talks=5, hears=5):
    """(words that arrived, how many were sent, whether the page behind the ring is as it was, complaint)."""
    lab = Lab(code_cache=False)
    try:
        talker = user(lab, "talker", "HVC_IVC_PUBLISH", SEND, talks, ring)
        listener = user(lab, "listener", "HVC_IVC_SUBSCRIBE", RECEIVE, hears, ring)
    except AxError as error:
        return [], 0, True, str(error)
    lab.shell("vm start talker listener --detach; vm run --for 8ms")
    count = listener.vcpus[0].cpu.x[21] - 1
    data = listener.read(HEARD, 8 * len(WORDS)) or b""
    heard = [int.from_bytes(data[8 * n : 8 * n + 8], "little") for n in range(min(count, len(WORDS)))]
    behind = [lab.board.memory.read_int(c.hpa + SLOTS_END, 8) for c in lab.hypervisor.channels.channels]
    return heard, talker.vcpus[0].cpu.x[21] - 1, not any(behind), talker.fault or listener.fault


@cache
def alone(ring, use, times):
    """How many times a guest that is alone with an empty ring comes back, of so many."""
    lab = Lab(code_cache=False)
    vm = user(lab, "alone", "HVC_IVC_PUBLISH", use, 5, ring)
    lab.shell("vm start alone --detach; vm run --for 1ms")
    return min(vm.vcpus[0].cpu.x[21] - 1, times)


@cache
def first_steps(ring):
    """What the talker writes to the ring first, and what the listener does first: read a slot or write `received`."""
    lab = Lab(code_cache=False)
    user(lab, "talker", "HVC_IVC_PUBLISH", SEND, 5, ring)
    user(lab, "listener", "HVC_IVC_SUBSCRIBE", RECEIVE, 5, ring)
    lab.trace.record("memory")
    lab.shell("vm start talker listener --detach; vm run --for 300us")
    seen = lab.trace.frame("accesses")
    seen = seen[(seen["address"] >= RING) & (seen["address"] < RING + 80)]
    writes = seen[(seen["vm"] == 0) & seen["is_write"]]["address"]
    is_slot = seen["address"] >= RING + 16
    takes = seen[(seen["vm"] == 1) & ((is_slot & ~seen["is_write"]) | (~is_slot & seen["is_write"]))]["address"]
    return tuple("slot" if int(one.iloc[0]) >= RING + 16 else "number" for one in (writes, takes))


SLOW = {"both fast": (5, 5), "a slow talker": (400, 5), "a slow listener": (5, 400)}

MISTAKES = [
    (lambda ring_11_2: not run(ring_11_2)[0] and run(ring_11_2)[1] == 0 and run(ring_11_2)[3] != ""
     and "VCpu" not in run(ring_11_2)[3],
     "Your text cannot be assembled with the guests that use it. Both `send` and `receive` have to be labels of it."),
    (lambda ring_11_2: run(ring_11_2)[3] != "",
     "A guest broke. Do the routines keep `x16` to `x30`, and end by `ret`?"),
    (lambda ring_11_2: not run(ring_11_2)[2],
     "Words are written *behind* the ring. The number of words sent grows for ever; the slot is its remainder by 8."),
    (lambda ring_11_2: alone(ring_11_2, SEND, 40) > 8,
     "With nobody to receive, `send` took more than 8 words. Some were overwritten before anyone read them: "
     "a full ring has to be waited for."),
    (lambda ring_11_2: alone(ring_11_2, RECEIVE, 40) > 0,
     "`receive` came back from a ring into which nothing was ever sent. An empty ring has to be waited for."),
    (lambda ring_11_2: alone(ring_11_2, SEND, 40) < 8,
     "The ring is empty, and `send` waits before 8 words are in it: it has eight slots."),
    (lambda ring_11_2: len(run(ring_11_2)[0]) < len(WORDS),
     "The two wait for each other. Who says that a word is out?"),
    (lambda ring_11_2: first_steps(ring_11_2)[0] == "number",
     "`send` says that a word is there before it is. Whoever looks in between reads an old one (experiment 4)."),
    (lambda ring_11_2: first_steps(ring_11_2)[1] == "number",
     "`receive` gives the slot back before it has read it. The talker may be faster."),
    (lambda ring_11_2: sorted(run(ring_11_2)[0]) != WORDS,
     "As many words arrive as were sent, and not the same ones. Do both sides count the slots alike?"),
]  # fmt: skip


@test_case(points=2, success_message="All words arrive.")
def test_all_words_arrive(ring_11_2):
    heard, _, clean, wrong = run(ring_11_2)
    expect_that("the guests", not wrong, wrong, "no fault")
    expect("the words that were received", heard, WORDS)
    expect("what `send` writes first, and what `receive` does first", first_steps(ring_11_2), ("slot", "slot"))
    expect_that("the page behind the ring", clean, "written", "untouched")


@test_case(points=1, success_message="It waits when it is full, and when it is empty.")
def test_it_waits(ring_11_2):
    expect("words that `send` takes while nobody receives", alone(ring_11_2, SEND, 40), 8)
    expect("words that `receive` finds in an empty ring", alone(ring_11_2, RECEIVE, 40), 0)


@test_case(points=1, success_message="Whoever is the slower.")
def test_slow_users(ring_11_2):
    for what, (talks, hears) in SLOW.items():
        expect(f"the words received, with {what}", run(ring_11_2, talks, hears)[0], WORDS)
