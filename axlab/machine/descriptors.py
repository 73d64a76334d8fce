"""Translation tables as the Arm manual draws them: granules, levels, and the bits of a descriptor.

A descriptor (DDI 0487, D5.3.1 and D5.3.2), 64 bits little-endian:

     63  62..61  60   59      54  53  52     47..12      11 10  9..8  7..6  5..2    1  0
    |NST|APTable|XNT |PXNT|  |UXN|PXN|Contig| address |  |nG|AF| SH   | AP | attr  |T |V|
     `--- of tables only ----'                         `--- of blocks and pages ----'

V: valid. T: a table (levels before 3) or a page (level 3); 0 is a block, at the levels that have blocks.
attr: in stage 1 bits 4..2 are AttrIndx, the byte of MAIR_EL1; in stage 2 bits 5..2 are MemAttr.
AP (stage 1): bit 7 read-only, bit 6 EL0 too. S2AP (stage 2): bit 7 writable, bit 6 readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

PHYSICAL_ADDRESS_BITS = 44  # what the CPUs implement: ID_AA64MMFR0_EL1.PARange = 0b0100

VALID = 1 << 0
TABLE = 1 << 1  # a page at level 3
AP_EL0 = 1 << 6  # stage 1: EL0 may access it
AP_READ_ONLY = 1 << 7  # stage 1
S2AP_READ = 1 << 6  # stage 2
S2AP_WRITE = 1 << 7  # stage 2
ACCESS_FLAG = 1 << 10
NOT_GLOBAL = 1 << 11
CONTIGUOUS = 1 << 52
PXN = 1 << 53
UXN = 1 << 54  # XN in stage 2
PXN_TABLE = 1 << 59
UXN_TABLE = 1 << 60
AP_TABLE_NO_EL0 = 1 << 61
AP_TABLE_READ_ONLY = 1 << 62

ADDRESS_FIELD = (1 << 48) - (1 << 12)  # bits 47..12

# Size of output addresses by TCR_EL1.IPS and VTCR_EL2.PS; larger ones mean what the CPU implements.
OUTPUT_BITS = (32, 36, 40, 42, 44, 48, 48, 48)

# Granule, as the number of address bits in a page, by TCR_EL1.TG0 (and VTCR_EL2.TG0) and by TCR_EL1.TG1.
# A reserved value selects 4 KiB, which is ours to choose.
TG0 = (12, 16, 14, 12)
TG1 = (12, 14, 12, 16)

# The first level whose descriptors may be blocks, by granule bits (without FEAT_LPA).
FIRST_BLOCK_LEVEL = {12: 1, 14: 2, 16: 2}


class Level(NamedTuple):
    """One level of a table walk: where its index lies in the input address, and what it maps."""

    number: int
    shift: int  # input address bits below the index: a block or page maps 1 << shift bytes
    index_mask: int
    leaf: int  # bits 1..0 of a descriptor that maps memory here: 1 block, 3 page, 0 there is none


@dataclass(frozen=True, slots=True)
class Regime:
    """How one range of input addresses is translated: what TCR_EL1 or VTCR_EL2 say, taken apart.

    `disabled` says why no walk is possible: every access ends in a level 0 translation fault.
    """

    stage: int
    granule_bits: int
    input_bits: int
    output_bits: int
    levels: tuple[Level, ...]
    base_mask: int  # the bits of TTBRn_EL1 or VTTBR_EL2 that hold the first table's address
    table_mask: int  # the bits of a table descriptor that hold the next table's address
    disabled: str = ""


def restrict(descriptor: int, tables: int) -> int:
    """A block or page descriptor less what the tables above it (their bits, or-ed) take away."""
    descriptor |= tables >> 55 & AP_READ_ONLY | tables >> 6 & (PXN | UXN)
    return descriptor & ~(tables >> 55 & AP_EL0)


def layout(stage: int, granule_bits: int, input_bits: int, output_bits: int, start: int) -> Regime:
    """Lay out the levels from `start` to 3. The first one's index takes what is left of the input address."""
    stride = granule_bits - 3
    levels = []
    for number in range(start, 4):
        shift = granule_bits + (3 - number) * stride
        index_bits = input_bits - shift if number == start else stride
        leaf = 3 if number == 3 else 1 if number >= FIRST_BLOCK_LEVEL[granule_bits] else 0
        levels.append(Level(number, shift, (1 << index_bits) - 1, leaf))
    output_bits = min(output_bits, PHYSICAL_ADDRESS_BITS)
    base_mask = (1 << 48) - (1 << input_bits - levels[0].shift + 3)
    table_mask = (1 << 48) - (1 << granule_bits)
    return Regime(stage, granule_bits, input_bits, output_bits, tuple(levels), base_mask, table_mask)


def disabled(stage: int, reason: str) -> Regime:
    return Regime(stage, 12, 48, PHYSICAL_ADDRESS_BITS, (), 0, 0, reason)


@lru_cache(maxsize=64)
def stage1_regime(tcr: int, upper: bool) -> Regime:
    """TCR_EL1's half for TTBR0_EL1 (lower addresses) or TTBR1_EL1 (`upper`). DDI 0487, D5.2.

    Sizes that TnSZ cannot have (below 16, above 39) let nothing be translated.
    """
    n = int(upper)
    half = tcr >> 16 if upper else tcr
    granule_bits = TG1[tcr >> 30 & 3] if upper else TG0[tcr >> 14 & 3]
    size = half & 0x3F
    if half >> 7 & 1:
        return disabled(1, f"TCR_EL1.EPD{n} = 1 forbids walks")
    if not 16 <= size <= 39:
        return disabled(1, f"TCR_EL1.T{n}SZ = {size} is not in 16..39")
    input_bits = 64 - size
    start = 4 - -(-(input_bits - granule_bits) // (granule_bits - 3))
    return layout(1, granule_bits, input_bits, OUTPUT_BITS[tcr >> 32 & 7], start)


@lru_cache(maxsize=64)
def stage2_regime(vtcr: int) -> Regime:
    """VTCR_EL2 taken apart. DDI 0487, D5.2.3: up to 16 tables side by side save a level.

    Sizes that T0SZ cannot have and start levels that do not fit the size let nothing be translated.
    """
    granule_bits = TG0[vtcr >> 14 & 3]
    size = vtcr & 0x3F
    input_bits = 64 - size
    start_level = vtcr >> 6 & 3
    if not 64 - PHYSICAL_ADDRESS_BITS <= size <= 39:
        return disabled(2, f"VTCR_EL2.T0SZ = {size} is not in {64 - PHYSICAL_ADDRESS_BITS}..39")
    start = (2 if granule_bits == 12 else 3) - start_level
    stride = granule_bits - 3
    index_bits = input_bits - granule_bits - (3 - start) * stride
    if start_level == 3 or not 1 <= index_bits <= stride + 4:
        return disabled(2, f"VTCR_EL2.SL0 = {start_level} does not fit an input size of {input_bits} bits")
    return layout(2, granule_bits, input_bits, OUTPUT_BITS[vtcr >> 16 & 7], start)
