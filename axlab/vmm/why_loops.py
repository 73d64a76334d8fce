"""What a vCPU that runs does over and over: a copy of the hypervisor goes on for a moment, and is watched.

The copy is thrown away. It tells nobody, writes nothing, and stops nowhere.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axlab.events import Event, Mmio, Observers
from axlab.machine.access_trace import AccessTrace, MemoryAccess
from axlab.machine.instruction_trace import InstructionTrace
from axlab.machine.uart import Pl011
from axlab.units import format_duration
from axlab.vmm.findings import Finding, at, instruction, memory_at, named
from axlab.vmm.tasks import Wait
from axlab.vmm.vcpu import Power, VcpuStatus
from axlab.vmm.why_faults import exception_lines

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

LOOKED_AT = 4_000  # instructions of the copy
LAST = 2_000  # of a vCPU's, in which a loop must show
LARGEST_LOOP = 64  # instructions
ALONE = 20_000  # that another vCPU is tried out for
SHOWN = 8
PSTATE_I = 2


@dataclass
class Observed:
    """What the vCPUs of a VM did in the copy: where they were, what they accessed, which devices they asked."""

    pcs: dict[int, list[int]] = field(default_factory=dict)
    accesses: dict[int, list[MemoryAccess]] = field(default_factory=dict)
    mmio: list[Mmio] = field(default_factory=list)


class Silent(Observers):
    """The copy's observer: it keeps accesses to devices."""

    def __init__(self) -> None:
        super().__init__()
        self.mmio: list[Mmio] = []
        self.add(self.keep)

    def keep(self, event: Event) -> None:
        if isinstance(event, Mmio):
            self.mmio.append(event)


def alone(hv: Hypervisor) -> Hypervisor:
    """A copy of a hypervisor that tells nobody and writes nothing."""
    events: Any = Silent()
    copied = copy.deepcopy(hv, {id(hv.events): events})
    copied.folder = None
    for vm in copied.vms:
        vm.folder.path = None
    copied.stops.points.clear()
    copied.stops.apply(copied)
    return copied


def observe(hv: Hypervisor, vm: Vm) -> Observed:
    """Let a copy go on for a moment."""
    if not any(vcpu.state is VcpuStatus.RUNNING for vcpu in vm.vcpus):
        return Observed()
    copied = alone(hv)
    mine = copied.vms.find(vm.id)
    traces = {vcpu.id: (InstructionTrace(), AccessTrace()) for vcpu in mine.vcpus}
    for vcpu in mine.vcpus:
        vcpu.cpu.record(traces[vcpu.id][0])
        vcpu.cpu.record_accesses(traces[vcpu.id][1])
    copied.advance(max_instructions=LOOKED_AT * max(1, len(copied.physical_cpus.busy())))
    pcs = {number: list(executed.pcs()) for number, (executed, _) in traces.items()}
    silent: Any = copied.events
    of_vm = [event for event in silent.mmio if event.vm == vm.id]
    return Observed(pcs, {number: list(accesses) for number, (_, accesses) in traces.items()}, of_vm)


def loop_of(pcs: list[int]) -> list[int]:
    """The addresses of the loop that a vCPU is in: few instructions, and nothing else; empty where it is in none."""
    last = pcs[-LAST:]
    loop = set(last)
    return sorted(loop) if last and len(loop) <= LARGEST_LOOP and len(last) >= 8 * len(loop) else []


def running(hv: Hypervisor, vm: Vm, vcpu: Vcpu, observed: Observed) -> list[Finding]:
    """What a vCPU on a physical CPU does."""
    pcs = observed.pcs.get(vcpu.id, [])
    loop = loop_of(pcs)
    if not loop:
        different = len(set(pcs))
        text = f"{named(vcpu)} runs: {different} different instructions in its next {len(pcs)}"
        return [Finding("fact", text, vcpu.id, (f"next  {instruction(vm, vcpu, vcpu.cpu.pc)}",))]
    accesses = [access for access in observed.accesses.get(vcpu.id, []) if access.pc in set(loop)][-LAST:]
    polled = polls(vm, vcpu, observed)
    if polled is not None:
        return [polled_finding(vm, vcpu, loop, polled)]
    return [spin(hv, vm, vcpu, loop, accesses)]


