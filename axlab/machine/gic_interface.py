"""The virtual CPU interface (Arm IHI 0069, chapter 5): list registers, and what a guest sees of them.

The hypervisor fills the list registers (ICH_LR<n>_EL2) before it enters a vCPU and reads them after
it has left. The guest's ICC_* registers then act on them without an exit: the manual calls that side
ICV_*. One `VirtualInterface` belongs to each vCPU's `Cpu`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from axlab.machine.gic import SPURIOUS
from axlab.machine.gic_list_registers import (
    HCR_EN,
    HCR_EOI_COUNT_SHIFT,
    HCR_LRENPIE,
    HCR_NPIE,
    HCR_TALL0,
    HCR_TALL1,
    HCR_TC,
    HCR_TDIR,
    HCR_UIE,
    HCR_VGRP0DIE,
    HCR_VGRP0EIE,
    HCR_VGRP1DIE,
    HCR_VGRP1EIE,
    HCR_WRITABLE,
    ICH_VTR,
    LIST_REGISTERS,
    LR_ACTIVE,
    LR_EOI,
    LR_HW,
    LR_IMPLEMENTED,
    LR_PENDING,
    LR_PHYSICAL_SHIFT,
    LR_STATE,
    group_of,
    interrupt_of,
    priority_of,
)
from axlab.machine.gic_priority import PRIORITY_BITS, Priorities

CONTROL_FIXED = (PRIORITY_BITS - 1) << 8 | 1 << 15
"""ICC_CTLR_EL1: PRIbits and A3V."""

BOTH_GROUPS = (True, True)
GROUP0_ONLY = (True, False)
GROUP1_ONLY = (False, True)


class VirtualInterface:
    """ICH_* and ICV_* of one CPU.

    `irq_pending` and `fiq_pending` are the two signals to the CPU, `maintenance_pending` is PPI 25.
    `changed` says that the guest moved a list register since the hypervisor loaded them; `stale`, that
    a reset emptied them. `journal`, where it is a list, gets (INTID, "taken" | "ended", ns).
    """

    def __init__(self, version: int = 3) -> None:
        self.version = version
        self.priorities = Priorities()
        self.journal: list[tuple[int, str, int]] | None = None
        self.reset()

    def reset(self) -> None:
        """No list register is in use, everything is masked; the interface itself (ICH_HCR_EL2.En) is off."""
        self.lrs = [0] * LIST_REGISTERS
        self.hcr = 0
        self.priorities.reset()
        self.priorities.fiq_enable = self.version == 3  # in a GICv3, group 0 is always FIQ
        self.changed = False
        self.stale = True
        self.update()

    # What the hypervisor does

    def load(self, lrs: list[int], hcr: int) -> None:
        """Write all list registers and ICH_HCR_EL2."""
        self.lrs = [lr & LR_IMPLEMENTED for lr in lrs]
        self.hcr = hcr & HCR_WRITABLE
        self.changed = self.stale = False
        self.update()

    def update(self) -> None:
        """Work out the signals again, after anything changed."""
        self.irq = self.fiq = self.maintenance = False
        if not self.hcr & HCR_EN:
            return
        best = self.highest_pending()
        if best is not None and self.signals(best):
            as_fiq = self.priorities.fiq_enable and group_of(self.lrs[best]) == 0
            self.fiq, self.irq = as_fiq, not as_fiq
        self.maintenance = self.misr() != 0

    def irq_pending(self) -> bool:
        """Whether the virtual IRQ is signalled."""
        return self.irq

    def fiq_pending(self) -> bool:
        """Whether the virtual FIQ is signalled."""
        return self.fiq

    def maintenance_pending(self) -> bool:
        """Whether the maintenance interrupt, PPI 25, is asserted."""
        return self.maintenance

    def misr(self) -> int:
        """ICH_MISR_EL2: why the maintenance interrupt is asserted."""
        hcr, enabled = self.hcr, self.priorities.enabled
        written = [lr for lr in self.lrs if lr]
        causes = (
            any(has_ended(lr) for lr in written),
            hcr & HCR_UIE and len([lr for lr in written if lr & LR_STATE]) <= 1,
            hcr & HCR_LRENPIE and hcr >> HCR_EOI_COUNT_SHIFT,
            hcr & HCR_NPIE and not any(lr & LR_PENDING for lr in written),
            hcr & HCR_VGRP0EIE and enabled[0],
            hcr & HCR_VGRP0DIE and not enabled[0],
            hcr & HCR_VGRP1EIE and enabled[1],
            hcr & HCR_VGRP1DIE and not enabled[1],
        )
        return sum([1 << bit for bit, cause in enumerate(causes) if cause])

    def eisr(self) -> int:
        """ICH_EISR_EL2: list registers whose interrupt has ended, and which asked to be told."""
        return sum(1 << n for n, lr in enumerate(self.lrs) if has_ended(lr))

    def elrsr(self) -> int:
        """ICH_ELRSR_EL2: list registers that are free."""
        told = self.eisr()
        return sum(1 << n for n, lr in enumerate(self.lrs) if not lr & LR_STATE and not told >> n & 1)

    @property
    def vmcr(self) -> int:
        """ICH_VMCR_EL2: the guest's view of its interface, in one register."""
        p = self.priorities
        return (
            p.enabled[0] << 0
            | p.enabled[1] << 1
            | p.ack_control << 2
            | p.fiq_enable << 3
            | p.common_binary_point << 4
            | p.split_eoi << 9
            | p.binary_point[1] << 18
            | p.binary_point[0] << 21
            | p.mask << 24
        )

    def registers(self) -> dict[str, int]:
        """ICH_* by name, for people."""
        named = {
            "ICH_HCR_EL2": self.hcr,
            "ICH_VTR_EL2": ICH_VTR,
            "ICH_VMCR_EL2": self.vmcr,
            "ICH_MISR_EL2": self.misr(),
            "ICH_EISR_EL2": self.eisr(),
            "ICH_ELRSR_EL2": self.elrsr(),
            "ICH_AP0R0_EL2": self.priorities.active[0],
            "ICH_AP1R0_EL2": self.priorities.active[1],
        }
        return named | {f"ICH_LR{number}_EL2": lr for number, lr in enumerate(self.lrs)}

    # What the guest does

    def highest_pending(self) -> int | None:
        """The number of the list register that comes next: pending, of an enabled group, of the highest priority."""
        best = None
        enabled = self.priorities.enabled
        for number, lr in enumerate(self.lrs):
            if lr and lr & LR_STATE == LR_PENDING and enabled[group_of(lr)]:
                if best is None or priority_of(lr) < priority_of(self.lrs[best]):
                    best = number
        return best

    def signals(self, number: int) -> bool:
        """Whether a pending list register passes the mask and preempts what is active."""
        lr = self.lrs[number]
        return self.priorities.signals(priority_of(lr), group_of(lr))

    def peek(self, groups: tuple[bool, bool], other: int = SPURIOUS) -> int:
        """HPPIR: the INTID that comes next; `other` where it is of a group that was not asked for."""
        best = self.highest_pending()
        if best is None:
            return SPURIOUS
        lr = self.lrs[best]
        return interrupt_of(lr) if groups[group_of(lr)] else other

    def acknowledge(self, groups: tuple[bool, bool], now: int = 0, other: int = SPURIOUS) -> int:
        """IAR: the signalled interrupt, which becomes active; 1023 where there is none."""
        best = self.highest_pending()
        if best is None or not self.signals(best):
            return SPURIOUS
        lr = self.lrs[best]
        if not groups[group_of(lr)]:
            return other
        self.lrs[best] = lr ^ LR_STATE
        self.priorities.take(priority_of(lr), group_of(lr))
        self.note(lr, "taken", now)
        return interrupt_of(lr)

    def end(self, groups: tuple[bool, bool], value: int, now: int = 0) -> int | None:
        """EOIR: drop the running priority and, unless EOImode separates the two, deactivate.

        Without effect where what runs is not of these groups. Returns the physical interrupt that was
        deactivated with it, if the list register has one.
        """
        if is_special(value) or not self.priorities.drop(groups):
            return None
        if not self.priorities.split_eoi:
            return self.deactivate(value, now)
        self.changed = True
        self.update()
        return None

    def deactivate(self, value: int, now: int = 0) -> int | None:
        """DIR: the interrupt is no longer active. Returns the physical one that goes with it, if any.

        One that no list register holds is counted for the hypervisor (ICH_HCR_EL2.EOIcount).
        """
        if is_special(value):
            return None
        number = self.find_active(value)
        if number is None:
            count = (self.hcr >> HCR_EOI_COUNT_SHIFT) + 1 & 0x1F
            self.hcr = self.hcr & (1 << HCR_EOI_COUNT_SHIFT) - 1 | count << HCR_EOI_COUNT_SHIFT
            self.changed = True
            self.update()
            return None
        lr = self.lrs[number]
        self.lrs[number] = lr & ~LR_ACTIVE
        self.note(lr, "ended", now)
        return lr >> LR_PHYSICAL_SHIFT & 0x1FFF if lr & LR_HW else None

    def find_active(self, value: int) -> int | None:
        """The list register of an active interrupt. A GICv2 guest may have left out an SGI's sender."""
        active = [number for number, lr in enumerate(self.lrs) if lr & LR_ACTIVE]
        for mask in (0xFFFF, 0x3FF) if self.version == 2 else (0xFF_FFFF,):
            for number in active:
                if interrupt_of(self.lrs[number]) & mask == value & mask:
                    return number
        return None

    def note(self, lr: int, action: str, now: int) -> None:
        """A list register moved."""
        self.changed = True
        if self.journal is not None:
            self.journal.append((interrupt_of(lr) & (0x3FF if self.version == 2 else 0xFFFF), action, now))
        self.update()


