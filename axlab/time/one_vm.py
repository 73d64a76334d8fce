"""One VM as it was at a moment, to be put back while the others go on from where they are.

The lab's clock does not go back. The VM goes on as one that was suspended in between does: its virtual counter and all
that waits in virtual time stood still, while the physical counter and the time of day did not.

What is kept is a document of `encoding.py` with all that belongs to the VM, and the pages of its RAM and flash by their
places in it, so that it can also be put into another lab, where the host has other memory for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.machine.flash import Flash
from axlab.machine.memory import PAGE_BITS, PAGE_SIZE, Memory
from axlab.machine.page_versions import Version
from axlab.machine.timer import M64, NS_PER_TICK
from axlab.time.decoding import Decoder, put_existing
from axlab.time.encoding import Encoder
from axlab.units import format_duration
from axlab.vmm import building, virtual_devices
from axlab.vmm.clock import EventTuple
from axlab.vmm.config import parse_config
from axlab.vmm.due_events import EVENTS
from axlab.vmm.load_plan import LoadPlan
from axlab.vmm.stage2 import Stage2
from axlab.vmm.tasks import Task
from axlab.vmm.vcpu import VcpuStatus
from axlab.vmm.vm import Vm
from axlab.vmm.vm_folder import VmFolder

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor

NO_PAGE = bytes(PAGE_SIZE)
REAL_TIME = ("physical_timer", "alarm")  # events that do not wait in the VM's virtual time
OF_THE_LAB = ("memory_regions", "stage2", "folder", "config", "plan", "granted", "memory")
"""What a VM that is put back keeps of the lab that it is in."""

Range = tuple[int, int]  # pages of the host: the first, and the one behind the last


@dataclass(frozen=True)
class PagesThen:
    """The pages of a VM at a version of memory, which costs what is written afterwards."""

    version: Version
    ranges: tuple[Range, ...]

    def contents(self, memory: Memory) -> dict[int, bytes]:
        """What was in the pages, by their places in the VM; those that were never touched are left out."""
        then = self.version.pages(memory.pages)
        return {place: bytes(then[page]) for place, page in numbered(self.ranges) if page in then}


@dataclass(frozen=True)
class PagesOfFile:
    """The pages of a VM as a file has them."""

    pages: dict[int, bytes]
    version: Version | None = None

    def contents(self, memory: Memory) -> dict[int, bytes]:
        """What was in the pages, by their places in the VM."""
        return self.pages


@dataclass(frozen=True, repr=False)
class KeptVm:
    """A VM at a moment, under a name. `document` and `blobs` are what `encoding.py` makes of it."""

    name: str
    document: dict[str, Any]
    blobs: list[bytes]
    pages: PagesThen | PagesOfFile = field(compare=False)

    def __repr__(self) -> str:
        return f"VM[{self.id}] of snapshot {self.name!r}"

    @property
    def vm_name(self) -> str:
        """The VM's name."""
        return parse_config(self.document["config"], f"the snapshot {self.name}").require().base.name

    @property
    def id(self) -> int:
        """The VM's id."""
        return int(self.document["vm"])

    def put(self, hypervisor: Hypervisor) -> Vm:
        """Make the VM what it was; one that is not there any more is made. Raises `AxError`, with nothing changed."""
        config = parse_config(self.document["config"], f"the snapshot {self.name}").require()
        vm = hypervisor.vms.get(config.base.id)
        made = vm is None
        if vm is None:
            hypervisor.vms.check_free(config.base.id, config.base.name)
            plan = decoded(self, hypervisor, None)["vm"]["plan"]
            if not isinstance(plan, LoadPlan):
                raise TypeError("it does not say what the VM is loaded with")
            if not plan.fits(config.kernel.memory_regions):
                raise ValueError("it loads the VM outside of its memory")
            vm = building.build(hypervisor, config, plan)
        try:
            check_same(vm, self)
            check_alone(vm)
            put_into(hypervisor, vm, self)
        except BaseException:
            if made:
                building.free(hypervisor, vm.memory_regions, vm.stage2)
            raise
        if made:
            hypervisor.vms.push(vm)
        begin_again(hypervisor, vm, self.document)
        return vm


def check_same(vm: Vm, kept: KeptVm) -> None:
    """`AxError` for a VM that was made from something else than the one that was kept."""
    if vm.config.anywhere().to_toml() != kept.document["config"]:
        raise AxError(f"{vm.label} is another VM now: its configuration is not that of {kept!r}; delete it first")


