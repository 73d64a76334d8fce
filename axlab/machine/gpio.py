"""PL061: eight general-purpose lines. Arm DDI 0190. On line 3 is the board's power button."""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.memory_map import POWER_BUTTON_LINE
from axlab.machine.registers import Device, Register, identification

LINES = 0xFF
PRESS_NS = 100_000_000  # how long a pressed power button stays down


class Pl061(Device):
    """The GPIO block. `press` and `release` are the power button's; `set_line` is any line's input."""

    registers: ClassVar[list[Register]] = [
        # Bits 9..2 of DATA's address mask the lines: a store changes one line and leaves the others.
        Register(0x000, "DATA", count=256, read="read_data", write="write_data"),
        Register(0x400, "DIR", writable=LINES, on_write="update_interrupt"),
        Register(0x404, "IS", writable=LINES, on_write="update_interrupt"),  # 1: level, 0: edge
        Register(0x408, "IBE", writable=LINES),  # 1: both edges
        Register(0x40C, "IEV", writable=LINES, on_write="update_interrupt"),  # 1: high or rising
        Register(0x410, "IE", writable=LINES, on_write="update_interrupt"),
        Register(0x414, "RIS", read="raw_interrupts"),
        Register(0x418, "MIS", read="masked_interrupts"),
        Register(0x41C, "IC", write="clear_edges"),
        Register(0x420, "AFSEL", writable=LINES),
        *identification(0x0004_1061),
    ]

    def reset(self) -> None:
        super().reset()
        self.inputs = 0  # levels from outside; nothing drives a line: it is pulled low
        self.outputs = 0  # levels that the guest drives where DIR is 1
        self.edges = 0  # edge interrupts since they were last cleared

    def press(self) -> None:
        """Push the power button down. Whoever does lets it go again after PRESS_NS."""
        self.set_line(POWER_BUTTON_LINE, False)
        self.set_line(POWER_BUTTON_LINE, True)

    def release(self) -> None:
        self.set_line(POWER_BUTTON_LINE, False)

    def set_line(self, line: int, high: bool) -> None:
        """An input line changes its level from outside, and may raise an interrupt by its edge."""
        bit = 1 << line
        if bool(self.inputs & bit) == high:
            return
        self.inputs ^= bit
        wanted = self.register("IBE") | (self.register("IEV") if high else ~self.register("IEV"))
        self.edges |= bit & wanted & ~self.register("IS") & ~self.register("DIR")
        self.update_interrupt()

    def register(self, name: str) -> int:
        return self.values[name][0]

    def levels(self) -> int:
        """The level of every line, driven by the guest or from outside."""
        direction = self.register("DIR")
        return self.outputs & direction | self.inputs & ~direction

    def read_data(self, mask: int) -> int:
        return self.levels() & mask

    def write_data(self, mask: int, value: int) -> None:
        self.outputs = self.outputs & ~mask | value & mask & LINES
        self.update_interrupt()

    def raw_interrupts(self) -> int:
        """RIS: edges that were seen, and levels that hold now."""
        level_sensitive = self.register("IS")
        holding = ~(self.levels() ^ self.register("IEV"))
        return (self.edges & ~level_sensitive | holding & level_sensitive) & LINES

    def masked_interrupts(self) -> int:
        return self.raw_interrupts() & self.register("IE")

    def clear_edges(self, value: int) -> None:
        """IC: write 1 to clear an edge."""
        self.edges &= ~value
        self.update_interrupt()

    def update_interrupt(self) -> None:
        self.interrupt = self.masked_interrupts() != 0
