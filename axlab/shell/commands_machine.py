"""`vcpu` and `machine`: virtual CPUs on physical ones, the board, and its interrupts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError
from axlab.shell.arguments import Number, Vcpu, VcpuReference, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, command
from axlab.shell.inspecting import located, the_vcpu, the_vm
from axlab.shell.parts import table_format, vms
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.shell.selection import Unknown, look_up
from axlab.units import format_duration, format_memory_size

ONE_VCPU = Argument("vcpu", Vcpu(), "VM and vCPU, such as 0.1", missing="Error: No vCPU specified")


@dataclass(frozen=True)
class VcpuRow:
    """One vCPU: times in virtual ns, `pcpu` -1 while it is on none."""

    vm: int
    vcpu: int
    state: str
    power: str
    wait_reason: str
    affinity: int | None
    pcpu: int
    instructions: int
    run_ns: int
    ready_ns: int
    blocked_ns: int
    switches: int
    migrations: int

    @property
    def cells(self) -> tuple[str, ...]:
        state = f"{self.state} ({self.wait_reason})" if self.wait_reason else self.state
        mask = "any" if self.affinity is None else f"{self.affinity:#x}"
        on = str(self.pcpu) if self.pcpu >= 0 else "-"
        times = (format_duration(ns) for ns in (self.run_ns, self.ready_ns, self.blocked_ns))
        return (
            f"{self.vm}.{self.vcpu}",
            state,
            self.power,
            mask,
            on,
            str(self.instructions),
            *times,
            str(self.switches),
            str(self.migrations),
        )


VCPU_TITLES = (
    "VCPU",
    "STATE",
    "POWER",
    "AFFINITY",
    "PCPU",
    "INSTRUCTIONS",
    "RUN",
    "READY",
    "BLOCKED",
    "SWITCHES",
    "MIGRATIONS",
)


def vcpu_row(vm: Any, vcpu: Any, now: int) -> VcpuRow:
    usage, task = vcpu.usage_at(now), vcpu.task
    return VcpuRow(
        vm.id,
        vcpu.id,
        str(vcpu.state),
        str(vcpu.power),
        str(vcpu.wait_reason),
        vcpu.affinity,
        task.pcpu if task is not None else -1,
        vcpu.instructions,
        usage.run_ns,
        usage.ready_ns,
        usage.blocked_ns,
        usage.switches,
        usage.migrations,
    )


@dataclass(kw_only=True)
class VcpuListResult(Result):
    """vCPUs and what their tasks used."""

    vcpus: list[VcpuRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        table: list[Block] = [Table(VCPU_TITLES, tuple(row.cells for row in self.vcpus))] if self.vcpus else []
        return [*self.transcript, *table] or [Lines(("No virtual machines found.",))]


@command("vcpu list", "List virtual CPUs and what they used", vms(minimum=0), table_format())
def list_vcpus(context: Context, vms: list[VmReference], format: str) -> Result:
    found = look_up(context.hypervisor, vms or [VmReference("all", "all")])
    unknown = [one for one in found if isinstance(one, Unknown)]
    context.say(*(one.message for one in unknown))
    now = context.hypervisor.now
    rows = [vcpu_row(vm, vcpu, now) for vm in found if not isinstance(vm, Unknown) for vcpu in vm.vcpus]
    return VcpuListResult(ok=not unknown, vcpus=rows, format=format, transcript=context.transcript)


@dataclass(kw_only=True)
class VcpuResult(Result):
    """One vCPU, where it stands, and its exits by reason."""

    vcpu: VcpuRow
    mpidr: int
    pc: int
    instruction: str
    exits: dict[str, int] = field(default_factory=dict)

    def blocks(self) -> list[Block]:
        facts = zip(VCPU_TITLES, self.vcpu.cells, strict=True)
        lines = [f"{title.capitalize() + ':':<14}{cell}" for title, cell in facts]
        lines += [f"{'MPIDR:':<14}{self.mpidr:#x}", f"{'PC:':<14}{self.pc:#x}: {self.instruction}"]
        exits = ", ".join(f"{reason} {count}" for reason, count in sorted(self.exits.items()))
        return [Lines((*lines, f"{'Exits:':<14}{exits or 'none'}"))]


@command("vcpu show", "Show one virtual CPU", ONE_VCPU)
def show(context: Context, vcpu: VcpuReference) -> Result:
    found = the_vcpu(context, vcpu)
    place = located(found)
    row = vcpu_row(the_vm(context, vcpu.vm), found, context.hypervisor.now)
    return VcpuResult(
        vcpu=row, mpidr=found.mpidr, pc=place["pc"], instruction=place["instruction"], exits=dict(found.exits)
    )


@command(
    "vcpu pin",
    "Choose the physical CPUs that a virtual CPU may run on",
    ONE_VCPU,
    Argument("mask", Number(1, 0xFF, "MASK"), "Bit i stands for physical CPU i"),
)
def pin(context: Context, vcpu: VcpuReference, mask: int) -> Result:
    found = the_vcpu(context, vcpu)
    count = context.lab.board.cpus
    if mask >> count:
        raise AxError(f"the mask {mask:#x} names physical CPUs that are not there: the machine has {count}")
    context.hypervisor.set_affinity(found, mask)
    context.say(f"✓ VCpu {vcpu.text} runs on physical CPU mask {mask:#x}")
    return Result(transcript=context.transcript)


@dataclass(frozen=True)
class PhysicalCpuRow:
    """A physical CPU: the task on it, and how long it was busy in virtual ns."""

    index: int
    task: str
    busy_ns: int


@dataclass(frozen=True)
class RegionRow:
    """A part of the board's address space."""

    name: str
    base: int
    size: int
    intid: int


