"""Exercise 11.1: a subscriber, by the word that it finds in a channel that comes late and at another address."""

from dataclasses import replace
from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "11.1"
points = 3

HINTS = [
    "What is in `x0` after the call if there is no such channel yet? And who says where the channel is?",
    "The listener of experiment 2 subscribes until it succeeds (`cbnz x0, _start`), and loads the address that the "
    "hypervisor wrote to `place`. Add your offset to that.",
    "`mov x0, #HVC_IVC_SUBSCRIBE` / `mov x1, #0` / `mov x2, #KEY` / `adr x3, place` / `adr x4, size` / `hvc #0` / "
    "`cbnz x0, _start` / `ldr x9, place` / `mov x10, #OFFSET` / `ldr x19, [x9, x10]`, and a loop with `wfi`.",
]
SLEEPS = "sleep: wfi\n b sleep\n"
SUBSCRIBE = 4
IVC, BASE = 0x0A, 0x0D00_0000


def given(student):
    mine = seed(student, name)
    return {"key_11_1": mine.number("key", 1000, 60000), "at_11_1": 8 * mine.number("at", 2, 500)}


def word(student):
    return seed(student, name).number("word", 100_000, 1_000_000)


@cache
def run(source, student):
    """(x19, [(number, args, result)] of its calls, complaint): the channel comes after 1 ms, the end after 2 ms."""
    mine = given(student)
    lab = Lab(code_cache=False)
    publisher = guest(lab, SLEEPS, "publisher", ivc=True)
    try:
        vm = guest(lab, source, "subscriber", ivc=True)
    except (AxError, TypeError, AttributeError) as error:
        return None, [], str(error)
    devices = tuple(replace(one, base=BASE) if one.type == IVC else one for one in vm.config.devices.emu_devices)
    config = replace(vm.config, devices=replace(vm.config.devices, emu_devices=devices))
    lab.hypervisor.remove(vm)
    vm = lab.create(config)
    lab.shell("vm start publisher subscriber --detach; vm run --for 1ms")
    channel = lab.hypervisor.channels.publish(publisher, mine["key_11_1"], 4096).channel
    lab.board.memory.write_int(channel.hpa + mine["at_11_1"], 8, word(student))
    lab.shell("vm run --for 1ms")
    calls = lab.trace.frame("hypercalls")
    rows = [(int(row.number), tuple(row.args), int(row.result)) for row in calls.itertuples()]
    return vm.vcpus[0].cpu.x[19], rows, vm.fault


def subscribed(source, student):
    """Its calls to subscribe."""
    return [row for row in run(source, student)[1] if row[0] == SUBSCRIBE]


MISTAKES = [
    (lambda source_11_1, student: run(source_11_1, student)[0] is None,
     "Your source cannot be assembled: the message below has its line."),
    (lambda source_11_1, student: not subscribed(source_11_1, student),
     "It never asks to subscribe: that is the hypercall HVC_IVC_SUBSCRIBE, with its number in `x0`."),
    (lambda source_11_1, student: all(
        row[1][:2] != (0, given(student)["key_11_1"]) for row in subscribed(source_11_1, student)),
     "It asks for another channel. `x1` is the VM that publishes, `x2` the key; and an `hvc` may change `x0` to `x3`."),
    (lambda source_11_1, student: len(subscribed(source_11_1, student)) == 1
     and subscribed(source_11_1, student)[0][2] != 0,
     "It asked once, too early, and took no notice of the answer. -1 in `x0` means: not yet. Ask again."),
    (lambda source_11_1, student: run(source_11_1, student)[2] != "",
     "The guest broke, by an access to an address where nothing is. The hypervisor said where the channel is: "
     "it wrote that to the place that you named in `x3`."),
    (lambda source_11_1, student: run(source_11_1, student)[0] in (BASE, BASE + given(student)["at_11_1"]),
     "`x19` is the *address*. The word lies there; load it."),
    (lambda source_11_1, student: run(source_11_1, student)[0] == 0,
     "It has the channel, and reads 0. Is the offset counted from the channel's first byte, header and all?"),
]  # fmt: skip


@test_case(points=1, success_message="It has the channel.")
def test_it_subscribes(source_11_1, student):
    _, calls, wrong = run(source_11_1, student)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect_that("its last call", bool(calls) and calls[-1][2] == 0, calls[-1:], "one that succeeds")


@test_case(points=2, success_message="And the word.")
def test_it_has_the_word(source_11_1, student):
    expect("x19", run(source_11_1, student)[0], word(student))
