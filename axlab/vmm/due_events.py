"""The events of the timeline, by name. A VM or a task may be gone when its event comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab.machine.gpio import Pl061
from axlab.machine.rtc import Pl031
from axlab.vmm import stopping, tasks, timers
from axlab.vmm.lifecycle import StopReason

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm


def vcpu_event(hv: Hypervisor, vm_id: int, vcpu_id: int, handle: Callable[[Hypervisor, Vm, Vcpu], None]) -> None:
    vm = hv.vms.get(vm_id)
    if vm is not None and vm.vcpus[vcpu_id].task is not None:
        handle(hv, vm, vm.vcpus[vcpu_id])


def boot_delay_over(hv: Hypervisor, vm_id: int, vcpu_id: int) -> None:
    vcpu_event(hv, vm_id, vcpu_id, wake_from_boot_delay)


def wake_from_boot_delay(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    task = vcpu.task
    if task is not None and task.wait_reason == tasks.Wait.BOOT_DELAY and task.deadline <= hv.now:
        tasks.wake(hv, task)


def virtual_timer(hv: Hypervisor, vm_id: int, vcpu_id: int) -> None:
    vcpu_event(hv, vm_id, vcpu_id, timers.virtual_timer_due)


def physical_timer(hv: Hypervisor, vm_id: int, vcpu_id: int) -> None:
    vcpu_event(hv, vm_id, vcpu_id, timers.physical_timer_due)


def grace_over(hv: Hypervisor, vm_id: int) -> None:
    """The guest did not power itself off in time: its vCPUs leave at their next exit."""
    vm = hv.vms.get(vm_id)
    if vm is not None and vm.grace:
        stopping.begin_stop(hv, vm, StopReason.CLEAN)


def release_button(hv: Hypervisor, vm_id: int) -> None:
    vm = hv.vms.get(vm_id)
    claim = vm.devices.power_button if vm is not None else None
    if vm is not None and claim is not None and isinstance(claim.device, Pl061):
        claim.device.release()
        vm.devices.route(hv, vm)


def alarm(hv: Hypervisor, vm_id: int) -> None:
    """The real-time clock's alarm is due."""
    vm = hv.vms.get(vm_id)
    if vm is None:
        return
    for claim in vm.devices.passed:
        if isinstance(claim.device, Pl031):
            claim.device.advance(hv.now)
    vm.devices.route(hv, vm)


EVENTS: dict[str, Callable[..., None]] = {
    "boot_delay_over": boot_delay_over,
    "virtual_timer": virtual_timer,
    "physical_timer": physical_timer,
    "grace_over": grace_over,
    "release_button": release_button,
    "alarm": alarm,
}
