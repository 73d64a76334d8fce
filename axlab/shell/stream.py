"""Console bytes of guests to a stream, as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from axlab.events import Console, Event


class Output:
    """Console bytes to standard output; with several VMs, whole lines behind their names.

    `before` is called before anything is written.
    """

    def __init__(self, stream: BinaryIO, names: dict[int, str], before: Callable[[], None] = lambda: None) -> None:
        self.stream = stream
        self.names = names
        self.before = before
        self.lines: dict[int, bytes] = {}
        self.broken = False
        self.unflushed = False

    def observe(self, event: Event) -> None:
        if isinstance(event, Console) and event.direction == "output" and not self.broken:
            try:
                self._write(event.vm, event.data)
            except BrokenPipeError:
                self.broken = True

    def _write(self, vm: int, data: bytes) -> None:
        if len(self.names) > 1:
            *whole, rest = (self.lines.get(vm, b"") + data).split(b"\n")
            self.lines[vm] = rest
            data = b"".join(self._prefix(vm) + line + b"\n" for line in whole)
        if data:
            self.before()
            self.stream.write(data)
            self.unflushed = True

    def _prefix(self, vm: int) -> bytes:
        return f"{self.names.get(vm, vm)}| ".encode()

    def flush(self) -> None:
        """Let the reader see all that was printed."""
        if self.unflushed and not self.broken:
            self.unflushed = False
            try:
                self.stream.flush()
            except BrokenPipeError:
                self.broken = True

    def end(self) -> None:
        """The last lines, which no newline has ended."""
        for vm, line in self.lines.items():
            if line and not self.broken:
                self.stream.write(self._prefix(vm) + line + b"\n")
                self.unflushed = True
        self.flush()
