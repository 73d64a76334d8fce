"""A GICv3 redistributor, GICR (Arm IHI 0069, 12.11): a CPU's SGIs and PPIs, in two frames of 64 KB."""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.gic import FIRST_SPI, Gic
from axlab.machine.gic_distributor import IDENTITY, IMPLEMENTER
from axlab.machine.gic_registers import InterruptRegisters
from axlab.machine.gic_state import Bank
from axlab.machine.registers import Register

FRAME_SIZE = 0x2_0000
"""RD_base and SGI_base; the next CPU's follow."""

TYPE_LAST = 1 << 4

PROCESSOR_SLEEP = 1 << 1
CHILDREN_ASLEEP = 1 << 2

SGI = 0x1_0000


class Redistributor(InterruptRegisters):
    """GICR of one CPU. It delivers interrupts whether software woke it (GICR_WAKER) or not, as QEMU's does."""

    registers: ClassVar[list[Register]] = [
        Register(0x0000, "GICR_CTLR"),
        Register(0x0004, "GICR_IIDR", reset=IMPLEMENTER),
        Register(0x0008, "GICR_TYPER", width=64, read="read_type"),
        Register(0x0010, "GICR_STATUSR"),
        Register(0x0014, "GICR_WAKER", read="read_waker", write="write_waker"),
        Register(0x0070, "GICR_PROPBASER", width=64, writable=0x070F_FFFF_FFFF_FF9F),
        Register(0x0078, "GICR_PENDBASER", width=64, writable=0x470F_FFFF_FFFF_0F80),
        Register(0xFFD0, "GICR_PIDR", count=len(IDENTITY), read="read_identity"),
        Register(SGI + 0x0080, "GICR_IGROUPR", count=3, read="read_group", write="write_group"),
        Register(SGI + 0x0100, "GICR_ISENABLER", count=3, read="read_enabled", write="set_enabled"),
        Register(SGI + 0x0180, "GICR_ICENABLER", count=3, read="read_enabled", write="clear_enabled"),
        Register(SGI + 0x0200, "GICR_ISPENDR", count=3, read="read_pending", write="set_pending"),
        Register(SGI + 0x0280, "GICR_ICPENDR", count=3, read="read_pending", write="clear_pending"),
        Register(SGI + 0x0300, "GICR_ISACTIVER", count=3, read="read_active", write="set_active"),
        Register(SGI + 0x0380, "GICR_ICACTIVER", count=3, read="read_active", write="clear_active"),
        Register(SGI + 0x0400, "GICR_IPRIORITYR", width=8, count=96, read="read_priority", write="write_priority"),
        Register(SGI + 0x0C00, "GICR_ICFGR", count=6, read="read_config", write="write_config"),
        Register(SGI + 0x0D00, "GICR_IGRPMODR", count=3),
        Register(SGI + 0x0E00, "GICR_NSACR"),
    ]

    def __init__(self, gic: Gic, cpu: int) -> None:
        super().__init__(gic, cpu)
        self.nothing = Bank(FIRST_SPI, 0)
        self.asleep = True

    def bank(self, first: int) -> Bank:
        """This CPU's SGIs and PPIs; the words after them are for extended PPIs, of which there are none."""
        return self.gic.private[self.cpu] if first < FIRST_SPI else self.nothing

    def read_type(self) -> int:
        """GICR_TYPER: the CPU's affinity and number, and whether it is the last redistributor."""
        mpidr = self.gic.mpidrs[self.cpu]
        affinity = mpidr >> 8 & 0xFF00_0000 | mpidr & 0xFF_FFFF
        last = TYPE_LAST if self.cpu == self.gic.cpus - 1 else 0
        return affinity << 32 | self.cpu << 8 | last

    def read_waker(self) -> int:
        """GICR_WAKER: the children are asleep as soon as the processor is told to."""
        return PROCESSOR_SLEEP | CHILDREN_ASLEEP if self.asleep else 0

    def write_waker(self, value: int) -> None:
        """GICR_WAKER.ProcessorSleep."""
        self.asleep = bool(value & PROCESSOR_SLEEP)

    def read_identity(self, index: int) -> int:
        """PIDR4-7, PIDR0-3 (of a redistributor: part number 0x493), CIDR0-3."""
        return 0x93 if index == 4 else IDENTITY[index]
