"""The hypervisor: its VMs, its physical CPUs, and virtual time.

A command (create, start, stop, ...) takes no time; time passes in `advance`. All state is plain data:
`copy.deepcopy` of a hypervisor at any moment gives a second one with the same future.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab import events
from axlab.errors import AxError, Refused
from axlab.events import Observers
from axlab.machine.board import Board
from axlab.machine.exclusives import Monitor
from axlab.machine.memory_map import RAM_BASE
from axlab.vmm import advancing, building, lifecycle, stopping, tasks, timers, virtual_devices
from axlab.vmm.clock import Timeline
from axlab.vmm.config import VmConfig
from axlab.vmm.host_memory import HostMemory
from axlab.vmm.ivc import Channels
from axlab.vmm.lifecycle import StopReason, VmStatus
from axlab.vmm.outside import History, Kept, from_outside
from axlab.vmm.ownership import Ownership
from axlab.vmm.physical_cpus import PhysicalCpus, kick
from axlab.vmm.scheduler import Scheduler, make_scheduler
from axlab.vmm.stops import Stops
from axlab.vmm.vcpu import VcpuStatus
from axlab.vmm.vm import Vm
from axlab.vmm.vm_list import VmList

if TYPE_CHECKING:
    from axlab.vmm.tasks import Task
    from axlab.vmm.vcpu import Vcpu

TICK_NS = 10_000_000


class Hypervisor:
    """AxVisor in Python, on a board.

    `now` is virtual time in ns. `running_vms` counts the VMs that have vCPU tasks. `folder` is the lab's,
    in which every VM gets `vms/<name>/`; None keeps nothing on disk. `boot_delay`: AxVisor's pause between
    VMs that boot. `budget` is how many instructions `advance` may still execute, None without a limit.

    `turns` counts what the machine has done (slices, exits, events of the timeline) and `executed` the instructions
    of all vCPUs. Together they name every moment that `advance` can stop at, however it was cut: see `position`.
    """

    history: History | None = None
    inside = False  # the machine runs, or obeys a command: what it does then does not come from outside

    def __init__(
        self,
        board: Board,
        events: Observers | None = None,
        *,
        scheduler: str | Scheduler | type = "fifo",
        seed: int = 0,
        ns_per_instruction: int = 100,
        tick: int = TICK_NS,
        boot_delay: bool = False,
        folder: Path | None = None,
        cpus: int | None = None,
    ) -> None:
        self.board = board
        self.events = events if events is not None else Observers()
        self.scheduler = make_scheduler(scheduler, seed)
        self.ns_per_instruction = ns_per_instruction
        self.tick = tick
        self.boot_delay = boot_delay
        self.folder = folder
        self.now = 0
        self.edge = 0
        self.budget: int | None = None
        self.turns = 0
        self.executed = 0
        self.running_vms = 0
        self.vms: VmList[Vm] = VmList()
        self.timeline = Timeline()
        self.physical_cpus = PhysicalCpus(cpus or board.cpus)
        self.host_memory = HostMemory(RAM_BASE, board.memory.size)
        self.channels = Channels(board.memory, self.host_memory)
        self.ownership = Ownership()
        self.monitor = Monitor()
        self.stops = Stops()

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no history."""
        return {name: value for name, value in vars(self).items() if name not in ("history", "inside")}

    # Commands. They take no virtual time.

    @from_outside
    def create(self, config: VmConfig) -> Vm:
        """Make a VM; nothing of it remains if an `AxError` (or `ConfigError`) is raised."""
        vm = building.build(self, config)
        self.vms.push(vm)
        self.log("info", f"{vm.label} added to global list", vm)
        self.set_state(vm, VmStatus.LOADED)
        vm.folder.flush()
        return vm

    @from_outside
    def start(self, vm: Vm) -> None:
        """Loaded, Stopped or Failed -> Running, in AxVisor's order. `Refused`, or `AxError` with nothing changed."""
        lifecycle.admit(vm.state, "start")
        self.ownership.acquire(vm)
        virtual_devices.renew_board_devices(self, vm)
        building.power_up(self, vm)
        self.log("info", f"Initializing {vm.label}'s {len(vm.vcpus)} vcpus", vm)
        primary = tasks.spawn(self, vm, vm.vcpus[0], tasks.Phase.BOOT_DELAY)
        vm.fault = ""
        vm.stopping_for = None
        building.begin_time(self, vm)
        self.set_state(vm, VmStatus.RUNNING)
        self.running_vms += 1  # before the first vCPU may run: a guest can power off at once
        virtual_devices.console_input(self, vm)
        tasks.wake(self, primary)

    @from_outside
    def stop(self, vm: Vm, force: bool = False) -> None:
        """Ask a VM to stop. Gracefully: its vCPUs leave at their next exit, after 2 s for a guest that handles its
        power button. By force: now. Raises `Refused`."""
        lifecycle.admit(vm.state, "stop", force)
        if vm.state in (VmStatus.LOADING, VmStatus.LOADED):
            self.set_state(vm, VmStatus.STOPPED, StopReason.CLEAN)
            return
        button = virtual_devices.power_button(vm) if vm.state is VmStatus.RUNNING and not force else None
        if button is not None:
            stopping.begin_grace(self, vm, button)
            return
        stopping.begin_stop(self, vm, StopReason.FORCED if force else StopReason.CLEAN)
        if force:
            stopping.expel(self, vm)

    @from_outside
    def suspend(self, vm: Vm) -> None:
        """Running -> Suspended: its vCPUs stand still from their next exit on. Raises `Refused`."""
        lifecycle.admit(vm.state, "suspend")
        self.set_state(vm, VmStatus.SUSPENDED)
        vm.suspended_at = self.now
        for vcpu in vm.on_vcpus:
            self.timeline.cancel(vcpu.wake_timer)

    @from_outside
    def resume(self, vm: Vm) -> None:
        """Suspended -> Running: the guest goes on as if no time had passed. Raises `Refused`."""
        lifecycle.admit(vm.state, "resume")
        self.set_state(vm, VmStatus.RUNNING)
        timers.skip_virtual_time(self, vm)
        for vcpu in vm.on_vcpus:
            task = vcpu.task
            assert task is not None
            if task.wait_reason in (tasks.Wait.RESUME, tasks.Wait.INPUT):
                tasks.wake(self, task)
            elif task.wait_reason == tasks.Wait.INTERRUPT:
                timers.arm_wake(self, vm, vcpu)
        timers.notice(self, vm)

    @from_outside
    def remove(self, vm: Vm, keep_data: bool = True) -> None:
        """Take a VM that has no vCPU task off the list and free its memory and, unless `keep_data`, its folder."""
        if vm.on_vcpus:
            raise Refused(f"{vm.label} still has {len(vm.on_vcpus)} VCpu task(s)")
        self.vms.remove(vm.id)
        self.stops.forget_vm(self, vm.id)
        self.log("info", f"{vm.label} removed from global list", vm)
        building.free(self, vm.memory_regions, vm.stage2)
        if keep_data:
            vm.folder.flush()
        else:
            vm.folder.remove()

    @from_outside
    def reset(self, vm: Vm) -> None:
        """Reset a running VM, as its guest does with PSCI SYSTEM_RESET. Raises `Refused`."""
        lifecycle.admit(vm.state, "stop")
        if not vm.on_vcpus:
            raise Refused("VM is not running, cannot reset")
        stopping.begin_stop(self, vm, StopReason.GUEST_RESET)

    @from_outside
    def put_back(self, kept: Kept) -> Vm:
        """Make one VM what it was when it was kept, while the others go on. Raises `AxError` with nothing changed."""
        return kept.put(self)

    def asleep(self, vm: Vm) -> bool:
        """Whether no vCPU of a VM will ever run again by itself: it waits for a person, or for nothing."""
        for vcpu in vm.on_vcpus:
            timer = vm.state is not VmStatus.SUSPENDED and (vcpu.wake_timer or vcpu.physical_timer)
            if vcpu.state is not VcpuStatus.BLOCKED or timer or vcpu.wait_reason == tasks.Wait.BOOT_DELAY:
                return False
        return not vm.grace and not vm.devices.alarm

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all vCPUs that are on, by VM and vCPU."""
        return [vcpu.task for vm in self.vms for vcpu in vm.vcpus if vcpu.task is not None]

    def holders(self, vm: Vm) -> list[str]:
        """Who in the lab still refers to a VM, in words: nobody, when it may be forgotten."""
        found = ["the VM list"] if self.vms.get(vm.id) is vm else []
        found += [f"task {vcpu.task.name}" for vcpu in vm.on_vcpus if vcpu.task is not None]
        found += [f"physical CPU {p.index}" for p in self.physical_cpus if p.task is not None and p.task.vm is vm]
        found += [f"device {name}" for name, owner in self.ownership.owners.items() if owner == vm.id]
        return found + [f"IVC channel {mapping.channel.key:#x}" for mapping in vm.channels]

    @from_outside
    def inject(self, vm: Vm, vcpu: int, intid: int) -> None:
        """Make an interrupt pending for a vCPU of a VM (SGI and PPI) or for the VM (SPI). Raises `AxError`."""
        if not 0 <= vcpu < len(vm.vcpus):
            raise AxError(f"{vm.label} has no VCpu[{vcpu}]; it has 0 to {len(vm.vcpus) - 1}")
        if not vm.on_vcpus:
            raise Refused("VM is not running, cannot take interrupts")
        if not vm.devices.delivers:
            raise AxError(f"{vm.label} takes no interrupts: its interrupt_mode is no_irq")
        if not vm.gic.gic.exists(intid):
            raise AxError(f"{vm.label} has no interrupt {intid}")
        vm.gic.inject(intid, vcpu, self.now)
        kick(vm.vcpus[vcpu])
        timers.notice(self, vm)

    @from_outside
    def console_input(self, vm: Vm, data: bytes) -> None:
        """Type on a VM's console; the guest takes it at its own pace."""
        vm.console.pending += data
        if self.events.observers:
            self.events.emit(events.Console(self.now, vm.id, data, "input"))
        if vm.on_vcpus:
            virtual_devices.console_input(self, vm)
        for vcpu in vm.on_vcpus:
            if vcpu.task is not None and vcpu.task.wait_reason == tasks.Wait.INPUT:
                tasks.wake(self, vcpu.task)

    @from_outside
    def set_affinity(self, vcpu: Vcpu, mask: int | None) -> None:
        """Let a vCPU run on these physical CPUs only (None: on any). Raises `AxError` for a mask that names none."""
        if mask is not None and not mask & (1 << len(self.physical_cpus.cpus)) - 1:
            raise AxError(f"the mask {mask:#x} names none of the {len(self.physical_cpus.cpus)} physical CPUs")
        vcpu.affinity = mask
        if vcpu.task is not None and vcpu.state is VcpuStatus.READY:
            self.scheduler.remove(vcpu.task)
            self.physical_cpus.place(self, vcpu.task)
        kick(vcpu)

    def use_scheduler(self, wanted: str | Scheduler | type) -> None:
        """Schedule otherwise from now on; who waits keeps the place in the queue. Raises `AxError`."""
        scheduler = make_scheduler(wanted, self.scheduler.seed)
        for task in self.scheduler.ready:
            scheduler.add(task, self.now)
        self.scheduler = scheduler

    # Time

    def advance(
        self,
        until: int | None = None,
        stop: Callable[[], bool] | None = None,
        max_instructions: int | None = None,
    ) -> str:
        """Let virtual time pass. Returns why it ended.

        "time": it is `until`. "stop": `stop()` was true, which is asked between slices and exits.
        "break": a stop point was hit, which `stops.stopped` says.
        "instructions": so many were executed. "idle": nothing can happen any more; time stays where it is.
        Raises `AxError` where a person's own scheduler made a mistake; the machine can go on.
        """
        return advancing.advance(self, until, stop, max_instructions)

    @property
    def position(self) -> tuple[int, int]:
        """Where the machine stands: `turns` and `executed`. Positions are ordered as the moments are."""
        return self.turns, self.executed

    def sleep(self, ns: int) -> None:
        """Let exactly `ns` pass, whether anything happens in it or not."""
        until = self.now + ns
        self.advance(until)
        self.now = self.edge = max(self.now, until)

    # Telling

    def set_state(self, vm: Vm, state: VmStatus, reason: str = "") -> None:
        """The VM is in `state` from now on."""
        old, vm.state, vm.reason = vm.state, state, reason
        why = f" ({reason})" if reason else ""
        vm.folder.log(self.now, f"state: {old} -> {state}{why}")
        if self.events.observers:
            self.events.emit(events.VmState(self.now, vm.id, old, state, reason))

    def vcpu_changed(self, task: Task, old: VcpuStatus, new: VcpuStatus | None = None) -> None:
        """Tell that a vCPU's scheduling state changed."""
        if self.events.observers:
            state = task.state if new is None else new
            event = events.VcpuState(
                self.now, task.pcpu, task.vm.id, task.vcpu.id, old, state, task.wait_reason if new is None else ""
            )
            self.events.emit(event)

    def log(self, level: str, message: str, vm: Vm | None = None) -> None:
        """A log line; those of a VM that are not for debugging go into its vm.log, too."""
        if vm is not None and level != "debug":
            vm.folder.log(self.now, f"{level}: {message}")
        if self.events.observers:
            self.events.emit(events.Log(self.now, level, message, -1 if vm is None else vm.id))

    def fault_event(self, vm: Vm, vcpu: Vcpu, message: str) -> None:
        if self.events.observers:
            self.events.emit(events.Fault(self.now, vm.id, vcpu.id, vcpu.cpu.pc, message))

    def set_level(self, vm: Vm, intid: int, level: bool) -> None:
        """A device of a VM drives its interrupt line."""
        if vm.devices.delivers:
            vm.gic.set_level(intid, level, now=self.now)
            if level:
                timers.notice(self, vm)
