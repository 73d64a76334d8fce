"""Interrupts that could wake a vCPU, and what stands between them and it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.memory_map import PPI_CNTP, PPI_CNTV
from axlab.units import format_duration
from axlab.vmm.findings import Finding, instruction, named
from axlab.vmm.vcpu import Power, VcpuStatus

if TYPE_CHECKING:
    from axlab.machine.gic_state import Bank
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

PSTATE_I, PSTATE_F = 2, 1
ENABLE, MASKED, IDLE_PRIORITY = 1, 2, 0xFF
NAMES = {PPI_CNTV: "virtual timer", PPI_CNTP: "physical timer"}
MANY = 8


def asleep(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> list[Finding]:
    """A vCPU that sleeps in WFI: until when, or why for ever."""
    where = instruction(vm, vcpu, vcpu.cpu.pc)
    due = wake_time(hv, vcpu)
    if due is not None:
        text = f"{named(vcpu)} sleeps in WFI until its timer wakes it in {format_duration(due - hv.now)}"
        return [Finding("fact", text, vcpu.id, (f"next  {where}",))]
    if vm.devices.alarm:
        text = f"{named(vcpu)} sleeps in WFI; the alarm of its real-time clock is set"
        return [Finding("fact", text, vcpu.id, (f"next  {where}",))]
    text = f"{named(vcpu)} sleeps in WFI, and nothing is going to wake it"
    details = [f"next  {where}", *sources(vm, vcpu)]
    found = [Finding("cause", text, vcpu.id, tuple(details))]
    if vcpu.cpu.daif & (PSTATE_I | PSTATE_F) == PSTATE_I | PSTATE_F and not enabled(vm, vcpu):
        text = f"{named(vcpu)} executed WFI with everything masked: no interrupt is enabled, PSTATE masks IRQ and FIQ"
        found.append(Finding("warning", text, vcpu.id))
    return found


def wake_time(hv: Hypervisor, vcpu: Vcpu) -> int | None:
    """When a timer wakes the vCPU."""
    due = [hv.timeline.due(serial) for serial in (vcpu.wake_timer, vcpu.physical_timer)]
    return min((at for at in due if at is not None), default=None)


def sources(vm: Vm, vcpu: Vcpu) -> list[str]:
    """What could interrupt a vCPU, and why it does not."""
    if not vm.devices.delivers:
        return ["its VM takes no interrupts: interrupt_mode is no_irq"]
    lines = []
    sys, gic = vcpu.cpu.sys, vm.gic.gic
    control = sys["CNTV_CTL_EL0"]
    if not control & ENABLE:
        lines.append("its virtual timer is off (CNTV_CTL_EL0.ENABLE = 0)")
    elif control & MASKED:
        lines.append("its virtual timer is on, and masks its own interrupt (CNTV_CTL_EL0.IMASK = 1)")
    elif not gic.private[vcpu.id].enabled >> PPI_CNTV & 1:
        lines.append(f"its virtual timer is on, but interrupt {PPI_CNTV} is not enabled in its redistributor")
    lines += [reason for reason in [barrier(vm, vcpu)] if reason]
    able = enabled(vm, vcpu)
    known = ", ".join(interrupt_name(intid) for intid in able[:MANY]) + (", ..." if len(able) > MANY else "")
    lines.append(f"enabled interrupts: {known}; none of them is pending" if able else "no interrupt is enabled")
    stuck = [intid for intid in raised(vm, vcpu) if intid not in able]
    lines += [f"interrupt {interrupt_name(intid)} is pending, but not enabled" for intid in stuck[:MANY]]
    return lines


def barrier(vm: Vm, vcpu: Vcpu) -> str:
    """What keeps every interrupt from a vCPU."""
    priorities = vcpu.cpu.gic.priorities
    if not vm.gic.gic.enabled_groups:
        return "the distributor forwards nothing (GICD_CTLR enables no group)"
    if not any(priorities.enabled):
        return "its CPU interface is off (ICC_IGRPEN0_EL1 and ICC_IGRPEN1_EL1 are 0)"
    if priorities.mask == 0:
        return "its priority mask ICC_PMR_EL1 is 0, which lets nothing through"
    return ""


def interrupt_name(intid: int) -> str:
    """`27 (virtual timer)`."""
    return f"{intid} ({NAMES[intid]})" if intid in NAMES else str(intid)


def intids(bank: Bank, bits: int) -> list[int]:
    """The INTIDs of bits of a bank."""
    return [bank.first + bit for bit in range(bank.count) if bits >> bit & 1]


def enabled(vm: Vm, vcpu: Vcpu) -> list[int]:
    """The interrupts that are enabled and could come to a vCPU; not the SGIs of a GICv2, which always are."""
    private, shared = vm.gic.gic.private[vcpu.id], vm.gic.gic.shared
    mine = private.enabled & private.implemented & ~(0xFFFF if vm.gic.gic.version == 2 else 0)
    return intids(private, mine) + intids(shared, shared.enabled & shared.implemented & vm.gic.gic.routed[vcpu.id])


def raised(vm: Vm, vcpu: Vcpu) -> list[int]:
    """The interrupts that are pending for a vCPU, enabled or not."""
    private, shared = vm.gic.gic.private[vcpu.id], vm.gic.gic.shared
    routed = vm.gic.gic.routed[vcpu.id]
    return intids(private, private.pending & private.implemented) + intids(shared, shared.pending & routed)


def warnings(hv: Hypervisor, vm: Vm) -> list[Finding]:
    """Interrupts that wait at a vCPU that does not take them, or that were taken and never ended."""
    found = []
    for vcpu in vm.vcpus:
        if vcpu.power is not Power.ON or vcpu.state is not VcpuStatus.RUNNING or not vm.devices.delivers:
            continue
        active = active_of(vm, vcpu)
        waiting = [intid for intid in raised(vm, vcpu) if intid in enabled(vm, vcpu) and intid not in active]
        for intid in waiting[:MANY]:
            reason = untaken(vm, vcpu, intid)
            if reason:
                text = f"interrupt {interrupt_name(intid)} is pending at {named(vcpu)}, which does not acknowledge it: "
                found.append(Finding("warning", text + reason, vcpu.id))
        for intid in active[:MANY]:
            text = f"interrupt {interrupt_name(intid)} is active at {named(vcpu)}: it was acknowledged and not ended"
            details = ("until it is (ICC_EOIR1_EL1), nothing of its priority or a lower one comes",)
            found.append(Finding("warning", text, vcpu.id, details))
    return found


def active_of(vm: Vm, vcpu: Vcpu) -> list[int]:
    private = vm.gic.gic.private[vcpu.id]
    return intids(private, private.active)


def untaken(vm: Vm, vcpu: Vcpu, intid: int) -> str:
    """Why a vCPU does not take an interrupt that is enabled and pending; empty where it is about to."""
    reason = barrier(vm, vcpu)
    if reason:
        return reason
    priority, mask = vm.gic.gic.priority_of(intid, vcpu.id), vcpu.cpu.gic.priorities.mask
    if priority >= mask:
        return f"its priority {priority:#x} is not above the mask ICC_PMR_EL1 = {mask:#x}"
    if vcpu.cpu.daif & PSTATE_I:
        return "PSTATE.I masks IRQs"
    if active_of(vm, vcpu):
        return "another one is active"
    return ""
