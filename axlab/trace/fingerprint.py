"""A hash of all that has happened: two runs that are equal to the last event have equal fingerprints.

Hashed are all events in their order but two kinds. Log lines are words about what other events say
already. Console bytes are hashed as one stream for each VM and direction, so that it does not
matter in which portions they came. The encoding is `ascii` of plain values, which is the same on every
Python, whatever its hash seed and its version of Unicode.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from axlab.events import Console, Event, Log
from axlab.trace.columns import kind_of
from axlab.trace.table import values_of

BLOCK = 1 << 16


class Chain:
    """A hash of a stream of bytes that is plain data, unlike `hashlib`'s: it can be copied and saved.

    Full blocks are folded into the digest one by one: the result depends on the bytes alone.
    """

    def __init__(self) -> None:
        self.digest = bytes(32)
        self.tail = bytearray()

    def add(self, data: bytes) -> None:
        self.tail += data
        while len(self.tail) >= BLOCK:
            self.digest = sha256(self.digest + self.tail[:BLOCK]).digest()
            del self.tail[:BLOCK]

    def value(self) -> bytes:
        """The hash of all that was added until now."""
        return sha256(self.digest + self.tail).digest()


class Fingerprint:
    """The state of the hash of an event stream."""

    def __init__(self) -> None:
        self.events = Chain()
        self.vms: dict[int, Chain] = {}
        self.consoles: dict[tuple[int, str], Chain] = {}

    def add(self, batch: Iterable[Event]) -> None:
        """Take in events, in their order."""
        lines: list[str] = []
        of_vms: dict[int, list[str]] = {}
        for event in batch:
            if isinstance(event, Console):
                self.consoles.setdefault((event.vm, event.direction), Chain()).add(event.data)
            elif not isinstance(event, Log):
                line = f"{kind_of(type(event))}{values_of(type(event))(event)!a}\n"
                lines.append(line)
                of_vms.setdefault(getattr(event, "vm", -1), []).append(line)
        self.events.add("".join(lines).encode("ascii"))
        for vm, of_vm in of_vms.items():
            self.vms.setdefault(vm, Chain()).add("".join(of_vm).encode("ascii"))

    def hexdigest(self, vm: int | None = None) -> str:
        """The fingerprint of all events until now, or of those of one VM: 64 hexadecimal digits."""
        whole = sha256((self.events if vm is None else self.vms.get(vm, Chain())).value())
        for stream, chain in sorted(self.consoles.items()):
            if vm in (None, stream[0]):
                whole.update(ascii(stream).encode("ascii") + chain.value())
        return whole.hexdigest()
