"""The device tree that a guest is given: made from its configuration, shaped as QEMU's `virt` board has it.

What the configuration passes through or emulates is in the tree, and nothing else; a guest that
believes its tree touches nothing that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable

from axlab.machine.fdt import Node, cells, cells64, pack, parse_tree, strings
from axlab.machine.memory_map import BOARD, POWER_BUTTON_LINE, Region
from axlab.vmm import config_schema as schema
from axlab.vmm.config import MemoryRegion, VmConfig
from axlab.vmm.passthrough import GicFrames, gic_frames, granted

CLOCK, GIC, GPIO = 1, 2, 3
"""Phandles: the nodes that others refer to."""
LEVEL_HIGH, EDGE_RISING = 4, 1
PPI, SPI = 1, 0
TIMER_PPIS = (13, 14, 11, 10)
KEY_POWER = 116  # linux/input-event-codes.h
CLOCK_HZ = 24_000_000
FLASH_END = 0x0800_0000


def build_tree(config: VmConfig, board: Iterable[Region] = BOARD, initrd: tuple[int, int] | None = None) -> bytes:
    """The blob for a guest. `initrd` is the RAM disk's (first address, address behind it)."""
    board = tuple(board)
    gic = gic_frames(config, board)
    root = Node(
        "",
        {
            "#address-cells": cells(2),
            "#size-cells": cells(2),
            "model": strings("axlab,virt"),
            "compatible": strings("linux,dummy-virt"),
        },
    )
    add_memory(root, config)
    add_cpus(root, config)
    add_psci(root)
    if gic is not None:
        root.properties["interrupt-parent"] = cells(GIC)
        add_timer(root, gic, config)
        add_gic(root, gic)
    add_devices(root, config, board, gic)
    root.children = [node for node in root.children if not excluded(node, config)]
    add_console(root)
    add_boot(root, config, initrd)
    return pack(root)


def excluded(node: Node, config: VmConfig) -> bool:
    """Whether `excluded_devices` names a node at the root, with or without its unit address."""
    names = {path.strip("/") for path in config.devices.excluded_devices}
    return node.name in names or node.name.partition("@")[0] in names


# --- memory and CPUs -------------------------------------------------------------------------------


def add_memory(root: Node, config: VmConfig) -> None:
    """A node for every region of RAM. ROM (no W) is not RAM; reserved regions are listed as such,
    unless there is nothing else.

    RAM in the place of the board's flash comes last: firmware takes the first node for its RAM.
    """
    regions = config.kernel.memory_regions
    writable = [r for r in regions if r.flags & schema.FLAG_WRITE]
    ram = [r for r in writable if r.map_type != schema.MAP_RESERVED] or writable
    for region in sorted(merged(ram), key=lambda r: (r.gpa < FLASH_END, r.gpa)):
        reg = cells64(region.gpa, region.size)
        root.add(f"memory@{region.gpa:x}", {"device_type": strings("memory"), "reg": reg})
    reserved = merged([r for r in regions if r.map_type == schema.MAP_RESERVED and r not in ram])
    if reserved:
        node = root.add("reserved-memory", {"#address-cells": cells(2), "#size-cells": cells(2), "ranges": b""})
        for region in reserved:
            node.add(f"memory@{region.gpa:x}", {"reg": cells64(region.gpa, region.size), "no-map": b""})


def merged(regions: list[MemoryRegion]) -> list[MemoryRegion]:
    """Regions by address, those that touch or overlap as one: a node's address is unique."""
    result: list[MemoryRegion] = []
    for region in sorted(regions, key=lambda r: r.gpa):
        if result and region.gpa < result[-1].end:
            last = result.pop()
            region = MemoryRegion(last.gpa, max(last.end, region.end) - last.gpa)
        result.append(region)
    return result