def check_alone(vm: Vm) -> None:
    """`AxError` for a VM that shares memory: others would see it go back."""
    if vm.channels:
        keys = ", ".join(f"{mapping.channel.key:#x}" for mapping in vm.channels)
        raise AxError(
            f"{vm.label} shares memory with others (IVC channel {keys}), who would see it change; keep the whole lab"
        )


# Keeping


def keep(hypervisor: Hypervisor, vm: Vm, name: str) -> KeptVm:
    """A VM as it is now. Raises `AxError` for one that cannot go back alone."""
    check_alone(vm)
    encoder = Encoder(labels_of(vm), {id(value): label for label, value in outside(hypervisor, vm).items()})
    document = encoder.encode({"vm": vm})
    document["vm"] = vm.id
    document["config"] = vm.config.anywhere().to_toml()
    document["now"] = hypervisor.now
    document["events"] = [
        [serial, time - (0 if event[0] in REAL_TIME else hypervisor.now), priority, *event]
        for time, priority, serial, event in sorted(hypervisor.timeline.heap)
        if is_of(event, vm)
    ]
    document["slices"] = slices_of(hypervisor, vm)
    document["mapped"] = [list(run) for run in mapped_of(vm)]
    ranges = ranges_of(vm)
    document["reserved"] = {
        str(vcpu.id): [place_in(ranges, address), size, value]
        for vcpu in vm.vcpus
        for address, size, value in filter(None, [hypervisor.monitor.reservations.get(vcpu.cpu)])
    }
    return KeptVm(name, document, encoder.blobs, PagesThen(hypervisor.board.memory.version(), ranges))


def labels_of(vm: Vm) -> dict[int, str]:
    """The names of the objects that stay the same when a VM is put back, by their ids."""
    return {id(value): label for label, value in existing(vm).items()}


def existing(vm: Vm) -> dict[str, Any]:
    """The objects that stay the same when a VM is put back, by their names."""
    found: dict[str, Any] = {"vm": vm}
    for vcpu in vm.vcpus:
        found[f"vcpu {vcpu.id}"], found[f"cpu {vcpu.id}"] = vcpu, vcpu.cpu
    return found


def outside(hypervisor: Hypervisor, vm: Vm | None) -> dict[str, Any]:
    """What does not belong to a VM, but is referred to by it."""
    board = hypervisor.board
    of_vm = {} if vm is None else {"stage2": vm.stage2, "folder": vm.folder}
    return of_vm | {
        "events": hypervisor.events,
        "memory": board.memory,
        "bus": board.bus,
        "monitor": hypervisor.monitor,
    }


def is_of(event: EventTuple, vm: Vm) -> bool:
    """Whether an event of the timeline is a VM's."""
    return bool(event[1] == vm.id)  # type: ignore[misc]  # each has at least that


def slices_of(hypervisor: Hypervisor, vm: Vm) -> dict[str, list[int]]:
    """How far the clock of each vCPU that runs is ahead, and where its slice was to end (0: anywhere)."""
    return {
        str(pcpu.task.vcpu.id): [pcpu.clock - hypervisor.now, pcpu.cut and pcpu.cut - hypervisor.now]
        for pcpu in hypervisor.physical_cpus
        if pcpu.task is not None and pcpu.task.vm is vm
    }


def mapped_of(vm: Vm) -> Iterator[Range]:
    """The guest's memory that was mapped on demand until now, as addresses: from, and up to."""
    for region in vm.memory_regions:
        gpa = int(region.gpa)
        while region.on_demand and gpa < region.end:
            found = vm.stage2.find(gpa)
            size = PAGE_SIZE if found is None else min(found.left, region.end - gpa)
            if found is not None:
                yield gpa, gpa + size
            gpa += size


def flashes_of(vm: Vm) -> list[Flash]:
    """The banks of flash that belong to a VM, if it is on."""
    return [claim.device for claim in vm.devices.flashes if isinstance(claim.device, Flash) and vm.on_vcpus]


def ranges_of(vm: Vm) -> tuple[Range, ...]:
    """The pages of the host that a VM's RAM and flash are."""
    places = [(int(region.hpa), region.size) for region in vm.memory_regions]
    places += [(flash.base, flash.size) for flash in flashes_of(vm)]
    return tuple((base >> PAGE_BITS, base + size >> PAGE_BITS) for base, size in places)


