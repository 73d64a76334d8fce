"""Exits: syndromes as values, a handler for every one, and what a guest sees afterwards."""

from __future__ import annotations

import typing
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_guests import MS, POWERS_OFF, config, finished, hypervisor, listen, report, reported, started

from axlab.events import Exit as ExitEvent
from axlab.events import Mmio
from axlab.machine.bus import Bus, Claim
from axlab.machine.traps import Trap
from axlab.machine.uart import Pl011
from axlab.units import GuestPhysAddr as Gpa
from axlab.vmm import exits
from axlab.vmm.handlers import HANDLERS

EXIT_TYPES = set(typing.get_args(exits.Exit))


def test_every_exit_has_a_handler_and_a_cost() -> None:
    assert set(HANDLERS) == set(exits.COSTS) == EXIT_TYPES


def bus() -> Bus:
    made = Bus()
    made.attach(Claim("UART", 0x900_0000, 0x1000, Pl011(), 33))
    return made


def decode(esr: int, far: int = 0, hpfar: int = 0, **registers: int) -> exits.Exit:
    x = [0] * 31
    for name, value in registers.items():
        x[int(name[1:])] = value
    return exits.decode(Trap("sync", esr, far, hpfar), SimpleNamespace(x=x), bus())  # type: ignore[arg-type]


def test_a_store_to_a_device_is_an_mmio_write() -> None:
    esr = 0x24 << 26 | 1 << 24 | 2 << 22 | 7 << 16 | 1 << 6 | 0b000111
    made = decode(esr, 0xFFFF_0004, 0x900_0000 >> 8, x7=0x1_2345_6789)
    assert made == exits.MmioWrite(Gpa(0x900_0004), 4, 0x2345_6789)


def test_a_sign_extending_load_of_a_device_is_an_mmio_read() -> None:
    esr = 0x24 << 26 | 1 << 24 | 1 << 22 | 1 << 21 | 5 << 16 | 1 << 15 | 0b000111
    assert decode(esr, 0x18, 0x900_0000 >> 8) == exits.MmioRead(Gpa(0x900_0018), 2, 5, True, True)


def test_a_store_of_the_zero_register_stores_zero() -> None:
    esr = 0x24 << 26 | 1 << 24 | 3 << 22 | 31 << 16 | 1 << 6 | 0b000111
    assert decode(esr, 0, 0x900_0000 >> 8) == exits.MmioWrite(Gpa(0x900_0000), 8, 0)


def test_an_access_where_no_device_is_is_a_nested_page_fault() -> None:
    esr = 0x24 << 26 | 1 << 24 | 1 << 6 | 0b000111
    assert decode(esr, 0x10, 0xA00_0000 >> 8) == exits.NestedPageFault(Gpa(0xA00_0010), "w")


def test_a_page_table_in_nothing_is_a_nested_page_fault_on_a_walk() -> None:
    esr = 0x20 << 26 | 1 << 7 | 0b000111
    assert decode(esr, 0x123, 0xA00_0000 >> 8) == exits.NestedPageFault(Gpa(0xA00_0000), "x", True)


def test_hypercalls_and_firmware_calls_are_told_apart() -> None:
    hvc, smc = 0x16 << 26, 0x17 << 26
    assert decode(hvc, x0=3, x1=7, x6=9) == exits.Hypercall(3, (7, 0, 0, 0, 0, 9))
    assert decode(hvc, x0=0x8400_0000) == exits.FirmwareCall(0x8400_0000, (0, 0, 0))
    assert decode(smc, x0=0x8400_0008) == exits.SystemDown()
    assert decode(hvc, x0=0x8400_0009) == exits.SystemReset()
    assert decode(smc, x0=3) == exits.FirmwareCall(3, (0, 0, 0))


def test_32_bit_calls_see_32_bit_arguments() -> None:
    hvc = 0x16 << 26
    assert decode(hvc, x0=0x8400_0003, x1=1 << 32 | 5, x2=1 << 32 | 8) == exits.CpuUp(5, 8, 0)
    assert decode(hvc, x0=0xC400_0003, x1=1 << 32 | 5) == exits.CpuUp(1 << 32 | 5, 0, 0)


def test_an_sgi_is_taken_apart() -> None:
    value = 1 << 48 | 2 << 32 | 3 << 16 | 5 << 24 | 0b1010 | 1 << 44
    assert exits.decode_sgi(value) == exits.SendIPI(5, 1 << 32 | 2 << 16 | 3 << 8, 16, 0b1010, False)
    assert exits.decode_sgi(1 << 40).to_all


def test_a_system_register_is_named_by_its_encoding() -> None:
    iss = 3 << 20 | 1 << 17 | 3 << 14 | 14 << 10 | 9 << 5 | 2 << 1
    assert decode(0x18 << 26 | iss, x9=5) == exits.SysRegWrite((3, 3, 14, 2, 1), 5)  # CNTP_CTL_EL0
    assert decode(0x18 << 26 | iss | 1) == exits.SysRegRead((3, 3, 14, 2, 1), 9)


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 44) - 1))
def test_any_syndrome_is_some_exit(esr: int, far: int, hpfar: int) -> None:
    assert type(decode(esr, far, hpfar, x0=far)) in EXIT_TYPES


