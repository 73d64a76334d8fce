"""Inter-VM channels: published, subscribed, shared, and gone with their last user."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_guests import MS, POWERS_OFF, SPINS, config, hvc, hypervisor, report, reported, started

from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.ivc import ChannelError
from axlab.vmm.vm import Vm

IVC = ("ivc", 0x6000_0000, 0x10_0000, 0, 0x0A)
BASE, SIZE = 0x4030_0000, 0x4030_0008  # where the guests have the address and the size written


def pair() -> tuple[Hypervisor, Vm, Vm]:
    hv = hypervisor()
    vms = [hv.create(config(SPINS, vm_id=n, passed=("/intc",), emulated=(IVC,))) for n in (1, 2)]
    for vm in vms:
        hv.start(vm)
    return hv, vms[0], vms[1]


def test_a_guest_publishes_a_channel_and_gets_its_place() -> None:
    ask = "ldr x1, =0x40300008\n mov x2, #0x1800\n str x2, [x1]\n"
    look = "ldr x1, =0x60000000\n ldr x3, [x1]\n ldr x4, [x1, #8]\n ldr x5, =0x40300000\n ldp x6, x7, [x5]\n"
    source = ask + hvc(3, 0xBEEF, BASE, SIZE) + look + report("x0", "x3", "x4", "x6", "x7") + "b ."
    hv, vm = started(source, vm_id=5, emulated=(IVC,))
    hv.advance(MS)
    assert reported(vm, 5) == [0, 5, 0xBEEF, 0x6000_0000, 0x2000]


def test_two_guests_share_a_channel() -> None:
    size = "ldr x1, =0x40300008\n mov x2, #0x1000\n str x2, [x1]\n"
    writes = size + hvc(3, 7, BASE, SIZE) + "ldr x1, =0x60000000\n mov x2, #99\n str x2, [x1, #16]\n b ."
    reads = hvc(4, 1, 7, BASE, SIZE) + "cbnz x0, .\n ldr x1, =0x60000000\n ldr x2, [x1, #16]\n" + report("x2") + "b ."
    hv = hypervisor()
    publisher = hv.create(config(writes, vm_id=1, passed=(), emulated=(IVC,)))
    subscriber = hv.create(config(reads, vm_id=2, passed=(), emulated=(IVC,)))
    hv.start(publisher)
    hv.advance(MS)
    hv.start(subscriber)
    hv.advance(2 * MS)
    assert reported(subscriber) == [99]


def test_a_key_that_is_published_already_is_refused() -> None:
    hv, first, _ = pair()
    hv.channels.publish(first, 7, 0x1000)
    with pytest.raises(ChannelError, match=r"^VM\[1\] publishes key 0x7 already$"):
        hv.channels.publish(first, 7, 0x1000)


def test_the_same_key_of_another_vm_is_another_channel() -> None:
    hv, first, second = pair()
    assert hv.channels.publish(first, 7, 1).channel is not hv.channels.publish(second, 7, 1).channel


def test_subscribing_to_nothing_or_twice_is_refused() -> None:
    hv, first, second = pair()
    with pytest.raises(ChannelError, match=r"^VM\[1\] publishes no key 0x7$"):
        hv.channels.subscribe(second, 1, 7)
    hv.channels.publish(first, 7, 1)
    hv.channels.subscribe(second, 1, 7)
    with pytest.raises(ChannelError, match="already"):
        hv.channels.subscribe(second, 1, 7)


def test_a_subscriber_keeps_its_channel_after_it_is_unpublished() -> None:
    hv, first, second = pair()
    channel = hv.channels.publish(first, 7, 0x1000).channel
    held = hv.channels.subscribe(second, 1, 7)
    hv.channels.unpublish(first, 7)
    assert first.read(0x6000_0000, 8) is None
    assert second.read(held.gpa, 8) == (1).to_bytes(8, "little")
    with pytest.raises(ChannelError):
        hv.channels.subscribe(second, 1, 7)
    hv.channels.unsubscribe(second, 1, 7)
    assert hv.channels.channels == []
    assert all(r.base != channel.hpa for r in hv.host_memory.reservations)


def test_the_range_of_the_ivc_device_is_used_again() -> None:
    hv, first, _ = pair()
    with pytest.raises(ChannelError, match="has no 0x200000 bytes left"):
        hv.channels.publish(first, 1, 0x20_0000)
    for key in range(256):
        hv.channels.publish(first, key, 0x1000)
    with pytest.raises(ChannelError, match="left"):
        hv.channels.publish(first, 256, 0x1000)
    hv.channels.unpublish(first, 77)
    assert hv.channels.publish(first, 256, 0x1000).gpa == 0x6000_0000 + 77 * 0x1000


def test_a_guest_that_dies_leaves_nothing_behind() -> None:
    hv, first, second = pair()
    used = hv.host_memory.used()
    hv.channels.publish(first, 7, 0x4000)
    hv.channels.publish(second, 8, 0x4000)
    hv.channels.subscribe(second, 1, 7)
    hv.stop(first, force=True)
    hv.stop(second, force=True)
    hv.advance(hv.now + MS)
    assert (first.state, second.state) == ("Stopped", "Stopped")
    assert (hv.channels.channels, first.channels, second.channels) == ([], [], [])
    tables = sum(len(vm.stage2.tables) for vm in (first, second))
    assert hv.host_memory.used() <= used + tables * 0x1000


def test_results_that_have_no_place_change_nothing() -> None:
    source = hvc(3, 7, 0x2000_0000, SIZE) + report("x0") + POWERS_OFF
    hv, vm = started(source, emulated=(IVC,))
    hv.advance(MS)
    assert reported(vm) == [(1 << 64) - 1]
    assert hv.channels.channels == []


verbs = st.sampled_from(["publish", "subscribe", "unpublish", "unsubscribe"])
steps = st.tuples(verbs, st.booleans(), st.integers(0, 2))


@settings(max_examples=60)
@given(st.lists(steps, max_size=20))
def test_channels_are_as_a_model_of_sets_says(script: list[tuple[str, bool, int]]) -> None:
    hv, *vms = PAIR
    for vm in vms:
        hv.channels.leave_all(vm)
    published: set[tuple[int, int]] = set()
    for step, is_second, key in script:
        vm, other = (vms[1], vms[0]) if is_second else (vms[0], vms[1])
        args = {"publish": (key, 1), "unpublish": (key,)}.get(step, (other.id, key))
        try:
            getattr(hv.channels, step)(vm, *args)
        except ChannelError:
            assert step != "publish" or (vm.id, key) in published
            continue
        if step == "publish":
            published.add((vm.id, key))
        elif step == "unpublish":
            published.remove((vm.id, key))
    assert {(c.publisher, c.key) for c in hv.channels.channels if c.published} == published
    assert all(c.users for c in hv.channels.channels)


PAIR = pair()
