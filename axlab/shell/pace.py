"""How far a live machine may go: never ahead of the clock on the wall."""

from __future__ import annotations

from collections.abc import Callable

from axlab.units import TIME_UNITS

PATIENCE = 0.02  # seconds that the machine may run between two looks at the person
LAG = 100 * TIME_UNITS["ms"]  # of virtual time behind the wall clock, beyond which the guests do not try to catch up


class Pace:
    """How far virtual time may go: as far as real time, the seconds of `clock`, has gone since `restart`."""

    def __init__(self, now: int, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.restart(now)

    def restart(self, now: int) -> None:
        self.began, self.wall = now, self.clock()

    def goal(self, now: int) -> int:
        """The virtual time that is due; a machine that is too slow is forgiven its lag."""
        due = self.began + int((self.clock() - self.wall) * TIME_UNITS["s"])
        if due < now:  # a command ran ahead
            self.restart(now)
        elif due > now + LAG:
            self.began -= due - now - LAG
        return min(max(due, now), now + LAG)
