"""Devices as lists of register descriptors: describe registers, do not switch on them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

from axlab.machine.bus import Access


@dataclass(frozen=True, slots=True)
class Register:
    """A device register: offset in bytes, name as in the manual, width in bits.

    Without `read` and `write` it is storage that begins as `reset`. `read` and `write` name methods
    of the device, `read()` and `write(value)`; of an array (`count` registers in a row) they are
    `read(index)` and `write(index, value)`. `writable` masks the bits of storage that a store changes;
    `on_write` names a method without arguments that is called after such a store.
    """

    offset: int
    name: str
    width: int = 32
    reset: int = 0
    read: str = ""
    write: str = ""
    writable: int = 0
    count: int = 1
    on_write: str = ""

    @property
    def size(self) -> int:
        """Bytes from one element of the array to the next."""
        return self.width // 8


OFFSET = attrgetter("offset")


class Device:
    """A device is its `registers` and the methods that they name. Unlisted offsets read 0, ignore stores."""

    registers: ClassVar[list[Register]] = []
    by_offset: ClassVar[list[Register]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.by_offset = sorted(cls.registers, key=OFFSET)

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Be as after power-on. A device with more state than its registers' values extends this."""
        self.interrupt = False
        self.values: dict[str, list[int]] = {r.name: [r.reset] * r.count for r in self.registers}

    def access(self, offset: int, access: Access) -> int:
        """Answer an access of any width and alignment, register by register."""
        value = 0
        done = 0
        while done < access.width:
            register, index, skip = self.find(offset + done)
            if register is None:
                done += 1
                continue
            part = min(register.size - skip, access.width - done)
            mask = (1 << 8 * part) - 1
            if access.is_write:
                self.store(register, index, skip, part, access.value >> 8 * done & mask)
            else:
                value |= (self.load(register, index) >> 8 * skip & mask) << 8 * done
            done += part
        return value

    def find(self, offset: int) -> tuple[Register | None, int, int]:
        """The register at an offset, its index in the array, and how far into it the offset points."""
        place = bisect_right(self.by_offset, offset, key=OFFSET) - 1
        if place >= 0:
            register = self.by_offset[place]
            index, skip = divmod(offset - register.offset, register.size)
            if index < register.count:
                return register, index, skip
        return None, 0, 0

    def load(self, register: Register, index: int) -> int:
        """The value of a register, or of one of an array."""
        if register.read:
            method = getattr(self, register.read)
            return int(method(index) if register.count > 1 else method())
        return self.values[register.name][index]

    def store(self, register: Register, index: int, skip: int, part: int, value: int) -> None:
        """A store of `part` bytes, `skip` bytes into a register.

        Storage keeps its other bytes; a `write` method gets zeros there, which trigger and clear nothing.
        """
        if register.write:
            method = getattr(self, register.write)
            value <<= 8 * skip
            method(index, value) if register.count > 1 else method(value)
        elif register.writable:
            mask = ((1 << 8 * part) - 1) << 8 * skip & register.writable
            values = self.values[register.name]
            values[index] = values[index] & ~mask | value << 8 * skip & mask
            if register.on_write:
                getattr(self, register.on_write)()


def identification(peripheral: int) -> list[Register]:
    """PeriphID0..3 and PCellID0..3 of an Arm PrimeCell, by which drivers know it; `peripheral` is the 32-bit number."""
    numbers = [("PeriphID", peripheral >> 8 * i & 0xFF) for i in range(4)]
    numbers += [("PCellID", 0xB105F00D >> 8 * i & 0xFF) for i in range(4)]
    return [Register(0xFE0 + 4 * i, f"{name}{i % 4}", reset=value) for i, (name, value) in enumerate(numbers)]
