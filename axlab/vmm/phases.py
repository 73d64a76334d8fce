"""What each phase of a vCPU task's life does: PHASES is the only dispatch.

AxVisor's `vcpu_run` is a thread that waits in the middle of its code. Here its places of waiting are
phases, so that a task is plain data and a lab can be saved at any moment:

    BOOT_DELAY -> WAIT_RUNNING -> RUN <-> HANDLE_EXIT -> SLEEP | READ | SUSPENDED | LEAVING
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab import events
from axlab.machine.traps import ExceptionClass
from axlab.vmm import exits, stopping, tasks, timers, virtual_devices
from axlab.vmm.handlers import HANDLERS
from axlab.vmm.lifecycle import VmStatus
from axlab.vmm.tasks import Phase, Task, Wait
from axlab.vmm.vcpu import Power

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.physical_cpus import PhysicalCpu

BOOT_DELAY_NS = 5_000_000_000  # AxVisor's: so many for each VM id above 1


def boot_delay(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Sleep so that the VMs of a lab do not all boot at once (if the lab asks for it; the primary vCPU only)."""
    task.phase = Phase.WAIT_RUNNING
    delay = max(0, task.vm.id - 1) * BOOT_DELAY_NS if hv.boot_delay else 0
    if delay:
        hv.log("info", f"VM[{task.vm.id}] boot delay: {delay // 1_000_000_000}s", task.vm)
        task.deadline = hv.now + delay
        hv.timeline.at(task.deadline, ("boot_delay_over", task.vm.id, task.vcpu.id))
        tasks.block(hv, pcpu, task, Wait.BOOT_DELAY)


def wait_for_running(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Wait until the VM runs, then count as running."""
    vm, vcpu = task.vm, task.vcpu
    hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] waiting for running", vm)
    if vm.must_leave:
        task.phase = Phase.LEAVING
        return
    if vm.state is VmStatus.SUSPENDED:
        task.phase = Phase.SUSPENDED
        vcpu.power = Power.ON
        return
    hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] running...", vm)
    vcpu.power = Power.ON
    task.phase = Phase.RUN


def run_guest(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Let the guest execute until it exits or the slice ends. Before it is entered, look whether it may be."""
    vm, vcpu = task.vm, task.vcpu
    if not task.in_guest and not may_enter(task):
        return
    task.trap = None
    vector = pcpu.interrupted(hv, vcpu)
    if vector:
        task.exit = exits.ExternalInterrupt(vector)
    else:
        task.trap = pcpu.execute(hv, vm, vcpu)
        task.in_guest = task.trap is None
        if task.trap is None:
            return
        task.exit = exits.decode(task.trap, vcpu.cpu, vm.bus)
    task.in_guest = False
    task.phase = Phase.HANDLE_EXIT


def may_enter(task: Task) -> bool:
    """Whether the guest may be entered; the phase becomes another one otherwise."""
    if task.vm.must_leave:
        task.phase = Phase.LEAVING
    elif task.vm.state is VmStatus.SUSPENDED:
        task.phase = Phase.SUSPENDED
    return task.phase is Phase.RUN


def handle_exit(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Do what the exit asks for, then look at the VM's state and at who else wants this physical CPU."""
    exit = task.exit
    assert exit is not None
    kind = type(exit)
    task.phase = Phase.RUN
    count(hv, pcpu, task, kind.__name__)
    if task.trap is not None and task.trap.ec == ExceptionClass.SMC:
        task.vcpu.cpu.pc += 4  # a trapped SMC was not executed; HVC returns behind itself
    HANDLERS[kind](hv, task.vm, task.vcpu, exit)
    task.exit = task.trap = None
    pcpu.spend(hv, exits.COSTS[kind])
    if task.phase is Phase.RUN and may_enter(task) and pcpu.must_yield(hv, task):
        pcpu.preempt(hv)


def count(hv: Hypervisor, pcpu: PhysicalCpu, task: Task, reason: str) -> None:
    """Count an exit for the vCPU and the VM, and tell the observers."""
    vm, vcpu, trap = task.vm, task.vcpu, task.trap
    vcpu.exits[reason] += 1
    vm.exits[reason] += 1
    if not hv.events.observers:
        return
    exit = task.exit
    assert exit is not None
    hv.events.emit(
        events.Exit(
            hv.now,
            pcpu.index,
            vm.id,
            vcpu.id,
            reason,
            vcpu.cpu.pc,
            *((trap.esr, trap.far, trap.hpfar) if trap is not None else (0, 0, 0)),
            exits.COSTS[type(exit)],
            *exits.summary(exit),
        )
    )


def sleep(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """WFI: wait until an interrupt is pending, whether the guest masks it or not."""
    vm, vcpu = task.vm, task.vcpu
    if vm.must_leave:
        task.phase = Phase.LEAVING
    elif vm.state is not VmStatus.SUSPENDED and timers.interrupt_pending(hv, vm, vcpu):
        task.phase = Phase.RUN
    else:
        timers.arm_wake(hv, vm, vcpu)
        tasks.block(hv, pcpu, task, Wait.INTERRUPT)


def read(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """A semihosting call that wants a typed byte: wait until there is one, and then let the guest call again."""
    vm = task.vm
    if vm.must_leave:
        task.phase = Phase.LEAVING
    elif vm.state is not VmStatus.SUSPENDED and virtual_devices.has_input(vm):
        task.phase = Phase.RUN
    else:
        tasks.block(hv, pcpu, task, Wait.INPUT)


def suspended(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Wait until the VM is resumed or stopped."""
    vm, vcpu = task.vm, task.vcpu
    if vm.must_leave:
        task.phase = Phase.LEAVING
    elif vm.state is VmStatus.SUSPENDED:
        hv.log("debug", f"VM[{vm.id}] VCpu[{vcpu.id}] suspended, waiting...", vm)
        tasks.block(hv, pcpu, task, Wait.RESUME)
    else:
        hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] resumed", vm)
        task.phase = Phase.RUN


def leave(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """End of the task: the physical CPU is free, and the last one to leave ends the VM's run."""
    stopping.end(hv, task)
    hv.physical_cpus.release(hv, pcpu)


Act = Callable[["Hypervisor", "PhysicalCpu", Task], None]

PHASES: dict[Phase, Act] = {
    Phase.BOOT_DELAY: boot_delay,
    Phase.WAIT_RUNNING: wait_for_running,
    Phase.RUN: run_guest,
    Phase.HANDLE_EXIT: handle_exit,
    Phase.SLEEP: sleep,
    Phase.READ: read,
    Phase.SUSPENDED: suspended,
    Phase.LEAVING: leave,
}
