"""NOR flash with the Common Flash Interface and Intel's command set, as U-Boot and EDK2 expect it at 0.

A bank is 32 bits wide: two 16-bit chips side by side, which get every command at once and answer in
their halves of a word. While nobody gives a command, reads give the array: `reads_array`. A new bank
holds zeros, as QEMU's does without a file; erased sectors hold 0xFF.
"""

from __future__ import annotations

from axlab.machine.bus import Access
from axlab.machine.memory import Memory

SECTOR = 256 << 10  # of both chips together
READY = 0x80
ERASE_ERROR, PROGRAM_ERROR = 0x20, 0x10
MANUFACTURER, DEVICE = 0x89, 0x18

# What a first write cycle selects for reading, by command.
MODES = {0xFF: "array", 0xF0: "array", 0x00: "array", 0x98: "query", 0x90: "id", 0x70: "status"}
# What a command expects next; all of them leave reads showing the status.
EXPECTS = {0x10: "word", 0x40: "word", 0x20: "erase", 0x60: "lock", 0xE8: "count"}
CONFIRM = 0xD0


def query_table(size: int) -> dict[int, int]:
    """The answers to a CFI query (JESD68) by word address, for one chip of a bank of `size` bytes."""
    chip_bits = (size // 2).bit_length() - 1
    sectors = size // SECTOR - 1
    sector_units = SECTOR // 2 // 256
    table = dict(enumerate(b"QRY", 0x10))
    table |= {0x13: 1, 0x15: 0x31}  # Intel's extended command set, whose own table follows at 0x31
    table |= {0x1B: 0x45, 0x1C: 0x55}  # supply voltage, 4.5 V to 5.5 V
    table |= {0x1F: 7, 0x20: 7, 0x21: 10, 0x23: 4, 0x24: 4, 0x25: 4}  # times to write and erase, as powers of 2
    table |= {0x27: chip_bits, 0x28: 2, 0x2A: 5}  # x8/x16 interface, buffer of 32 bytes
    table |= {0x2C: 1, 0x2D: sectors & 0xFF, 0x2E: sectors >> 8, 0x2F: sector_units & 0xFF, 0x30: sector_units >> 8}
    table |= dict(enumerate(b"PRI10", 0x31))
    return table


class Flash:
    """A bank of `size` bytes whose array is the range of `memory` from `base`.

    A hypervisor may map that range for reading while `reads_array` is set; writes always come here.
    """

    def __init__(self, memory: Memory, base: int, size: int) -> None:
        self.memory = memory
        self.base = base
        self.size = size
        self.answers = query_table(size)
        self.reset()

    def reset(self) -> None:
        """Be as after power-on: the array keeps its contents."""
        self.interrupt = False
        self.mode = "array"
        self.expected = ""  # what the next write is, other than a command
        self.status = READY
        self.remaining = 0  # words that a buffered write still wants
        self.buffer: list[tuple[int, int, int]] = []  # offset, width, value

    @property
    def reads_array(self) -> bool:
        return self.mode == "array"

    def access(self, offset: int, access: Access) -> int:
        """A load: the array, or what the last command asked for. A store: a command, or what one expects."""
        if access.is_write:
            self.write(offset, access.width, access.value)
            return 0
        if self.reads_array:
            return self.memory.read_int(self.base + offset, access.width)
        answer = bytes(self.answer(offset + i) for i in range(access.width))
        return int.from_bytes(answer, "little")

    def answer(self, offset: int) -> int:
        """One byte while a command shows: each chip answers in the low byte of its half word."""
        if offset & 1:
            return 0
        word = offset >> 2 & 0xFF
        if self.mode == "query":
            return self.answers.get(word, 0)
        if self.mode == "id":
            return {0: MANUFACTURER, 1: DEVICE}.get(word, 0)
        return self.status

    def write(self, offset: int, width: int, value: int) -> None:
        expected, self.expected = self.expected, ""
        if expected:
            getattr(self, "finish_" + expected)(offset, width, value)
        elif value & 0xFF in MODES:
            self.mode = MODES[value & 0xFF]
        elif value & 0xFF == 0x50:
            self.status = READY
        elif value & 0xFF in EXPECTS:
            self.mode = "status"
            self.expected = EXPECTS[value & 0xFF]

    def finish_word(self, offset: int, width: int, value: int) -> None:
        """Programming turns ones into zeros, and never back."""
        old = self.memory.read_int(self.base + offset, width)
        self.memory.write_int(self.base + offset, width, old & value)

    def finish_erase(self, offset: int, width: int, value: int) -> None:
        if value & 0xFF != CONFIRM:
            self.status |= ERASE_ERROR | PROGRAM_ERROR  # a command sequence error
            return
        start = offset & ~(SECTOR - 1)
        self.memory.write(self.base + start, b"\xff" * SECTOR)

    def finish_lock(self, offset: int, width: int, value: int) -> None:
        """Sectors are never locked: both confirmations just end the command."""

    def finish_count(self, offset: int, width: int, value: int) -> None:
        """A buffered write of `value` + 1 words; both chips are told the same number."""
        self.remaining = (value & 0xFF) + 1
        self.buffer = []
        self.expected = "buffer"

    def finish_buffer(self, offset: int, width: int, value: int) -> None:
        self.buffer.append((offset, width, value))
        self.remaining -= 1
        self.expected = "buffer" if self.remaining else "confirm"

    def finish_confirm(self, offset: int, width: int, value: int) -> None:
        if value & 0xFF == CONFIRM:
            for entry in self.buffer:
                self.finish_word(*entry)
        else:
            self.status |= ERASE_ERROR | PROGRAM_ERROR
        self.buffer = []
