"""One page is the board: every physical address and interrupt of it.

The board is laid out as QEMU's `virt` machine, which AxVisor and most guests know. Numbers are
INTIDs of the GIC: an SPI n of the device tree is INTID 32 + n, a PPI n is INTID 16 + n. The bus,
the device tree, the memory-map picture and the documentation are all drawn from this table.

    0x0000_0000  flash            two banks of 64 MB
    0x0800_0000  GICD             interrupt controller, with GICC, GICH, GICV (GICv2) beside it
    0x0808_0000  ITS              message-signalled interrupts (reserved: the board has none)
    0x080A_0000  GICR             redistributors, 128 KB a CPU (GICv3)
    0x0900_0000  PL011            UART
    0x0901_0000  PL031            real-time clock
    0x0903_0000  PL061            GPIO; line 3 is the power button
    0x0A00_0000  virtio-mmio      32 slots of 512 bytes
    0x4000_0000  RAM
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RAM_BASE = 0x4000_0000
RAM_MAX = 8 << 30
MAX_CPUS = 8

GICR_STRIDE = 0x2_0000  # a redistributor's two 64 KB frames, RD_base and SGI_base

# Private peripheral interrupts, the same on every CPU.
PPI_MAINTENANCE = 25  # the virtual CPU interface has something to say to the hypervisor
PPI_CNTHP = 26  # EL2's physical timer
PPI_CNTV = 27  # the virtual timer
PPI_CNTPS = 29  # the secure physical timer
PPI_CNTP = 30  # EL1's physical timer

VIRTIO_SLOTS = 32
VIRTIO_SLOT_SIZE = 0x200
VIRTIO_FIRST_INTID = 48

POWER_BUTTON_LINE = 3  # of the GPIO block


@dataclass(frozen=True, slots=True)
class Region:
    """A range of physical addresses: what is there, its interrupt (0: none) and its place in the device tree.

    `kind` names what answers: `flash`, `gic`, `uart`, `rtc`, `gpio`, `virtio` or `ram`. `gic` is the
    version of the interrupt controller that has this frame; 0: it is there with either.
    """

    name: str
    base: int
    size: int
    kind: str
    intid: int = 0
    node: str = ""
    gic: int = 0

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.base + self.size

    def overlaps(self, base: int, size: int) -> bool:
        return self.base < base + size and base < self.end


def virtio_slot(index: int) -> Region:
    """The virtio-mmio slot `index` of 32."""
    base = 0x0A00_0000 + index * VIRTIO_SLOT_SIZE
    return Region(
        f"virtio{index}", base, VIRTIO_SLOT_SIZE, "virtio", VIRTIO_FIRST_INTID + index, f"/virtio_mmio@{base:x}"
    )


# fmt: off
BOARD: tuple[Region, ...] = (
    #      name       base         size         kind    INTID  device-tree path
    Region("flash0",  0x0000_0000, 0x0400_0000, "flash", 0,  "/flash@0"),
    Region("flash1",  0x0400_0000, 0x0400_0000, "flash", 0,  "/flash@0"),
    Region("GICD",    0x0800_0000, 0x0001_0000, "gic",   0,  "/intc@8000000"),
    Region("GICC",    0x0801_0000, 0x0001_0000, "gic",   0,  "/intc@8000000", gic=2),
    Region("GICH",    0x0803_0000, 0x0001_0000, "gic",   PPI_MAINTENANCE, "/intc@8000000", gic=2),
    Region("GICV",    0x0804_0000, 0x0001_0000, "gic",   0,  "/intc@8000000", gic=2),
    Region("ITS",     0x0808_0000, 0x0002_0000, "gic",   0,  "/intc@8000000/its@8080000", gic=3),
    Region("GICR",    0x080A_0000, 0x00F6_0000, "gic",   0,  "/intc@8000000", gic=3),
    Region("UART",    0x0900_0000, 0x0000_1000, "uart",  33, "/pl011@9000000"),
    Region("RTC",     0x0901_0000, 0x0000_1000, "rtc",   34, "/pl031@9010000"),
    Region("GPIO",    0x0903_0000, 0x0000_1000, "gpio",  39, "/pl061@9030000"),
    *(virtio_slot(index) for index in range(VIRTIO_SLOTS)),
    Region("RAM",     RAM_BASE,    RAM_MAX,     "ram",   0,  "/memory@40000000"),
)
# fmt: on

REGIONS: Mapping[str, Region] = MappingProxyType({known.name: known for known in BOARD})


def region(name: str) -> Region:
    """The board's region of that name; `KeyError` if the board has none."""
    return REGIONS[name]


def region_at(address: int) -> Region | None:
    """The region that holds a physical address, if any."""
    return next((known for known in BOARD if known.base <= address < known.end), None)


def regions_of(gic_version: int, kind: str = "") -> list[Region]:
    """The regions of a board with that interrupt controller, of one `kind` or of all, by address."""
    return [known for known in BOARD if known.gic in (0, gic_version) and kind in ("", known.kind)]