def add_cpus(root: Node, config: VmConfig) -> None:
    """Every vCPU by its MPIDR, started by PSCI. Aff3 needs a second cell."""
    mpidrs = config.base.mpidrs
    wide = any(mpidr >> 32 for mpidr in mpidrs)
    cpus = root.add("cpus", {"#address-cells": cells(2 if wide else 1), "#size-cells": cells(0)})
    for mpidr in mpidrs:
        cpus.add(
            f"cpu@{mpidr:x}",
            {
                "device_type": strings("cpu"),
                "compatible": strings("arm,armv8"),
                "reg": cells64(mpidr) if wide else cells(mpidr),
                "enable-method": strings("psci"),
            },
        )


def add_psci(root: Node) -> None:
    """The firmware interface: by HVC, with the function numbers for readers of the oldest binding."""
    root.add(
        "psci",
        {
            "compatible": strings("arm,psci-1.0", "arm,psci-0.2", "arm,psci"),
            "method": strings("hvc"),
            "cpu_suspend": cells(0xC400_0001),
            "cpu_off": cells(0x8400_0002),
            "cpu_on": cells(0xC400_0003),
        },
    )


def add_timer(root: Node, gic: GicFrames, config: VmConfig) -> None:
    """The generic timer's PPIs: secure, non-secure, virtual, hypervisor. A GICv2 wants the CPUs as a mask."""
    flags = LEVEL_HIGH if gic.version == 3 else LEVEL_HIGH | (1 << config.base.cpu_num) - 1 << 8
    root.add(
        "timer",
        {
            "compatible": strings("arm,armv8-timer", "arm,armv7-timer"),
            "always-on": b"",
            "interrupts": b"".join(cells(PPI, number, flags) for number in TIMER_PPIS),
        },
    )


def add_gic(root: Node, gic: GicFrames) -> None:
    """The interrupt controller with its two frames."""
    node = root.add(
        f"intc@{gic.distributor[0]:x}",
        {
            "compatible": strings("arm,gic-v3" if gic.version == 3 else "arm,cortex-a15-gic"),
            "reg": cells64(*gic.distributor, *gic.second),
            "interrupt-controller": b"",
            "#interrupt-cells": cells(3),
            "#address-cells": cells(2),
            "#size-cells": cells(2),
            "ranges": b"",
            "phandle": cells(GIC),
        },
    )
    if gic.version == 3:
        node.properties["#redistributor-regions"] = cells(1)


# --- devices ---------------------------------------------------------------------------------------


def add_devices(root: Node, config: VmConfig, board: tuple[Region, ...], gic: GicFrames | None) -> None:
    """Emulated devices and the board's, by address, and the clock that Arm's own ones want."""
    places = [
        (device.base, device.length, EMULATED_KINDS[device.type], device.irq)
        for device in config.devices.emu_devices
        if device.type in EMULATED_KINDS
    ]
    places += [
        (grant.gpa, grant.region.size, grant.region.kind, grant.region.intid)
        for grant in granted(config, board)
        if grant.region.kind in NODES
    ]
    if any(kind in CLOCKED for _, _, kind, _ in places):
        root.add(
            "apb-pclk",
            {
                "compatible": strings("fixed-clock"),
                "#clock-cells": cells(0),
                "clock-frequency": cells(CLOCK_HZ),
                "clock-output-names": strings("clk24mhz"),
                "phandle": cells(CLOCK),
            },
        )
    add_flash(root, [(g.gpa, g.region.size) for g in granted(config, board) if g.region.kind == "flash"])
    phandle = GPIO
    for base, size, kind, intid in sorted(places):
        node = add_device(root, base, size, kind, intid if gic is not None else 0)
        if kind == "gpio":
            add_power_button(root, node, phandle)
            phandle += 1


def add_flash(root: Node, banks: list[tuple[int, int]]) -> None:
    """The board's NOR flash, those banks of it that are not covered by RAM: firmware keeps its settings there."""
    if banks:
        reg = b"".join(cells64(*bank) for bank in banks)
        node = root.add(f"flash@{banks[0][0]:x}", {"compatible": strings("cfi-flash"), "reg": reg})
        node.properties["bank-width"] = cells(4)


