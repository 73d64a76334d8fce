"""`%%guest`: a cell's assembly or C becomes a VM."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab import guests
from axlab.errors import AxError
from axlab.machine.memory_map import MAX_CPUS, RAM_BASE
from axlab.shell.arguments import Choice, Number, Size, Text
from axlab.shell.declaration import Argument, Flag, Option, command
from axlab.shell.render import Lines
from axlab.shell.results import Result
from axlab.units import PAGE_SIZE, format_memory_size
from axlab.vmm import building
from axlab.vmm.config import MemoryRegion, VmConfig, default_config
from axlab.vmm.config_meaning import name_problem
from axlab.vmm.config_new import emulated_devices
from axlab.vmm.images import load_image

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

MADE_HERE = "<%%guest>"
"""The source of a configuration that a cell made: the cell may replace its VM when it is run again."""
GONE = ("Loaded", "Stopped", "Failed")
RAM, MOST_RAM = 16 << 20, 1 << 30


@dataclass(kw_only=True)
class GuestResult(Result):
    """A VM that was made from a cell, its `image` file in the lab's folder, and the `bytes` of its code and data."""

    vm: int
    name: str
    image: str
    entry: int
    bytes: int
    vcpus: int
    symbols: dict[str, int] = field(default_factory=dict, repr=False)
    warnings: list[str] = field(default_factory=list)
    replaced: bool = False


@command(
    "%%guest",
    "Make a virtual machine from the assembly (or C) in this cell",
    Argument("name", Text("NAME"), "Name of the VM"),
    Option("cpus", Number(1, MAX_CPUS, "N"), "Number of vCPUs", default=1),
    Option("mem", Size(MOST_RAM, "SIZE"), "RAM, such as 64M (16M where nothing is said)"),
    Option("entry", Choice(("el1",)), "Exception level in which it begins", default="el1"),
    Flag("ivc", "With an IVC device: 1 MiB of addresses for channels to other VMs"),
    Flag("c", "The cell is C: it has axlab.h, and begins in main"),
    Flag("replace", "Replace a VM of that name, whatever made it and whatever it does", short="r"),
)
def guest(
    magics: AxLabMagics,
    line: str,
    cell: str,
    name: str,
    cpus: int,
    mem: int | None,
    entry: str,
    ivc: bool,
    c: bool,
    replace: bool,
) -> GuestResult:
    """Make a VM from a cell.

    Assembly begins at the first instruction, or at _start: at EL1, with x0 = the address of the device tree and no
    stack; it may .include "axlab.S". A VM that this cell made before is replaced, unless it runs.
    """
    if problem := name_problem(name):
        raise AxError(f"{name!r} {problem}")
    lab = magics.lab
    config, size, warnings = build(lab, line, cell, name, guests.C if c else guests.ASSEMBLY)
    config = sized(config, cpus, mem or RAM, ivc)
    building.check(lab.hypervisor, config)
    old = next((vm for vm in lab.hypervisor.vms if vm.name == name), None)
    if old is not None:
        take_away(lab, old, replace)
    vm = lab.hypervisor.create(config.renamed(id=free_id(lab, old)))
    image = Path(config.kernel.kernel_path).relative_to(lab.folder).as_posix()
    result = GuestResult(
        vm=vm.id, name=name, image=image, entry=vm.entry, bytes=size, vcpus=cpus,
        symbols={one.name: one.address for one in vm.symbols}, warnings=warnings, replaced=old is not None,
    )  # fmt: skip
    result.transcript.append(lines_of(result, config.memory_bytes))
    return result


def lines_of(result: GuestResult, mem: int) -> Lines:
    """What the person reads."""
    made = "replaced" if result.replaced else "created"
    cpus = f"{result.vcpus} vCPU{'s' * (result.vcpus > 1)}"
    return Lines(
        (
            f"✓ VM[{result.vm}] {result.name} {made}: {result.bytes} bytes at {result.entry:#x}, {cpus}, "
            f"{format_memory_size(mem)}; start it with %vm start {result.name}",
            *(f"  ⚠ {warning}" for warning in result.warnings),
        )
    )


def build(lab: Any, line: str, cell: str, name: str, suffix: str) -> tuple[VmConfig, int, list[str]]:
    """The cell as an image in the lab's folder: its configuration, its bytes, and warnings.

    The magic's line is the first of the file, so that numbers of lines are those of the cell. Nothing is written
    where something is wrong.
    """
    source = f"// {line}\n{cell}"
    if suffix == guests.C:
        from axlab.guests.c_compiler import compile_c

        compiled = compile_c(source, name + suffix)
        write(lab, name + suffix, source.encode())
        path, warnings = write(lab, name + ".elf", compiled.elf), list(compiled.warnings)
    else:
        guests.assemble_guest(source, name + suffix)
        path, warnings = write(lab, name + suffix, source.encode()), []
    size = sum(len(segment.data) for segment in load_image(path).segments)
    return replace(default_config(path, name=name), source=MADE_HERE), size, warnings


def write(lab: Any, name: str, data: bytes) -> Path:
    """Keep a file among the guests of the lab's folder. Raises `AxError`."""
    path = Path(lab.folder) / "guests" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise AxError(f"the guest cannot be written to {path}: {error.strerror or error}") from None
    return path


def sized(config: VmConfig, cpus: int, mem: int, ivc: bool) -> VmConfig:
    """The configuration with so many vCPUs, so much RAM, and perhaps an IVC device. Raises `AxError`."""
    if mem % PAGE_SIZE:
        raise AxError(f"--mem: {mem} bytes are no whole number of 4 KiB pages; write for example 16M")
    return replace(
        config,
        base=replace(config.base, cpu_num=cpus),
        kernel=replace(config.kernel, memory_regions=(MemoryRegion(RAM_BASE, mem),)),
        devices=replace(config.devices, emu_devices=emulated_devices(cpus, ivc=ivc)),
    )


def take_away(lab: Any, vm: Any, force: bool) -> None:
    """Remove the VM that has the name. Raises `AxError` for one that runs, or that no cell made."""
    if not force and vm.config.source != MADE_HERE:
        raise AxError(f"VM[{vm.id}] {vm.name} was not made by %%guest; take another name, or give --replace")
    if not force and vm.state not in GONE:
        raise AxError(
            f"VM[{vm.id}] {vm.name} is {vm.state}; stop it first (%vm stop {vm.name}), or give --replace, which does"
        )
    deleted = lab.shell.run(lab.shell.parse(f"vm delete --force {vm.id}")[0])
    if not deleted.ok:
        raise AxError(f"VM[{vm.id}] {vm.name} could not be removed:\n{deleted.text()}")


def free_id(lab: Any, old: Any) -> int:
    """The id of the VM that was replaced, else the first that is free."""
    if old is not None:
        return int(old.id)
    return next(number for number in range(257) if number not in lab.hypervisor.vms)
