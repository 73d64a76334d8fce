"""List registers and their control, ICH_LR<n>_EL2 and ICH_HCR_EL2, bit by bit (Arm IHI 0069, 12.4)."""

from __future__ import annotations

from axlab.machine.gic_priority import PRIORITY_BITS

LIST_REGISTERS = 16

# A list register, ICH_LR<n>_EL2:
#   63:62 state   61 HW   60 group   55:48 priority   44:32 pINTID (HW=1) or 41 EOI (HW=0)   31:0 vINTID
LR_PENDING = 1 << 62
LR_ACTIVE = 1 << 63
LR_STATE = LR_PENDING | LR_ACTIVE
LR_HW = 1 << 61
LR_GROUP1 = 1 << 60
LR_PRIORITY_SHIFT = 48
LR_PHYSICAL_SHIFT = 32
LR_EOI = 1 << 41
LR_SOURCE_SHIFT = 10
LR_IMPLEMENTED = LR_STATE | LR_HW | LR_GROUP1 | 0xFF << 48 | 0x1FFF << 32 | 0xFFFF

# ICH_HCR_EL2
HCR_EN = 1 << 0
HCR_UIE = 1 << 1
HCR_LRENPIE = 1 << 2
HCR_NPIE = 1 << 3
HCR_VGRP0EIE = 1 << 4
HCR_VGRP0DIE = 1 << 5
HCR_VGRP1EIE = 1 << 6
HCR_VGRP1DIE = 1 << 7
HCR_TC = 1 << 10
HCR_TALL0 = 1 << 11
HCR_TALL1 = 1 << 12
HCR_TDIR = 1 << 14
HCR_EOI_COUNT_SHIFT = 27
HCR_WRITABLE = 0xF800_5CFF

ICH_VTR = (PRIORITY_BITS - 1) << 29 | (PRIORITY_BITS - 1) << 26 | 1 << 21 | 1 << 19 | LIST_REGISTERS - 1
"""5 bits of priority, all preempting; 16 bits of INTID; affinity 3; ICH_HCR_EL2.TDIR; 16 list registers."""


def interrupt_of(lr: int) -> int:
    """vINTID of a list register."""
    return lr & 0xFFFF


def priority_of(lr: int) -> int:
    """Its priority."""
    return lr >> LR_PRIORITY_SHIFT & 0xFF


def group_of(lr: int) -> int:
    """Its group."""
    return lr >> 60 & 1
