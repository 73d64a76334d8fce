"""Devices as lists of register descriptors: describe registers, do not switch on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from axlab.machine.bus import Access


@dataclass(frozen=True, slots=True)
class Register:
    """A device register: offset in bytes, name as in the manual, width in bits.

    Without `read` and `write` it is storage that begins as `reset`. `read` and `write` name methods
    of the device, `read()` and `write(value)`; of an array (`count` registers in a row) they are
    `read(index)` and `write(index, value)`. `writable` masks the bits that a store changes.
    """

    offset: int
    name: str
    width: int = 32
    reset: int = 0
    read: str = ""
    write: str = ""
    writable: int = 0
    count: int = 1

    @property
    def size(self) -> int:
        """Bytes from one element of the array to the next."""
        return self.width // 8


class Device:
    """A device is its `registers` and the methods that they name. Unlisted offsets read 0, ignore stores."""

    registers: ClassVar[list[Register]] = []

    def __init__(self) -> None:
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
        for register in self.registers:
            index, skip = divmod(offset - register.offset, register.size)
            if 0 <= index < register.count:
                return register, index, skip
        return None, 0, 0

    def load(self, register: Register, index: int) -> int:
        if register.read:
            method = getattr(self, register.read)
            return int(method(index) if register.count > 1 else method())
        return self.values[register.name][index]

    def store(self, register: Register, index: int, skip: int, part: int, value: int) -> None:
        """A store of `part` bytes, `skip` bytes into a register; of a narrow one the other bytes are as they read."""
        if register.write:
            method = getattr(self, register.write)
            value <<= 8 * skip
            method(index, value) if register.count > 1 else method(value)
        elif register.writable:
            mask = ((1 << 8 * part) - 1) << 8 * skip & register.writable
            values = self.values[register.name]
            values[index] = values[index] & ~mask | value << 8 * skip & mask
