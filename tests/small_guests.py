"""Guests of a few lines for the hypervisor's tests, and hypervisors that run them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from axlab.events import Event, Observers
from axlab.machine.board import Board
from axlab.machine.isa.assembler import assemble
from axlab.vmm.config import (
    AxlabConfig,
    BaseConfig,
    DevicesConfig,
    EmulatedDevice,
    KernelConfig,
    MemoryRegion,
    PassthroughDevice,
    VmConfig,
)
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.vm import Vm

RAM = 0x4000_0000
ENTRY = 0x4008_0000
MS = 1_000_000

SPINS = "b ."
SLEEPS_FOR_EVER = "1: wfi\n b 1b"
POWERS_OFF = """
    ldr w0, =0x84000008
    hvc #0
    b ."""
COUNTS = """
    ldr x1, =0x40200000
1:  ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1]
    b 1b"""


def hvc(function: int, *args: int) -> str:
    """Call the hypervisor with these arguments in x1 and up; the result is in x0."""
    loads = [f"    ldr x{n}, ={value:#x}" for n, value in enumerate(args, 1)]
    return "\n".join([f"    ldr x0, ={function:#x}", *loads, "    hvc #0", ""])


def report(*registers: str) -> str:
    """Store registers from 0x40300000 on, for the test to read (`reported`); x28 is used."""
    stores = [f"    str {register}, [x28], #8" for register in registers]
    return "\n".join(["    ldr x28, =0x40300000", *stores, ""])


def reported(vm: Vm, count: int = 1) -> list[int]:
    data = vm.read(0x4030_0000, 8 * count)
    assert data is not None
    return [int.from_bytes(data[8 * n : 8 * n + 8], "little") for n in range(count)]


@cache
def images() -> tempfile.TemporaryDirectory[str]:
    """Where this process keeps the images of its guests; it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="axlab-test-")


@cache
def image(source: str) -> Path:
    """A flat binary of assembly text for ENTRY, in a file."""
    folder = Path(tempfile.mkdtemp(dir=images().name))
    path = folder / "guest.bin"
    path.write_bytes(assemble(source + "\n", origin=ENTRY).code)
    return path


def config(source: str, vm_id: int = 0, name: str = "", cpus: int = 1, **more: Any) -> VmConfig:
    """A configuration with 16 MB of RAM at 0x4000_0000 and all of the board passed through, unless `more` differs.

    `more`: sets (phys_cpu_sets), ids (phys_cpu_ids), regions, emulated, passed, mode (interrupt_mode), axlab.
    """
    return VmConfig(
        BaseConfig(vm_id, name or f"guest{vm_id}", cpu_num=cpus, phys_cpu_ids=more.get("ids"),
                   phys_cpu_sets=more.get("sets")),
        KernelConfig(
            str(image(source)),
            more.get("regions", (MemoryRegion(RAM, 0x100_0000),)),
            entry_point=more.get("entry", ENTRY),
            kernel_load_addr=ENTRY,
        ),
        DevicesConfig(
            more.get("mode", "passthrough"),
            emu_devices=tuple(EmulatedDevice(*device) for device in more.get("emulated", ())),
            passthrough_devices=tuple(PassthroughDevice(path) for path in more.get("passed", ("/intc", "/pl011"))),
        ),
        more.get("axlab", AxlabConfig()),
    )  # fmt: skip


def hypervisor(**settings: Any) -> Hypervisor:
    """A hypervisor on a board of its own, with 4 physical CPUs."""
    return Hypervisor(Board(), Observers(), **settings)


def started(source: str, hv: Hypervisor | None = None, **more: Any) -> tuple[Hypervisor, Vm]:
    """A hypervisor with a VM that was started; no time has passed."""
    hv = hv or hypervisor()
    vm = hv.create(config(source, **more))
    hv.start(vm)
    return hv, vm


def finished(source: str, **more: Any) -> Vm:
    """A VM that ran until nothing could happen any more, at most for 100 ms."""
    hv, vm = started(source, **more)
    hv.advance(100 * MS)
    return vm


def listen(hv: Hypervisor, *kinds: type[Event]) -> list[Any]:
    """A list that grows by every event of these kinds (of all kinds, if none is named)."""
    found: list[Event] = []
    hv.events.add(lambda event: found.append(event) if not kinds or isinstance(event, kinds) else None)
    return found