def test_an_unknown_syndrome_is_a_reason_to_fail() -> None:
    assert decode(0x3F << 26) == exits.FailEntry("unhandled exception class 0x3f (ESR 0xfc000000)")


# What guests see


def test_a_guest_prints_on_its_console() -> None:
    hv, vm = started("ldr x1, =0x09000000\n mov w2, #'A'\n strb w2, [x1]\n" + POWERS_OFF)
    seen = listen(hv, Mmio)
    hv.advance(MS)
    assert vm.console.output == b"A"
    assert [(e.address, e.width, e.value, e.is_write, e.device) for e in seen] == [(0x900_0000, 1, 65, True, "UART")]


def test_a_load_is_sign_extended_as_the_instruction_says() -> None:
    source = "ldr x1, =0x09000fe0\n ldrsb x2, [x1, #4]\n ldrsb w3, [x1, #0]\n ldrb w4, [x1, #16]\n"
    vm = finished(source + report("x2", "x3", "x4") + POWERS_OFF)
    assert reported(vm, 3) == [0x10, 0x11, 0x0D]


EMULATED = ("uart", 0x0C00_0000, 0x1000, 33, 2)


@pytest.mark.parametrize(
    ("access", "sent"),
    [
        ("str w2, [x1], #4", b"A"),
        ("stp w2, w3, [x1]", b"A"),
        ("mov v0.s[0], w2\n str s0, [x1]", b"A"),
        ("str w2, [x1, #0]!", b"A"),
    ],
)
def test_stores_that_the_syndrome_does_not_describe_reach_the_device(access: str, sent: bytes) -> None:
    source = "mov x0, #0x300000\n msr cpacr_el1, x0\n isb\n ldr x1, =0x09000000\n mov w2, #65\n mov w3, #0\n"
    vm = finished(source + access + "\n" + report("x1") + POWERS_OFF)
    assert vm.console.output == sent
    assert vm.exits["MmioOther"] == 1
    assert reported(vm) == [0x900_0004 if "#4" in access else 0x900_0000]
    assert vm.state == "Stopped"


def test_loads_that_the_syndrome_does_not_describe_get_the_devices_answer() -> None:
    source = "ldr x1, =0x09000fe0\n ldp w2, w3, [x1], #8\n" + report("x1", "x2", "x3") + POWERS_OFF
    vm = finished(source)
    assert reported(vm, 3) == [0x900_0FE8, 0x11, 0x10]


ABORTS = (
    """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x1, =0x0b000000
{access}:
    {access_text}
    b .
    .balign 2048
vectors: .space 0x200
    mrs x3, esr_el1
    mrs x4, far_el1
    mrs x5, elr_el1
"""
    + report("x3", "x4", "x5")
    + POWERS_OFF
)


@pytest.mark.parametrize(
    ("access", "esr"),
    [("ldr w2, [x1]", 0x9600_0010), ("str w2, [x1]", 0x9600_0050), ("stp x2, x3, [x1]", 0x9600_0050)],
)
def test_an_address_that_nothing_claims_is_an_external_abort_in_the_guest(access: str, esr: int) -> None:
    vm = finished(ABORTS.format(access="here", access_text=access))
    assert vm.state == "Stopped"
    seen_esr, far, elr = reported(vm, 3)
    assert (seen_esr, far) == (esr, 0xB00_0000)
    assert vm.read(elr, 4) != b"\0\0\0\0"


def test_an_undefined_system_register_is_undefined_in_the_guest() -> None:
    source = ABORTS.format(access="here", access_text="mrs x2, s3_7_c15_c15_7")
    assert reported(finished(source), 1) == [0x0200_0000]


def test_the_host_ticks_every_ten_milliseconds_of_a_running_vcpu() -> None:
    hv, vm = started("b .")
    seen = listen(hv, ExitEvent)
    hv.advance(35 * MS)
    assert [(e.reason, e.time) for e in seen] == [("ExternalInterrupt", n * 10 * MS) for n in (1, 2, 3)]
    assert seen[0].cost == exits.COSTS[exits.ExternalInterrupt]


def test_an_exit_has_its_place_and_its_cost() -> None:
    hv, vm = started("nop\n ldr w0, =0x84000000\n hvc #0\n" + POWERS_OFF)
    seen = listen(hv, ExitEvent)
    hv.advance(MS)
    first, last = seen
    assert (first.time, first.pc, first.esr >> 26, first.value) == (300, 0x4008_000C, 0x16, 0x8400_0000)
    assert (first.reason, last.reason) == ("FirmwareCall", "SystemDown")
    assert last.time == first.time + exits.COSTS[exits.FirmwareCall] + 200


def test_exits_are_counted_without_observers() -> None:
    hv = hypervisor()
    vm = hv.create(config("1: ldr w0, =0x84000000\n hvc #0\n subs x9, x9, #1\n b 1b"))
    hv.start(vm)
    hv.advance(MS)
    assert vm.exits["FirmwareCall"] == vm.vcpus[0].exits["FirmwareCall"] > 100
