"""An access is a value that travels over a bus to the device that claims its address."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Access:
    """One load or store of a device: physical address, width in bytes (1, 2, 4 or 8), value of a store.

    `cpu` is the index of the CPU that made it: banked registers (a GIC's) look at it.
    """

    address: int
    width: int
    value: int = 0
    is_write: bool = False
    cpu: int = 0


class NothingThere(Exception):
    """No device claims the address: the access ends in an external abort."""


class BusDevice(Protocol):
    """What a bus asks of a device: an answer to an access at an offset, and its interrupt output."""

    interrupt: bool

    def access(self, offset: int, access: Access) -> int:
        """The value read; 0 after a store."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An address range of a bus and who answers there. `intid` 0: the device has no interrupt."""

    name: str
    base: int
    size: int
    device: BusDevice
    intid: int = 0

    def access(self, access: Access) -> int:
        """Carry an access that begins here to the device; raises `NothingThere` where it does not end here, too."""
        offset = access.address - self.base
        if offset + access.width > self.size:
            raise NothingThere(f"nothing answers at {access.address:#x}")
        return self.device.access(offset, access)


BASE = attrgetter("base")


class Bus:
    """Devices by address range. The board has one, and every VM has one for its virtual devices."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def attach(self, claim: Claim) -> None:
        """Add a device. Ranges never overlap: `ValueError` names both otherwise."""
        for other in self.claims:
            if claim.base < other.base + other.size and other.base < claim.base + claim.size:
                raise ValueError(f"{claim.name} at {claim.base:#x} overlaps {other.name} at {other.base:#x}")
        self.claims.append(claim)
        self.claims.sort(key=BASE)

    def find(self, address: int) -> Claim | None:
        """Who claims `address`, if anybody."""
        index = bisect_right(self.claims, address, key=BASE) - 1
        if index >= 0:
            claim = self.claims[index]
            if address < claim.base + claim.size:
                return claim
        return None

    def access(self, access: Access) -> int:
        """Carry an access to its device; raises `NothingThere` where nobody claims all its bytes."""
        claim = self.find(access.address)
        if claim is None:
            raise NothingThere(f"nothing answers at {access.address:#x}")
        return claim.access(access)
