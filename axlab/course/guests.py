"""Guests for checks: VMs in labs of the check's own, from a few lines of assembly or from a VM of the student's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.lab import Lab
    from axlab.vmm.vm import Vm

MB = 1 << 20
OFFSET = 0x8_0000  # of the code in RAM


def guest(
    lab: Lab,
    source: str,
    name: str = "guest",
    *,
    cpus: int = 1,
    base: int = 0x4000_0000,
    mem: int = 16 * MB,
    load: int | None = None,
    region: tuple[int, int, int, int] | None = None,
    ivc: bool = False,
) -> Vm:
    """A VM that begins at the first instruction of the source, or at `_start`. Raises AxError.

    `load` is the address of the code, by default a little behind `base`, where its RAM of `mem` bytes begins; `region`
    is a memory region `(gpa, size, flags, map_type)` in place of `base` and `mem`. `ivc` gives it an IVC
    device, as `%%guest --ivc` does.

    >>> vm = guest(Lab(), "loop: wfi\\n b loop", "sleeper")
    """
    from axlab import guests
    from axlab.machine.isa.assembler import assemble
    from axlab.vmm.config import MemoryRegion, default_config
    from axlab.vmm.config_new import emulated_devices

    at = base + OFFSET if load is None else load
    made = assemble(source, at, name, {"axlab.S": guests.shipped("axlab.S")})
    path = Path(lab.folder) / f"{name}.bin"
    path.write_bytes(bytes(made.code))
    free = next(number for number in range(257) if number not in lab.hypervisor.vms)
    config = default_config(path, id=free, name=name)
    regions = (MemoryRegion(*(region or (base, mem, 7, 0))),)
    kernel = replace(
        config.kernel, kernel_load_addr=at, entry_point=made.symbols.get("_start", at), memory_regions=regions
    )
    devices = replace(config.devices, emu_devices=emulated_devices(cpus, ivc=ivc))
    return lab.create(replace(config, base=replace(config.base, cpu_num=cpus), kernel=kernel, devices=devices))


def fresh(vm: Vm) -> tuple[Lab, Vm]:
    """The same VM as it was when it was created, in a lab of its own: for a guest that a student has made."""
    from axlab.lab import Lab

    lab = Lab()
    return lab, lab.create(vm.config.renamed(id=0))
