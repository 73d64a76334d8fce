"""Which devices of the board a configuration gives to its guest, and where the guest finds them.

`["/"]` is everything that no RAM region, emulated or excluded device covers; a path is a node of the
board's device tree with all below it; an address range is every device that one of its pages touches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from axlab.machine.memory_map import BOARD, GICR_STRIDE, Region
from axlab.units import PAGE_SIZE
from axlab.vmm.config import AddressRange, EmulatedDevice, PassthroughDevice, VmConfig


@dataclass(frozen=True, slots=True)
class Granted:
    """A region of the board that the guest sees at `gpa`; `name` is the configuration's word for it."""

    region: Region
    gpa: int
    name: str

    @property
    def end(self) -> int:
        """The guest physical address behind it."""
        return self.gpa + self.region.size


def granted(config: VmConfig, board: Iterable[Region] = BOARD) -> list[Granted]:
    """The devices that the guest gets, by guest physical address; the board's RAM is never among them."""
    devices = [region for region in board if region.kind != "ram" and region.gic in (0, config.axlab.gic_version)]
    wanted = [*config.devices.passthrough_devices, *map(same_address, config.devices.passthrough_addresses)]
    kept: list[Granted] = []
    for device in wanted:
        for grant in by_path(device.path, devices) if device.path else by_address(device, devices):
            taken = any(other.gpa < grant.end and grant.gpa < other.end for other in kept)
            if not taken and not hidden(config, grant):
                kept.append(grant)
    return sorted(kept, key=lambda grant: grant.gpa)


def same_address(area: AddressRange) -> PassthroughDevice:
    """`passthrough_addresses` as the device that it is."""
    return PassthroughDevice("", f"{area.gpa:#x}", area.gpa, area.gpa, area.length)


def by_path(path: str, devices: list[Region]) -> list[Granted]:
    """The devices at a path of the board's tree or below it; `/` is all of them."""
    return [Granted(region, region.base, region.node) for region in devices if is_under(region.node, path)]


def is_under(node: str, path: str) -> bool:
    """Whether `node` is `path` or below it; a unit address may be left out (`/pl011`)."""
    parts, wanted = node.split("/"), path.rstrip("/").split("/")  # "/" gives [""], which all begin with
    return len(parts) >= len(wanted) and all(
        part == want or part.partition("@")[0] == want for part, want in zip(parts, wanted, strict=False)
    )


def by_address(wanted: PassthroughDevice, devices: list[Region]) -> list[Granted]:
    """The devices that a range touches, counted in whole pages, moved as the range is moved."""
    first = wanted.hpa // PAGE_SIZE * PAGE_SIZE
    behind = -(-(wanted.hpa + wanted.length) // PAGE_SIZE) * PAGE_SIZE
    moved = wanted.gpa - wanted.hpa
    return [
        Granted(region, region.base + moved, wanted.name)
        for region in devices
        if wanted.length and region.overlaps(first, behind - first) and region.base + moved >= 0
    ]


def hidden(config: VmConfig, grant: Granted) -> bool:
    """Whether RAM, an emulated device or `excluded_devices` takes the device away."""
    spans = [(region.gpa, region.end) for region in config.kernel.memory_regions]
    spans += [(device.base, device.base + device.length) for device in config.devices.emu_devices if device.kind]
    covered = any(start < grant.end and grant.gpa < end for start, end in spans)
    return covered or any(is_under(grant.region.node, path) for path in config.devices.excluded_devices)


@dataclass(frozen=True, slots=True)
class GicFrames:
    """Where the guest finds its interrupt controller. `second` is GICR (GICv3) or GICC (GICv2).

    `emulated` frames come from `emu_devices` or interrupt_mode "emulated", others are the board's, mediated.
    """

    version: int
    distributor: tuple[int, int]
    second: tuple[int, int]
    emulated: bool


def gic_frames(config: VmConfig, board: Iterable[Region] = BOARD) -> GicFrames | None:
    """The interrupt controller's frames as (base, size), or None for a guest without one.

    What `emu_devices` name comes first, the board's frames that are passed through fill the rest; with
    interrupt_mode "emulated" there is always a GIC, at the board's addresses where nothing else is said.
    """
    version = config.axlab.gic_version
    regions = {region.name: region for region in board}
    emulated = {device.type: device for device in config.devices.emu_devices}
    distributor = emulated.get(0x21) or emulated.get(0x01)
    second = emulated.get(0x20)
    passed = {grant.region.name: grant for grant in granted(config, board)}
    if distributor is None and second is None and "GICD" not in passed and config.devices.interrupt_mode != "emulated":
        return None
    second_name = "GICR" if version == 3 else "GICC"
    return GicFrames(
        version,
        (distributor.base, distributor.length) if distributor else place(regions["GICD"], passed),
        redistributors(second, config) if second else place(regions[second_name], passed),
        distributor is not None or second is not None or config.devices.interrupt_mode == "emulated",
    )


def redistributors(device: EmulatedDevice, config: VmConfig) -> tuple[int, int]:
    """The frames of all vCPUs: a file may give the length of one redistributor, or of all."""
    return (device.base, max(device.length, GICR_STRIDE * config.base.cpu_num))


def place(region: Region, passed: dict[str, Granted]) -> tuple[int, int]:
    """Where a frame of the board is for the guest."""
    return (passed[region.name].gpa if region.name in passed else region.base, region.size)
