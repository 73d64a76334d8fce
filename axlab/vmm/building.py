"""How a VM is made: checks, host memory, stage 2, CPUs and devices. All of it or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.machine.bus import Bus
from axlab.machine.cpu import Cpu, connect
from axlab.machine.features import Features
from axlab.machine.timer import NS_PER_TICK
from axlab.units import PAGE_SIZE
from axlab.vmm import load_plan, stage2, virtual_devices
from axlab.vmm.config import ConfigError, Host, MemoryRegion, VmConfig
from axlab.vmm.config_check import check_config
from axlab.vmm.passthrough import granted
from axlab.vmm.stage2 import Stage2
from axlab.vmm.vcpu import Vcpu
from axlab.vmm.virtual_devices import HostBus
from axlab.vmm.vm import Vm, VmRegion, region_from
from axlab.vmm.vm_folder import VmFolder

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.load_plan import LoadPlan

BLOCK = 2 << 20  # large regions begin where 2 MiB blocks can map them

# HCR_EL2 (DDI 0487, D17.2.48)
HCR_VM = 1 << 0  # stage 2 is on
HCR_SWIO = 1 << 1
HCR_FMO, HCR_IMO, HCR_AMO = 1 << 3, 1 << 4, 1 << 5  # physical interrupts go to EL2, virtual ones to EL1
HCR_TWI = 1 << 13  # WFI traps
HCR_TSC = 1 << 19  # SMC traps
HCR_RW = 1 << 31  # EL1 is AArch64
HCR = HCR_VM | HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_TWI | HCR_TSC | HCR_RW

CNTHCTL_EL1PCTEN = 1 << 0  # EL1 reads CNTPCT itself; CNTP_* trap


def build(hv: Hypervisor, config: VmConfig, plan: LoadPlan | None = None) -> Vm:
    """A new VM, not yet in the list. Raises `AxError` with everything as it was before.

    `plan` is there for one whose images were read long ago.
    """
    hv.vms.check_free(config.base.id, config.base.name)
    check(hv, config)
    plan = load_plan.plan(config) if plan is None else plan
    label = f"VM[{config.base.id}]"
    regions: list[VmRegion] = []
    tables: Stage2 | None = None
    try:
        for index, region in enumerate(config.kernel.memory_regions):
            regions.append(allocated(hv, config, index, region, label))
        tables = Stage2(hv.board.memory, hv.host_memory, config.base.id)
        folder = VmFolder(hv.folder / "vms" / config.base.name if hv.folder else None)
        vm = Vm(config, hv.board.memory, tables, regions, plan, granted(config), folder)
        map_memory(vm)
        power_up(hv, vm)
        folder.create(config.anywhere().to_toml())
    except BaseException:
        free(hv, regions, tables)
        raise
    return vm


def check(hv: Hypervisor, config: VmConfig) -> None:
    """What this host has against the configuration: `ConfigError` with all of it."""
    ram = hv.host_memory.size
    host = Host(len(hv.physical_cpus.cpus), hv.host_memory.base, ram)  # the first VM that starts decides the GIC
    findings = [finding for finding in check_config(config, host) if finding.severity == "error"]
    if findings:
        raise ConfigError(findings)


def allocated(hv: Hypervisor, config: VmConfig, index: int, region: MemoryRegion, label: str) -> VmRegion:
    """Host memory for a region. Raises `ConfigError` with the region's key and line where there is none."""
    try:
        return allocate(hv, region, label)
    except AxError as error:
        right = "; write map_type 0 (MapAlloc), or other addresses" if region.identical else ""
        key = f"kernel.memory_regions[{index}]"
        raise ConfigError([config.problem(key, error.message + right)]) from None


def allocate(hv: Hypervisor, region: MemoryRegion, label: str) -> VmRegion:
    """Host memory for a region: at its own address if it is identical, else from the top of RAM."""
    owner = f"{label}'s RAM at {region.gpa:#x}"
    if region.identical:
        hv.host_memory.reserve(region.gpa, region.size, owner)
        return region_from(region, region.gpa)
    align = BLOCK if region.size >= BLOCK else PAGE_SIZE
    return region_from(region, hv.host_memory.allocate(region.size, owner, align, region.gpa % align))


def map_memory(vm: Vm) -> None:
    """Stage 2 for the VM's RAM, but for what is mapped on demand."""
    for region in vm.memory_regions:
        if not region.on_demand:
            vm.stage2.map(region.gpa, region.hpa, region.size, region.flags)


def power_up(hv: Hypervisor, vm: Vm) -> None:
    """Everything in the VM as good as new: RAM zeroed and loaded, CPUs, interrupt controller, devices."""
    load(vm)
    base = vm.config.base
    host_bus = HostBus(hv.board.bus, Bus())
    axlab = vm.config.axlab
    features = Features(axlab.fp, axlab.lse, axlab.semihosting, axlab.gic_version)
    cpus = [Cpu(hv.board.memory, host_bus, index, mpidr, features) for index, mpidr in enumerate(base.mpidrs)]
    connect(cpus)
    host_bus.cpus = cpus
    vm.devices = virtual_devices.build(hv, vm, cpus, host_bus)
    if not vm.vcpus:
        vm.vcpus = [
            Vcpu(index, mpidr, mask, cpu)
            for index, (mpidr, mask, cpu) in enumerate(zip(base.mpidrs, base.affinities, cpus, strict=True))
        ]
    else:
        for vcpu, cpu in zip(vm.vcpus, cpus, strict=True):
            vcpu.renew(cpu)
    for cpu in cpus:
        cpu.ns_per_instruction = hv.ns_per_instruction
        cpu.monitor = hv.monitor
        enter_el2(vm, cpu)
    cpus[0].reset(vm.plan.entry, vm.plan.dtb)


def enter_el2(vm: Vm, cpu: Cpu) -> None:
    """Stage 2 on, traps set."""
    cpu.sys["VTTBR_EL2"] = vm.stage2.vttbr
    cpu.sys["VTCR_EL2"] = stage2.VTCR
    cpu.sys["CNTHCTL_EL2"] = CNTHCTL_EL1PCTEN
    cpu.sys["HCR_EL2"] = HCR
    cpu.flush_tlb()


def begin_time(hv: Hypervisor, vm: Vm) -> None:
    """The guest's virtual counter begins at zero when the VM starts."""
    vm.started_at = hv.now
    for vcpu in vm.vcpus:
        vcpu.cpu.sys["CNTVOFF_EL2"] = hv.now // NS_PER_TICK
        vcpu.cpu.attention = True


def load(vm: Vm) -> None:
    """RAM zero but for the images, the RAM disk and the device tree."""
    for region in vm.memory_regions:
        vm.memory.zero(region.hpa, region.size)
    for piece in vm.plan.pieces:
        done = 0
        while done < len(piece.data):
            home = vm.region_of(piece.gpa + done)
            assert home is not None
            part = min(len(piece.data) - done, home.end - piece.gpa - done)
            vm.memory.write(home.hpa + piece.gpa + done - home.gpa, piece.data[done : done + part])
            done += part


def free(hv: Hypervisor, regions: list[VmRegion], tables: Stage2 | None) -> None:
    """Give host memory back, zeroed, so that it costs nothing and tells nobody anything."""
    for region in regions:
        hv.board.memory.zero(region.hpa, region.size)
        hv.host_memory.release(region.hpa)
    if tables is not None:
        tables.destroy()
