"""Exercise 11.3: who keeps a channel in memory, by the hypervisor's own channels."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed
from axlab.vmm.ivc import ChannelError

OK_FORMAT = False
name = "11.3"
points = 3

HINTS = [
    "A channel has a name (publisher, key) as long as it is published, and users. Which of the two keeps it in memory?",
    "Keep a *list* of channels, each with its publisher, key, whether it is published, and a set of users. Two of them "
    "may have the same name, one published and one left over.",
    "After each call: `channels = [channel for channel in channels if channel.users]`. *unpublish* ends the name and "
    "takes the publisher out of the users; *stop* does so for all channels of the VM, and unsubscribes it from others.",
]
VMS, KEYS = (0, 1, 2), (7, 8)
CALLS = ("publish", "publish", "subscribe", "subscribe", "subscribe", "unpublish", "unsubscribe", "stop")
P, S, U, V = "publish", "subscribe", "unpublish", "unsubscribe"
CASES = {
    "nothing": [],
    "a publisher that unpublished": [(P, 0, 0, 7), (S, 1, 0, 7), (U, 0, 0, 7)],
    "a publisher that stopped": [(P, 0, 0, 7), (S, 1, 0, 7), ("stop", 0, None, None)],
    "all stopped": [(P, 0, 0, 7), (S, 1, 0, 7), ("stop", 1, None, None), ("stop", 0, None, None)],
    "late subscriber": [(P, 0, 0, 7), (S, 1, 0, 7), (U, 0, 0, 7), (S, 2, 0, 7), (V, 1, 0, 7)],
    "the same key again": [(P, 0, 0, 7), (S, 1, 0, 7), (U, 0, 0, 7), (P, 0, 0, 7)],
    "published twice": [(P, 0, 0, 7), (P, 0, 0, 7)],
    "one key, two publishers": [(P, 0, 0, 7), (P, 1, 1, 7)],
}


def made(mine, what, count):
    """So many calls, by chance."""
    calls = []
    for n in range(count):
        call = mine.choice(f"{what} call {n}", CALLS)
        vm = mine.choice(f"{what} vm {n}", VMS)
        other = mine.choice(f"{what} other {n}", tuple(one for one in VMS if one != vm))
        key = mine.choice(f"{what} key {n}", KEYS)
        publisher = vm if call in (P, U) else other
        calls.append((call, vm, None, None) if call == "stop" else (call, vm, publisher, key))
    return calls


def given(student):
    mine = seed(student, name)
    kept = mine.number("kept", 2, 4)  # keys that are published in any case: the answer is never nothing
    return {"calls_11_3": made(mine, "yours", 14) + [(P, n % 3, n % 3, 20 + n) for n in range(kept)]}


@cache
def host():
    lab = Lab(code_cache=False)
    vms = [guest(lab, "loop: wfi\n b loop\n", f"vm{n}", ivc=True) for n in VMS]
    lab.shell("vm start " + " ".join(vm.name for vm in vms) + " --detach")
    return lab, vms


def truth(calls):
    """What the hypervisor itself has left after such calls."""
    lab, vms = host()
    channels = lab.hypervisor.channels
    for what, vm, publisher, key in calls:
        try:
            if what == P:
                channels.publish(vms[vm], key, 4096)
            elif what == S:
                channels.subscribe(vms[vm], publisher, key)
            elif what == U:
                channels.unpublish(vms[vm], key)
            elif what == V:
                channels.unsubscribe(vms[vm], publisher, key)
            else:
                channels.leave_all(vms[vm])
        except ChannelError:
            continue
    left = len(channels.channels)
    for vm in vms:
        channels.leave_all(vm)
    return left


def said(channels_left, what):
    return channels_left(list(CASES[what]))


MISTAKES = [
    (lambda channels_left: not isinstance(said(channels_left, "published twice"), int), "A number is wanted."),
    (lambda channels_left: said(channels_left, "a publisher that unpublished") == 0,
     "With the publisher you throw the page away, and a subscriber still has it mapped (experiment 3)."),
    (lambda channels_left: said(channels_left, "all stopped") > 0,
     "All VMs have stopped, and you keep channels. A VM that stops leaves all its channels."),
    (lambda channels_left: said(channels_left, "late subscriber") > 0,
     "You let a VM subscribe to a channel whose publisher had left. Its name was gone."),
    (lambda channels_left: said(channels_left, "the same key again") < 2,
     "A key is published again while a subscriber still holds the old channel: these are two channels."),
    (lambda channels_left: said(channels_left, "published twice") == 2,
     "A VM publishes a key that it publishes already. That call fails."),
    (lambda channels_left: said(channels_left, "one key, two publishers") < 2,
     "The same key of another VM is another channel: its name is publisher *and* key."),
]  # fmt: skip


@test_case(points=1)
def test_your_calls(channels_left, student):
    calls = given(student)["calls_11_3"]
    expect("channels_left(calls_11_3)", channels_left(list(calls)), truth(calls))


@test_case(points=2, success_message="As the hypervisor itself.")
def test_others(channels_left, student):
    for what, calls in CASES.items():
        expect(f"channels_left, {what}", channels_left(list(calls)), truth(calls))
    for n in range(20):
        calls = made(seed(student, name), f"other {n}", 25)
        expect(f"channels_left of {len(calls)} other calls", channels_left(list(calls)), truth(calls))
