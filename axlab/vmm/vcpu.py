"""A virtual CPU: a CPU's context, its power state, and what is counted of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.vmm.tasks import Task


class VcpuStatus(StrEnum):
    """AxVisor's VCpuState."""

    INVALID = "Invalid"
    CREATED = "Created"
    FREE = "Free"
    READY = "Ready"
    RUNNING = "Running"
    BLOCKED = "Blocked"


class Power(StrEnum):
    """PSCI's view of a vCPU, which is not the scheduler's: an Off one wakes only through CPU_ON."""

    OFF = "Off"
    ON_PENDING = "OnPending"
    ON = "On"


@dataclass
class Usage:
    """What a vCPU's tasks used, in virtual ns: on a physical CPU, waiting for one, and waiting for something else."""

    run_ns: int = 0
    ready_ns: int = 0
    blocked_ns: int = 0
    switches: int = 0
    migrations: int = 0

    def book(self, state: VcpuStatus, ns: int) -> None:
        """Count `ns` more that were spent in a state."""
        if state is VcpuStatus.RUNNING:
            self.run_ns += ns
        elif state is VcpuStatus.READY:
            self.ready_ns += ns
        else:
            self.blocked_ns += ns


@dataclass(eq=False)
class Vcpu:
    """One vCPU of a VM. `mpidr` is what the guest knows it by, `affinity` a mask of physical CPUs or None for any.

    `kick` is the INTID of a physical interrupt of the host that makes it leave the guest at once, 0 for none.
    """

    id: int
    mpidr: int
    affinity: int | None
    cpu: Cpu
    power: Power = Power.OFF
    task: Task | None = None
    kick: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)
    wake_timer: int = 0
    physical_timer: int = 0
    executed_before: int = 0

    def usage_at(self, now: int) -> Usage:
        """What was used until `now`: the state in which the vCPU is counts, too."""
        usage = replace(self.usage)
        if self.task is not None:
            usage.book(self.task.state, max(0, now - self.task.since))
        return usage

    @property
    def state(self) -> VcpuStatus:
        """The scheduling state. An Off vCPU has no task, and is Free."""
        return VcpuStatus.FREE if self.task is None else self.task.state

    @property
    def wait_reason(self) -> str:
        """What a Blocked vCPU waits for; empty otherwise."""
        return "" if self.task is None else self.task.wait_reason

    @property
    def instructions(self) -> int:
        """Guest instructions executed since the VM was created."""
        return self.executed_before + self.cpu.executed

    def renew(self, cpu: Cpu) -> None:
        """A context as good as new, for a VM that starts again. The counts go on."""
        self.executed_before += self.cpu.executed
        cpu.record(self.cpu.trace)
        cpu.record_accesses(self.cpu.accesses)
        cpu.stop_at(self.cpu.breakpoints, self.cpu.watches)
        self.cpu = cpu
        self.power = Power.OFF
        self.kick = self.wake_timer = self.physical_timer = 0