def polls(vm: Vm, vcpu: Vcpu, observed: Observed) -> Mmio | None:
    """The load of a device that comes again and again with the same answer."""
    reads = [event for event in observed.mmio if event.vcpu == vcpu.id and not event.is_write]
    if len(reads) < 8 or len({(event.address, event.value) for event in reads[-8:]}) > 1:
        return None
    return reads[-1]


def polled_finding(vm: Vm, vcpu: Vcpu, loop: list[int], read: Mmio) -> Finding:
    """A vCPU that waits for a device to answer something else."""
    claim = vm.bus.find(read.address)
    device = claim.device if claim is not None else None
    register = register_name(device, read.address - claim.base) if claim is not None else ""
    what = f"{read.device} {register}".strip() or "a device"
    text = f"{named(vcpu)} polls {what} at {read.address:#x}, which answers {read.value:#x} every time"
    details = code(vm, vcpu, loop)
    if isinstance(device, Pl011) and register in ("FR", "DR"):
        text = f"{named(vcpu)} waits for console input: it polls {what} at {read.address:#x}, now {read.value:#x}"
        details = [f"'vm type {vm.id} TEXT' gives it some", *details]
    return Finding("cause", text, vcpu.id, tuple(details))


def register_name(device: Any, offset: int) -> str:
    """The name of a device's register, as its description has it."""
    return next((one.name for one in getattr(device, "registers", ()) if one.offset == offset), "")


def spin(hv: Hypervisor, vm: Vm, vcpu: Vcpu, loop: list[int], accesses: list[MemoryAccess]) -> Finding:
    """A vCPU in a small loop: is anything different from pass to pass, and who could end it?"""
    masked = " with interrupts masked (PSTATE.I)" if vcpu.cpu.daif & PSTATE_I else ""
    count = f"{len(loop)} instruction{'s' * (len(loop) != 1)}"
    where = at(vm, loop[0])
    details = code(vm, vcpu, loop)
    places = awaited(accesses)
    if makes_progress(hv, vm, vcpu, loop):
        text = f"{named(vcpu)} computes in a loop of {count} at {where}{masked}: its registers change from pass to pass"
        return Finding("fact", text, vcpu.id, tuple(details))
    text = f"{named(vcpu)} spins at {where}{masked}: {count}, every pass like the one before"
    if places:
        text += f"; it waits for {', '.join(place_text(vm, place) for place in places[:3])} to change"
        for place in places[:3]:
            details += writers(hv, vm, vcpu, place)
    elif masked:
        details.append("nothing in the loop reads memory, and no interrupt can end it: it never will")
    else:
        details.append("nothing in the loop reads memory: only an interrupt can end it")
    details += exception_lines(vm, vcpu)
    awaits = (places[0].address, places[0].size) if places else None
    return Finding("cause", text, vcpu.id, tuple(details), awaits)


def code(vm: Vm, vcpu: Vcpu, loop: list[int]) -> list[str]:
    """The loop's instructions, the first few of them."""
    lines = [f"  {instruction(vm, vcpu, pc)}" for pc in loop[:SHOWN]]
    return lines + ([f"  ... and {len(loop) - SHOWN} more"] if len(loop) > SHOWN else [])


def place_text(vm: Vm, place: MemoryAccess) -> str:
    """`the 8 bytes at 0x40200000 (flag), which are 0,`."""
    return f"the {place.size} byte{'s' * (place.size != 1)} at {at(vm, place.address)}, now {place.value:#x},"


def awaited(accesses: list[MemoryAccess]) -> list[MemoryAccess]:
    """What a loop reads again and again, always finding the same, and does not write itself."""
    written = {access.address for access in accesses if access.is_write}
    reads = Counter((access.address, access.value) for access in accesses if not access.is_write)
    values = Counter(address for address, _ in reads)
    return [
        next(access for access in accesses if access.address == address and not access.is_write)
        for (address, _), times in reads.most_common()
        if times > 3 and values[address] == 1 and address not in written
    ]


