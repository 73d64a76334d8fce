"""The GICv3 distributor frame, GICD (Arm IHI 0069, 12.9): all SPIs, and the group enables."""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.gic import AFFINITY, FIRST_SPI, MAX_SPIS, ROUTE_ANY, Gic
from axlab.machine.gic_registers import WORD, InterruptRegisters
from axlab.machine.gic_state import Bank
from axlab.machine.registers import Register

FRAME_SIZE = 0x1_0000

CONTROL_GROUPS = 0b11
CONTROL_ARE = 1 << 4
CONTROL_DS = 1 << 6

TYPE_MESSAGES = 1 << 16
TYPE_ID_BITS = 15 << 19
TYPE_A3V = 1 << 24

IMPLEMENTER = 0x43B
"""GICD_IIDR and GICR_IIDR: JEP106 code of Arm, product 0."""

IDENTITY = (0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1)
"""PIDR4-7, PIDR0-3 and CIDR0-3; PIDR2 bits 7:4 are the architecture revision, 3."""


class Distributor(InterruptRegisters):
    """GICD of a GICv3 with affinity routing: the words for SGIs and PPIs are in the redistributors, here RAZ/WI."""

    registers: ClassVar[list[Register]] = [
        Register(0x0000, "GICD_CTLR", read="read_control", write="write_control"),
        Register(0x0004, "GICD_TYPER", read="read_type"),
        Register(0x0008, "GICD_IIDR", reset=IMPLEMENTER),
        Register(0x000C, "GICD_TYPER2"),
        Register(0x0010, "GICD_STATUSR"),
        Register(0x0040, "GICD_SETSPI_NSR", write="set_message"),
        Register(0x0048, "GICD_CLRSPI_NSR", write="clear_message"),
        Register(0x0080, "GICD_IGROUPR", count=32, read="read_group", write="write_group"),
        Register(0x0100, "GICD_ISENABLER", count=32, read="read_enabled", write="set_enabled"),
        Register(0x0180, "GICD_ICENABLER", count=32, read="read_enabled", write="clear_enabled"),
        Register(0x0200, "GICD_ISPENDR", count=32, read="read_pending", write="set_pending"),
        Register(0x0280, "GICD_ICPENDR", count=32, read="read_pending", write="clear_pending"),
        Register(0x0300, "GICD_ISACTIVER", count=32, read="read_active", write="set_active"),
        Register(0x0380, "GICD_ICACTIVER", count=32, read="read_active", write="clear_active"),
        Register(0x0400, "GICD_IPRIORITYR", width=8, count=1020, read="read_priority", write="write_priority"),
        Register(0x0800, "GICD_ITARGETSR", width=8, count=1020),
        Register(0x0C00, "GICD_ICFGR", count=64, read="read_config", write="write_config"),
        Register(0x0D00, "GICD_IGRPMODR", count=32),
        Register(0x0E00, "GICD_NSACR", count=64),
        Register(0x0F00, "GICD_SGIR"),
        Register(0x6100, "GICD_IROUTER", count=2 * MAX_SPIS, read="read_route", write="write_route"),
        Register(0xFFD0, "GICD_PIDR", count=len(IDENTITY), read="read_identity"),
    ]

    def __init__(self, gic: Gic) -> None:
        super().__init__(gic)
        self.nothing = Bank(0, FIRST_SPI)
        self.nothing.implemented = self.nothing.edge = 0

    def bank(self, first: int) -> Bank:
        """SPIs only."""
        return self.gic.shared if first >= FIRST_SPI else self.nothing

    def read_control(self) -> int:
        """GICD_CTLR: affinity routing and a single security state are fixed; RWP is zero, as writes act at once."""
        return self.gic.enabled_groups | CONTROL_ARE | CONTROL_DS

    def write_control(self, value: int) -> None:
        """GICD_CTLR: enable group 0 and group 1."""
        self.gic.enabled_groups = value & CONTROL_GROUPS

    def read_type(self) -> int:
        """GICD_TYPER: how many SPIs, 16 bits of INTID, all of affinity level 3."""
        lines = self.gic.shared.count // 32
        return lines | TYPE_MESSAGES | TYPE_ID_BITS | TYPE_A3V

    def set_message(self, value: int) -> None:
        """GICD_SETSPI_NSR: a message makes an SPI pending."""
        if value & 0x3FF >= FIRST_SPI:
            self.gic.pulse(value & 0x3FF)

    def clear_message(self, value: int) -> None:
        """GICD_CLRSPI_NSR: a message takes a pending SPI back."""
        if value & 0x3FF >= FIRST_SPI:
            bank, bit = self.gic.place(value & 0x3FF, 0)
            bank.latched &= ~bit

    def read_route(self, index: int) -> int:
        """GICD_IROUTER<n>, a 64-bit register, by its lower and upper halves."""
        spi, half = divmod(index, 2)
        return self.gic.routes[spi] >> 32 * half & WORD if self.gic.shared.implemented >> spi & 1 else 0

    def write_route(self, index: int, value: int) -> None:
        """GICD_IROUTER<n>: an affinity, or IRM for any one CPU."""
        spi, half = divmod(index, 2)
        if self.gic.shared.implemented >> spi & 1:
            kept = self.gic.routes[spi] & ~(WORD << 32 * half)
            self.gic.set_route(spi, (kept | value << 32 * half) & (AFFINITY | ROUTE_ANY))

    def read_identity(self, index: int) -> int:
        """PIDR4-7, PIDR0-3, CIDR0-3."""
        return IDENTITY[index]
