"""The machine of a notebook, live: it runs between the cells, never ahead of the clock on the wall.

This is an edge where the wall clock is read. The machine goes on in small steps, as a task of the kernel's own loop,
so that cells and views come in between; no layer below knows of it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

from axlab.errors import AxError
from axlab.notebook.live import refresh_all
from axlab.shell.pace import PATIENCE, Pace
from axlab.shell.running import Onlookers, advance

QUICK, SLOW = 0.001, 0.01  # seconds to others: behind the clock, and up with it


class LiveMachine:
    """What keeps one lab's machine running. `message` says why it stands, where that was not a person's wish."""

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.task: asyncio.Task[None] | None = None
        self.message = ""
        self.interrupted = False  # by the person

    @property
    def on(self) -> bool:
        return self.task is not None and not self.task.done()

    def start(self) -> None:
        """Run from now on. Raises AxError where there is no loop that could run it."""
        if self.on:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise AxError("the machine runs live in a notebook; in a terminal the shell is live: axlab shell") from None
        self.message, self.interrupted = "", False
        self.lab.shell.live = True
        self.task = loop.create_task(self.run())

    def stop(self) -> None:
        """Stand still: time passes only while commands run the machine."""
        self.lab.shell.live = False
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def run(self) -> None:
        """Step after step, until `stop`, Ctrl-C, or a mistake of a student's scheduler."""
        pace = Pace(self.lab.hypervisor.now, time.monotonic)
        try:
            while True:
                self.listen()
                why = "interrupted" if self.interrupted else self.step(pace)
                if why in ("interrupted", "break"):
                    self.message = "interrupted" if why == "interrupted" else "a stop point was hit"
                    return
                await asyncio.sleep(QUICK if why == "stop" else SLOW)
        except AxError as error:
            self.message = str(error)
        finally:
            self.listen(False)
            if self.task is asyncio.current_task():  # it ended by itself, and was not started anew
                self.task = None
                self.lab.shell.live = False
            refresh_all(self.lab)

    def listen(self, on: bool = True) -> None:
        """Hear the kernel's interrupt between cells, where the kernel itself ignores it; or leave it ignored again."""
        before, after = (signal.SIG_IGN, self.interrupt) if on else (self.interrupt, signal.SIG_IGN)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == before:
            signal.signal(signal.SIGINT, after)

    def interrupt(self, *_: Any) -> None:
        self.interrupted = True

    def step(self, pace: Pace) -> str:
        """As far as the clock allows, and no longer than a person can wait. Returns why it ended."""
        hypervisor = self.lab.hypervisor
        onlookers = Onlookers(tuple(self.lab.watchers))
        until, began, why = pace.goal(hypervisor.now), time.monotonic(), "idle"
        if hypervisor.running_vms and until > hypervisor.now:
            why = advance(
                hypervisor, until - hypervisor.now, lambda: time.monotonic() - began > PATIENCE, progress=onlookers
            )
        if why == "idle":
            pace.restart(hypervisor.now)
        onlookers.look()
        return why

    def look(self) -> None:
        """It is among the lab's watchers, since it belongs to the lab and to no copy of it; it watches nothing."""


def machine_of(lab: Any) -> LiveMachine:
    """The live machine of a lab: made once, off at first."""
    found = next((watcher for watcher in lab.watchers if isinstance(watcher, LiveMachine)), None)
    if found is None:
        found = LiveMachine(lab)
        lab.watchers.append(found)
    return found


def stand_still(lab: Any) -> None:
    """Nobody commands this lab any more: its machine does not go on in the background."""
    machine_of(lab).stop()
    refresh_all(lab)
