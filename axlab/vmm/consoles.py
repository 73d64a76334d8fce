"""A VM's console: what the guest printed so far, and what was typed and it has not taken yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from axlab.machine.uart import Pl011


@dataclass
class Console:
    """`output` has everything since the VM was created; `pending` what the UART has no room for yet."""

    output: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """The output as text; what is no UTF-8 is shown as replacement characters."""
        return self.output.decode("utf-8", "replace")

    def feed(self, uart: Pl011) -> bool:
        """Move typed bytes into the UART's receive FIFO, as many as it takes; whether there were any."""
        if not self.pending or not uart.room:
            return False
        accepted = uart.receive(bytes(self.pending[: uart.room]))
        del self.pending[:accepted]
        return accepted > 0
