"""What the fields of a snapshot's objects may hold: dataclasses say it by their annotations, other classes here.

Also the ranges of numbers that are used as indexes, or as registers of so many bits.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from axlab.events import Observers
from axlab.machine.memory_map import MAX_CPUS
from axlab.time.classes import STATE, classes, enums
from axlab.vmm import exits


class AnyArray:
    """What `array[int]` in an annotation stands for: Python's own class cannot be written so while it runs."""

    def __getitem__(self, item: Any) -> type:
        return array


def upto(bits: int) -> Any:
    """A number of so many bits."""
    return Annotated[int, range(1 << bits)]


REGISTERS, VECTORS = Annotated[list[upto(64)], 31], Annotated[list[upto(128)], 32]  # type: ignore[misc]

WORDS: dict[str, Any] = {
    "U1": upto(1), "U2": upto(2), "U4": upto(4), "U64": upto(64), "U128": upto(128),
    "Size": upto(48), "Time": upto(80), "S65": Annotated[int, range(-(1 << 64), 1 << 64)],
    "Place": Annotated[int, range(MAX_CPUS)], "PlaceOrNone": Annotated[int, range(-1, MAX_CPUS)],
    "Count": Annotated[int, range(1, MAX_CPUS + 1)], "Version": Annotated[int, range(2, 4)],
    "Registers": REGISTERS, "Vectors": VECTORS,
    "Any": Any, "Array": array, "Counter": Counter, "deque": deque, "Path": Path, "Observers": Observers,
    "exits": exits, "Device": object,
}  # fmt: skip
"""Names that annotations here and in dataclasses use, beside those of the classes themselves."""

VALUES = {"interrupt": "bool", "values": "dict[str, list[U64]]"}  # of every device with registers
SCHEDULER = {"ready": "list[Task]", "seed": "U64"}

