"""Memory types: MAIR_EL1's bytes, stage 2's MemAttr, and what they are together. DDI 0487, D5.5 and D13.2.95.

A byte of MAIR: 0b0000dd00 is Device memory (dd: nGnRnE, nGnRE, nGRE, GRE); otherwise Normal memory, with
the outer cacheability in bits 7..4 and the inner one in bits 3..0 (0b0100 Non-cacheable; 0b00RW, 0b10RW
Write-Through; 0b01RW, 0b11RW Write-Back). MemAttr in a stage 2 descriptor: 0b00dd Device, else Normal with
two bits each (1 Non-cacheable, 2 Write-Through, 3 Write-Back).
"""

from __future__ import annotations

FIRST_NORMAL = 0x10  # bytes of MAIR below it are Device memory

DEVICE_NGNRNE = 0x00
NORMAL_NON_CACHEABLE = 0x44
NORMAL_WRITE_THROUGH = 0xBB
NORMAL_WRITE_BACK = 0xFF

DEVICE_NAMES = ("Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE")
NON_CACHEABLE, WRITE_THROUGH, WRITE_BACK = 1, 2, 3
CACHEABILITY_NAMES = ("", "Non-cacheable", "Write-Through", "Write-Back")

STAGE2_WRITE_BACK = 0b1111  # MemAttr of ordinary memory: stage 1 decides


def cacheability(nibble: int) -> int:
    """NON_CACHEABLE, WRITE_THROUGH or WRITE_BACK of half a byte of MAIR."""
    if nibble in (0, 0b0100):
        return NON_CACHEABLE
    return WRITE_BACK if nibble & 0b0100 else WRITE_THROUGH


def mair_byte(mem_attr: int) -> int:
    """Stage 2's MemAttr in MAIR's encoding."""
    if mem_attr < 4:
        return mem_attr << 2
    nibbles = (0b0100, 0b0100, 0b1011, 0b1111)  # inner 0 is reserved, and taken as Non-cacheable
    return nibbles[mem_attr >> 2] << 4 | nibbles[mem_attr & 3]


def combine(stage1: int, mem_attr: int) -> int:
    """Both stages' types, the weaker one winning: Device before Normal, Non-cacheable before the caches."""
    if mem_attr == STAGE2_WRITE_BACK:
        return stage1
    stage2 = mair_byte(mem_attr)
    devices = [kind & 0b1100 for kind in (stage1, stage2) if kind < FIRST_NORMAL]
    if devices:
        return min(devices)
    return weaker(stage1 >> 4, stage2 >> 4) << 4 | weaker(stage1 & 15, stage2 & 15)


def weaker(nibble: int, other: int) -> int:
    return nibble if cacheability(nibble) <= cacheability(other) else other


def describe(attributes: int) -> str:
    """A byte of MAIR in the manual's words: `Device-nGnRE`, `Normal, Write-Back`."""
    if attributes < FIRST_NORMAL:
        return DEVICE_NAMES[attributes >> 2]
    outer, inner = (CACHEABILITY_NAMES[cacheability(part)] for part in (attributes >> 4, attributes & 15))
    return f"Normal, {outer}" if outer == inner else f"Normal, outer {outer}, inner {inner}"