def add_device(root: Node, base: int, size: int, kind: str, intid: int) -> Node:
    """One device's node; `intid` 0 is no interrupt."""
    name, compatible = NODES[kind]
    node = root.add(f"{name}@{base:x}", {"compatible": strings(*compatible), "reg": cells64(base, size)})
    if intid >= 16:
        node.properties["interrupts"] = interrupt(intid, EDGE_RISING if kind == "virtio" else LEVEL_HIGH)
    if kind in CLOCKED:
        node.properties["clocks"] = cells(CLOCK) * len(CLOCKED[kind])
        node.properties["clock-names"] = strings(*CLOCKED[kind])
    if kind == "virtio":
        node.properties["dma-coherent"] = b""
    return node


NODES = {
    "uart": ("pl011", ("arm,pl011", "arm,primecell")),
    "rtc": ("pl031", ("arm,pl031", "arm,primecell")),
    "gpio": ("pl061", ("arm,pl061", "arm,primecell")),
    "virtio": ("virtio_mmio", ("virtio,mmio",)),
}
CLOCKED = {"uart": ("uartclk", "apb_pclk"), "rtc": ("apb_pclk",), "gpio": ("apb_pclk",)}
EMULATED_KINDS = {0x02: "uart", 0xE1: "virtio", 0xE2: "virtio", 0xE3: "virtio"}


def interrupt(intid: int, trigger: int) -> bytes:
    """An INTID as the GIC's binding writes it: type, number within the type, trigger."""
    return cells(SPI, intid - 32, trigger) if intid >= 32 else cells(PPI, intid - 16, trigger)


def add_power_button(root: Node, gpio: Node, phandle: int) -> None:
    """The GPIO block's line 3 is the power button: `vm stop` presses it."""
    gpio.properties |= {"gpio-controller": b"", "#gpio-cells": cells(2), "phandle": cells(phandle)}
    keys = root.child("gpio-keys") or root.add("gpio-keys", {"compatible": strings("gpio-keys")})
    name = "poweroff" if phandle == GPIO else f"poweroff-{phandle - GPIO}"
    keys.add(
        name,
        {
            "label": strings("GPIO Key Poweroff"),
            "linux,code": cells(KEY_POWER),
            "gpios": cells(phandle, POWER_BUTTON_LINE, 0),
        },
    )


# --- /chosen ---------------------------------------------------------------------------------------


def add_console(root: Node) -> None:
    """The first UART is where a guest prints."""
    chosen = root.add("chosen", {})
    uart = next((node for node in root.children if node.name.startswith("pl011@")), None)
    if uart is not None:
        chosen.properties["stdout-path"] = strings("/" + uart.name)


def add_boot(root: Node, config: VmConfig, initrd: tuple[int, int] | None) -> bool:
    """bootargs and initrd, where there are any and the tree has none; whether anything was added."""
    wanted: dict[str, bytes] = {}
    if config.kernel.cmdline is not None:
        wanted["bootargs"] = strings(config.kernel.cmdline)
    if initrd is not None:
        wanted["linux,initrd-start"], wanted["linux,initrd-end"] = cells64(initrd[0]), cells64(initrd[1])
    chosen = root.child("chosen")
    missing = {name: value for name, value in wanted.items() if chosen is None or name not in chosen.properties}
    if missing:
        (chosen or root.add("chosen", {})).properties.update(missing)
    return bool(missing)


def patch_tree(blob: bytes, config: VmConfig, initrd: tuple[int, int] | None = None, source: str = "<dtb>") -> bytes:
    """A person's own tree, with bootargs and initrd in /chosen where they are missing, else byte for byte.

    Raises `AxError` where the blob is no device tree.
    """
    tree = parse_tree(blob, source)
    if not add_boot(tree.root, config, initrd):
        return blob
    return pack(tree.root, tree.reservations, tree.boot_cpu)