def numbered(ranges: tuple[Range, ...]) -> Iterator[tuple[int, int]]:
    """All pages of a VM: their places in it, and their numbers in the host."""
    place = 0
    for first, behind in ranges:
        yield from zip(range(place, place + behind - first), range(first, behind), strict=True)
        place += behind - first


def place_in(ranges: tuple[Range, ...], address: int) -> int:
    """The place of an address of the host in a VM; -1 where it is none of its own."""
    place = 0
    for first, behind in ranges:
        if first <= address >> PAGE_BITS < behind:
            return address - (first - place << PAGE_BITS)
        place += behind - first
    return -1


# Putting back


def decoded(kept: KeptVm, hypervisor: Hypervisor, vm: Vm | None) -> dict[str, Any]:
    """What a document says: under `put` what is to be put into the objects of `vm`, under `vm` the VM's own fields.

    Without `vm` new objects stand for those, and nothing is put anywhere.
    """
    known = {"stage2": object.__new__(Stage2), "folder": VmFolder(None)} | outside(hypervisor, vm)
    decoder = Decoder(kept.document["nodes"], kept.blobs, {} if vm is None else existing(vm), known)
    later = decoder.decode()
    root = decoder.value(kept.document["roots"]["vm"])
    if vm is None:
        return {"put": [], "vm": dict(vars(root))}
    fields = next((fields for value, fields in later if value is vm), None)
    if fields is None or not all(any(value is one for one, _ in later) for value in existing(vm).values()):
        raise ValueError("it does not say all of the VM")
    return {"put": later, "vm": fields}


def put_into(hypervisor: Hypervisor, vm: Vm, kept: KeptVm) -> None:
    """Make a VM, with its objects and its memory, what it was. It has no physical CPU, and no timers, afterwards."""
    found = decoded(kept, hypervisor, vm)
    check_numbers(vm, kept.document)
    runs = any(fields.get("task") is not None for value, fields in found["put"] if value in vm.vcpus)
    if runs:
        hypervisor.ownership.acquire(vm)
    executed = [vcpu.instructions for vcpu in vm.vcpus]
    leave(hypervisor, vm)
    if not runs:
        hypervisor.ownership.release(vm)
    found["vm"] |= {name: getattr(vm, name) for name in OF_THE_LAB}
    put_existing(found["put"])
    for vcpu, count in zip(vm.vcpus, executed, strict=True):
        vcpu.executed_before += count - vcpu.instructions  # it has executed these, too
        vcpu.cpu.sys["VTTBR_EL2"] = vm.stage2.vttbr
    if runs:
        give_board_devices(hypervisor, vm)
    put_memory(hypervisor, vm, kept)


def check_numbers(vm: Vm, document: dict[str, Any]) -> None:
    """Raise one of `decoding.WRONG` for a document whose numbers fit no VM."""
    vcpus = {str(vcpu.id) for vcpu in vm.vcpus}
    for serial, time, priority, name, owner, *rest in document["events"]:
        if name not in EVENTS or owner != vm.id or not set(map(str, rest)) <= vcpus:
            raise ValueError(f"{name!r} is no event of the VM")
        if not all(type(number) is int for number in (serial, time, priority)):
            raise TypeError("an event has no time")
    for places in (document["slices"], document["reserved"]):
        if not places.keys() <= vcpus or not all(type(one) is int for place in places.values() for one in place):
            raise ValueError("a vCPU is none of the VM's")
    for start, end in document["mapped"]:
        if vm.region_of(start, end - start) is None or start % PAGE_SIZE or end % PAGE_SIZE:
            raise ValueError("memory is mapped that the VM has not")
    if type(document["now"]) is not int:
        raise TypeError("it has no time")


def leave(hypervisor: Hypervisor, vm: Vm) -> None:
    """Take a VM off the physical CPUs, the scheduler's queue and the timeline."""
    hypervisor.running_vms -= bool(vm.on_vcpus)
    hypervisor.timeline.cancel(*[entry[2] for entry in hypervisor.timeline.heap if is_of(entry[3], vm)])
    for vcpu in vm.on_vcpus:
        if vcpu.task in hypervisor.scheduler.ready:
            hypervisor.scheduler.remove(vcpu.task)
    for pcpu in hypervisor.physical_cpus:
        if pcpu.task is not None and pcpu.task.vm is vm:
            pcpu.task, pcpu.cut, pcpu.clock = None, 0, min(pcpu.clock, hypervisor.now)
        if pcpu.task is None:
            pcpu.next_tick = 0  # those of what is not to have happened do not count