FIELDS: dict[str, dict[str, str]] = {
    "machine.access_trace.AccessTrace": {
        "times": "Array", "pcs": "Array", "addresses": "Array", "values": "Array", "sizes": "Array",
    },
    "machine.board.Board": {
        "cpus": "Count", "gic_version": "Version", "memory": "Memory", "bus": "Bus", "regions": "list[Region]",
    },
    "machine.bus.Bus": {"claims": "list[Claim]"},
    "machine.cpu.Cpu": {
        "memory": "Memory", "bus": "HostBus", "index": "Place", "features": "Features", "x": "Registers",
        "v": "Vectors", "pc": "U64", "sp_el0": "U64", "sp_el1": "U64", "el": "U2", "sp_sel": "U1", "nzcv": "U4",
        "daif": "U4", "il": "U1", "ss": "U1", "sys": "dict[str, S65]", "executed": "U64",
        "ns_per_instruction": "Size", "entry_time": "Time", "entry_executed": "U64", "slice_end": "Time",
        "attention": "bool", "active_ppis": "set[int]", "event": "bool", "peers": "list[Cpu]", "monitor": "Monitor",
        "timer": "GenericTimer", "gic": "VirtualInterface", "translates": "bool", "hit": "Hit | None",
        "passed": "tuple[int, int]",
    },
    "machine.exclusives.Monitor": {"reservations": "dict[Cpu, tuple[int, int, int]]"},
    "machine.flash.Flash": {
        "memory": "Memory", "base": "Size", "size": "Size", "answers": "dict[int, int]", "interrupt": "bool",
        "mode": "str", "expected": "str", "status": "U64", "remaining": "U64", "buffer": "list[tuple[int, int, int]]",
    },
    "machine.gic.Gic": {
        "version": "Version", "cpus": "Count", "mpidrs": "list[U64]", "private": "list[Bank]", "shared": "Bank",
        "interfaces": "list[Priorities]", "dirty": "set[int]", "sent": "list[Any]", "enabled_groups": "U64",
        "sgi_sources": "list[list[int]]", "routes": "list[int]", "routed": "list[int]", "shared_routes": "int",
    },
    "machine.gic_distributor.Distributor": {**VALUES, "gic": "Gic", "cpu": "Place", "nothing": "Bank"},
    "machine.gic_interface.VirtualInterface": {
        "version": "Version", "priorities": "Priorities", "journal": "list[Any] | None", "lrs": "list[U64]",
        "hcr": "U64", "changed": "bool", "stale": "bool", "irq": "bool", "fiq": "bool", "maintenance": "bool",
    },
    "machine.gic_its.AbsentIts": VALUES,
    "machine.gic_priority.Priorities": {
        "mask": "U64", "binary_point": "list[int]", "common_binary_point": "bool", "split_eoi": "bool",
        "ack_control": "bool", "fiq_enable": "bool", "enabled": "list[bool]", "active": "list[int]",
    },
    "machine.gic_redistributor.Redistributor": {
        **VALUES, "gic": "Gic", "cpu": "Place", "nothing": "Bank", "asleep": "bool",
    },
    "machine.gic_state.Bank": {
        "first": "Size", "count": "Size", "always_enabled": "int", "implemented": "int", "enabled": "int",
        "latched": "int", "lines": "int", "active": "int", "group": "int", "edge": "int", "priority": "list[int]",
    },
    "machine.gic_v2.CpuInterfaceV2": {**VALUES, "cpus": "list[Cpu]", "cpu": "Cpu"},
    "machine.gic_v2.DistributorV2": {**VALUES, "gic": "Gic", "cpu": "Place"},
    "machine.gpio.Pl061": {**VALUES, "inputs": "U64", "outputs": "U64", "edges": "U64"},
    "machine.instruction_trace.InstructionTrace": {"runs": "Array", "marks": "Array"},
    "machine.memory.Memory": {"base": "Size", "size": "Size", "others": "list[tuple[Size, Size]]"},
    "machine.rtc.Pl031": {**VALUES, "now_ns": "Time", "offset": "int", "deadline": "Time | None"},
    "machine.timer.GenericTimer": {"sys": "dict[str, S65]"},
    "machine.uart.Pl011": {**VALUES, "received": "bytearray", "output": "bytearray"},
    "machine.virtio.VirtioMmioSlot": VALUES,
    "trace.fingerprint.Chain": {"digest": "bytes", "tail": "bytearray"},
    "trace.fingerprint.Fingerprint": {"events": "Chain", "vms": "dict[int, Chain]"},
    "trace.recorder.Recorder": {
        "tables": "dict[str, Table]", "order": "Array", "forgotten": "int", "executed": "Executed", "scope": "Scope",
        "silent": "set[int] | set[str]", "_fingerprint": "Fingerprint",
    },
    "trace.table.Lists": {"values": "Array", "ends": "Array"},
    "trace.table.Names": {"values": "Array", "names": "dict[str, int]"},
    "trace.table.Numbers": {"values": "Array"},
    "trace.table.Table": {"event_type": "type", "columns": "tuple[Column, ...]", "stores": "dict[str, Any]"},
    "vmm.host_memory.HostMemory": {"base": "Size", "size": "Size", "reservations": "list[HostReservation]"},
    "vmm.hypervisor.Hypervisor": {
        "board": "Board", "scheduler": "Fair | Fifo | Random | RoundRobin", "ns_per_instruction": "Size",
        "tick": "Size", "boot_delay": "bool", "now": "Time", "edge": "Time", "budget": "None", "turns": "U64",
        "executed": "U64", "running_vms": "int", "vms": "VmList", "timeline": "Timeline",
        "physical_cpus": "PhysicalCpus", "host_memory": "HostMemory", "channels": "Channels", "ownership": "Ownership",
        "monitor": "Monitor",
    },
    "vmm.ivc.Channels": {"memory": "Memory", "host": "HostMemory", "channels": "list[Channel]"},
    "vmm.ownership.Ownership": {"owners": "dict[str, int]", "gic_versions": "dict[int, int]"},
    "vmm.physical_cpus.PhysicalCpu": {"index": "Place", "clock": "Time", "next_tick": "Time"},
    "vmm.physical_cpus.PhysicalCpus": {"cpus": "list[PhysicalCpu]"},
    "vmm.scheduler.Fair": SCHEDULER,
    "vmm.scheduler.Fifo": SCHEDULER,
    "vmm.scheduler.Random": {**SCHEDULER, "time_slice": "Time", "drawn": "U64"},
    "vmm.scheduler.RoundRobin": {**SCHEDULER, "time_slice": "Time"},
    "vmm.stage2.Stage2": {
        "memory": "Memory", "host": "HostMemory", "vmid": "Size", "tables": "list[Size]", "root": "Size",
    },
    "vmm.tasks.Task": {"pcpu": "PlaceOrNone", "since": "Time", "deadline": "Time", "slice_ns": "Time"},
    "vmm.vcpu.Vcpu": {"id": "Place", "kick": "Size"},
    "vmm.virtual_devices.Dummy": VALUES,
    "vmm.virtual_devices.HostBus": {
        "claims": "list[Claim]", "board": "Bus", "own": "Bus", "cpus": "list[Cpu]", "touched": "bool",
    },
    "vmm.virtual_gic.VirtualGic": {
        "gic": "Gic", "cpus": "list[Cpu]", "observers": "Observers | None", "vm": "int", "written": "list[list[int]]",
        "held": "list[int]", "sender": "list[list[int]]",
    },
    "vmm.vm_list.VmList": {"_vms": "list[Vm]"},
}  # fmt: skip


@cache
def types_of(name: str) -> dict[str, Any]:
    """The types of the fields of a class, by the name that files have for it; unknown ones are left out."""
    cls = classes()[name]
    known = {known.__name__: known for known in (*classes().values(), *enums().values())} | WORDS
    known["HostReservation"] = classes()["vmm.host_memory.Reservation"]
    own = vars(import_module(cls.__module__))
    declared = type(cls.__name__, (), {"__annotations__": FIELDS.get(name, {})})
    words = {**known, **own, "array": AnyArray()}
    found = get_type_hints(cls, words, None, include_extras=True) if is_annotated(cls) else {}
    return found | get_type_hints(declared, {**own, **known}, None, include_extras=True)


def is_annotated(cls: type) -> bool:
    """Whether a class says by itself what its fields may hold."""
    return hasattr(cls, "__dataclass_fields__") or hasattr(cls, "_fields")


assert FIELDS.keys() <= {f"{module}.{name}" for module, names in STATE.items() for name in names}
