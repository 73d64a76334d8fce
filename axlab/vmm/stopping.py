"""What ends a VM's run: who asked, how its vCPUs are told, and what the last of them leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.gpio import PRESS_NS, Pl061
from axlab.vmm import tasks, timers
from axlab.vmm.lifecycle import StopReason, VmStatus
from axlab.vmm.physical_cpus import kick
from axlab.vmm.vcpu import Power, VcpuStatus

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.tasks import Task
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

GRACE_NS = 2_000_000_000  # what a guest has to power itself off after its power button was pressed


def begin_grace(hv: Hypervisor, vm: Vm, button: Pl061) -> None:
    """Press the power button and wait for the guest."""
    hv.set_state(vm, VmStatus.STOPPING, "power button")
    vm.stopping_for = StopReason.CLEAN
    vm.grace = hv.timeline.at(hv.now + GRACE_NS, ("grace_over", vm.id))
    hv.timeline.at(hv.now + PRESS_NS, ("release_button", vm.id))
    button.press()
    vm.devices.route(hv, vm)


def begin_stop(hv: Hypervisor, vm: Vm, reason: StopReason) -> None:
    """The VM's vCPUs are to leave. Who asked first is the reason; force outdoes it, and a fault outdoes all."""
    outdone = vm.stopping_for is not StopReason.FAULT and reason in (StopReason.FORCED, StopReason.FAULT)
    if vm.stopping_for is None or outdone:
        vm.stopping_for = reason
    hv.timeline.cancel(vm.grace)
    vm.grace = 0
    if vm.state is not VmStatus.STOPPING:
        hv.set_state(vm, VmStatus.STOPPING, reason)
    for vcpu in vm.on_vcpus:
        assert vcpu.task is not None
        tasks.wake(hv, vcpu.task)
        if reason is not StopReason.CLEAN:
            kick(vcpu)


def expel(hv: Hypervisor, vm: Vm) -> None:
    """By force: tasks that are on no physical CPU end here and now, the others have been kicked."""
    for vcpu in vm.on_vcpus:
        task = vcpu.task
        if task is not None and task.state is not VcpuStatus.RUNNING:
            hv.scheduler.remove(task)
            end(hv, task)


def fail(hv: Hypervisor, vm: Vm, vcpu: Vcpu, reason: str) -> None:
    """The guest cannot go on: the VM will be Failed when its vCPUs have left."""
    hv.log("error", f"VM[{vm.id}] VCpu[{vcpu.id}] error: {reason}", vm)
    hv.fault_event(vm, vcpu, reason)
    vm.fault = vm.fault or f"VCpu[{vcpu.id}] at {vcpu.cpu.pc:#x}: {reason}"
    begin_stop(hv, vm, StopReason.FAULT)


def end(hv: Hypervisor, task: Task) -> None:
    """The vCPU has no task any more. If it was the VM's last, the VM is Stopped or Failed."""
    vm, vcpu = task.vm, task.vcpu
    if vm.state is VmStatus.STOPPING:
        hv.log("warn", f"VM[{vm.id}] VCpu[{vcpu.id}] stopping", vm)
    timers.cancel(hv, vcpu)
    task.stamp(hv.now)
    vcpu.task = None
    vcpu.power = Power.OFF
    vcpu.kick = 0
    hv.vcpu_changed(task, task.state, VcpuStatus.FREE)
    if not vm.on_vcpus:
        hv.log("info", f"VM[{vm.id}] last VCpu exiting", vm)
        if vm.state is not VmStatus.STOPPING:
            begin_stop(hv, vm, StopReason.GUEST_POWER_OFF)
        finish_stop(hv, vm)
    hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] exiting...", vm)


def finish_stop(hv: Hypervisor, vm: Vm) -> None:
    """The last vCPU has left: nothing of the VM's run stays behind."""
    hv.timeline.cancel(vm.grace)
    vm.grace = 0
    hv.channels.leave_all(vm)
    hv.ownership.release(vm)
    hv.running_vms -= 1
    reason = vm.stopping_for
    assert reason is not None
    if reason is StopReason.FAULT:
        hv.set_state(vm, VmStatus.FAILED, vm.fault)
    else:
        hv.set_state(vm, VmStatus.STOPPED, reason)
    if reason is StopReason.GUEST_RESET:
        hv.start(vm)
