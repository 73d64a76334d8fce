"""What a snapshot on disk may consist of: these classes of AxLab, and no others.

A class is written by its module and name. What is read makes objects of these classes and sets their fields; none of
their functions is called to make them, and no other class is ever looked up.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from importlib import import_module

from axlab.trace.columns import ROWS

STATE: dict[str, tuple[str, ...]] = {
    "machine.access_trace": ("AccessTrace",),
    "machine.board": ("Board",),
    "machine.bus": ("Access", "Bus", "Claim"),
    "machine.cpu": ("Cpu",),
    "machine.exclusives": ("Monitor",),
    "machine.features": ("Features",),
    "machine.flash": ("Flash",),
    "machine.gic": ("Gic",),
    "machine.gic_distributor": ("Distributor",),
    "machine.gic_frames": ("Frame",),
    "machine.gic_interface": ("VirtualInterface",),
    "machine.gic_its": ("AbsentIts",),
    "machine.gic_priority": ("Priorities",),
    "machine.gic_redistributor": ("Redistributor",),
    "machine.gic_state": ("Bank",),
    "machine.gic_v2": ("CpuInterfaceV2", "DistributorV2"),
    "machine.gpio": ("Pl061",),
    "machine.instruction_trace": ("InstructionTrace",),
    "machine.memory": ("Memory",),
    "machine.memory_map": ("Region",),
    "machine.rtc": ("Pl031",),
    "machine.semihosting": ("Heap", "Request"),
    "machine.stops": ("Hit",),
    "machine.timer": ("GenericTimer",),
    "machine.traps": ("Trap",),
    "machine.uart": ("Pl011",),
    "machine.virtio": ("VirtioMmioSlot",),
    "trace.columns": ("Column",),
    "trace.executed": ("Accesses", "Executed", "Recording"),
    "trace.fingerprint": ("Chain", "Fingerprint"),
    "trace.recorder": ("Recorder",),
    "trace.scope": ("Scope",),
    "trace.spill": ("Bounds", "Part"),
    "trace.table": ("Lists", "Names", "Numbers", "Table"),
    "vmm.clock": ("Timeline",),
    "vmm.config": (
        "AddressRange", "AxlabConfig", "BaseConfig", "DevicesConfig", "EmulatedDevice", "KernelConfig",
        "MemoryRegion", "PassthroughDevice", "VmConfig",
    ),
    "vmm.consoles": ("Console",),
    "vmm.exits": (
        "CpuDown", "CpuSuspend", "CpuUp", "ExternalInterrupt", "FailEntry", "FirmwareCall", "Halt", "Hypercall",
        "MmioOther", "MmioRead", "MmioWrite", "NestedPageFault", "Semihosting", "SendIPI", "SysRegRead",
        "SysRegWrite", "SystemDown", "SystemReset",
    ),
    "vmm.host_memory": ("HostMemory", "Reservation"),
    "vmm.hypervisor": ("Hypervisor",),
    "vmm.ivc": ("Channel", "ChannelMapping", "Channels"),
    "vmm.load_plan": ("LoadPlan", "Piece"),
    "vmm.ownership": ("Ownership",),
    "vmm.passthrough": ("Granted",),
    "vmm.physical_cpus": ("PhysicalCpu", "PhysicalCpus"),
    "vmm.scheduler": ("Fair", "Fifo", "Random", "RoundRobin"),
    "vmm.stage2": ("Mapping", "Stage2"),
    "vmm.symbols": ("Symbol", "Symbols"),
    "vmm.tasks": ("Task",),
    "vmm.vcpu": ("Usage", "Vcpu"),
    "vmm.virtual_devices": ("Dummy", "HostBus", "VirtualDevices"),
    "vmm.virtual_gic": ("VirtualGic",),
    "vmm.vm": ("Vm", "VmRegion"),
    "vmm.vm_folder": ("VmFolder",),
    "vmm.vm_list": ("VmList",),
}  # fmt: skip

ENUMS: dict[str, tuple[str, ...]] = {
    "vmm.lifecycle": ("StopReason", "VmStatus"),
    "vmm.tasks": ("Phase", "Wait"),
    "vmm.vcpu": ("Power", "VcpuStatus"),
}


@cache
def classes() -> dict[str, type]:
    """The classes of objects, by the names that files have for them."""
    return {f"{module}.{name}": found(module, name) for module, names in STATE.items() for name in names}


@cache
def enums() -> dict[str, type[Enum]]:
    """The enumerations, by the names that files have for them."""
    return {f"{module}.{name}": found(module, name) for module, names in ENUMS.items() for name in names}


@cache
def names() -> dict[type, str]:
    """The names of classes and enumerations."""
    return {cls: name for name, cls in (*classes().items(), *enums().items())}


@cache
def kinds() -> dict[type, str]:
    """The names of types of events, which are values in a trace."""
    return {cls: kind for kind, cls in ROWS.items()}


def found(module: str, name: str) -> type:
    """A class of AxLab."""
    return getattr(import_module(f"axlab.{module}"), name)  # type: ignore[no-any-return]
