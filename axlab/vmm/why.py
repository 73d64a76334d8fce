"""Why a VM failed, or is not moving: found in its state, and by letting a copy of the lab go on for a moment.

`explain` changes nothing. It looks at each vCPU as a person would: what does it wait for, or what does it do over and
over; who could change that; and why does that one not do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.units import format_duration
from axlab.vmm import why_faults, why_interrupts, why_loops
from axlab.vmm.findings import Finding, named
from axlab.vmm.lifecycle import VmStatus
from axlab.vmm.tasks import Wait
from axlab.vmm.vcpu import Power, VcpuStatus

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

AT_REST = {
    VmStatus.LOADED: "has not been started: 'vm start {0}' boots it",
    VmStatus.SUSPENDED: "is suspended by a command: 'vm resume {0}' lets it go on",
    VmStatus.LOADING: "is still loading",
}


def explain(hv: Hypervisor, vm: Vm) -> list[Finding]:
    """What keeps a VM from going on, the causes first; and what is suspicious about it."""
    if vm.state in AT_REST:
        return [Finding("cause", f"{vm.label} {AT_REST[vm.state].format(vm.id)}")]
    if vm.state is VmStatus.STOPPED:
        return [Finding("cause", f"{vm.label} has stopped: {vm.reason or 'clean'}; 'vm start {vm.id}' boots it again")]
    if vm.state is VmStatus.FAILED:
        return why_faults.failed(vm)
    findings = stopping(hv, vm) if vm.state is VmStatus.STOPPING else []
    observed = why_loops.observe(hv, vm)
    for vcpu in vm.vcpus:
        findings += of_vcpu(hv, vm, vcpu, observed)
    findings += why_interrupts.warnings(hv, vm)
    findings += why_loops.overwritten(vm, observed)
    return sorted(findings, key=lambda finding: ("cause", "fact", "warning").index(finding.kind))


def stopping(hv: Hypervisor, vm: Vm) -> list[Finding]:
    """What a VM that is to stop waits for."""
    if vm.grace:
        left = (hv.timeline.due(vm.grace) or hv.now) - hv.now
        text = (
            f"{vm.label} was asked to power off by its power button, and has not done so; "
            f"in {format_duration(left)} its vCPUs are made to leave"
        )
        return [Finding("cause", text, details=(f"'vm stop {vm.id} --force' does it now",))]
    text = f"{vm.label} is stopping: each vCPU leaves at its next exit, and those that compute without one do not leave"
    return [Finding("cause", text, details=(f"'vm stop {vm.id} --force' makes them",))]


def of_vcpu(hv: Hypervisor, vm: Vm, vcpu: Vcpu, observed: why_loops.Observed) -> list[Finding]:
    """What one vCPU waits for or does."""
    if vcpu.power is Power.OFF:
        text = "is off: nobody has called PSCI CPU_ON for it" if not vcpu.instructions else "is off: it left by CPU_OFF"
        return [Finding("fact", f"{named(vcpu)} {text}", vcpu.id)]
    if vcpu.state is VcpuStatus.READY:
        return [starved(hv, vm, vcpu)]
    if vcpu.state is VcpuStatus.BLOCKED:
        return waiting(hv, vm, vcpu)
    return why_loops.running(hv, vm, vcpu, observed)


def starved(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> Finding:
    """A vCPU that could run, and who runs instead."""
    task = vcpu.task
    assert task is not None
    allowed = [pcpu for pcpu in hv.physical_cpus if task.may_run_on(pcpu.index)]
    holders = [f"physical CPU {pcpu.index} runs {pcpu.task.name}" for pcpu in allowed if pcpu.task is not None]
    text = (
        f"{named(vcpu)} is ready and has waited {format_duration(max(0, hv.now - task.since))} for a physical CPU: "
        + ", ".join(holders)
    )
    details = []
    if hv.scheduler.name == "fifo":
        details.append("the FIFO scheduler takes a CPU from nobody: it waits until that one sleeps, or leaves")
    if vcpu.affinity is not None and len(allowed) < len(hv.physical_cpus.cpus):
        details.append(f"its affinity {vcpu.affinity:#x} allows it no other; 'vcpu pin' changes that")
    return Finding("cause", text, vcpu.id, tuple(details))


def waiting(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> list[Finding]:
    """A vCPU that is blocked, and what could wake it."""
    if vcpu.wait_reason == Wait.INTERRUPT:
        return why_interrupts.asleep(hv, vm, vcpu)
    reasons = {
        Wait.INPUT: ("cause", f"waits for console input; 'vm type {vm.id} TEXT' gives it some"),
        Wait.RESUME: ("cause", f"is suspended; 'vm resume {vm.id}' lets it go on"),
        Wait.BOOT_DELAY: ("fact", "waits for its turn to boot: VMs of a lab start one after the other"),
        Wait.START: ("fact", "waits for its first physical CPU"),
    }
    kind, text = reasons.get(Wait(vcpu.wait_reason), ("fact", f"waits: {vcpu.wait_reason}"))
    return [Finding(kind, f"{named(vcpu)} {text}", vcpu.id)]