def has_ended(lr: int) -> bool:
    """Whether the interrupt of a list register is over, and the hypervisor asked to be told."""
    return lr & LR_EOI != 0 and not lr & (LR_STATE | LR_HW)


def is_special(value: int) -> bool:
    """INTIDs 1020-1023 name no interrupt."""
    return 1020 <= value & 0xFF_FFFF <= 1023


class InterruptedCpu(Protocol):
    """What the interface's registers need of a CPU."""

    gic: VirtualInterface
    active_ppis: set[int]
    attention: bool

    @property
    def now(self) -> int:
        """Virtual time in nanoseconds."""


def acknowledge(cpu: InterruptedCpu, groups: tuple[bool, bool], other: int = SPURIOUS) -> int:
    """Read IAR: the CPU no longer has this interrupt before it."""
    cpu.attention = True
    return cpu.gic.acknowledge(groups, cpu.now, other)


def end(cpu: InterruptedCpu, groups: tuple[bool, bool], value: int) -> None:
    """Write EOIR."""
    release(cpu, cpu.gic.end(groups, value, cpu.now))


def deactivate(cpu: InterruptedCpu, value: int) -> None:
    """Write DIR, which does nothing unless EOImode separates deactivation from the priority drop."""
    if cpu.gic.priorities.split_eoi:
        release(cpu, cpu.gic.deactivate(value, cpu.now))


