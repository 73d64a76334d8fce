"""A virtual machine: what it was made from, what belongs to it, and where it stands in its life."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axlab.machine.bus import Bus, Claim
from axlab.machine.gic import FIRST_SPI
from axlab.units import GuestPhysAddr, HostPhysAddr
from axlab.vmm.config import MemoryRegion, VmConfig
from axlab.vmm.config_schema import MAP_RESERVED
from axlab.vmm.consoles import Console
from axlab.vmm.lifecycle import StopReason, VmStatus
from axlab.vmm.stage2 import WRITE, Stage2
from axlab.vmm.symbols import Symbols
from axlab.vmm.vcpu import Vcpu

if TYPE_CHECKING:
    from axlab.machine.memory import Memory
    from axlab.vmm.ivc import ChannelMapping
    from axlab.vmm.load_plan import LoadPlan
    from axlab.vmm.passthrough import Granted
    from axlab.vmm.virtual_devices import VirtualDevices
    from axlab.vmm.virtual_gic import VirtualGic
    from axlab.vmm.vm_folder import VmFolder

EMULATED_REGISTERS = (
    "CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTP_TVAL_EL0", "ICC_SGI0R_EL1", "ICC_SGI1R_EL1", "ICC_ASGI1R_EL1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VmRegion:
    """RAM of a VM: `size` bytes at guest address `gpa`, which are the host's at `hpa`; flags R 1, W 2, X 4."""

    gpa: GuestPhysAddr
    hpa: HostPhysAddr
    size: int
    flags: int
    map_type: int

    @property
    def end(self) -> int:
        return self.gpa + self.size

    @property
    def kind(self) -> str:
        """`Allocated` or `Reserved`, as AxVisor prints it."""
        return "Reserved" if self.map_type == MAP_RESERVED else "Allocated"

    @property
    def identical(self) -> bool:
        """Whether guest and host address are the same."""
        return int(self.gpa) == int(self.hpa)

    @property
    def on_demand(self) -> bool:
        """Reserved memory is mapped piece by piece, when the guest touches it."""
        return self.map_type == MAP_RESERVED

    def contains(self, gpa: int, size: int = 1) -> bool:
        return self.gpa <= gpa and gpa + size <= self.end


@dataclass(eq=False)
class Vm:
    """One VM. `reason` says why it is Stopped or Failed; `fault` what its guest did; `folder` has its log.

    `stopping_for` is why it leaves Running. `grace` is not 0 while the guest was asked, by its power
    button, to power itself off, and still may (the timeline's event that ends this). Times are virtual ns.
    `symbols` are the names of its guest's code: its image's, and what a person added.
    """

    config: VmConfig
    memory: Memory
    stage2: Stage2
    memory_regions: list[VmRegion]
    plan: LoadPlan
    granted: list[Granted]
    folder: VmFolder
    state: VmStatus = VmStatus.LOADING
    reason: str = ""
    fault: str = ""
    vcpus: list[Vcpu] = field(default_factory=list)
    console: Console = field(default_factory=Console)
    exits: Counter[str] = field(default_factory=Counter)
    channels: list[ChannelMapping] = field(default_factory=list)
    devices: VirtualDevices = field(init=False)
    started_at: int = 0
    suspended_at: int = 0
    stopping_for: StopReason | None = None
    grace: int = 0
    symbols: Symbols = field(init=False)

    def __post_init__(self) -> None:
        self.symbols = self.plan.symbols

    @property
    def id(self) -> int:
        return self.config.base.id

    @property
    def name(self) -> str:
        return self.config.base.name

    @property
    def label(self) -> str:
        """How messages name it: `VM[3]`."""
        return f"VM[{self.id}]"

    @property
    def bus(self) -> Bus:
        """Its virtual devices by guest physical address."""
        return self.devices.bus

    @property
    def gic(self) -> VirtualGic:
        """Its interrupt controller."""
        return self.devices.gic

    @property
    def ept_root(self) -> HostPhysAddr:
        """The address of its first stage 2 table (x86 calls these tables EPT)."""
        return self.stage2.root

    @property
    def memory_bytes(self) -> int:
        return sum(region.size for region in self.memory_regions)

    @property
    def entry(self) -> int:
        """Where the primary vCPU begins."""
        return self.plan.entry

    @property
    def on_vcpus(self) -> list[Vcpu]:
        """The vCPUs that have a task."""
        return [vcpu for vcpu in self.vcpus if vcpu.task is not None]

    @property
    def must_leave(self) -> bool:
        """Whether its vCPUs leave at their next exit. While a power button's grace lasts, they go on."""
        return self.state is VmStatus.STOPPING and not self.grace

    @property
    def mmio_devices(self) -> list[Claim]:
        """Its emulated devices, by address."""
        return self.devices.bus.claims

    @property
    def sysreg_devices(self) -> tuple[str, ...]:
        """The system registers that are emulated for it."""
        return EMULATED_REGISTERS

    @property
    def spis(self) -> list[int]:
        """The INTIDs of its devices' shared interrupts."""
        claims = [*self.devices.bus.claims, *self.devices.passed]
        return sorted(claim.intid for claim in claims if claim.intid >= FIRST_SPI)

    def vcpu_of(self, mpidr: int) -> Vcpu | None:
        """The vCPU that the guest knows by this MPIDR."""
        return next((vcpu for vcpu in self.vcpus if vcpu.mpidr == mpidr), None)

    def region_of(self, gpa: int, size: int = 1) -> VmRegion | None:
        """The RAM that holds all `size` bytes at `gpa`."""
        return next((region for region in self.memory_regions if region.contains(gpa, size)), None)

    def read(self, gpa: int, size: int) -> bytes | None:
        """Guest memory as the guest's CPUs see it; None where a part of it is no RAM."""
        runs = self.stage2.translate(gpa, size)
        return None if runs is None else b"".join(self.memory.read(hpa, part) for hpa, part in runs)

    def write(self, gpa: int, data: bytes) -> bool:
        """Write guest memory; False, and nothing written, where a part of it is no RAM or not writable."""
        runs = self.stage2.translate(gpa, len(data), WRITE)
        if runs is None:
            return False
        for hpa, part in runs:
            self.memory.write(hpa, data[:part])
            data = data[part:]
        return True

    def flush_tlbs(self) -> None:
        """After a change of stage 2."""
        for vcpu in self.vcpus:
            vcpu.cpu.flush_tlb()


def region_from(config: MemoryRegion, hpa: int) -> VmRegion:
    return VmRegion(GuestPhysAddr(config.gpa), HostPhysAddr(hpa), config.size, config.flags, config.map_type)
