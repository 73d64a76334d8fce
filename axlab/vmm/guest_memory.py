"""Guest memory, seen through stage 1 and stage 2 as a vCPU has them now, without any effect.

Addresses are virtual ones, or with `physical` guest physical ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.errors import AxError

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

PAGE = 4096


class NotThere(AxError, LookupError):
    """Nothing is mapped at an address, or a device is: `why`."""

    def __init__(self, address: int, why: str, physical: bool = False, is_device: bool = False) -> None:
        at = f"the guest {'physical' if physical else 'virtual'} address {address:#x}"
        device = f"at {at} is a device, and reading it might disturb it"
        super().__init__(device if is_device else f"nothing is mapped at {at}: {why}")
        self.address = address
        self.why = why


def host_address(cpu: Cpu, address: int, physical: bool = False) -> int:
    """The host physical address of guest memory. Raises `NotThere`."""
    from axlab.machine.walks import walk, walk_stage2

    found = walk_stage2(cpu, address, "r") if physical else walk(cpu, address, "r", cpu.el)
    if found.pa is None:
        raise NotThere(address, found.end, physical)
    if not cpu.memory.contains(found.pa):
        raise NotThere(address, "a device", physical, is_device=True)
    return found.pa


def spans(cpu: Cpu, address: int, size: int, physical: bool = False) -> list[tuple[int, int]]:
    """The pieces of host memory behind a range of addresses: (host address, bytes). Raises `NotThere`."""
    found = []
    while size:
        here = min(size, PAGE - address % PAGE)
        found.append((host_address(cpu, address, physical), here))
        address, size = address + here & (1 << 64) - 1, size - here
    return found


def read(cpu: Cpu, address: int, size: int, physical: bool = False) -> bytes:
    """`size` bytes from an address on. Raises `NotThere`."""
    return b"".join(cpu.memory.read(start, length) for start, length in spans(cpu, address, size, physical))


def write(cpu: Cpu, address: int, data: bytes) -> None:
    """Change memory, all of it or, where a part is not there, nothing. Raises `NotThere`."""
    for start, length in spans(cpu, address, len(data)):
        cpu.memory.write(start, data[:length])
        data = data[length:]
