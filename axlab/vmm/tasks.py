"""vCPU tasks: records that the simulated physical CPUs run, and what each phase of a task's life does.

AxVisor's `vcpu_run` is a thread that waits in the middle of its code. Here its places of waiting are
phases, so that a task is plain data and a lab can be saved at any moment:

    BOOT_DELAY -> WAIT_RUNNING -> RUN <-> HANDLE_EXIT -> SLEEP | SUSPENDED | LEAVING
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from axlab import events
from axlab.machine.traps import ExceptionClass
from axlab.vmm import exits, timers
from axlab.vmm.lifecycle import StopReason, VmStatus
from axlab.vmm.vcpu import Power, VcpuStatus

if TYPE_CHECKING:
    from axlab.machine.traps import Trap
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.physical_cpus import PhysicalCpu
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

BOOT_DELAY_NS = 5_000_000_000  # AxVisor's: so many for each VM id above 1


class Phase(StrEnum):
    """Where a task stands in its life."""

    BOOT_DELAY = "boot delay"
    WAIT_RUNNING = "wait for running"
    RUN = "run"
    HANDLE_EXIT = "handle exit"
    SLEEP = "sleep"
    SUSPENDED = "suspended"
    LEAVING = "leaving"


class Wait(StrEnum):
    """What a Blocked task waits for: only that wakes it, or the stop of its VM."""

    START = "start"
    BOOT_DELAY = "boot delay"
    INTERRUPT = "interrupt"
    RESUME = "resume"


@dataclass(eq=False)
class Task:
    """One vCPU that is on. `since` is when its state began, `slice_ns` how long it has had its physical CPU now.

    `in_guest`: its time slice ended inside the guest, so that it goes on there without a check.
    `exit` is what HANDLE_EXIT is to handle, `trap` the hardware's word for it.
    """

    vm: Vm
    vcpu: Vcpu
    phase: Phase
    since: int
    state: VcpuStatus = VcpuStatus.BLOCKED
    wait_reason: str = Wait.START
    deadline: int = 0
    pcpu: int = -1
    exit: exits.Exit | None = None
    trap: Trap | None = None
    in_guest: bool = False
    slice_ns: int = 0
    virtual_ns: int = 0

    @property
    def name(self) -> str:
        """`VM[1]-VCpu[0]`, as AxVisor calls its tasks."""
        return f"VM[{self.vm.id}]-VCpu[{self.vcpu.id}]"

    @property
    def affinity(self) -> int | None:
        """The mask of physical CPUs that may run it, or None."""
        return self.vcpu.affinity

    def may_run_on(self, pcpu: int) -> bool:
        return self.vcpu.affinity is None or bool(self.vcpu.affinity >> pcpu & 1)

    def stamp(self, now: int) -> None:
        """Book the time since the state began, and begin anew."""
        passed = max(0, now - self.since)
        usage = self.vcpu.usage
        if self.state is VcpuStatus.RUNNING:
            usage.run_ns += passed
        elif self.state is VcpuStatus.READY:
            usage.ready_ns += passed
        else:
            usage.blocked_ns += passed
        self.since = max(now, self.since)


def spawn(hv: Hypervisor, vm: Vm, vcpu: Vcpu, phase: Phase) -> Task:
    """Make the task of a vCPU. It waits for `wake`."""
    hv.log("info", f"Spawning task for VM[{vm.id}] VCpu[{vcpu.id}]", vm)
    task = Task(vm, vcpu, phase, hv.now)
    vcpu.task = task
    vcpu.power = Power.ON_PENDING
    if vcpu.affinity is not None:
        hv.log("debug", f"VCpu[{vcpu.id}] pinned to CPU mask: {vcpu.affinity:#b}", vm)
    hv.vcpu_changed(task, VcpuStatus.FREE)
    return task


def move(hv: Hypervisor, task: Task, state: VcpuStatus, reason: str = "") -> None:
    """The task's scheduling state becomes `state` now."""
    task.stamp(hv.now)
    old, task.state, task.wait_reason = task.state, state, reason
    hv.vcpu_changed(task, old)


def wake(hv: Hypervisor, task: Task) -> None:
    """A blocked task becomes ready, and takes a physical CPU if one is idle."""
    if task.state is VcpuStatus.BLOCKED:
        task.deadline = 0
        move(hv, task, VcpuStatus.READY)
        hv.physical_cpus.place(hv, task)


def block(hv: Hypervisor, pcpu: PhysicalCpu, task: Task, reason: str) -> None:
    """The running task waits for `reason` and gives up its physical CPU."""
    move(hv, task, VcpuStatus.BLOCKED, reason)
    hv.physical_cpus.release(hv, pcpu)


# The phases


def boot_delay(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Sleep so that the VMs of a lab do not all boot at once (if the lab asks for it; the primary vCPU only)."""
    task.phase = Phase.WAIT_RUNNING
    delay = max(0, task.vm.id - 1) * BOOT_DELAY_NS if hv.boot_delay else 0
    if delay:
        hv.log("info", f"VM[{task.vm.id}] boot delay: {delay // 1_000_000_000}s", task.vm)
        task.deadline = hv.now + delay
        hv.timeline.at(task.deadline, ("boot_delay_over", task.vm.id, task.vcpu.id))
        block(hv, pcpu, task, Wait.BOOT_DELAY)


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
    from axlab.vmm.handlers import HANDLERS

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
        block(hv, pcpu, task, Wait.INTERRUPT)


def suspended(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """Wait until the VM is resumed or stopped."""
    vm, vcpu = task.vm, task.vcpu
    if vm.must_leave:
        task.phase = Phase.LEAVING
    elif vm.state is VmStatus.SUSPENDED:
        hv.log("debug", f"VM[{vm.id}] VCpu[{vcpu.id}] suspended, waiting...", vm)
        block(hv, pcpu, task, Wait.RESUME)
    else:
        hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] resumed", vm)
        task.phase = Phase.RUN


def leave(hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
    """End of the task: the physical CPU is free, and the last one to leave ends the VM's run."""
    end(hv, task)
    hv.physical_cpus.release(hv, pcpu)


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
            hv.begin_stop(vm, StopReason.GUEST_POWER_OFF)
        hv.finish_stop(vm)
    hv.log("info", f"VM[{vm.id}] VCpu[{vcpu.id}] exiting...", vm)


PHASES: dict[Phase, Callable[[Hypervisor, PhysicalCpu, Task], None]] = {
    Phase.BOOT_DELAY: boot_delay,
    Phase.WAIT_RUNNING: wait_for_running,
    Phase.RUN: run_guest,
    Phase.HANDLE_EXIT: handle_exit,
    Phase.SLEEP: sleep,
    Phase.SUSPENDED: suspended,
    Phase.LEAVING: leave,
}
