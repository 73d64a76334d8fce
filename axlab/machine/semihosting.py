"""Arm semihosting: what a guest asks of its host by HLT 0xF000 (Arm "Semihosting for AArch32 and AArch64", 2.0).

`call` does one operation for a CPU that has stopped there (`Trap.kind` is "semihosting"), and says what it
wants of the world: bytes for the console, or to end. There is only the console: no file of the host can be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine.exceptions import GuestException
from axlab.machine.isa.bits import M32, M64

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

APPLICATION_EXIT = 0x20026  # ADP_Stopped_ApplicationExit: the reason of a normal end
CONSOLE = b":tt"  # the name of the console as a file
LONGEST = 1 << 16  # bytes of one string or block
TICKS_PER_SECOND = 1_000_000_000
FAILED = -1
READ_CHARACTER = 0x07  # SYS_READC


@dataclass(frozen=True, slots=True)
class Heap:
    """What SYS_HEAPINFO answers: addresses of RAM that the guest may use, 0 where it is to know itself."""

    base: int = 0
    limit: int = 0
    stack_base: int = 0
    stack_limit: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation wants: output for the console, an end with this exit code, and its result in x0."""

    result: int = 0
    output: bytes = b""
    exit_code: int | None = None


def read_bytes(cpu: Cpu, address: int, size: int) -> bytes:
    """Memory as the guest sees it. Raises GuestException where it sees none."""
    return bytes(cpu.load(address + offset & M64, 1) for offset in range(min(size, LONGEST)))


def argument(cpu: Cpu, number: int) -> int:
    """The parameter block's nth doubleword; its address is in x1."""
    return cpu.load(cpu.x[1] + 8 * number & M64, 8)


def open_file(cpu: Cpu, heap: Heap) -> Request:
    """SYS_OPEN: the console alone can be opened; a handle is 1 more than its mode's kind (read, write, append)."""
    name = read_bytes(cpu, argument(cpu, 0), min(argument(cpu, 2), len(CONSOLE)))
    return Request(1 + argument(cpu, 1) // 4 if name == CONSOLE else FAILED)


def write_character(cpu: Cpu, heap: Heap) -> Request:
    """SYS_WRITEC: the byte that x1 points to."""
    return Request(output=read_bytes(cpu, cpu.x[1], 1))


def write_string(cpu: Cpu, heap: Heap) -> Request:
    """SYS_WRITE0: the string that x1 points to, up to its zero byte."""
    text = bytearray()
    while len(text) < LONGEST and (byte := cpu.load(cpu.x[1] + len(text) & M64, 1)):
        text.append(byte)
    return Request(output=bytes(text))


def write_block(cpu: Cpu, heap: Heap) -> Request:
    """SYS_WRITE: handle, address, length. The result is how many bytes were not written."""
    data = read_bytes(cpu, argument(cpu, 1), argument(cpu, 2))
    return Request(argument(cpu, 2) - len(data), data)


def read_block(cpu: Cpu, heap: Heap) -> Request:
    """SYS_READ: nothing is typed here: all bytes are left over, which means end of file."""
    return Request(argument(cpu, 2))


def clock(cpu: Cpu, heap: Heap) -> Request:
    """SYS_CLOCK: hundredths of a second of virtual time."""
    return Request(cpu.now // 10_000_000)


def time(cpu: Cpu, heap: Heap) -> Request:
    """SYS_TIME: seconds of virtual time."""
    return Request(cpu.now // TICKS_PER_SECOND)


def elapsed(cpu: Cpu, heap: Heap) -> Request:
    """SYS_ELAPSED: nanoseconds of virtual time, into the doubleword that x1 points to."""
    cpu.store(cpu.x[1], 8, cpu.now)
    return Request()


def heap_info(cpu: Cpu, heap: Heap) -> Request:
    """SYS_HEAPINFO: four doublewords, where the block's only argument points to."""
    for number, value in enumerate((heap.base, heap.limit, heap.stack_base, heap.stack_limit)):
        cpu.store(argument(cpu, 0) + 8 * number & M64, 8, value)
    return Request()


def command_line(cpu: Cpu, heap: Heap) -> Request:
    """SYS_GET_CMDLINE: an empty string into the buffer given."""
    cpu.store(argument(cpu, 0), 1, 0)
    cpu.store(cpu.x[1] + 8 & M64, 8, 0)
    return Request()


def leave(cpu: Cpu, heap: Heap) -> Request:
    """SYS_EXIT and SYS_EXIT_EXTENDED: a reason, and the exit code of a normal end. Without either it is an end, too."""
    try:
        return Request(exit_code=argument(cpu, 1) & M32 if argument(cpu, 0) == APPLICATION_EXIT else 1)
    except GuestException:
        return Request(FAILED, exit_code=1)


def answer(result: int) -> Callable[[Cpu, Heap], Request]:
    """An operation that always has the same result."""
    return lambda cpu, heap: Request(result)


OPERATIONS: dict[int, Callable[[Cpu, Heap], Request]] = {
    0x01: open_file,
    0x02: answer(0),  # SYS_CLOSE
    0x03: write_character,
    0x04: write_string,
    0x05: write_block,
    0x06: read_block,
    READ_CHARACTER: answer(FAILED),  # the hypervisor answers it where there is a console
    0x08: lambda cpu, heap: Request(argument(cpu, 0) >> 63),  # SYS_ISERROR
    0x09: answer(1),  # SYS_ISTTY
    0x0A: answer(FAILED),  # SYS_SEEK
    0x0C: answer(0),  # SYS_FLEN
    0x10: clock,
    0x11: time,
    0x13: answer(0),  # SYS_ERRNO
    0x15: command_line,
    0x16: heap_info,
    0x18: leave,
    0x20: leave,
    0x30: elapsed,
    0x31: answer(TICKS_PER_SECOND),  # SYS_TICKFREQ
}


def call(cpu: Cpu, heap: Heap = Heap()) -> Request:
    """Do the operation in w0 with the parameter in x1; x0 becomes the result, -1 for what failed or is unknown."""
    operation = OPERATIONS.get(cpu.x[0] & M32)
    try:
        request = operation(cpu, heap) if operation else Request(FAILED)
    except GuestException:
        request = Request(FAILED)
    cpu.x[0] = request.result & M64
    return request
