"""The board: its RAM, and its devices at the addresses of the memory map."""

from __future__ import annotations

from collections.abc import Callable

from axlab.machine import memory_map
from axlab.machine.bus import Bus, BusDevice, Claim
from axlab.machine.flash import Flash
from axlab.machine.gpio import Pl061
from axlab.machine.memory import Memory
from axlab.machine.memory_map import MAX_CPUS, RAM_BASE, RAM_MAX, Region
from axlab.machine.rtc import Pl031
from axlab.machine.uart import Pl011
from axlab.machine.virtio import VirtioMmioSlot

# What answers in a region, by its kind. The interrupt controller is attached by who builds its CPUs.
DEVICES: dict[str, Callable[[], BusDevice]] = {
    "uart": Pl011,
    "rtc": Pl031,
    "gpio": Pl061,
    "virtio": VirtioMmioSlot,
}


class Board:
    """`cpus` CPUs, `ram` bytes of RAM from RAM_BASE, and an interrupt controller of version 2 or 3.

    `regions` is the board's table, its RAM as large as it is here; `bus` carries accesses to its devices.
    The flash banks are part of `memory` too, at their addresses, so that they can be read as memory.
    """

    def __init__(self, cpus: int = 4, ram: int = RAM_MAX, gic_version: int = 3) -> None:
        if not 1 <= cpus <= MAX_CPUS:
            raise ValueError(f"a board has 1 to {MAX_CPUS} CPUs, not {cpus}")
        if not 0 < ram <= RAM_MAX:
            raise ValueError(f"a board has up to {RAM_MAX:#x} bytes of RAM, not {ram:#x}")
        if gic_version not in (2, 3):
            raise ValueError(f"a board has a GIC of version 2 or 3, not {gic_version}")
        self.cpus = cpus
        self.gic_version = gic_version
        self.memory = Memory(RAM_BASE, ram)
        self.bus = Bus()
        self.regions = [
            Region(known.name, known.base, ram, known.kind, node=known.node) if known.kind == "ram" else known
            for known in memory_map.regions_of(gic_version)
        ]
        for region in self.regions:
            device = self.build(region)
            if device is not None:
                self.bus.attach(Claim(region.name, region.base, region.size, device, region.intid))

    def build(self, region: Region) -> BusDevice | None:
        """The device of a region; none for RAM and for the frames of the interrupt controller."""
        if region.kind == "flash":
            self.memory.add(region.base, region.size)
            return Flash(self.memory, region.base, region.size)
        maker = DEVICES.get(region.kind)
        return maker() if maker is not None else None

    def region_at(self, address: int) -> Region | None:
        """What is at a physical address of this board, if anything."""
        return next((known for known in self.regions if known.base <= address < known.end), None)

    def device(self, name: str) -> BusDevice:
        """The device of that name on the bus; `KeyError` if the board has none."""
        return {claim.name: claim.device for claim in self.bus.claims}[name]
