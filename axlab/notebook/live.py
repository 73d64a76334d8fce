"""Keeping views up to date while the machine runs, without slowing it.

A lab tells its `watchers` between the slices of a run. Views look at most ten times a second, and less often when
looking takes long: all the looks of all the views of a lab take at most a twentieth of the time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UPDATES_PER_SECOND = 10
SHARE = 0.05  # of the time of a run, all views of a lab together


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


class Views:
    """The live views of a lab, which is told of them as one watcher, so that all together keep to one pace.

    A view is a function that brings it up to date.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self.views: list[Callable[[], None]] = []
        self.pace = pace or Pace()

    def look(self) -> None:
        """Between two slices: refresh, if it is time for that."""
        if self.views and self.pace.is_due():
            self.pace.run(self.refresh)

    def refresh(self) -> None:
        """Bring every view up to date. One that fails is dropped; the machine and the others go on."""
        for view in list(self.views):
            try:
                view()
            except Exception as error:
                self.views.remove(view)
                warnings.warn(f"a live view failed and is not kept up to date any more: {error!r}", stacklevel=2)


class Live:
    """Keeps a view up to date while the machine of a lab runs, and after each cell; `close` ends that."""

    def __init__(self, lab: Any, refresh: Callable[[], None]) -> None:
        self.refresh = refresh
        self.views = views_of(lab)
        self.views.views.append(refresh)
        self.cells = _cell_events()
        if self.cells is not None:
            self.cells.register("post_run_cell", self.after_cell)

    def after_cell(self, *_: Any) -> None:
        """When a cell has run, whatever it did is shown."""
        self.refresh()

    def close(self) -> None:
        """Look no more."""
        if self.refresh in self.views.views:
            self.views.views.remove(self.refresh)
        if self.cells is not None:
            self.cells.unregister("post_run_cell", self.after_cell)
            self.cells = None


def views_of(lab: Any) -> Views:
    """The live views of a lab."""
    found = next((watcher for watcher in lab.watchers if isinstance(watcher, Views)), None)
    if found is None:
        found = Views()
        lab.watchers.append(found)
    return found


def refresh_all(lab: Any) -> None:
    """Bring every view of a lab up to date now: after a command that a view gave."""
    views_of(lab).refresh()


def _cell_events() -> Any:
    """IPython's events, or None outside of it."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return None if shell is None else shell.events
