"""Who has which part of the host's RAM.

VMs' memory and stage 2 tables are taken from its top, so that MapIdentical finds its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from axlab.errors import AxError
from axlab.units import PAGE_SIZE, HostPhysAddr


@dataclass(frozen=True, slots=True)
class Reservation:
    """Bytes from `base` that belong to `owner`."""

    base: int
    size: int
    owner: str

    @property
    def end(self) -> int:
        return self.base + self.size


class HostMemory:
    """The allocator of physical memory. It hands out whole pages and remembers their owners by name."""

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.reservations: list[Reservation] = []

    @property
    def end(self) -> int:
        return self.base + self.size

    def allocate(self, size: int, owner: str, align: int = PAGE_SIZE, offset: int = 0) -> HostPhysAddr:
        """The highest free `size` bytes whose address is `offset` modulo `align`; `AxError` when RAM is used up."""
        size = round_up(size)
        top = self.end
        for taken in [*reversed(self.reservations), Reservation(self.base, 0, "")]:
            base = (top - size - offset) // align * align + offset
            if base >= taken.end:
                self._insert(Reservation(base, size, owner))
                return HostPhysAddr(base)
            top = min(top, taken.base)
        raise AxError(f"the host has no {size:#x} bytes of RAM left for {owner}")

    def reserve(self, base: int, size: int, owner: str) -> None:
        """Take exactly this range (MapIdentical); `AxError` where it is outside RAM or somebody else's."""
        size = round_up(size)
        if base < self.base or base + size > self.end:
            raise AxError(
                f"{base:#x}..{base + size:#x} of {owner} is outside the host's RAM {self.base:#x}..{self.end:#x}"
            )
        for taken in self.reservations:
            if base < taken.end and taken.base < base + size:
                raise AxError(
                    f"{base:#x}..{base + size:#x} of {owner} overlaps {taken.base:#x}..{taken.end:#x} of {taken.owner}"
                )
        self._insert(Reservation(base, size, owner))

    def release(self, base: int) -> Reservation:
        """Give back the range that begins at `base`."""
        found = next(r for r in self.reservations if r.base == base)
        self.reservations.remove(found)
        return found

    def used(self) -> int:
        """Bytes that have an owner."""
        return sum(r.size for r in self.reservations)

    def owned_by(self, owner: str) -> list[Reservation]:
        return [r for r in self.reservations if r.owner == owner]

    def _insert(self, reservation: Reservation) -> None:
        self.reservations.append(reservation)
        self.reservations.sort(key=lambda r: r.base)


def round_up(size: int, to: int = PAGE_SIZE) -> int:
    return (size + to - 1) // to * to
