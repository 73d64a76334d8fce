"""What the values of a configuration mean together: each rule is a function, `RULES` lists them.

A rule that depends on the machine that will run the VM only warns when a file is checked, and
refuses when the VM is created (`Report.refuse`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection

from axlab.errors import nearest
from axlab.machine.memory_map import BOARD, Region
from axlab.units import PAGE_SIZE, format_memory_size
from axlab.vmm import config_schema as schema
from axlab.vmm.config import Host, MemoryRegion, VmConfig
from axlab.vmm.config_findings import Report, counted
from axlab.vmm.passthrough import by_address, by_path, same_address

REGIONS = ("kernel", "memory_regions")


def check_meaning(config: VmConfig, report: Report, host: Host, wrong: Collection[str] = ()) -> None:
    """Walk all rules but those that read a key of `wrong`: of those the form's error has been told."""
    for rule, keys in RULES:
        if not any(key in wrong for key in keys):
            rule(config, report, host)


def name_problem(name: str) -> str:
    """Why a VM cannot be called that, or nothing. A name is a folder's name on every system, and no id."""
    if not name:
        return "is empty"
    if name.casefold() == "all" or name.replace("-", "").isdecimal():
        return "reads as an id, a range or all in commands"
    if any(c in '/\\:*?"<>|' or unicodedata.category(c)[0] == "C" for c in name):
        return "is no plain file name"
    if name.startswith((".", "-")) or name != name.strip() or name.endswith("."):
        return "is no plain file name"
    if name.split(".")[0].upper() in RESERVED_NAMES:
        return "is a device's name on Windows"
    return "is longer than 100 bytes" if len(name.encode()) > 100 else ""


RESERVED_NAMES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}


def check_name(config: VmConfig, report: Report, host: Host) -> None:
    name = config.base.name
    problem = name_problem(name)
    if problem:
        report.error(("base", "name"), f'"{name}" {problem}; write letters, digits, - and _, such as "guest1"')


def check_cpus(config: VmConfig, report: Report, host: Host) -> None:
    base = config.base
    for name in ("phys_cpu_ids", "phys_cpu_sets"):
        numbers = getattr(base, name)
        if numbers is not None and len(numbers) != base.cpu_num:
            report.error(
                ("base", name),
                f"has {counted(len(numbers), 'element')} for cpu_num = {base.cpu_num}; write one for every vCPU",
            )
    ids = base.phys_cpu_ids or ()
    for index, mpidr in enumerate(ids):
        path = ("base", "phys_cpu_ids", index)
        if mpidr in ids[:index]:
            report.error(path, f"{mpidr:#x} is vCPU {ids.index(mpidr)}'s already; every vCPU has its own")
        elif mpidr & ~0xFF_00FF_FFFF:
            report.error(path, f"{mpidr:#x} has bits outside Aff0-Aff3 (0xff00ffffff)")
    for index, mask in enumerate(base.phys_cpu_sets or ()):
        if not mask & (1 << host.cpus) - 1:
            report.refuse(
                ("base", "phys_cpu_sets", index),
                f"mask {mask:#x} names none of the host's {host.cpus} physical CPUs; "
                f"right is a bit of {(1 << host.cpus) - 1:#x}",
            )


def check_gic(config: VmConfig, report: Report, host: Host) -> None:
    if config.axlab.gic_version == 2 and config.base.cpu_num > 8:
        report.error(
            ("base", "cpu_num"),
            f"{config.base.cpu_num} vCPUs are more than the 8 of a GICv2; write axlab.gic_version = 3",
        )


def check_regions(config: VmConfig, report: Report, host: Host) -> None:
    regions = config.kernel.memory_regions
    if not regions:
        report.error(
            REGIONS,
            "is empty, so the guest has no RAM; write [[gpa, size, flags, map_type]], "
            "such as [[0x4000_0000, 0x1000_0000, 0x7, 0]] for 256 MB",
        )
    for index, region in enumerate(regions):
        check_region(region, (*REGIONS, index), report, host)
        for before, other in enumerate(regions[:index]):
            if region.gpa < other.end and other.gpa < region.end:
                report.refuse(
                    (*REGIONS, index),
                    f"{span(region)} overlaps memory_regions[{before}] {span(other)}, which ends at {other.end:#x}",
                )
    wanted = sum(region.size for region in regions if not region.identical)
    if wanted > host.ram_size:
        report.refuse(
            REGIONS, f"{format_memory_size(wanted)} are more than the host's {format_memory_size(host.ram_size)} of RAM"
        )


