"""Exclusive accesses: load-exclusive, store-exclusive, and who watches over them (Arm ARM B2.9).

A load-exclusive makes a reservation: address, size and the value that was read. A store-exclusive succeeds
where its CPU's reservation still stands and memory still holds that value; the value covers writers that
are no CPU (the hypervisor, a device). A store of another CPU to the reserved granule ends it.

CPUs are simulated one at a time, in slices, so that a reservation can only be in another CPU's way if it
is left open at the end of a slice, which is rare. Only then do the others' stores to that page take the
long way, where the granule is compared; all other stores stay as fast as without any monitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine import data_access
from axlab.machine.exceptions import alignment_fault
from axlab.machine.tlb import PAGE_BITS, PAGE_MASK

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.machine.cpu_state import CpuState

GRANULE_BITS = 6  # the exclusives reservation granule: 64 bytes, as CTR_EL0.ERG says


# What a load-exclusive read: physical address, size in bytes, value.
Reservation = tuple[int, int, int]


class Monitor:
    """The reservations of all CPUs that share memory. They all have the same monitor (`cpu.connect`)."""

    def __init__(self) -> None:
        self.reservations: dict[CpuState, Reservation] = {}

    def watched(self, cpu: CpuState) -> list[int]:
        """Physical pages with a reservation that belongs to another CPU than `cpu`."""
        return [address >> 12 for holder, (address, _, _) in self.reservations.items() if holder is not cpu]

    def stored(self, cpu: CpuState, address: int, size: int) -> None:
        """`cpu` has stored to memory: reservations of others on these granules end, which wakes them from WFE."""
        first = address >> GRANULE_BITS
        last = address + size - 1 >> GRANULE_BITS
        for holder, (reserved, _, _) in list(self.reservations.items()):
            if holder is not cpu and first <= reserved >> GRANULE_BITS <= last:
                del self.reservations[holder]
                holder.event = True


def load_exclusive(cpu: Cpu, address: int, size: int) -> int:
    """Read `size` bytes, which must be aligned, and reserve them."""
    if address & size - 1:
        raise alignment_fault(cpu, address, "r")
    page = address >> PAGE_BITS
    view = cpu.readers[size].get(page)
    if view is None:
        value = cpu.load(address, size)
        physical = data_access.physical_address(cpu, address, "r")
    else:
        value = view[(address & PAGE_MASK) // size]
        physical = cpu.tlb.translations[page, "r", cpu.el].pa | address & PAGE_MASK
    cpu.monitor.reservations[cpu] = physical, size, value
    return value


def store_exclusive(cpu: Cpu, address: int, size: int, value: int) -> int:
    """Write `size` bytes if the reservation stands. The status: 0 for success, 1 for failure; it ends either way."""
    if address & size - 1:
        raise alignment_fault(cpu, address, "w")
    page = address >> PAGE_BITS
    view = cpu.writers[size].get(page)
    if view is None:
        return store_slowly(cpu, address, size, value)
    index = (address & PAGE_MASK) // size
    physical = cpu.tlb.translations[page, "w", cpu.el].pa | address & PAGE_MASK
    if cpu.monitor.reservations.pop(cpu, None) != (physical, size, view[index]):
        return 1
    view[index] = value & (1 << 8 * size) - 1
    return 0


def store_slowly(cpu: Cpu, address: int, size: int, value: int) -> int:
    """A store-exclusive to a page without a view: one that must be translated, or that somebody watches."""
    physical = data_access.physical_address(cpu, address, "w")
    held = cpu.monitor.reservations.pop(cpu, None)
    if held is None or held[:2] != (physical, size):
        return 1
    compared = data_access.read(cpu, address, size, cpu.el) if cpu.is_observed else cpu.load(address, size)
    if (physical, size, compared) != held:
        return 1
    cpu.store(address, size, value)
    return 0