def without_slots(regions: list[RegionRow]) -> list[RegionRow]:
    """The regions, with the many virtio slots as one row (their INTIDs ascend from the first one's)."""
    slots = [region for region in regions if region.name.startswith("virtio")]
    if not slots:
        return regions
    first, last = slots[0], slots[-1]
    whole = RegionRow(f"virtio0-{len(slots) - 1}", first.base, last.base + last.size - first.base, first.intid)
    return [whole if region is first else region for region in regions if region is first or region not in slots]


@dataclass(kw_only=True)
class MachineResult(Result):
    """The board, its physical CPUs and its clock."""

    now: int
    ns_per_instruction: int
    gic_version: int
    scheduler: str
    ram: int
    ram_touched: int
    running_vms: int
    cpus: list[PhysicalCpuRow] = field(default_factory=list)
    regions: list[RegionRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        lines = (
            f"Virtual time:   {format_duration(self.now)}",
            f"Instruction:    {self.ns_per_instruction} ns",
            f"Scheduler:      {self.scheduler}",
            f"GIC:            version {self.gic_version}",
            f"RAM:            {format_memory_size(self.ram)}, {format_memory_size(self.ram_touched)} touched",
            f"Running VMs:    {self.running_vms}",
            "",
        )
        cpus = tuple((str(cpu.index), cpu.task or "idle", format_duration(cpu.busy_ns)) for cpu in self.cpus)
        regions = tuple(
            (one.name, f"{one.base:#012x}", format_memory_size(one.size), str(one.intid or ""))
            for one in without_slots(self.regions)
        )
        return [
            Lines(lines),
            Table(("PCPU", "TASK", "BUSY"), cpus),
            Lines(("",)),
            Table(("REGION", "BASE", "SIZE", "INTID"), regions),
        ]


@command("machine show", "Show the board, its physical CPUs and its clock", table_format())
def machine(context: Context, format: str) -> Result:
    hypervisor, board = context.hypervisor, context.lab.board
    ram = next(region for region in board.regions if region.kind == "ram")
    return MachineResult(
        now=hypervisor.now,
        ns_per_instruction=hypervisor.ns_per_instruction,
        gic_version=board.gic_version,
        scheduler=hypervisor.scheduler.title,
        ram=ram.size,
        ram_touched=board.memory.touched(),
        running_vms=hypervisor.running_vms,
        cpus=[
            PhysicalCpuRow(cpu.index, cpu.task.name if cpu.task else "", cpu.busy_ns)
            for cpu in hypervisor.physical_cpus
        ],
        regions=[RegionRow(one.name, one.base, one.size, one.intid) for one in board.regions],
        format=format,
    )


@dataclass(frozen=True)
class IrqRow:
    """An interrupt of a VM that is enabled, pending or active; `vcpu` -1 for a shared one."""

    vm: int
    vcpu: int
    intid: int
    name: str
    enabled: bool
    pending: bool
    active: bool
    priority: int

    @property
    def cells(self) -> tuple[str, ...]:
        owner = f"{self.vm}.{self.vcpu}" if self.vcpu >= 0 else str(self.vm)
        marks = ("yes" if mark else "" for mark in (self.enabled, self.pending, self.active))
        return owner, str(self.intid), self.name, *marks, f"{self.priority:#04x}"


@dataclass(kw_only=True)
class IrqsResult(Result):
    """The interrupts of every VM that are not idle and disabled."""

    irqs: list[IrqRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        if not self.irqs:
            return [Lines(("No interrupt is enabled, pending or active.",))]
        titles = ("VM", "INTID", "NAME", "ENABLED", "PENDING", "ACTIVE", "PRIORITY")
        return [Table(titles, tuple(row.cells for row in self.irqs))]


PPI_NAMES = {25: "maintenance", 26: "hypervisor timer", 27: "virtual timer", 29: "secure timer", 30: "physical timer"}


def irq_rows(vm: Any, vcpu: int, bank: Any, names: dict[int, str]) -> list[IrqRow]:
    """The rows of one bank of a VM's interrupt controller."""
    return [
        IrqRow(
            vm.id,
            vcpu,
            bank.first + bit,
            names.get(bank.first + bit, f"SGI {bit}" if bank.first + bit < 16 else ""),
            bool(bank.enabled >> bit & 1),
            bool(bank.pending >> bit & 1),
            bool(bank.active >> bit & 1),
            bank.priority[bit],
        )
        for bit in range(bank.count)
        if ((bank.enabled | bank.pending | bank.active) & bank.implemented) >> bit & 1
    ]


@command("machine irqs", "Show the interrupts of every virtual machine", table_format())
def irqs(context: Context, format: str) -> Result:
    names = PPI_NAMES | {region.intid: region.name for region in context.lab.board.regions if region.intid}
    rows: list[IrqRow] = []
    for vm in context.hypervisor.vms:
        for vcpu, bank in enumerate(vm.gic.gic.private):
            rows += irq_rows(vm, vcpu, bank, names)
        rows += irq_rows(vm, -1, vm.gic.gic.shared, names)
    return IrqsResult(irqs=rows, format=format)
