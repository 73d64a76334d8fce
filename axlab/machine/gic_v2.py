"""The frames of a GICv2 (Arm IHI 0048): distributor GICD, and CPU interface GICC over a virtual interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from axlab.machine.bus import Access
from axlab.machine.gic import FIRST_SPI, OTHER_GROUP, SGIS, Gic
from axlab.machine.gic_interface import (
    BOTH_GROUPS,
    GROUP1_ONLY,
    InterruptedCpu,
    acknowledge,
    changed,
    deactivate,
    end,
    write_active,
    write_binary_point,
    write_mask,
)
from axlab.machine.gic_registers import InterruptRegisters
from axlab.machine.registers import Device, Register

DISTRIBUTOR_SIZE = 0x1000
INTERFACE_SIZE = 0x2000

IMPLEMENTER = 0x0200_143B
"""GICD_IIDR of Arm's GIC-400."""
INTERFACE_IMPLEMENTER = 0x0202_143B
"""GICC_IIDR: architecture version 2."""

IDENTITY = (0x04, 0, 0, 0, 0x90, 0xB4, 0x2B, 0, 0x0D, 0xF0, 0x05, 0xB1)
"""PIDR4-7, PIDR0-3, CIDR0-3; PIDR2 bits 7:4 are the architecture revision, 2."""


class DistributorV2(InterruptRegisters):
    """GICD: the words of SGIs and PPIs are banked, each CPU sees its own."""

    registers: ClassVar[list[Register]] = [
        Register(0x000, "GICD_CTLR", read="read_control", write="write_control"),
        Register(0x004, "GICD_TYPER", read="read_type"),
        Register(0x008, "GICD_IIDR", reset=IMPLEMENTER),
        Register(0x080, "GICD_IGROUPR", count=32, read="read_group", write="write_group"),
        Register(0x100, "GICD_ISENABLER", count=32, read="read_enabled", write="set_enabled"),
        Register(0x180, "GICD_ICENABLER", count=32, read="read_enabled", write="clear_enabled"),
        Register(0x200, "GICD_ISPENDR", count=32, read="read_pending", write="set_pending"),
        Register(0x280, "GICD_ICPENDR", count=32, read="read_pending", write="clear_pending"),
        Register(0x300, "GICD_ISACTIVER", count=32, read="read_active", write="set_active"),
        Register(0x380, "GICD_ICACTIVER", count=32, read="read_active", write="clear_active"),
        Register(0x400, "GICD_IPRIORITYR", width=8, count=1020, read="read_priority", write="write_priority"),
        Register(0x800, "GICD_ITARGETSR", width=8, count=1020, read="read_targets", write="write_targets"),
        Register(0xC00, "GICD_ICFGR", count=64, read="read_config", write="write_config"),
        Register(0xE00, "GICD_NSACR", count=64),
        Register(0xF00, "GICD_SGIR", write="send_sgi"),
        Register(0xF10, "GICD_CPENDSGIR", width=8, count=SGIS, read="read_senders", write="clear_senders"),
        Register(0xF20, "GICD_SPENDSGIR", width=8, count=SGIS, read="read_senders", write="set_senders"),
        Register(0xFD0, "GICD_PIDR", count=len(IDENTITY), read="read_identity"),
    ]

    def __init__(self, gic: Gic) -> None:
        super().__init__(gic)

    def access(self, offset: int, access: Access) -> int:
        """Answer an access for the CPU that makes it."""
        self.cpu = access.cpu
        return super().access(offset, access)

    def read_control(self) -> int:
        """GICD_CTLR."""
        return self.gic.enabled_groups

    def write_control(self, value: int) -> None:
        """GICD_CTLR: enable group 0 and group 1."""
        self.gic.enabled_groups = value & 0b11

    def read_type(self) -> int:
        """GICD_TYPER: how many SPIs and CPUs."""
        return self.gic.shared.count // 32 | self.gic.cpus - 1 << 5

    def read_targets(self, index: int) -> int:
        """GICD_ITARGETSR<n>, a byte for each interrupt; with a single CPU there is nothing to choose."""
        if self.gic.cpus == 1:
            return 0
        if index < FIRST_SPI:
            return 1 << self.cpu
        spi = index - FIRST_SPI
        return self.gic.routes[spi] if self.gic.shared.implemented >> spi & 1 else 0

    def write_targets(self, index: int, value: int) -> None:
        """GICD_ITARGETSR<n>: the CPUs of which one gets the SPI."""
        spi = index - FIRST_SPI
        if self.gic.cpus > 1 and spi >= 0 and self.gic.shared.implemented >> spi & 1:
            self.gic.set_route(spi, value & (1 << self.gic.cpus) - 1)

    def send_sgi(self, value: int) -> None:
        """GICD_SGIR: to a list of CPUs (filter 0), to all others (1), or to oneself (2)."""
        listed = value >> 16 & 0xFF
        everybody = range(self.gic.cpus)
        targets = (
            [cpu for cpu in everybody if listed >> cpu & 1],
            [cpu for cpu in everybody if cpu != self.cpu],
            [self.cpu],
            [],
        )[value >> 24 & 3]
        self.gic.send_sgi(self.cpu, value & 0xF, targets)

    def read_senders(self, index: int) -> int:
        """GICD_SPENDSGIR and GICD_CPENDSGIR: who sent this SGI."""
        return self.gic.sgi_sources[self.cpu][index]

    def set_senders(self, index: int, value: int) -> None:
        """GICD_SPENDSGIR: pend an SGI as if these CPUs had sent it."""
        for source in range(self.gic.cpus):
            if value >> source & 1:
                self.gic.send_sgi(source, index, [self.cpu])

    def clear_senders(self, index: int, value: int) -> None:
        """GICD_CPENDSGIR: take an SGI back."""
        senders = self.gic.sgi_sources[self.cpu]
        senders[index] &= ~value
        if not senders[index]:
            self.gic.private[self.cpu].latched &= ~(1 << index)

    def read_identity(self, index: int) -> int:
        """PIDR4-7, PIDR0-3, CIDR0-3."""
        return IDENTITY[index]


