"""Every access of a CPU's instructions to memory, and when: a recording that costs 33 bytes an access.

While it goes on, the CPU's instructions are stepped, and every load and store takes the long way. What is in it are
the accesses that instructions made, by virtual address; not the fetches of the instructions, and not the MMU's walks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

IS_WRITE = 0x80
M64 = (1 << 64) - 1


class MemoryAccess(NamedTuple):
    """`time` in ns of virtual time; `pc` is the instruction's; `size` in bytes."""

    time: int
    pc: int
    address: int
    size: int
    value: int
    is_write: bool


class AccessTrace:
    """Columns of equal length, in the order of execution; `sizes` has `IS_WRITE` added for a store."""

    def __init__(self) -> None:
        self.times = array("Q")
        self.pcs = array("Q")
        self.addresses = array("Q")
        self.values = array("Q")
        self.sizes = array("B")

    def add(self, time: int, pc: int, address: int, size: int, value: int, is_write: bool) -> None:
        """An access. One of 16 bytes (a Q register) becomes two of 8."""
        if size > 8:
            self.add(time, pc, address, 8, value & M64, is_write)
            self.add(time, pc, address + 8 & M64, 8, value >> 64, is_write)
            return
        self.times.append(time)
        self.pcs.append(pc & M64)
        self.addresses.append(address)
        self.values.append(value)
        self.sizes.append(size | IS_WRITE if is_write else size)

    def drop_since(self, time: int) -> None:
        """Forget what was added at `time` or later: its instruction was refused."""
        while self.times and self.times[-1] >= time:
            for column in (self.times, self.pcs, self.addresses, self.values, self.sizes):
                column.pop()

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[MemoryAccess]:
        for time, pc, address, size, value in zip(
            self.times, self.pcs, self.addresses, self.sizes, self.values, strict=True
        ):
            yield MemoryAccess(time, pc, address, size & ~IS_WRITE, value, bool(size & IS_WRITE))

    def clear(self) -> None:
        """Forget all."""
        for column in (self.times, self.pcs, self.addresses, self.values, self.sizes):
            del column[:]