def check_region(region: MemoryRegion, path: tuple[str | int, ...], report: Report, host: Host) -> None:
    if region.gpa % PAGE_SIZE:
        down = region.gpa // PAGE_SIZE * PAGE_SIZE
        report.error(path, f"gpa {region.gpa:#x} is no multiple of 0x1000 (4 KiB); the next lower one is {down:#x}")
    if region.size == 0:
        report.error(path, "size 0x0 makes no RAM; write at least 0x1000 (4 KiB)")
    elif region.size % PAGE_SIZE:
        up = (region.size // PAGE_SIZE + 1) * PAGE_SIZE
        report.error(path, f"size {region.size:#x} is no multiple of 0x1000 (4 KiB); the next larger one is {up:#x}")
    if region.end > schema.ADDRESS_LIMIT:
        report.error(
            path, f"{span(region)} ends beyond the 40 bits of a guest physical address ({schema.ADDRESS_LIMIT:#x})"
        )
    if not region.flags & 7:
        report.warn(path, f"flags {region.flags:#x} let the guest do nothing there; R is 1, W 2, X 4, all 0x7")
    if region.map_type == schema.MAP_IDENTICAL and (region.gpa < host.ram_base or region.end > host.ram_end):
        report.refuse(
            path,
            f"{span(region)} is MapIdentical, but the host's RAM is "
            f"{host.ram_base:#x}-{host.ram_end:#x}; write map_type 0 (MapAlloc), or addresses inside",
        )


def span(region: MemoryRegion) -> str:
    return f"{region.gpa:#x}-{region.end:#x}"


def check_entry(config: VmConfig, report: Report, host: Host) -> None:
    entry = config.kernel.entry_point
    regions = config.kernel.memory_regions
    if entry is None or not regions:
        return
    path = ("kernel", "entry_point")
    home = config.region_of(entry)
    if home is None:
        report.refuse(path, f"{entry:#x} is outside the guest's RAM ({', '.join(map(span, regions))})")
    elif not home.flags & schema.FLAG_EXECUTE:
        report.refuse(path, f"{entry:#x} lies in RAM without X (flags {home.flags:#x}); write flags with 4")
    if entry % 4:
        report.refuse(path, f"{entry:#x} is no multiple of 4, as the address of an A64 instruction must be")


def check_image(config: VmConfig, report: Report, host: Host) -> None:
    if not config.kernel.kernel_path:
        report.error(("kernel", "kernel_path"), 'is empty; name the image, such as kernel_path = "kernel.bin"')


def check_loads(config: VmConfig, report: Report, host: Host) -> None:
    """Load addresses outside RAM, a device tree that is not aligned."""
    kernel = config.kernel
    for name in ("kernel_load_addr", "bios_load_addr", "dtb_load_addr", "ramdisk_load_addr"):
        at = getattr(kernel, name)
        used = name in ("kernel_load_addr", "dtb_load_addr") or getattr(kernel, name.replace("_load_addr", "_path"))
        if at is not None and used and kernel.memory_regions and config.region_of(at) is None:
            report.refuse(
                ("kernel", name), f"{at:#x} is outside the guest's RAM ({', '.join(map(span, kernel.memory_regions))})"
            )
    if kernel.dtb_load_addr is not None and kernel.dtb_load_addr % 8:
        report.refuse(
            ("kernel", "dtb_load_addr"),
            f"{kernel.dtb_load_addr:#x} is no multiple of 8, as a device tree's address must be",
        )


def check_firmware(config: VmConfig, report: Report, host: Host) -> None:
    kernel = config.kernel
    if kernel.bios_path and kernel.enable_bios and kernel.bios_load_addr is None:
        report.error(("kernel", "bios_path"), "bios_load_addr is missing; write for example: bios_load_addr = 0x0")


def check_emulated(config: VmConfig, report: Report, host: Host) -> None:
    devices = config.devices.emu_devices
    for index, device in enumerate(devices):
        path = ("devices", "emu_devices", index)
        if device.type not in schema.EMULATED_TYPES:
            known = ", ".join(f"{number:#x}" for number in schema.EMULATED_TYPES)
            report.warn(path, f"type {device.type:#x} of {device.name!r} is unknown and skipped; known are {known}")
        elif device.type != schema.DUMMY:
            check_place(config, index, report)


def check_place(config: VmConfig, index: int, report: Report) -> None:
    """An emulated device's addresses: inside what a guest can reach, on no RAM, on no other device."""
    device = config.devices.emu_devices[index]
    path = ("devices", "emu_devices", index)
    end = device.base + device.length
    where = f"{device.name!r} {device.base:#x}-{end:#x}"
    if not device.length:
        report.error(path, f"{device.name!r} has length 0; write how many bytes it has, such as 0x1000")
    if end > schema.ADDRESS_LIMIT:
        report.error(path, f"{where} ends beyond the 40 bits of a guest physical address")
    for region in config.kernel.memory_regions:
        if device.base < region.end and region.gpa < end:
            report.refuse(path, f"{where} overlaps the RAM {span(region)}")
    for other in config.devices.emu_devices[:index]:
        if other.kind and other.base < end and device.base < other.base + other.length:
            report.refuse(path, f"{where} overlaps {other.name!r} {other.base:#x}-{other.base + other.length:#x}")


def check_passthrough(config: VmConfig, report: Report, host: Host) -> None:
    """Devices that the board lacks are warned of: an access to them will abort in the guest."""
    for index, device in enumerate(config.devices.passthrough_devices):
        path = ("devices", "passthrough_devices", index)
        if device.path:
            if device.path.strip("/") not in ("", *schema.TREE_ONLY) and not by_path(device.path, list(BOARD)):
                known = sorted({region.node for region in BOARD if region.kind not in ("ram", "virtio")})
                report.warn(
                    path,
                    f"the board has no {device.path}{nearest(device.path, known)}; "
                    "an access to it will abort in the guest",
                )
        elif not device.length:
            report.error(
                path,
                f'{device.name!r} is no path and has no addresses; write ["/path/in/the/device/tree"] '
                "or [name, gpa, hpa, length, irq]",
            )
        elif not by_address(device, hardware()):
            report.warn(
                path,
                f"the board has nothing at {device.hpa:#x}-{device.hpa + device.length:#x} "
                f"({device.name!r}); an access to it will abort in the guest",
            )
    for index, area in enumerate(config.devices.passthrough_addresses):
        if not by_address(same_address(area), hardware()):
            report.warn(
                ("devices", "passthrough_addresses", index),
                f"the board has nothing at {area.gpa:#x}-{area.gpa + area.length:#x}; "
                "an access to it will abort in the guest",
            )


def hardware() -> list[Region]:
    """The board's devices, without its RAM."""
    return [region for region in BOARD if region.kind != "ram"]


def check_board_gic(config: VmConfig, report: Report, host: Host) -> None:
    mine, board = config.axlab.gic_version, host.gic_version
    if board is not None and mine != board and config.devices.interrupt_mode == "passthrough":
        report.refuse(
            ("axlab", "gic_version"),
            f"{mine} is not the board's GICv{board}, which passthrough gives the guest; write {board}",
        )


RULES: tuple[tuple[Callable[[VmConfig, Report, Host], None], tuple[str, ...]], ...] = (
    (check_name, ("base.name",)),
    (check_cpus, ("base.cpu_num", "base.phys_cpu_ids", "base.phys_cpu_sets", "base.cpu_set")),
    (check_gic, ("base.cpu_num", "axlab.gic_version")),
    (check_regions, ("kernel.memory_regions",)),
    (check_image, ("kernel.kernel_path",)),
    (check_entry, ("kernel.memory_regions", "kernel.entry_point")),
    (check_loads, ("kernel.memory_regions",)),
    (check_firmware, ("kernel.bios_path", "kernel.bios_load_addr", "kernel.enable_bios")),
    (check_emulated, ("kernel.memory_regions", "devices.emu_devices")),
    (check_passthrough, ("devices.passthrough_devices", "devices.passthrough_addresses")),
    (check_board_gic, ("axlab.gic_version", "devices.interrupt_mode")),
)
"""Every rule with the keys that it reads: it is asked where their form is right."""
