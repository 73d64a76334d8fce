"""`vm show`: one VM, in the basic form or with everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from axlab.shell.arguments import VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Flag, command
from axlab.shell.parts import one_vm
from axlab.shell.render import Block, Lines
from axlab.shell.results import Result
from axlab.shell.selection import Unknown, look_up_one
from axlab.units import format_memory_size

ICONS = {
    "Loading": "◌",
    "Loaded": "○",
    "Running": "●",
    "Suspended": "◐",
    "Stopping": "◑",
    "Stopped": "○",
    "Failed": "✗",
}
HINTS = {
    "Suspended": "ℹ VM is paused. Use 'vm resume {id}' to continue.",
    "Stopped": "ℹ VM is stopped. Use 'vm delete {id}' to clean up.",
    "Loaded": "ℹ VM is ready. Use 'vm start {id}' to boot.",
}
INTERRUPT_MODES = {"no_irq": "NoIrq", "emulated": "Emulated", "passthrough": "Passthrough"}


@dataclass(frozen=True)
class VcpuFacts:
    """One vCPU; `affinity` is a mask of physical CPUs or None, `pcpu_id` its MPIDR."""

    id: int
    state: str
    wait_reason: str
    power: str
    affinity: int | None
    pcpu_id: int


@dataclass(frozen=True)
class RegionFacts:
    """One memory region: bytes at `gpa` are those at `hva` in the host's memory."""

    gpa: int
    hva: int
    size: int
    type: str
    identical: bool


@dataclass(frozen=True)
class DeviceFacts:
    """A device of the board that the VM was given."""

    name: str
    gpa: int
    hpa: int
    size: int


@dataclass(frozen=True)
class EmulatedFacts:
    """A device that the hypervisor plays."""

    name: str
    base: int
    size: int


@dataclass(kw_only=True)
class ShowResult(Result):
    """All that is known of a VM; `detail` says what of it the text shows."""

    id: int
    name: str
    state: str
    reason: str
    memory_bytes: int
    vcpus: list[VcpuFacts]
    regions: list[RegionFacts]
    ept_root: int
    entry: int
    kernel: int
    dtb: int | None
    interrupt_mode: str
    passthrough: list[DeviceFacts] = field(default_factory=list)
    emulated: list[EmulatedFacts] = field(default_factory=list)
    sysreg_devices: list[str] = field(default_factory=list)
    spis: list[int] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    detail: frozenset[str] = frozenset()

    def blocks(self) -> list[Block]:
        lines = full_text(self) if "full" in self.detail else basic_text(self)
        return [Lines(tuple(lines))]


def _basics(shown: ShowResult) -> list[str]:
    return [
        f"  VM ID: {shown.id}",
        f"  Name: {shown.name}",
        f"  Status: {ICONS.get(shown.state, '?')} {shown.state}",
        f"  VCPUs: {len(shown.vcpus)}",
        f"  Memory: {format_memory_size(shown.memory_bytes)}",
    ]


def _hint(shown: ShowResult) -> list[str]:
    if shown.state == "Failed":
        return ["", f"  ✗ VM has failed: {shown.reason}"]
    return ["", f"  {HINTS[shown.state].format(id=shown.id)}"] if shown.state in HINTS else []


def _configuration(shown: ShowResult) -> list[str]:
    lines = [
        "",
        "Configuration:",
        f"  BSP Entry: {shown.entry:#x}",
        f"  AP Entry: {shown.entry:#x}",
        f"  Interrupt Mode: {INTERRUPT_MODES.get(shown.interrupt_mode, shown.interrupt_mode)}",
    ]
    return lines + ([f"  DTB Address: {shown.dtb:#x}"] if shown.dtb is not None else [])


def _summaries(shown: ShowResult) -> list[str]:
    states = Counter(vcpu.state for vcpu in shown.vcpus)
    return [
        "",
        "VCPU Summary:",
        *(f"  {state}: {count}" for state, count in sorted(states.items())),
        "",
        "Memory Summary:",
        f"  Total Regions: {len(shown.regions)}",
        f"  Total Size: {format_memory_size(shown.memory_bytes)}",
    ]


def _statistics(shown: ShowResult) -> list[str]:
    lines = [
        "",
        "Device Summary:",
        f"  MMIO Devices: {len(shown.emulated)}",
        f"  SysReg Devices: {len(shown.sysreg_devices)}",
        "",
        f"VM Exits: ({sum(shown.exits.values())} total)",
    ]
    return lines + [f"  {reason}: {count}" for reason, count in sorted(shown.exits.items())]


def basic_text(shown: ShowResult) -> list[str]:
    """The basic form, with the parts that `--config` and `--stats` add."""
    return [
        f"VM Details: {shown.id}",
        "",
        *_basics(shown),
        *_hint(shown),
        *_summaries(shown),
        *(_configuration(shown) if "config" in shown.detail else []),
        *(_statistics(shown) if "stats" in shown.detail else []),
        "",
        f"Use 'vm show {shown.id} --full' for detailed information",
    ]


