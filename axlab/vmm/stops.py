"""Stop points: where a person, or a debugger, wants virtual time to stand still.

A stop point is plain data. Its breakpoints and watches are set on the vCPUs' `Cpu`s (`machine/stops.py`), where they
cost nothing elsewhere; others are asked at events, or before every instruction. When one is hit and its condition
holds, `Hypervisor.advance` returns "break" and `Stops.stopped` says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from axlab.errors import AxError
from axlab.events import Event
from axlab.machine.stops import Hit, Watch
from axlab.vmm import guest_memory, register_values

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

FOREVER = 1 << 63  # ns


@dataclass(frozen=True, slots=True)
class Situation:
    """What a condition is asked about: a vCPU that stands before an instruction or behind an access, or an event.

    `vm` and `vcpu` are None where an event belongs to none, or to one that is gone; `hit` says which breakpoint or
    access it was.
    """

    hypervisor: Hypervisor
    vm: Vm | None
    vcpu: Vcpu | None
    hit: Hit | None = None
    event: Event | None = None

    @property
    def time(self) -> int:
        """Virtual time in ns."""
        return self.hypervisor.now if self.event is None else self.event.time

    def where(self, name: str) -> int:
        """The number of the `vm` or `vcpu`, or the `pc` of the vCPU. Raises LookupError where there is none."""
        if name == "vm" and self.vm is not None:
            return self.vm.id
        if self.vcpu is None:
            raise LookupError(name)
        return self.vcpu.id if name == "vcpu" else self.vcpu.cpu.pc

    def register(self, name: str) -> int:
        """A register of the vCPU, by its name in lower case. Raises LookupError where there is no vCPU."""
        if self.vcpu is None:
            raise LookupError(name)
        return register_values.read(self.vcpu.cpu, name)

    def memory(self, address: int, size: int) -> int:
        """Guest memory at a virtual address, as the vCPU sees it. Raises LookupError where there is no memory."""
        if self.vcpu is None:
            raise LookupError("memory")
        return int.from_bytes(guest_memory.read(self.vcpu.cpu, address, size), "little")

    def console_line(self) -> str:
        """The last line of the VM's console, as far as it is printed; its newline is part of it."""
        if self.vm is None:
            raise LookupError("console")
        output = self.vm.console.output
        return output[output.rfind(b"\n", 0, max(0, len(output) - 1)) + 1 :].decode("utf-8", "replace")


class Condition(Protocol):
    """What must hold for a stop point to stop: plain data that can be asked."""

    def holds(self, situation: Situation) -> bool:
        """Whether to stop here. It changes nothing and raises nothing."""


