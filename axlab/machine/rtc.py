"""PL031: the real-time clock, which counts seconds. Arm DDI 0224.

Its time is virtual: the lab's runs begin at the same second, so that they can be repeated.
"""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.bus import Access
from axlab.machine.registers import Device, Register, identification

EPOCH = 1_704_067_200  # 2024-01-01 00:00:00 UTC: the time of day at virtual time 0
SECOND = 1_000_000_000
COUNTER = (1 << 32) - 1


class Pl031(Device):
    """The clock. Who accesses it sets `now_ns`, the virtual time, before; or calls `advance`."""

    registers: ClassVar[list[Register]] = [
        Register(0x000, "DR", read="seconds"),
        Register(0x004, "MR", writable=COUNTER, on_write="set_alarm"),
        Register(0x008, "LR", writable=COUNTER, on_write="set_time"),
        Register(0x00C, "CR", reset=1),  # once started it never stops
        Register(0x010, "IMSC", writable=1, on_write="update_interrupt"),
        Register(0x014, "RIS"),
        Register(0x018, "MIS", read="masked_interrupt"),
        Register(0x01C, "ICR", write="clear_interrupt"),
        *identification(0x0004_1031),
    ]

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self.offset = EPOCH  # what the counter shows at virtual time 0
        self.deadline: int | None = None  # virtual time of the alarm

    def access(self, offset: int, access: Access) -> int:
        self.advance(self.now_ns)
        return super().access(offset, access)

    def advance(self, now_ns: int) -> None:
        """Virtual time has come to `now_ns`: an alarm that is due raises the interrupt."""
        self.now_ns = now_ns
        if self.deadline is not None and now_ns >= self.deadline:
            self.deadline = None
            self.values["RIS"][0] = 1
            self.update_interrupt()

    def seconds(self) -> int:
        return self.now_ns // SECOND + self.offset & COUNTER

    def set_time(self) -> None:
        """LR: the counter goes on from this value, which moves the alarm too."""
        self.offset = self.values["LR"][0] - self.now_ns // SECOND
        if self.deadline is not None:
            self.set_alarm()

    def set_alarm(self) -> None:
        """MR: the alarm comes when the counter reaches it, which may be after it wraps."""
        seconds = self.values["MR"][0] - self.seconds() & COUNTER
        self.deadline = (self.now_ns // SECOND + seconds) * SECOND
        self.advance(self.now_ns)

    def masked_interrupt(self) -> int:
        return self.values["RIS"][0] & self.values["IMSC"][0]

    def clear_interrupt(self, value: int) -> None:
        """ICR: write 1 to clear."""
        self.values["RIS"][0] &= ~value
        self.update_interrupt()

    def update_interrupt(self) -> None:
        self.interrupt = self.masked_interrupt() != 0