class CpuInterfaceV2(Device):
    """GICC as a guest sees it: the frame that hardware calls GICV, over the list registers of the accessing CPU."""

    registers: ClassVar[list[Register]] = [
        Register(0x0000, "GICC_CTLR", read="read_control", write="write_control"),
        Register(0x0004, "GICC_PMR", read="read_mask", write="write_mask"),
        Register(0x0008, "GICC_BPR", read="read_binary_point", write="write_binary_point"),
        Register(0x000C, "GICC_IAR", read="acknowledge"),
        Register(0x0010, "GICC_EOIR", write="end"),
        Register(0x0014, "GICC_RPR", read="read_running"),
        Register(0x0018, "GICC_HPPIR", read="read_highest"),
        Register(0x001C, "GICC_ABPR", read="read_alias_binary_point", write="write_alias_binary_point"),
        Register(0x0020, "GICC_AIAR", read="acknowledge_group1"),
        Register(0x0024, "GICC_AEOIR", write="end_group1"),
        Register(0x0028, "GICC_AHPPIR", read="read_highest_group1"),
        Register(0x00D0, "GICC_APR0", read="read_active0", write="write_active0"),
        Register(0x00E0, "GICC_NSAPR0", read="read_active1", write="write_active1"),
        Register(0x00FC, "GICC_IIDR", reset=INTERFACE_IMPLEMENTER),
        Register(0x1000, "GICC_DIR", write="deactivate"),
    ]

    def __init__(self, cpus: Sequence[InterruptedCpu]) -> None:
        super().__init__()
        self.cpus = cpus
        self.cpu = cpus[0]

    def access(self, offset: int, access: Access) -> int:
        """Answer an access for the CPU that makes it."""
        self.cpu = self.cpus[access.cpu]
        return super().access(offset, access)

    def read_control(self) -> int:
        """GICC_CTLR: the group enables, AckCtl, FIQEn, CBPR and EOImode stand as in ICH_VMCR_EL2."""
        return self.cpu.gic.vmcr & 0x21F

    def write_control(self, value: int) -> None:
        """GICC_CTLR."""
        priorities = self.cpu.gic.priorities
        priorities.enabled = [bool(value & 1), bool(value & 2)]
        self.cpu.gic.changed = True
        priorities.ack_control = bool(value & 4)
        priorities.fiq_enable = bool(value & 8)
        priorities.common_binary_point = bool(value & 16)
        priorities.split_eoi = bool(value & 1 << 9)
        changed(self.cpu)

    def read_mask(self) -> int:
        """GICC_PMR."""
        return self.cpu.gic.priorities.mask

    def write_mask(self, value: int) -> None:
        """GICC_PMR."""
        write_mask(self.cpu, value)

    def read_binary_point(self) -> int:
        """GICC_BPR: group 0's."""
        return self.cpu.gic.priorities.read_binary_point(0)

    def write_binary_point(self, value: int) -> None:
        """GICC_BPR."""
        write_binary_point(self.cpu, 0, value)

    def read_alias_binary_point(self) -> int:
        """GICC_ABPR: group 1's."""
        return self.cpu.gic.priorities.read_binary_point(1)

    def write_alias_binary_point(self, value: int) -> None:
        """GICC_ABPR."""
        write_binary_point(self.cpu, 1, value)

    def groups(self) -> tuple[bool, bool]:
        """The groups that GICC_IAR and GICC_HPPIR answer for: group 1 with AckCtl only."""
        return True, self.cpu.gic.priorities.ack_control

    def acknowledge(self) -> int:
        """GICC_IAR; 1022 where the interrupt is of group 1 and AckCtl is off."""
        return acknowledge(self.cpu, self.groups(), OTHER_GROUP)

    def acknowledge_group1(self) -> int:
        """GICC_AIAR."""
        return acknowledge(self.cpu, GROUP1_ONLY)

    def end(self, value: int) -> None:
        """GICC_EOIR, which ends interrupts of either group."""
        end(self.cpu, BOTH_GROUPS, value)

    def end_group1(self, value: int) -> None:
        """GICC_AEOIR."""
        end(self.cpu, GROUP1_ONLY, value)

    def deactivate(self, value: int) -> None:
        """GICC_DIR."""
        deactivate(self.cpu, value)

    def read_running(self) -> int:
        """GICC_RPR."""
        return self.cpu.gic.priorities.running()

    def read_highest(self) -> int:
        """GICC_HPPIR."""
        return self.cpu.gic.peek(self.groups(), OTHER_GROUP)

    def read_highest_group1(self) -> int:
        """GICC_AHPPIR."""
        return self.cpu.gic.peek(GROUP1_ONLY)

    def read_active0(self) -> int:
        """GICC_APR0."""
        return self.cpu.gic.priorities.active[0]

    def write_active0(self, value: int) -> None:
        """GICC_APR0."""
        write_active(self.cpu, 0, value)

    def read_active1(self) -> int:
        """GICC_NSAPR0."""
        return self.cpu.gic.priorities.active[1]

    def write_active1(self, value: int) -> None:
        """GICC_NSAPR0."""
        write_active(self.cpu, 1, value)