def give_board_devices(hypervisor: Hypervisor, vm: Vm) -> None:
    """The board's devices that the VM has are as it knew them."""
    own = {claim.name: claim.device for claim in vm.devices.passed + vm.devices.flashes}
    claims = hypervisor.board.bus.claims
    for index, claim in enumerate(claims):
        if claim.name in own:
            claims[index] = replace(claim, device=own[claim.name])


def put_memory(hypervisor: Hypervisor, vm: Vm, kept: KeptVm) -> None:
    """The VM's RAM and flash, and what is mapped of them."""
    memory = hypervisor.board.memory
    contents = kept.pages.contents(memory)
    for place, page in numbered(ranges_of(vm)):
        content = contents.get(place, NO_PAGE)
        if memory.pages.get(page, NO_PAGE) != content:
            memory.write(page << PAGE_BITS, content)
    for region in vm.memory_regions:
        if region.on_demand:
            vm.stage2.unmap(region.gpa, region.size)
    for start, end in kept.document["mapped"]:
        home = vm.region_of(start)
        assert home is not None
        vm.stage2.map(start, home.hpa + start - home.gpa, end - start, home.flags)
    for claim in vm.devices.flashes:
        virtual_devices.show_flash(vm, claim)
    vm.flush_tlbs()


def begin_again(hypervisor: Hypervisor, vm: Vm, document: dict[str, Any]) -> None:
    """The VM goes on at the present: what waits in its virtual time is later by the time in between."""
    passed = hypervisor.now - document["now"]
    vm.started_at, vm.suspended_at = vm.started_at + passed, vm.suspended_at + passed
    serials = {0: 0}
    for serial, time, priority, *event in document["events"]:
        at = max(hypervisor.now, time if event[0] in REAL_TIME else hypervisor.now + time)
        serials[serial] = hypervisor.timeline.at(at, tuple(event), priority)
    vm.grace, vm.devices.alarm = serials.get(vm.grace, 0), serials.get(vm.devices.alarm, 0)
    ranges = ranges_of(vm)
    pages = dict(numbered(ranges))
    for vcpu in vm.vcpus:
        vcpu.cpu.sys["CNTVOFF_EL2"] = vcpu.cpu.sys["CNTVOFF_EL2"] + passed // NS_PER_TICK & M64
        vcpu.cpu.attention = True
        vcpu.wake_timer = serials.get(vcpu.wake_timer, 0)
        vcpu.physical_timer = serials.get(vcpu.physical_timer, 0)
        hypervisor.monitor.reservations.pop(vcpu.cpu, None)
        place, size, value = document["reserved"].get(str(vcpu.id), (-1, 0, 0))
        if place >> PAGE_BITS in pages:
            address = pages[place >> PAGE_BITS] << PAGE_BITS | place % PAGE_SIZE
            hypervisor.monitor.reservations[vcpu.cpu] = address, size, value
    hypervisor.running_vms += bool(vm.on_vcpus)
    for vcpu in vm.on_vcpus:
        assert vcpu.task is not None
        vcpu.task.since, vcpu.task.deadline = vcpu.task.since + passed, vcpu.task.deadline + passed
    waiting = [vcpu.task for vcpu in vm.on_vcpus if vcpu.task is not None and vcpu.state is not VcpuStatus.BLOCKED]
    for task in sorted(waiting, key=lambda task: (task.state is not VcpuStatus.RUNNING, task.pcpu)):
        place_again(hypervisor, task, document["slices"].get(str(task.vcpu.id), (0, 0)))
    for pcpu in hypervisor.physical_cpus:
        if pcpu.task is None:
            hypervisor.physical_cpus.refill(hypervisor, pcpu)
    hypervisor.stops.apply(hypervisor)
    hypervisor.log("info", f"{vm.label} put back to what it was at {format_duration(document['now'])}", vm)


def place_again(hypervisor: Hypervisor, task: Task, slice: tuple[int, int]) -> None:
    """A task that had a physical CPU, or waited for one, gets one: its own, if that is idle."""
    ahead, cut = slice
    task.state = VcpuStatus.READY
    hypervisor.physical_cpus.place(hypervisor, task)
    if task.state is VcpuStatus.RUNNING:
        pcpu = hypervisor.physical_cpus.cpus[task.pcpu]
        pcpu.clock = hypervisor.now + max(0, ahead)
        pcpu.next_tick = (pcpu.clock // hypervisor.tick + 1) * hypervisor.tick
        pcpu.cut = hypervisor.now + cut if cut else 0
