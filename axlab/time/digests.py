"""What happened, as three bytes for each event: enough to say which one was the first to differ.

As in the fingerprint, log lines and console bytes do not count: their portions depend on who looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from axlab.events import Console, Event, Log
from axlab.trace.columns import KINDS, kind_of
from axlab.trace.recorder import Recorder
from axlab.trace.table import values_of

SIZE = 3
COUNTED = [kind for kind, event_type in KINDS.items() if event_type not in (Console, Log)]
WORD = (1 << 64) - 1


def digest(kind: str, values: Iterable[Any]) -> bytes:
    """The kind of an event, and two bytes of a hash of its values."""
    text = ascii([plain(value) for value in values])
    return bytes([COUNTED.index(kind)]) + sha256(text.encode("ascii")).digest()[: SIZE - 1]


def plain(value: Any) -> Any:
    """A value as a trace keeps it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple | list):
        return [item & WORD for item in value]
    return int(value)


def of_trace(recorder: Recorder) -> bytes | None:
    """The digests of all events of a trace; None where it has not kept all of them."""
    recorder.flush()
    if recorder.dropped or recorder.level == "off":
        return None
    rows = (row for row in recorder.rows() if row[0] in COUNTED)
    return b"".join(digest(kind, values) for kind, _, values in rows)


class Comparison:
    """An observer that compares what happens with what was recorded, until something differs."""

    def __init__(self, recorded: bytes) -> None:
        self.recorded = recorded
        self.place = 0
        self.difference = ""

    def __call__(self, event: Event) -> None:
        kind = kind_of(type(event))
        if self.difference or kind not in COUNTED:
            return
        wanted = self.recorded[self.place : self.place + SIZE]
        if wanted != digest(kind, values_of(type(event))(event)):
            was = f"another event ({COUNTED[wanted[0]]})" if len(wanted) == SIZE else "nothing more"
            self.difference = f"event {self.place // SIZE} differs: recorded was {was}, and this happened: {event}"
        self.place += SIZE
