"""Virtual time: one heap of (time, priority, serial, event).

The serial makes the order of simultaneous events that of their making, so that a run is deterministic.
An event is plain data, a name and its arguments, never a closure: a lab can be saved whole at any moment.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

EventTuple = tuple[str, *tuple[int, ...]]


@dataclass
class Timeline:
    """What is to come. Times are virtual nanoseconds; a lower priority number goes first among equals."""

    heap: list[tuple[int, int, int, EventTuple]] = field(default_factory=list)
    serial: int = 0

    def at(self, time: int, event: EventTuple, priority: int = 0) -> int:
        """Put an event on the heap; its serial is the handle for `cancel`."""
        self.serial += 1
        heapq.heappush(self.heap, (time, priority, self.serial, event))
        return self.serial

    def cancel(self, *serials: int) -> None:
        """Take events off the heap, so that a wait for nothing is seen to be one. Unknown serials are harmless."""
        kept = [entry for entry in self.heap if entry[2] not in serials]
        if len(kept) != len(self.heap):
            heapq.heapify(kept)
            self.heap = kept

    def due(self, serial: int) -> int | None:
        """When the event of a handle is due; None where there is none."""
        return next((time for time, _, known, _ in self.heap if known == serial), None)

    def next_time(self) -> int | None:
        """When the next event is due."""
        return self.heap[0][0] if self.heap else None

    def pop(self) -> tuple[int, EventTuple]:
        """Take the next event off: its time and itself."""
        time, _, _, event = heapq.heappop(self.heap)
        return time, event