def _vcpu_line(vcpu: VcpuFacts) -> str:
    affinity = "No affinity" if vcpu.affinity is None else f"Affinity: {vcpu.affinity:#x}"
    waits = f" waits for {vcpu.wait_reason}" if vcpu.wait_reason else ""
    return f"  VCPU {vcpu.id}: {vcpu.state} ({affinity}){waits}"


def _region_line(number: int, region: RegionFacts) -> str:
    return (
        f"  Region {number}: GPA={region.gpa:#x} HVA={region.hva:#x} Size={format_memory_size(region.size)}"
        f" Type={region.type}{' [identical]' if region.identical else ''}"
    )


def _device_line(device: DeviceFacts) -> str:
    return (
        f"    - {device.name}: GPA[{device.gpa:#x}~{device.gpa + device.size:#x}] ->"
        f" HPA[{device.hpa:#x}~{device.hpa + device.size:#x}] ({format_memory_size(device.size)})"
    )


def _affinity_line(vcpu: VcpuFacts) -> str:
    where = "No specific affinity" if vcpu.affinity is None else f"Physical CPU mask {vcpu.affinity:#x}"
    return f"    VCpu {vcpu.id}: {where}, PCpu ID {vcpu.pcpu_id:#x}"


def _listed(title: str, lines: list[str]) -> list[str]:
    return ["", f"  {title}: ({len(lines)} device(s))", *lines] if lines else []


def ranges(numbers: list[int]) -> list[str]:
    """Ascending numbers, neighbours together: `33`, `48-79`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ["-".join(map(str, run)) for run in runs]


def full_text(shown: ShowResult) -> list[str]:
    """Everything, under AxVisor's headings."""
    size = format_memory_size(shown.memory_bytes)
    spis = ", ".join(ranges(shown.spis))
    emulated = [f"    - {one.name}: GPA[{one.base:#x}~{one.base + one.size:#x}]" for one in shown.emulated]
    return [
        f"=== VM Details: {shown.id} ===",
        "",
        "Basic Information:",
        *_basics(shown),
        f"  EPT Root: {shown.ept_root:#x}",
        *_hint(shown),
        "",
        "VCPU Details:",
        *map(_vcpu_line, shown.vcpus),
        "",
        f"Memory Regions: ({len(shown.regions)} region(s), {size} total)",
        *(_region_line(number, region) for number, region in enumerate(shown.regions)),
        *_configuration(shown),
        f"  Kernel GPA: {shown.kernel:#x}",
        *_listed("Passthrough Devices", [_device_line(device) for device in shown.passthrough]),
        "",
        "  VCpu Affinity Details:",
        *map(_affinity_line, shown.vcpus),
        *_listed("Emulated Devices", emulated),
        *(["", f"  SPIs: {spis}"] if spis else []),
        *_summaries(shown),
        *_statistics(shown),
    ]


def facts(vm: Any, detail: frozenset[str]) -> ShowResult:
    """What there is to know of a VM."""
    return ShowResult(
        id=vm.id,
        name=vm.name,
        state=str(vm.state),
        reason=vm.fault or vm.reason,
        memory_bytes=sum(region.size for region in vm.memory_regions),
        vcpus=[
            VcpuFacts(cpu.id, str(cpu.state), str(cpu.wait_reason), str(cpu.power), cpu.affinity, cpu.mpidr)
            for cpu in vm.vcpus
        ],
        regions=[
            RegionFacts(
                region.gpa, region.hpa, region.size, "Reserved" if region.on_demand else "Allocated", region.identical
            )
            for region in vm.memory_regions
        ],
        ept_root=vm.ept_root,
        entry=vm.entry,
        kernel=vm.plan.kernel,
        dtb=vm.plan.dtb,
        interrupt_mode=str(vm.config.devices.interrupt_mode),
        passthrough=[DeviceFacts(one.name, one.gpa, one.region.base, one.region.size) for one in vm.granted],
        emulated=[EmulatedFacts(one.name, one.base, one.size) for one in vm.bus.claims],
        sysreg_devices=list(vm.sysreg_devices),
        spis=spis_of(vm),
        exits=dict(vm.exits),
        detail=detail,
    )


def spis_of(vm: Any) -> list[int]:
    """The INTIDs of the shared interrupts that the VM owns."""
    bank = vm.gic.gic.shared
    return [bank.first + bit for bit in range(bank.count) if bank.implemented >> bit & 1]


@command(
    "vm show",
    "Show virtual machine details",
    one_vm(lists_flags=True),
    Flag("full", "Show full detailed information", short="f"),
    Flag("config", "Show configuration details", short="c"),
    Flag("stats", "Show statistics", short="s"),
)
def show(context: Context, vm: VmReference, full: bool, config: bool, stats: bool) -> Result:
    found = look_up_one(context.hypervisor, vm) if vm.kind != "all" else None
    if found is None or isinstance(found, Unknown):
        context.say(found.message if found else "✗ No VM specified")
        return Result(ok=False, transcript=context.transcript)
    given = {"full": full, "config": config, "stats": stats}
    return facts(found, frozenset(name for name, is_given in given.items() if is_given))
