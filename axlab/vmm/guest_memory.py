"""Guest memory by virtual address, seen through stage 1 and stage 2 as a vCPU has them now, without any effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

PAGE = 4096


class NotThere(LookupError):
    """Nothing is mapped at an address, or a device is."""

    def __init__(self, address: int, why: str) -> None:
        super().__init__(f"{address:#x}: {why}")
        self.address = address
        self.why = why


def physical(cpu: Cpu, address: int) -> int:
    """The host physical address of guest memory. Raises `NotThere`."""
    from axlab.machine.walks import walk

    found = walk(cpu, address, "r", cpu.el)
    if found.pa is None:
        raise NotThere(address, found.end)
    if not cpu.memory.contains(found.pa):
        raise NotThere(address, "a device")
    return found.pa


def spans(cpu: Cpu, address: int, size: int) -> list[tuple[int, int]]:
    """The pieces of host memory behind a range of virtual addresses: (physical address, bytes). Raises `NotThere`."""
    found = []
    while size:
        here = min(size, PAGE - address % PAGE)
        found.append((physical(cpu, address), here))
        address, size = address + here & (1 << 64) - 1, size - here
    return found


def read(cpu: Cpu, address: int, size: int) -> bytes:
    """`size` bytes from a virtual address on. Raises `NotThere`."""
    return b"".join(cpu.memory.read(start, length) for start, length in spans(cpu, address, size))


def write(cpu: Cpu, address: int, data: bytes) -> None:
    """Change memory, all of it or, where a part is not there, nothing. Raises `NotThere`."""
    for start, length in spans(cpu, address, len(data)):
        cpu.memory.write(start, data[:length])
        data = data[length:]