@dataclass
class StopPoint:
    """One stop point of a VM (`vm` None: of every VM), and of one vCPU or of all.

    It is tried at `breakpoints` and `watches`, with `events` at every event, with `everywhere` before every
    instruction. It stops where `condition` holds, if it has one: from `after` to before `before` ns at most. The
    first `ignore` times it does not. With `once` it is gone when it has stopped. `text` is what a person reads; `owner`
    is who set it: "" for a person's, which are listed.
    """

    number: int
    text: str
    vm: int | None = None
    vcpu: int | None = None
    breakpoints: frozenset[int] = frozenset()
    watches: tuple[Watch, ...] = ()
    events: bool = False
    everywhere: bool = False
    after: int = 0
    before: int = FOREVER
    condition: Condition | None = None
    ignore: int = 0
    once: bool = False
    enabled: bool = True
    owner: str = ""
    hits: int = 0

    def is_of(self, vm: int, vcpu: int | None = None) -> bool:
        """Whether it is on and about this VM, and this vCPU of it."""
        return self.enabled and self.vm in (None, vm) and (vcpu is None or self.vcpu in (None, vcpu))

    def is_at(self, hit: Hit) -> bool:
        """Whether the breakpoint or access that was hit is one of its own."""
        if hit.kind == "break":
            return hit.pc in self.breakpoints
        return any(watch.sees(hit.kind[0], hit.address, hit.size) for watch in self.watches)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why time stands still. `pc` is the next instruction of the vCPU (-1 and vcpu -1 where an event has none).

    `points` are the numbers of the stop points that hold, `texts` what they say; `hit` or `event` is what happened.
    """

    time: int
    vm: int
    vcpu: int
    pc: int
    points: tuple[int, ...]
    texts: tuple[str, ...]
    hit: Hit | None = None
    event: Event | None = None


class Stops:
    """The stop points of a hypervisor, in the order of their numbers, and why time stands still at the moment.

    As an observer of events it tries the stop points that wait for those.
    """

    def __init__(self) -> None:
        self.points: dict[int, StopPoint] = {}
        self.following = 1  # the number of the next one
        self.stopped: Stopped | None = None
        self.hypervisor: Hypervisor | None = None  # while it observes

    def add(self, hypervisor: Hypervisor, point: StopPoint) -> StopPoint:
        """Set a stop point; a person's gets the next number, others one below 0."""
        if point.owner:
            point.number = min(0, *self.points, 0) - 1
        else:
            point.number, self.following = self.following, self.following + 1
        self.points[point.number] = point
        self.apply(hypervisor)
        return point

    def find(self, number: int) -> StopPoint:
        """The stop point of a number. Raises `AxError`."""
        found = self.points.get(number)
        if found is None or found.owner:
            known = ", ".join(str(one.number) for one in self.listed()) or "none"
            raise AxError(f"there is no stop point {number} (there are: {known})")
        return found

    def listed(self) -> list[StopPoint]:
        """Those that a person set."""
        return [point for point in self.points.values() if not point.owner]

    def remove(self, hypervisor: Hypervisor, *numbers: int) -> None:
        """Clear stop points."""
        for number in numbers:
            self.points.pop(number, None)
        self.apply(hypervisor)

    def forget_vm(self, hypervisor: Hypervisor, vm: int) -> None:
        """A VM is gone, and its stop points with it."""
        self.remove(hypervisor, *[number for number, point in self.points.items() if point.vm == vm])

    def apply(self, hypervisor: Hypervisor) -> None:
        """Set on every vCPU what it has to look for; call this after a stop point was changed."""
        for vm in hypervisor.vms:
            for vcpu in vm.vcpus:
                mine = [point for point in self.points.values() if point.is_of(vm.id, vcpu.id)]
                breakpoints = frozenset(address for point in mine for address in point.breakpoints)
                vcpu.cpu.stop_at(breakpoints, tuple([watch for point in mine for watch in point.watches]))
        hypervisor.events.remove(self)
        self.hypervisor = None
        if any(point.events and point.enabled for point in self.points.values()):
            self.hypervisor = hypervisor
            hypervisor.events.add(self)

    # While time passes

    def hit(self, hypervisor: Hypervisor, vm: Vm, vcpu: Vcpu, hit: Hit) -> None:
        """A vCPU stopped at a breakpoint or behind an access: time stands still if a condition agrees."""
        mine = [point for point in self.points.values() if point.is_of(vm.id, vcpu.id) and point.is_at(hit)]
        self._try(mine, Situation(hypervisor, vm, vcpu, hit))

    def holds_before(self, hypervisor: Hypervisor, vm: Vm, vcpu: Vcpu) -> bool:
        """Whether a stop point that is asked before every instruction holds before the next one."""
        now, cpu = hypervisor.now, vcpu.cpu
        mine = [
            point
            for point in self.points.values()
            if point.everywhere and point.after <= now < point.before and point.is_of(vm.id, vcpu.id)
        ]
        if not mine or cpu.passed == (cpu.pc, cpu.executed):
            return False
        before = self.stopped
        self._try(mine, Situation(hypervisor, vm, vcpu, Hit("break", cpu.pc)))
        if self.stopped is before:
            return False
        cpu.passed = (cpu.pc, cpu.executed)
        return True

    def at_most(self, instructions: int, hypervisor: Hypervisor, vm: Vm) -> int:
        """How many of these instructions may be executed before a stop point wants to be asked."""
        now = hypervisor.now
        for point in self.points.values():
            if point.everywhere and now < point.before and point.is_of(vm.id):
                ns = point.after - now
                instructions = min(instructions, max(1, -(-ns // hypervisor.ns_per_instruction)))
        return instructions

    def __call__(self, event: Event) -> None:
        """As an observer: an event has happened."""
        hypervisor = self.hypervisor
        if hypervisor is None:
            return
        vm = hypervisor.vms.get(getattr(event, "vm", -1))
        number = getattr(event, "vcpu", -1)
        vcpu = vm.vcpus[number] if vm is not None and 0 <= number < len(vm.vcpus) else None
        id = -1 if vm is None else vm.id
        which = None if vcpu is None else vcpu.id
        mine = [point for point in self.points.values() if point.events and point.is_of(id, which)]
        self._try(mine, Situation(hypervisor, vm, vcpu, event=event))

    def _try(self, points: list[StopPoint], situation: Situation) -> None:
        """Count the stop points that hold; those that are not to be ignored make time stand still."""
        holding = [point for point in points if point.condition is None or point.condition.holds(situation)]
        stopping = []
        for point in holding:
            point.hits += 1
            if point.ignore:
                point.ignore -= 1
            else:
                stopping.append(point)
        if not stopping or self.stopped is not None:
            return
        vm, vcpu = situation.vm, situation.vcpu
        self.stopped = Stopped(
            situation.time,
            -1 if vm is None else vm.id,
            -1 if vcpu is None else vcpu.id,
            -1 if vcpu is None else vcpu.cpu.pc,
            tuple(point.number for point in stopping),
            tuple(point.text for point in stopping),
            situation.hit,
            situation.event,
        )
        gone = [point.number for point in stopping if point.once]
        if gone:
            self.remove(situation.hypervisor, *gone)
