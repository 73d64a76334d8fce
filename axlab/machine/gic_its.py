"""What answers where a board's map has an ITS (Arm IHI 0069, 12.19) and the GIC has no LPIs: nothing to be found.

Guests that bring a device tree of their own may name the ITS. They read its identification, see that it
is none, and go on; an address at which nothing answers would be the end of them.
"""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.registers import Device, Register

FRAME_SIZE = 0x2_0000


class AbsentIts(Device):
    """A frame that reads as zero, but for GITS_CTLR.Quiescent: whoever disables it need not wait."""

    registers: ClassVar[list[Register]] = [
        Register(0x0000, "GITS_CTLR", reset=1 << 31),
        Register(0xFFE8, "GITS_PIDR2"),
    ]
