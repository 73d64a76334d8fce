"""A VM's stage 2 translation: real tables in the host's RAM, as VTTBR_EL2 and VTCR_EL2 describe them to the MMU.

4 KiB granule and 40-bit guest physical addresses: the walk begins at level 1 with two tables side by
side (DDI 0487, D5.2.3), which hold 1 GiB blocks or lead to level 2 (2 MiB blocks) and level 3 (4 KiB pages).

    63..55  54  53..48  47..12    11  10  9..8  7..6   5..2      1  0
    |      |XN |       |address |   |AF| SH   | S2AP | MemAttr | T | V |
"""

from __future__ import annotations

from dataclasses import dataclass

from axlab.machine import descriptors as d
from axlab.machine.memory import Memory
from axlab.units import PAGE_SIZE, HostPhysAddr
from axlab.vmm.host_memory import HostMemory

READ, WRITE, EXECUTE, DEVICE = 1, 2, 4, 8
IPA_BITS = 40
SHIFTS = {1: 30, 2: 21, 3: 12}  # address bits below the index, by level
TABLE_ENTRIES = 512
ROOT_TABLES = 2  # side by side at level 1

# T0SZ = 64 - 40; SL0 = 1: level 1; walks inner and outer write-back, inner shareable; TG0 = 4 KiB; PS = 44 bits
VTCR = (64 - IPA_BITS) | 1 << 6 | 1 << 8 | 1 << 10 | 3 << 12 | 0 << 14 | 4 << 16 | 1 << 31

NORMAL_WRITE_BACK = 0b1111 << 2  # MemAttr
DEVICE_nGnRE = 0b0001 << 2
INNER_SHAREABLE = 0b11 << 8
XN = 1 << 54


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a guest physical address leads: bytes to the end of its block, and flags as the tables say."""

    hpa: HostPhysAddr
    left: int
    flags: int


class Stage2:
    """The tables of one VM. Who changes them flushes the TLBs of the VM's CPUs afterwards."""

    def __init__(self, memory: Memory, host: HostMemory, vmid: int) -> None:
        self.memory = memory
        self.host = host
        self.vmid = vmid
        self.tables: list[int] = []
        self.root = HostPhysAddr(self._new_table(ROOT_TABLES))

    @property
    def vttbr(self) -> int:
        """VTTBR_EL2: the first table and the VMID."""
        return self.vmid << 48 | self.root

    def map(self, gpa: int, hpa: int, size: int, flags: int) -> None:
        """Map whole pages with the largest blocks that fit. What was mapped there before is replaced."""
        end = gpa + size
        while gpa < end:
            level = largest_block(gpa | hpa, end - gpa)
            entry = self._entry(gpa, level)
            self.memory.write_int(entry, 8, leaf(hpa, flags, level))
            gpa += 1 << SHIFTS[level]
            hpa += 1 << SHIFTS[level]

    def unmap(self, gpa: int, size: int) -> None:
        """Take whole pages out; a block of which only a part goes is split."""
        end = gpa + size
        while gpa < end:
            level, entry, descriptor = self._walk(gpa)
            block = 1 << SHIFTS[level]
            if descriptor & d.VALID and (gpa & block - 1 or gpa + block > end):
                self._entry(gpa, 3)  # splits on its way
                continue
            if descriptor & d.VALID:
                self.memory.write_int(entry, 8, 0)
            gpa = (gpa & ~(block - 1)) + block

    def find(self, gpa: int) -> Mapping | None:
        """Where `gpa` leads, as the tables say; None where nothing is mapped."""
        if not 0 <= gpa < 1 << IPA_BITS:
            return None
        level, _, descriptor = self._walk(gpa)
        if not descriptor & d.VALID:
            return None
        within = gpa & (1 << SHIFTS[level]) - 1
        flags = (descriptor >> 6 & 3) | (0 if descriptor & XN else EXECUTE)
        flags |= DEVICE if descriptor & NORMAL_WRITE_BACK == DEVICE_nGnRE else 0
        return Mapping(HostPhysAddr((descriptor & d.ADDRESS_FIELD) + within), (1 << SHIFTS[level]) - within, flags)

    def translate(self, gpa: int, size: int, flags: int = READ) -> list[tuple[HostPhysAddr, int]] | None:
        """`size` bytes of guest memory as runs of host memory; None if a part is no RAM or does not admit `flags`."""
        runs = []
        while size > 0:
            found = self.find(gpa)
            if found is None or flags & ~found.flags or not self.memory.contains(found.hpa):
                return None
            part = min(size, found.left)
            runs.append((found.hpa, part))
            gpa, size = gpa + part, size - part
        return runs

    def destroy(self) -> None:
        """Give the tables' memory back."""
        for table in self.tables:
            self.memory.zero(table, self.host.release(table).size)
        self.tables = []

    def _new_table(self, count: int = 1) -> int:
        size = count * PAGE_SIZE
        table = self.host.allocate(size, f"stage 2 tables of VM[{self.vmid}]", align=size)
        self.memory.zero(table, size)
        self.tables.append(table)
        return table

    def _entry(self, gpa: int, wanted: int) -> int:
        """The address of `gpa`'s entry at level `wanted`; tables on the way are made, blocks on the way split."""
        while True:
            level, entry, descriptor = self._walk(gpa, wanted)
            if level == wanted:
                return entry
            table = self._new_table()
            if descriptor & d.VALID:
                self._split(descriptor, level, table)
            self.memory.write_int(entry, 8, table | d.VALID | d.TABLE)

    def _walk(self, gpa: int, wanted: int = 3) -> tuple[int, int, int]:
        """Where the walk for `gpa` ends, at level `wanted` at the latest: level, address of the entry, the entry."""
        table: int = self.root
        for level in range(1, wanted + 1):
            entry = table + (gpa >> SHIFTS[level] & (1023 if level == 1 else 511)) * 8
            descriptor = self.memory.read_int(entry, 8)
            if level == wanted or descriptor & 3 != d.VALID | d.TABLE:
                break
            table = descriptor & d.ADDRESS_FIELD
        return level, entry, descriptor

    def _split(self, descriptor: int, level: int, table: int) -> None:
        """Fill `table` with what a block at `level` maps, in the next level's size."""
        attributes = descriptor & ~d.ADDRESS_FIELD | (d.TABLE if level + 1 == 3 else 0)
        base = descriptor & d.ADDRESS_FIELD
        for index in range(TABLE_ENTRIES):
            self.memory.write_int(table + index * 8, 8, attributes | base + (index << SHIFTS[level + 1]))


def largest_block(alignment: int, size: int) -> int:
    """The first level whose blocks are no larger than `size` and begin where `alignment`'s low bits allow."""
    return next(n for n, shift in SHIFTS.items() if not alignment & (1 << shift) - 1 and 1 << shift <= size)


def leaf(hpa: int, flags: int, level: int) -> int:
    """The descriptor of a block (levels 1 and 2) or page (level 3) at `hpa`. Devices are never executable."""
    kind = DEVICE_nGnRE if flags & DEVICE else NORMAL_WRITE_BACK | INNER_SHAREABLE
    execute = 0 if flags & EXECUTE and not flags & DEVICE else XN
    access = (d.S2AP_READ if flags & READ else 0) | (d.S2AP_WRITE if flags & WRITE else 0)
    return hpa | d.VALID | (d.TABLE if level == 3 else 0) | kind | access | d.ACCESS_FLAG | execute