def release(cpu: InterruptedCpu, physical: int | None) -> None:
    """The physical interrupt behind an ended virtual one is inactive too, and may assert again."""
    if physical is not None:
        cpu.active_ppis.discard(physical)
    cpu.attention = True


def changed(cpu: InterruptedCpu) -> None:
    """A register of the interface was written."""
    cpu.gic.update()
    cpu.attention = True


def write_mask(cpu: InterruptedCpu, value: int) -> None:
    """ICC_PMR_EL1."""
    cpu.gic.priorities.set_mask(value)
    changed(cpu)


def write_binary_point(cpu: InterruptedCpu, group: int, value: int) -> None:
    """ICC_BPR<n>_EL1; group 1's cannot be written while group 0's is common to both."""
    priorities = cpu.gic.priorities
    if not (group and priorities.common_binary_point):
        priorities.set_binary_point(group, value)
    changed(cpu)


def write_enabled(cpu: InterruptedCpu, group: int, value: int) -> None:
    """ICC_IGRPEN<n>_EL1. It also decides whether this CPU is one of those that a 1-of-N interrupt may choose."""
    cpu.gic.priorities.enabled[group] = bool(value & 1)
    cpu.gic.changed = True
    changed(cpu)


def write_active(cpu: InterruptedCpu, group: int, value: int) -> None:
    """ICC_AP<n>R0_EL1."""
    cpu.gic.priorities.active[group] = value & 0xFFFF_FFFF
    changed(cpu)


def read_control(cpu: InterruptedCpu) -> int:
    """ICC_CTLR_EL1."""
    priorities = cpu.gic.priorities
    return CONTROL_FIXED | priorities.split_eoi << 1 | priorities.common_binary_point


