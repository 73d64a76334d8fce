"""PL011: the UART. Arm DDI 0183.

Sending takes no time, so the transmit FIFO is always empty. What is received waits in a FIFO of 16
bytes, or of 1 while LCR_H.FEN is 0. Two liberties, both QEMU's, because guests are written against it:
the UART works before CR.UARTEN is set, and the receive interrupt comes with the first byte rather than
at the level that IFLS says.
"""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.registers import Device, Register, identification

FIFO_DEPTH = 16

# FR
RXFE, RXFF, TXFE = 1 << 4, 1 << 6, 1 << 7
# RIS, MIS, IMSC, ICR
INT_RX, INT_TX, INT_RT, INT_OE = 1 << 4, 1 << 5, 1 << 6, 1 << 10
INT_ALL = 0x7FF
LCR_FEN = 1 << 4
CR_LBE = 1 << 7
OVERRUN = 1 << 3  # RSR.OE


class Pl011(Device):
    """One UART: every VM that has one has its own, as its console.

    `take_output` gives what the guest sent, `receive` hands it input, as much as there is `room` for.
    """

    registers: ClassVar[list[Register]] = [
        Register(0x000, "DR", read="take_received", write="transmit"),
        Register(0x004, "RSR", write="clear_errors"),
        Register(0x018, "FR", read="flags"),
        Register(0x020, "ILPR", writable=0xFF),
        Register(0x024, "IBRD", writable=0xFFFF),
        Register(0x028, "FBRD", writable=0x3F),
        Register(0x02C, "LCR_H", writable=0xFF, on_write="resize_fifo"),
        Register(0x030, "CR", reset=0x300, writable=0xFF87),
        Register(0x034, "IFLS", reset=0x12, writable=0x3F),
        Register(0x038, "IMSC", writable=INT_ALL, on_write="update_interrupt"),
        Register(0x03C, "RIS"),
        Register(0x040, "MIS", read="masked_interrupts"),
        Register(0x044, "ICR", write="clear_interrupts"),
        Register(0x048, "DMACR", writable=0x7),
        *identification(0x0014_1011),
    ]

    def reset(self) -> None:
        super().reset()
        self.received = bytearray()
        self.output = bytearray()

    @property
    def depth(self) -> int:
        return FIFO_DEPTH if self.values["LCR_H"][0] & LCR_FEN else 1

    @property
    def room(self) -> int:
        """How many bytes of input the receive FIFO still takes."""
        return max(0, self.depth - len(self.received))

    def receive(self, data: bytes) -> int:
        """Input arrives on the line; returns how many bytes of it the FIFO took. The rest is for later."""
        accepted = min(len(data), self.room)
        if accepted:
            self.received += data[:accepted]
            # The line is idle after the last byte, so the receive timeout runs out at once.
            self.raise_interrupts(INT_RX | INT_RT)
        return accepted

    def take_output(self) -> bytes:
        """What the guest sent since the last call."""
        output = bytes(self.output)
        self.output.clear()
        return output

    def transmit(self, value: int) -> None:
        """DR: send a byte, to the other side or, with CR.LBE, to the own receiver."""
        byte = bytes([value & 0xFF])
        if not self.values["CR"][0] & CR_LBE:
            self.output += byte
        elif not self.receive(byte):
            self.values["RSR"][0] |= OVERRUN
            self.raise_interrupts(INT_OE)
        self.raise_interrupts(INT_TX)

    def take_received(self) -> int:
        """DR: the oldest received byte, 0 when there is none. The last one ends the receive interrupts."""
        byte = self.received.pop(0) if self.received else 0
        if not self.received:
            self.lower_interrupts(INT_RX | INT_RT)
        return byte

    def flags(self) -> int:
        if not self.received:
            return TXFE | RXFE
        return TXFE if self.room else TXFE | RXFF

    def resize_fifo(self) -> None:
        """LCR_H: a FIFO of 16 that becomes one of 1 keeps the oldest byte."""
        del self.received[self.depth :]

    def clear_errors(self, value: int) -> None:
        """ECR: any write clears the receive errors."""
        self.values["RSR"][0] = 0

    def clear_interrupts(self, value: int) -> None:
        """ICR: write 1 to clear."""
        self.lower_interrupts(value)

    def masked_interrupts(self) -> int:
        return self.values["RIS"][0] & self.values["IMSC"][0]

    def raise_interrupts(self, bits: int) -> None:
        self.values["RIS"][0] |= bits
        self.update_interrupt()

    def lower_interrupts(self, bits: int) -> None:
        self.values["RIS"][0] &= ~bits
        self.update_interrupt()

    def update_interrupt(self) -> None:
        self.interrupt = self.masked_interrupts() != 0
