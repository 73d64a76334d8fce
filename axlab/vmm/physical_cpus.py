"""The host's physical CPUs: slots that run one vCPU task at a time, each with a clock of its own.

They are simulated in parallel: the one whose clock is behind goes next (`Hypervisor.advance`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine.memory_map import PPI_CNTHP
from axlab.vmm import tasks
from axlab.vmm.vcpu import VcpuStatus

if TYPE_CHECKING:
    from axlab.machine.traps import Trap
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.tasks import Task
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

MOST_ASKED = 1_000  # times that stop points are asked before somebody may interrupt
KICK = 1  # the INTID of the SGI by which one physical CPU makes another leave its guest


@dataclass(eq=False)
class PhysicalCpu:
    """One physical CPU. `clock` is how far it has come, in ns; `next_tick` when its host timer is due.

    `limit` is where its present slice ends; `cut` is the same while a stop or the budget keeps it from getting
    there, else 0: that slice goes on before anything else does, so that a run is the same with and without stops.
    `busy_ns` is the time in which it had a task.
    """

    index: int
    clock: int = 0
    task: Task | None = None
    next_tick: int = 0
    limit: int = 0
    cut: int = 0
    ticked: bool = False
    busy_ns: int = 0
    switches: int = 0

    def interrupted(self, hv: Hypervisor, vcpu: Vcpu) -> int:
        """The physical interrupt that keeps the guest from being entered: a kick, or the host's tick; 0 for none."""
        if vcpu.kick:
            vector, vcpu.kick = vcpu.kick, 0
            return vector
        if self.clock >= self.next_tick:
            self.next_tick = (self.clock // hv.tick + 1) * hv.tick
            self.ticked = True
            return PPI_CNTHP
        return 0

    def execute(self, hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> Trap | None:
        """Run the guest to its next trap or stop, at most to the end of the slice, or of the budget."""
        cpu = vcpu.cpu
        self.cut = self.limit
        if hv.stops.points and hv.stops.holds_before(hv, vm, vcpu):
            return None
        vm.devices.before_entry(vcpu, self.clock)
        cpu.enter(self.clock)
        instructions = max(1, -((self.clock - self.limit) // hv.ns_per_instruction))
        if hv.budget is not None:
            instructions = min(instructions, hv.budget)
        trap = self.run(hv, vm, vcpu, instructions)
        if trap is not None or not cpu.slice_end or self.clock >= self.limit:
            self.cut = 0
        if cpu.hit is not None:
            hv.stops.hit(hv, vm, vcpu, cpu.hit)
        vm.devices.after_exit(hv, vm, vcpu)
        return trap

    def run(self, hv: Hypervisor, vm: Vm, vcpu: Vcpu, instructions: int) -> Trap | None:
        """Let the guest execute so many instructions; stop points that want to be asked before some of them are."""
        cpu, asked, trap = vcpu.cpu, 0, None
        while True:
            at_once = hv.stops.at_most(instructions, hv, vm) if hv.stops.points else instructions
            before = cpu.executed
            trap = cpu.run(at_once)
            done = cpu.executed - before
            instructions, asked = instructions - done, asked + 1
            hv.executed += done
            if hv.budget is not None:
                hv.budget -= done
            self.spend(hv, cpu.now - self.clock)
            if trap is not None or cpu.hit is not None or cpu.ended_slice or instructions <= 0 or asked >= MOST_ASKED:
                return trap
            if hv.stops.holds_before(hv, vm, vcpu):
                return None

    def spend(self, hv: Hypervisor, ns: int) -> None:
        """The task used this physical CPU for `ns` more."""
        task = self.task
        assert task is not None
        self.clock += ns
        self.busy_ns += ns
        task.slice_ns += ns
        hv.scheduler.ran(task, ns)
        hv.now = self.clock

    def must_yield(self, hv: Hypervisor, task: Task) -> bool:
        """Whether the task may not go on here: its affinity changed, or at a tick the scheduler says so."""
        ticked, self.ticked = self.ticked, False
        if not task.may_run_on(self.index):
            return True
        if not ticked:
            return False
        waiting = [other for other in hv.scheduler.ready if other.may_run_on(self.index)]
        return bool(waiting) and hv.scheduler.preempts(task, waiting, hv.now)

    def preempt(self, hv: Hypervisor) -> None:
        """Take the task off; who waits goes first."""
        task = self.task
        assert task is not None
        tasks.move(hv, task, VcpuStatus.READY)
        self.task = None
        hv.physical_cpus.refill(hv, self)
        hv.physical_cpus.place(hv, task)


class PhysicalCpus:
    """All of them, and which task is on which."""

    def __init__(self, count: int) -> None:
        self.cpus = [PhysicalCpu(index) for index in range(count)]

    def __iter__(self) -> Iterator[PhysicalCpu]:
        return iter(self.cpus)

    def busy(self) -> list[PhysicalCpu]:
        """Those that have a task."""
        return [pcpu for pcpu in self.cpus if pcpu.task is not None]

    def turn(self) -> tuple[PhysicalCpu | None, int]:
        """Who goes next, a slice that was cut short or else the clock that is behind; and how many have a task."""
        chosen, busy = None, 0
        for pcpu in self.cpus:
            if pcpu.task is not None:
                busy += 1
                if (
                    chosen is None
                    or chosen.cut <= chosen.clock
                    and (pcpu.cut > pcpu.clock or pcpu.clock < chosen.clock)
                ):
                    chosen = pcpu
        return chosen, busy

    def place(self, hv: Hypervisor, task: Task) -> None:
        """A ready task takes an idle physical CPU, best the one that it had, or waits in the scheduler's queue."""
        idle = [pcpu for pcpu in self.cpus if pcpu.task is None and task.may_run_on(pcpu.index)]
        if idle:
            self.assign(hv, next((pcpu for pcpu in idle if pcpu.index == task.pcpu), idle[0]), task)
        else:
            hv.scheduler.add(task, hv.now)

    def assign(self, hv: Hypervisor, pcpu: PhysicalCpu, task: Task) -> None:
        """The physical CPU runs the task from now on."""
        pcpu.task = task
        pcpu.cut = 0
        if pcpu.clock < hv.now:
            pcpu.clock = hv.now
        if pcpu.next_tick <= pcpu.clock - hv.tick or not pcpu.next_tick:
            pcpu.next_tick = (pcpu.clock // hv.tick + 1) * hv.tick
        pcpu.ticked = False
        pcpu.switches += 1
        usage = task.vcpu.usage
        usage.switches += 1
        usage.migrations += task.pcpu not in (-1, pcpu.index)
        task.pcpu = pcpu.index
        task.slice_ns = 0
        tasks.move(hv, task, VcpuStatus.RUNNING)

    def release(self, hv: Hypervisor, pcpu: PhysicalCpu) -> None:
        """The physical CPU's task is gone; the next one takes its place."""
        pcpu.task = None
        self.refill(hv, pcpu)

    def refill(self, hv: Hypervisor, pcpu: PhysicalCpu) -> None:
        """Give an idle physical CPU the task that the scheduler chooses."""
        chosen = hv.scheduler.next(pcpu.index, hv.now)
        if chosen is not None:
            self.assign(hv, pcpu, chosen)  # type: ignore[arg-type]


def kick(vcpu: Vcpu) -> None:
    """Make a vCPU that is running leave its guest at once."""
    if vcpu.state is VcpuStatus.RUNNING:
        vcpu.kick = KICK