def write_control(cpu: InterruptedCpu, value: int) -> None:
    """ICC_CTLR_EL1: EOImode and CBPR."""
    cpu.gic.priorities.common_binary_point = bool(value & 1)
    cpu.gic.priorities.split_eoi = bool(value & 2)
    changed(cpu)


def ignore(cpu: InterruptedCpu, value: int) -> None:
    """A write without effect: ICC_SRE_EL1 is fixed, and an SGI is sent by the hypervisor that it traps to."""


Read = Callable[[InterruptedCpu], int]
Write = Callable[[InterruptedCpu, int], None]

INTERFACE_REGISTERS: dict[str, tuple[Read | None, Write | None]] = {
    "ICC_PMR_EL1": (lambda cpu: cpu.gic.priorities.mask, write_mask),
    "ICC_IAR0_EL1": (lambda cpu: acknowledge(cpu, GROUP0_ONLY), None),
    "ICC_IAR1_EL1": (lambda cpu: acknowledge(cpu, GROUP1_ONLY), None),
    "ICC_EOIR0_EL1": (None, lambda cpu, value: end(cpu, GROUP0_ONLY, value)),
    "ICC_EOIR1_EL1": (None, lambda cpu, value: end(cpu, GROUP1_ONLY, value)),
    "ICC_DIR_EL1": (None, deactivate),
    "ICC_HPPIR0_EL1": (lambda cpu: cpu.gic.peek(GROUP0_ONLY), None),
    "ICC_HPPIR1_EL1": (lambda cpu: cpu.gic.peek(GROUP1_ONLY), None),
    "ICC_BPR0_EL1": (
        lambda cpu: cpu.gic.priorities.read_binary_point(0),
        lambda cpu, value: write_binary_point(cpu, 0, value),
    ),
    "ICC_BPR1_EL1": (
        lambda cpu: cpu.gic.priorities.read_binary_point(1),
        lambda cpu, value: write_binary_point(cpu, 1, value),
    ),
    "ICC_AP0R0_EL1": (lambda cpu: cpu.gic.priorities.active[0], lambda cpu, value: write_active(cpu, 0, value)),
    "ICC_AP1R0_EL1": (lambda cpu: cpu.gic.priorities.active[1], lambda cpu, value: write_active(cpu, 1, value)),
    "ICC_RPR_EL1": (lambda cpu: cpu.gic.priorities.running(), None),
    "ICC_CTLR_EL1": (read_control, write_control),
    "ICC_SRE_EL1": (lambda cpu: 0b111, ignore),
    "ICC_IGRPEN0_EL1": (
        lambda cpu: int(cpu.gic.priorities.enabled[0]),
        lambda cpu, value: write_enabled(cpu, 0, value),
    ),
    "ICC_IGRPEN1_EL1": (
        lambda cpu: int(cpu.gic.priorities.enabled[1]),
        lambda cpu, value: write_enabled(cpu, 1, value),
    ),
    "ICC_SGI1R_EL1": (None, ignore),
    "ICC_ASGI1R_EL1": (None, ignore),
    "ICC_SGI0R_EL1": (None, ignore),
}

INTERFACE_TRAPS: dict[str, int] = {
    **dict.fromkeys(("ICC_PMR_EL1", "ICC_RPR_EL1", "ICC_CTLR_EL1"), HCR_TC),
    **dict.fromkeys(("ICC_SGI1R_EL1", "ICC_ASGI1R_EL1", "ICC_SGI0R_EL1"), HCR_TC),
    "ICC_DIR_EL1": HCR_TC | HCR_TDIR,
    **dict.fromkeys(("ICC_IAR0_EL1", "ICC_EOIR0_EL1", "ICC_HPPIR0_EL1", "ICC_BPR0_EL1"), HCR_TALL0),
    **dict.fromkeys(("ICC_AP0R0_EL1", "ICC_IGRPEN0_EL1"), HCR_TALL0),
    **dict.fromkeys(("ICC_IAR1_EL1", "ICC_EOIR1_EL1", "ICC_HPPIR1_EL1", "ICC_BPR1_EL1"), HCR_TALL1),
    **dict.fromkeys(("ICC_AP1R0_EL1", "ICC_IGRPEN1_EL1"), HCR_TALL1),
}
"""Which bits of ICH_HCR_EL2 (`cpu.gic.hcr`) make an access from EL1 trap to EL2."""
