"""vCPU tasks: records that the simulated physical CPUs run. What each phase of a task does is in `phases`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from axlab.vmm.vcpu import Power, VcpuStatus

if TYPE_CHECKING:
    from axlab.machine.traps import Trap
    from axlab.vmm import exits
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.physical_cpus import PhysicalCpu
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm


class Phase(StrEnum):
    """Where a task stands in its life."""

    BOOT_DELAY = "boot delay"
    WAIT_RUNNING = "wait for running"
    RUN = "run"
    HANDLE_EXIT = "handle exit"
    SLEEP = "sleep"
    READ = "read"
    SUSPENDED = "suspended"
    LEAVING = "leaving"


class Wait(StrEnum):
    """What a Blocked task waits for: only that wakes it, or the stop of its VM."""

    START = "start"
    BOOT_DELAY = "boot delay"
    INTERRUPT = "interrupt"
    INPUT = "input"
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
        self.vcpu.usage.book(self.state, max(0, now - self.since))
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
