"""Interrupts as guests get them: timers, IPIs, injected ones, devices; asleep or awake, GICv3 and GICv2."""

from __future__ import annotations

import pytest
from small_guests import (
    MS,
    POWERS_OFF,
    SPINS,
    report,
    reported,
    started,
)

from axlab.errors import AxError
from axlab.vmm.config import AxlabConfig

HANDLER = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    mov w1, #-1
    str w1, [x0, #0x84]
    str w1, [x0, #0x104]
    ldr x0, =0x080b0000
    str w1, [x0, #0x80]
    str w1, [x0, #0x100]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    {set_up}
    msr daifclr, #2
1:  {wait}
    b 1b
    .balign 2048
vectors: .space 0x280
    mrs x9, icc_iar1_el1
    {on_interrupt}
    msr icc_eoir1_el1, x9
    mrs x10, elr_el1
"""


def handler(on_interrupt: str = "", set_up: str = "", wait: str = "wfi") -> str:
    body = HANDLER.format(on_interrupt=on_interrupt, set_up=set_up, wait=wait)
    return body + report("x9", "x11") + POWERS_OFF


PHYSICAL_TIMER = "mov x0, #1000\n msr cntp_tval_el0, x0\n mov x0, #1\n msr cntp_ctl_el0, x0\n"
VIRTUAL_TIMER = "mov x0, #1000\n msr cntv_tval_el0, x0\n mov x0, #1\n msr cntv_ctl_el0, x0\n"


@pytest.mark.parametrize("wait", ["wfi", "nop"])
@pytest.mark.parametrize(("set_up", "intid"), [(PHYSICAL_TIMER, 30), (VIRTUAL_TIMER, 27)])
def test_both_timers_interrupt_whether_the_guest_sleeps_or_spins(set_up: str, intid: int, wait: str) -> None:
    since = "mrs x11, cntvct_el0\n sub x11, x11, x12"
    hv, vm = started(handler(set_up="mrs x12, cntvct_el0\n" + set_up, wait=wait, on_interrupt=since))
    hv.advance(5 * MS)
    assert vm.state == "Stopped"
    got, passed = reported(vm, 2)
    assert got == intid
    assert 1000 <= passed < 1500
    assert vm.exits["SysRegWrite"] == (2 if intid == 30 else 0)


def test_the_physical_timer_reads_as_it_was_written() -> None:
    source = PHYSICAL_TIMER + "mrs x1, cntp_ctl_el0\n mrs x2, cntp_tval_el0\n" + report("x1", "x2") + POWERS_OFF
    hv, vm = started(source)
    hv.advance(MS)
    control, left = reported(vm, 2)
    assert control == 1
    assert 0 < left <= 1000


@pytest.mark.parametrize("wait", ["wfi", "nop"])
def test_an_injected_interrupt_arrives(wait: str) -> None:
    hv, vm = started(handler(wait=wait), passed=("/",))
    hv.advance(MS)
    hv.inject(vm, 0, 20)
    hv.advance(2 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [20])


def test_more_interrupts_than_list_registers_all_arrive() -> None:
    source = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    mov w1, #-1
    str w1, [x0, #0x84]
    str w1, [x0, #0x88]
    str w1, [x0, #0x104]
    str w1, [x0, #0x108]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    ldr x5, =0x40300000
    wfi
    msr daifclr, #2
1:  wfi
    b 1b
    .balign 2048
vectors: .space 0x280
    mrs x9, icc_iar1_el1
    str x9, [x5], #8
    msr icc_eoir1_el1, x9
    eret
"""
    hv, vm = started(source, mode="emulated", passed=("/pl011",))
    assert hv.advance(MS) == "idle"
    for intid in range(32, 92):
        hv.inject(vm, 0, intid)
    hv.advance(hv.now + MS)
    assert sorted(reported(vm, 60)) == list(range(32, 92))


def test_typing_wakes_a_guest_that_sleeps_until_its_uart_interrupts() -> None:
    unmask = "ldr x1, =0x09000000\n mov w2, #0x10\n str w2, [x1, #0x38]\n"
    hv, vm = started(handler(set_up=unmask, on_interrupt="ldr x1, =0x09000000\n ldr w11, [x1]"))
    assert hv.advance(MS) == "idle"
    hv.console_input(vm, b"k")
    hv.advance(hv.now + MS)
    assert (vm.state, reported(vm, 2)) == ("Stopped", [33, ord("k")])


def test_the_alarm_of_the_real_time_clock_wakes_its_owner() -> None:
    alarm = "ldr x1, =0x09010000\n ldr w2, [x1]\n add w2, w2, #2\n str w2, [x1, #4]\n"
    alarm += "mov w2, #1\n str w2, [x1, #0x10]\n"
    hv, vm = started(handler(set_up=alarm), passed=("/",))
    hv.advance(1_900 * MS)
    assert vm.state == "Running"
    hv.advance(2_100 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [34])


def test_an_interrupt_that_is_none_is_refused() -> None:
    hv, vm = started(SPINS)
    with pytest.raises(AxError, match=r"^VM\[0\] has no VCpu\[1\]; it has 0 to 0$"):
        hv.inject(vm, 1, 20)
    with pytest.raises(AxError, match=r"^VM\[0\] has no interrupt 5000$"):
        hv.inject(vm, 0, 5000)


def test_without_interrupts_nothing_wakes_a_guest_but_the_host_still_ticks() -> None:
    hv, vm = started(handler(set_up=VIRTUAL_TIMER, wait="nop"), mode="no_irq")
    hv.advance(25 * MS)
    assert (vm.state, vm.exits["ExternalInterrupt"] >= 2) == ("Running", True)
    with pytest.raises(AxError, match="no_irq"):
        hv.inject(vm, 0, 20)


IPI = """
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, second
    hvc #0
    mov x9, #2000
1:  subs x9, x9, #1
    b.ne 1b
    ldr x0, ={sgi:#x}
    msr icc_sgi1r_el1, x0
    b .
second:
"""


@pytest.mark.parametrize("wait", ["wfi", "nop"])
@pytest.mark.parametrize("sgi", [3 << 24 | 0b10, 3 << 24 | 1 << 40])
def test_an_ipi_reaches_another_vcpu_also_as_a_broadcast(sgi: int, wait: str) -> None:
    """Fix 13: the original has no broadcast, and takes MPIDRs for vCPU ids."""
    body = handler(wait=wait).replace("0x080b0000", "0x080d0000")
    hv, vm = started(IPI.format(sgi=sgi) + body, cpus=2)
    hv.advance(5 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [3])
    assert vm.vcpus[0].exits["SendIPI"] == 1


def test_an_ipi_to_nobody_is_harmless() -> None:
    hv, vm = started("ldr x0, =0x00ff000003ff00ff\n msr icc_sgi1r_el1, x0\n" + POWERS_OFF)
    hv.advance(MS)
    assert vm.state == "Stopped"


def test_a_guest_with_a_gicv2_gets_its_timer_interrupt() -> None:
    source = (
        """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000         // GICD
    mov w1, #1
    str w1, [x0]
    mov w1, #1 << 27
    str w1, [x0, #0x100]
    ldr x20, =0x08010000        // GICC
    mov w1, #0xff
    str w1, [x20, #4]
    mov w1, #1
    str w1, [x20]
"""
        + VIRTUAL_TIMER
        + """
    msr daifclr, #2
1:  wfi
    b 1b
    .balign 2048
vectors: .space 0x280
    ldr w9, [x20, #0xc]
    str w9, [x20, #0x10]
"""
        + report("x9")
        + POWERS_OFF
    )
    hv, vm = started(source, axlab=AxlabConfig(gic_version=2))
    hv.advance(5 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [27])
