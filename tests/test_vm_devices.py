"""Devices of a VM: consoles of its own, devices of the board with one owner, flash, addresses that are moved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_guests import (
    MS,
    POWERS_OFF,
    SLEEPS_FOR_EVER,
    SPINS,
    config,
    hypervisor,
    listen,
    report,
    reported,
    started,
)

from axlab.errors import AxError, Refused
from axlab.events import Console
from axlab.vmm.config import AxlabConfig, PassthroughDevice


def test_two_guests_that_both_use_a_uart_keep_separate_consoles() -> None:
    prints = "ldr x1, =0x09000000\n mov w2, #{letter}\n strb w2, [x1]\n" + POWERS_OFF
    hv = hypervisor()
    vms = [hv.create(config(prints.format(letter=65 + n), vm_id=n)) for n in range(2)]
    seen = listen(hv, Console)
    for vm in vms:
        hv.start(vm)
    hv.advance(MS)
    assert [vm.console.output for vm in vms] == [b"A", b"B"]
    assert [(e.vm, e.data) for e in seen] == [(0, b"A"), (1, b"B")]


ECHOES = "ldr x1, =0x09000000\n1: ldr w2, [x1, #0x18]\n tbnz w2, #4, 1b\n ldr w3, [x1]\n str w3, [x1]\n b 1b"


def test_what_is_typed_waits_until_the_guest_takes_it() -> None:
    hv, vm = started(ECHOES)
    hv.advance(MS)
    hv.console_input(vm, b"0123456789" * 5)
    assert len(vm.console.pending) > 0
    hv.advance(10 * MS)
    assert vm.console.output == b"0123456789" * 5
    assert vm.console.pending == b""


def test_what_is_typed_before_the_start_waits_for_the_guest() -> None:
    hv = hypervisor()
    vm = hv.create(config(ECHOES))
    hv.console_input(vm, b"early")
    hv.start(vm)
    hv.advance(5 * MS)
    assert vm.console.output == b"early"


def test_an_emulated_console_is_where_the_configuration_says() -> None:
    source = "ldr x1, =0x0c000000\n mov w2, #'x'\n str w2, [x1]\n" + POWERS_OFF
    hv, vm = started(source, passed=(), mode="emulated", emulated=(("uart", 0x0C00_0000, 0x1000, 33, 2),))
    hv.advance(MS)
    assert vm.console.output == b"x"


def test_a_device_of_the_board_has_one_owner() -> None:
    hv = hypervisor()
    first, second = (hv.create(config(SLEEPS_FOR_EVER, vm_id=n, passed=("/pl031",))) for n in range(2))
    hv.start(first)
    with pytest.raises(AxError, match=r"^device RTC \(/pl031@9010000\) belongs to VM\[0\]$"):
        hv.start(second)
    assert (second.state, hv.running_vms, second.on_vcpus) == ("Loaded", 1, [])
    hv.stop(first, force=True)
    hv.advance(hv.now + MS)
    hv.start(second)
    assert second.state == "Running"


def test_a_device_of_the_board_is_reached_without_an_exit() -> None:
    hv, vm = started("ldr x1, =0x09010000\n ldr w2, [x1]\n" + report("x2") + POWERS_OFF, passed=("/",))
    hv.advance(MS)
    assert reported(vm) == [1_704_067_200]
    assert set(vm.exits) == {"SystemDown"}


def test_a_device_that_shares_its_page_is_reached_by_exits_and_nothing_beside_it() -> None:
    """Fix 25 maps whole pages where an address range is given; a device by its path gives nothing away."""
    magic = 0x7472_6976  # of virtio-mmio: "virt"
    source = (
        """
    ldr x1, =0x0a000200
    ldr w2, [x1]
    adr x3, vectors
    msr vbar_el1, x3
    ldr w4, [x1, #0x200]
    b .
    .balign 2048
vectors: .space 0x200
    mov x4, #1
"""
        + report("x2", "x4")
        + POWERS_OFF
    )
    hv, vm = started(source, passed=("/virtio_mmio@a000200",))
    hv.advance(MS)
    assert reported(vm, 2) == [magic, 1]
    assert vm.exits["MmioRead"] == 1


def test_a_device_that_was_given_another_address_is_found_there() -> None:
    """Fix 25: the original ignores hpa."""
    source = "ldr x1, =0x0c000000\n ldr w2, [x1]\n" + report("x2") + POWERS_OFF
    made = config(source)
    moved = PassthroughDevice(name="clock", gpa=0xC00_0000, hpa=0x901_0000, length=0x1000, irq=34)
    hv = hypervisor()
    vm = hv.create(replace(made, devices=replace(made.devices, passthrough_devices=(moved,))))
    hv.start(vm)
    hv.advance(MS)
    assert reported(vm) == [1_704_067_200]


def test_two_gic_versions_under_passthrough_are_refused() -> None:
    hv = hypervisor()
    first = hv.create(config(SLEEPS_FOR_EVER))
    second = hv.create(config(SLEEPS_FOR_EVER, vm_id=1, axlab=AxlabConfig(gic_version=2)))
    hv.start(first)
    with pytest.raises(AxError, match=r"^the board's GIC is version 3 while VM\[0\] runs, VM\[1\] wants version 2$"):
        hv.start(second)


def test_flash_is_read_as_memory_and_commanded_by_exits() -> None:
    source = (
        """
    ldr x1, =0x04000000
    ldr w2, [x1]
    mov w5, #0x98
    str w5, [x1, #0x154]
    ldr w3, [x1, #0x40]
    mov w5, #0xff
    str w5, [x1]
    ldr w4, [x1, #0x40]
"""
        + report("x2", "x3", "x4")
        + POWERS_OFF
    )
    hv, vm = started(source, passed=("/",))
    hv.advance(MS)
    assert reported(vm, 3) == [0, 0x510051, 0]  # Q of both chips
    assert (vm.exits["MmioWrite"], vm.exits["MmioRead"]) == (2, 1)


def test_a_vm_that_is_not_running_cannot_be_reset() -> None:
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    with pytest.raises(Refused, match="^VM is not running, cannot reset$"):
        hv.reset(vm)
    hv.start(vm)
    hv.advance(MS)
    hv.reset(vm)
    hv.advance(2 * MS)
    assert (vm.state, vm.vcpus[0].power) == ("Running", "On")
    assert vm.started_at > MS


def test_a_device_that_changes_its_owner_begins_anew() -> None:
    source = "ldr x1, =0x09030000\n ldr w2, [x1, #0x410]\n mov w3, #8\n str w3, [x1, #0x410]\n"
    source += report("x2") + POWERS_OFF
    hv = hypervisor()
    for vm_id in range(2):
        vm = hv.create(config(source, vm_id=vm_id, passed=("/",)))
        hv.start(vm)
        hv.advance(hv.now + MS)
        assert (vm.state, reported(vm)) == ("Stopped", [0])
