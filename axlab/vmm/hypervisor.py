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
from axlab.machine.rtc import Pl031
from axlab.machine.timer import NS_PER_TICK
from axlab.vmm import building, lifecycle, stopping, tasks, timers, virtual_devices
from axlab.vmm.clock import Timeline
from axlab.vmm.config import VmConfig
from axlab.vmm.due_events import EVENTS
from axlab.vmm.host_memory import HostMemory
from axlab.vmm.ivc import Channels
from axlab.vmm.lifecycle import StopReason, VmStatus
from axlab.vmm.outside import History, Kept, from_outside
from axlab.vmm.ownership import Ownership
from axlab.vmm.physical_cpus import PhysicalCpu, PhysicalCpus, kick
from axlab.vmm.scheduler import Scheduler, make_scheduler
from axlab.vmm.stops import Stops
from axlab.vmm.vcpu import VcpuStatus
from axlab.vmm.vm import Vm
from axlab.vmm.vm_list import VmList

if TYPE_CHECKING:
    from axlab.vmm.phases import Act
    from axlab.vmm.tasks import Task
    from axlab.vmm.vcpu import Vcpu

QUANTUM = 1000  # instructions: how far the clocks of busy physical CPUs may be apart
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
        self.skip_virtual_time(vm)
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

    def skip_virtual_time(self, vm: Vm) -> None:
        """The guest's virtual counter did not run while all of its vCPUs stood still."""
        parked = [v.task for v in vm.on_vcpus if v.task is not None and v.state is VcpuStatus.BLOCKED]
        if len(parked) < len(vm.on_vcpus):
            return
        still_since = max([vm.suspended_at, *(task.since for task in parked)])
        ticks = (self.now - still_since) // NS_PER_TICK
        for vcpu in vm.vcpus:
            vcpu.cpu.sys["CNTVOFF_EL2"] += ticks
            vcpu.cpu.attention = True

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
        self.budget = max_instructions
        self.stops.stopped = None
        try:
            why = self._advance(until, stop) if self.history is None else self._follow(self.history, until, stop)
        finally:
            self.budget = None
        self._settle(until if why == "time" else None)
        for vm in self.vms:
            vm.folder.flush()
        if why == "mistake":
            mistake, self.scheduler.mistake = self.scheduler.mistake, None
            assert mistake is not None
            raise mistake
        return why

    @property
    def position(self) -> tuple[int, int]:
        """Where the machine stands: `turns` and `executed`. Positions are ordered as the moments are."""
        return self.turns, self.executed

    def sleep(self, ns: int) -> None:
        """Let exactly `ns` pass, whether anything happens in it or not."""
        until = self.now + ns
        self.advance(until)
        self.now = self.edge = max(self.now, until)

    def _follow(self, history: History, until: int | None, stop: Callable[[], bool] | None) -> str:
        """Advance, and where the machine is in its past, let commands come again where they came."""
        while (due := history.due()) is not None:
            (turns, executed), now = due
            if self.position == (turns, executed) and (until is None or now <= until):
                history.give()
                continue
            left, began, last = self.budget, self.executed, self.turns == turns
            if last:
                self.budget = executed - began if left is None else min(left, executed - began)
            why = self._advance(until, stop, turns + last)
            self.budget = None if left is None else left - (self.executed - began)
            if why != "turn" and (why != "instructions" or self.position != (turns, executed)):
                return why
        return self._advance(until, stop)

    def _advance(self, until: int | None, stop: Callable[[], bool] | None, turn: int | None = None) -> str:
        """`turn`: no further than to so many turns.

        What exits lead to is imported for the first guest that runs: a lab's first command needs nothing of it.
        """
        from axlab.vmm.phases import PHASES

        history = self.history
        while True:
            if history is not None and self.turns >= history.look_at:
                history.look()
            if self.turns == turn:
                return "turn"
            if self.stops.stopped is not None:
                return "break"
            if self.scheduler.mistake is not None:
                return "mistake"
            if stop is not None and stop():
                return "stop"
            pcpu, busy = self.physical_cpus.turn()
            cut = pcpu is not None and pcpu.cut > pcpu.clock
            due = self.timeline.next_time()
            if pcpu is None and due is None:
                return "idle"
            is_event = pcpu is None or not cut and due is not None and due <= pcpu.clock
            at = due if is_event else pcpu.clock  # type: ignore[union-attr]
            assert at is not None
            if until is not None and at >= until:
                return "time"
            if is_event:
                self._dispatch()
            elif self.budget is not None and self.budget <= 0:
                return "instructions"
            else:
                assert pcpu is not None and pcpu.task is not None
                limit = self._limit(pcpu, busy, due)
                end = limit if until is None or busy > 1 else min(limit, until)
                self._step(PHASES[pcpu.task.phase], pcpu, pcpu.cut if cut else end, limit)

    def _limit(self, pcpu: PhysicalCpu, busy: int, due: int | None) -> int:
        """Where the slice of a physical CPU ends: at its tick, the next event, and, if others are busy, at the quantum.

        It depends on nothing that a caller of `advance` chooses, so that slices interleave in the same way
        however often it is called. `until` ends the slice of a physical CPU that is alone.
        """
        limit = pcpu.next_tick
        if due is not None:
            limit = min(limit, due)
        if busy > 1:
            quantum = QUANTUM * self.ns_per_instruction
            limit = min(limit, (pcpu.clock // quantum + 1) * quantum)
        return limit

    def _step(self, phase: Act, pcpu: PhysicalCpu, limit: int, whole: int) -> None:
        """The phase of the task on a physical CPU up to `limit`; it is a turn if it ends as one to `whole` would."""
        task = pcpu.task
        assert task is not None
        self.now = pcpu.clock
        pcpu.limit = limit
        self.inside = True
        try:
            phase(self, pcpu, task)
        finally:
            self.inside = False
        ended = not task.in_guest or pcpu.clock >= whole or task.vcpu.cpu.ended_slice
        self.turns += ended and pcpu.cut <= pcpu.clock

    def _dispatch(self) -> None:
        """The next event of the timeline."""
        self.now, event = self.timeline.pop()
        self.inside = True
        try:
            EVENTS[event[0]](self, *event[1:])
        finally:
            self.inside = False
        self.turns += 1

    def _settle(self, until: int | None) -> None:
        """`now` for whoever looks from outside: `until`, or how far all physical CPUs have come; it never goes back."""
        busy = [pcpu.clock for pcpu in self.physical_cpus.busy()]
        reached = until if until is not None else min(busy) if busy else self.now
        self.now = self.edge = max(self.edge, reached)

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

    def watch_clock(self, vm: Vm, clock: Pl031) -> None:
        """The guest may have set the alarm of the real-time clock."""
        self.timeline.cancel(vm.devices.alarm)
        vm.devices.alarm = 0
        if clock.deadline is not None:
            vm.devices.alarm = self.timeline.at(clock.deadline, ("alarm", vm.id))
