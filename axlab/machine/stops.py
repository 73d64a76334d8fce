"""Where a person wants a CPU to stand still: breakpoints, and watches on memory.

A breakpoint is a virtual address: the CPU stops before the instruction there, and passes it once when it goes on.
A watch is a range of virtual addresses: the CPU stops behind the instruction that accessed it. Both are plain data
on the `Cpu` and survive a copy. A page that is watched gets no view in the TLB, so that accesses to it come through
`data_access`, which asks here; accesses elsewhere cost what they always cost.

Addresses are compared as the guest uses them, without a tag in the top byte. The same memory under another
virtual address, and what the hypervisor or a device writes, is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine import data_access
from axlab.machine.exceptions import GuestException
from axlab.machine.tlb import PAGE_BITS, PAGE_MASK

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


@dataclass(frozen=True, slots=True)
class Watch:
    """The virtual addresses from `start` up to, not with, `end`; `access` is "r", "w" or "rw"."""

    start: int
    end: int
    access: str = "w"

    def sees(self, access: str, address: int, size: int) -> bool:
        """Whether an access of `size` bytes is one that is watched for."""
        return access in self.access and self.start < address + size and address < self.end

    @property
    def pages(self) -> range:
        """The virtual pages that it lies in."""
        return range(self.start >> PAGE_BITS, (self.end - 1 >> PAGE_BITS) + 1)


@dataclass(frozen=True, slots=True)
class Hit:
    """Why a CPU stopped. `pc` is the instruction's address.

    "break": before that instruction. "read" and "write": behind it; it accessed `size` bytes at `address`, where
    `value` is now; `was` is what a write found there (None where that cannot be told: a device).
    """

    kind: str
    pc: int
    address: int = 0
    size: int = 0
    value: int = 0
    was: int | None = None


def reached(cpu: Cpu) -> bool:
    """Whether the CPU stands before a breakpoint that it has not stopped at yet; then it has now."""
    if not due(cpu):
        return False
    cpu.passed = (cpu.pc, cpu.executed)
    cpu.hit = Hit("break", cpu.pc)
    return True


def due(cpu: Cpu) -> bool:
    """Whether the CPU is to stop before the instruction at pc."""
    return cpu.pc in cpu.breakpoints and cpu.passed != (cpu.pc, cpu.executed)


def watched_pages(watches: tuple[Watch, ...], access: str) -> frozenset[int]:
    """The virtual pages where an access is watched for."""
    return frozenset(page for watch in watches if access in watch.access for page in watch.pages)


def may_be_viewed(cpu: Cpu, address: int, access: str) -> bool:
    """Whether nobody wants to know of accesses to the page of `address`: it may get a view in the TLB."""
    if cpu.accesses is not None:
        return False
    pages = cpu.watched[access]
    return not pages or data_access.without_tag(cpu, address) >> PAGE_BITS not in pages


def loaded(cpu: Cpu, address: int, size: int, value: int) -> None:
    """The instruction at pc has read memory."""
    if cpu.accesses is not None:
        cpu.accesses.add(cpu.now, cpu.pc, address, size, value, False)
    if cpu.watches and cpu.hit is None and watching(cpu, "r", address, size):
        stop(cpu, Hit("read", cpu.pc, address, size, value))


def before_store(cpu: Cpu, address: int, size: int, el: int) -> int | None:
    """What is in memory where a store is going to be made that is watched for; None for others, and for a device."""
    if not cpu.watches or not watching(cpu, "w", address, size):
        return None
    value = 0
    try:
        for place in range(size):
            at = address + place
            physical = data_access.translate(cpu, at, "w", el).pa | at & PAGE_MASK
            if not cpu.memory.contains(physical):
                return None
            value |= cpu.memory.read_int(physical, 1) << 8 * place
    except GuestException:  # the store is going to raise the same
        return None
    return value


def stored(cpu: Cpu, address: int, size: int, value: int, was: int | None) -> None:
    """The instruction at pc has written memory."""
    value &= (1 << 8 * size) - 1
    if cpu.accesses is not None:
        cpu.accesses.add(cpu.now, cpu.pc, address, size, value, True)
    known = cpu.hit is not None and cpu.hit.kind == "write"  # the first write of an instruction is told
    if cpu.watches and not known and watching(cpu, "w", address, size):
        stop(cpu, Hit("write", cpu.pc, address, size, value, was))


def watching(cpu: Cpu, access: str, address: int, size: int) -> bool:
    """Whether a watch sees an access."""
    address = data_access.without_tag(cpu, address)
    return any(watch.sees(access, address, size) for watch in cpu.watches)


def stop(cpu: Cpu, hit: Hit) -> None:
    """Stand still behind the present instruction."""
    cpu.hit = hit
    cpu.attention = True


def refused(cpu: Cpu) -> None:
    """The instruction at pc has taken an exception: what it accessed before that does not count."""
    cpu.hit = None
    if cpu.accesses is not None:
        cpu.accesses.drop_since(cpu.now)