def makes_progress(hv: Hypervisor, vm: Vm, vcpu: Vcpu, loop: list[int]) -> bool:
    """Whether a register is different when the loop comes around again."""
    copied = alone(hv)
    cpu = copied.vms.find(vm.id).vcpus[vcpu.id].cpu
    before = None
    for _ in range(4 * LARGEST_LOOP):
        if cpu.pc == loop[0]:
            now = list(cpu.x), cpu.nzcv, list(cpu.v)
            if before is not None:
                return now != before
            before = now
        if cpu.run(1) is not None:
            return True
    return True


def writers(hv: Hypervisor, vm: Vm, vcpu: Vcpu, place: MemoryAccess) -> list[str]:
    """Who has written a place last, as far as accesses were recorded; who would, if it ran; and why it does not."""
    lines = []
    for other in vm.vcpus:
        last = last_write(other, place)
        if last is not None:
            was = f"wrote {last.value:#x} there {format_duration(max(0, hv.now - last.time))} ago"
            lines.append(f"{named(other)} {was}: {instruction(vm, other, last.pc)}")
        if other is vcpu or other.power is Power.OFF:
            continue
        pc = would_write(hv, vm, other, place)
        if pc is not None:
            state = standing(hv, other)
            lines.append(f"{named(other)} would write it at {instruction(vm, other, pc)}; it {state}")
    return lines or ["nobody else of the VM was seen to write there"]


def last_write(vcpu: Vcpu, place: MemoryAccess) -> MemoryAccess | None:
    """The last recorded store to a place."""
    if vcpu.cpu.accesses is None:
        return None
    behind = place.address + place.size
    stores = (access for access in vcpu.cpu.accesses if access.is_write and access.address < behind)
    mine = [access for access in stores if place.address < access.address + access.size]
    return mine[-1] if mine else None


def would_write(hv: Hypervisor, vm: Vm, vcpu: Vcpu, place: MemoryAccess) -> int | None:
    """The pc of the store to a place that a vCPU makes next when it runs alone; None where it makes none soon."""
    from axlab.machine.stops import Watch

    cpu = alone(hv).vms.find(vm.id).vcpus[vcpu.id].cpu
    cpu.stop_at(frozenset(), (Watch(place.address, place.address + place.size),))
    trap = cpu.run(ALONE)
    return cpu.hit.pc if trap is None and cpu.hit is not None else None


def standing(hv: Hypervisor, vcpu: Vcpu) -> str:
    """Why a vCPU does not run just now."""
    task = vcpu.task
    assert task is not None
    since = format_duration(max(0, hv.now - task.since))
    if vcpu.state is VcpuStatus.READY:
        holders = [p.task.name for p in hv.physical_cpus if p.task is not None and task.may_run_on(p.index)]
        return f"is descheduled: ready for {since}, while {', '.join(holders)} has the CPU"
    if vcpu.state is VcpuStatus.BLOCKED:
        return f"is blocked: it {'sleeps in WFI' if task.wait_reason == Wait.INTERRUPT else task.wait_reason}"
    return "runs"


def overwritten(vm: Vm, observed: Observed) -> list[Finding]:
    """Stores to what was executed: code that writes over itself."""
    executed = {pc >> 2 for pcs in observed.pcs.values() for pc in pcs}
    found = []
    for number, accesses in observed.accesses.items():
        vcpu = vm.vcpus[number]
        stores = (access for access in accesses if access.is_write)
        bad = next((one for one in stores if touches(one, executed)), None)
        if bad is not None:
            text = f"{named(vcpu)} writes over code that is executed: {bad.size} bytes at {at(vm, bad.address)}"
            now = memory_at(vcpu, bad.address & ~3, 4)
            details = (f"by {instruction(vm, vcpu, bad.pc)}",)
            found.append(Finding("warning", text, number, details if now is not None else ()))
    return found


def touches(access: MemoryAccess, words: set[int]) -> bool:
    """Whether an access lies on one of these words of code."""
    return any(word in words for word in range(access.address >> 2, (access.address + access.size + 3) >> 2))
