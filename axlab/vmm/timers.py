"""The guest's timers and clocks, seen from the host, and what wakes a vCPU that sleeps in WFI.

The virtual timer (CNTV) is the CPU's own. The registers of the physical timer (CNTP) are trapped and
emulated. While the guest runs, their PPIs 27 and 30 take it out; while it sleeps, an event of the
timeline stands for each. The VM's GIC samples their lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.timer import NS_PER_TICK, TIMER_REGISTERS
from axlab.vmm import tasks
from axlab.vmm.lifecycle import VmStatus
from axlab.vmm.vcpu import VcpuStatus

if TYPE_CHECKING:
    from axlab.machine.rtc import Pl031
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

EMULATED = ("CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTP_TVAL_EL0")


def interrupt_pending(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> bool:
    """Whether an interrupt is signalled to the vCPU, masked or not: that ends a WFI."""
    return vm.devices.delivers and vm.gic.pending(vcpu.id, hv.now)


def notice(hv: Hypervisor, vm: Vm) -> None:
    """Something about the VM's interrupts changed: wake the vCPUs that sleep and have one. A suspended VM sleeps on."""
    if vm.state is VmStatus.SUSPENDED:
        return
    for vcpu in vm.vcpus:
        task = vcpu.task
        if task is not None and task.wait_reason == tasks.Wait.INTERRUPT and interrupt_pending(hv, vm, vcpu):
            tasks.wake(hv, task)


def arm_wake(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    """The vCPU goes to sleep: let its virtual timer wake it."""
    hv.timeline.cancel(vcpu.wake_timer)
    deadline = vcpu.cpu.timer.virtual_deadline()
    if deadline is not None and deadline > hv.now and vm.devices.delivers:
        vcpu.wake_timer = hv.timeline.at(deadline, ("virtual_timer", vm.id, vcpu.id))


def virtual_timer_due(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    """The virtual timer of a sleeping vCPU is due."""
    vcpu.wake_timer = 0
    notice(hv, vm)


def read(vcpu: Vcpu, name: str) -> int:
    """MRS of an emulated timer register."""
    reader = TIMER_REGISTERS[name][0]
    assert reader is not None
    return reader(vcpu.cpu)


def write(hv: Hypervisor, vm: Vm, vcpu: Vcpu, name: str, value: int) -> None:
    """MSR to an emulated timer register; the timeline gets the time at which its line will rise."""
    writer = TIMER_REGISTERS[name][1]
    assert writer is not None
    writer(vcpu.cpu, value)
    arm_physical(hv, vm, vcpu)


def arm_physical(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    """Put the physical timer's next change of its line on the timeline."""
    hv.timeline.cancel(vcpu.physical_timer)
    vcpu.physical_timer = 0
    deadline = vcpu.cpu.timer.physical_deadline()
    if deadline is not None and deadline > hv.now:
        vcpu.physical_timer = hv.timeline.at(deadline, ("physical_timer", vm.id, vcpu.id))


def physical_timer_due(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    """The guest's physical timer is due: that wakes a sleeping vCPU. A running one's PPI 30 has taken it out."""
    vcpu.physical_timer = 0
    notice(hv, vm)


def cancel(hv: Hypervisor, vcpu: Vcpu) -> None:
    """The vCPU is off: no timer of it goes off any more."""
    hv.timeline.cancel(vcpu.wake_timer, vcpu.physical_timer)
    vcpu.wake_timer = vcpu.physical_timer = 0


def skip_virtual_time(hv: Hypervisor, vm: Vm) -> None:
    """The guest's virtual counter did not run while all of its vCPUs stood still."""
    parked = [v.task for v in vm.on_vcpus if v.task is not None and v.state is VcpuStatus.BLOCKED]
    if len(parked) < len(vm.on_vcpus):
        return
    still_since = max([vm.suspended_at, *(task.since for task in parked)])
    ticks = (hv.now - still_since) // NS_PER_TICK
    for vcpu in vm.vcpus:
        vcpu.cpu.sys["CNTVOFF_EL2"] += ticks
        vcpu.cpu.attention = True


def watch_clock(hv: Hypervisor, vm: Vm, clock: Pl031) -> None:
    """The guest may have set the alarm of the real-time clock."""
    hv.timeline.cancel(vm.devices.alarm)
    vm.devices.alarm = 0
    if clock.deadline is not None:
        vm.devices.alarm = hv.timeline.at(clock.deadline, ("alarm", vm.id))
