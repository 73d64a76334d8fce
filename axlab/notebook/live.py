"""Keeping views up to date while the machine runs, without slowing it.

A lab tells its `watchers` between the slices of a run. A view looks at most ten times a second, and less often when
looking takes long: all its looks together take at most a twentieth of the time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UPDATES_PER_SECOND = 10
SHARE = 0.05  # of the time of a run: two views side by side stay below a tenth


@dataclass
class Pace:
    """When a view may look again. Times are seconds of `clock`."""

    clock: Callable[[], float] = time.perf_counter
    due: float = 0.0

    def run(self, look: Callable[[], None]) -> None:
        """Look, and set when the next look is due."""
        began = self.clock()
        look()
        ended = self.clock()
        self.due = max(began + 1 / UPDATES_PER_SECOND, ended + (ended - began) * (1 / SHARE - 1))

    def is_due(self) -> bool:
        return self.clock() >= self.due


class Live:
    """Calls `refresh` at a bearable pace while the machine of a lab runs, and after each cell; `close` ends that."""

    def __init__(self, lab: Any, refresh: Callable[[], None], pace: Pace | None = None) -> None:
        self.lab = lab
        self.refresh = refresh
        self.pace = pace or Pace()
        lab.watchers.append(self)
        self.cells = _cell_events()
        if self.cells is not None:
            self.cells.register("post_run_cell", self.after_cell)

    def look(self) -> None:
        """Between two slices: refresh, if it is time for that. A view that fails is dropped; the machine runs on."""
        if not self.pace.is_due():
            return
        try:
            self.pace.run(self.refresh)
        except Exception as error:
            self.close()
            warnings.warn(f"a live view failed and is not kept up to date any more: {error!r}", stacklevel=2)

    def after_cell(self, *_: Any) -> None:
        """When a cell has run, whatever it did is shown."""
        self.refresh()

    def close(self) -> None:
        """Look no more."""
        self.lab.watchers = [known for known in self.lab.watchers if known is not self]
        if self.cells is not None:
            self.cells.unregister("post_run_cell", self.after_cell)
            self.cells = None


def refresh_all(lab: Any) -> None:
    """Bring every view of a lab up to date now: after a command that a view gave."""
    for watcher in list(lab.watchers):
        watcher.refresh()


def _cell_events() -> Any:
    """IPython's events, or None outside of it."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return None if shell is None else shell.events
