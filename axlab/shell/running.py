"""Letting virtual time pass while a command waits.

The machine is never torn out of an instruction: a person's Ctrl-C sets a flag that the hypervisor looks at
between slices, at most one tick of the host later. A KeyboardInterrupt in the middle of a translated block
would leave the vCPU's registers where no other command finds them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from axlab.units import TIME_UNITS

MS = TIME_UNITS["ms"]
DEFAULT_LIMIT = TIME_UNITS["s"]  # of a foreground run in the shell and in notebooks

GONE = ("Stopped", "Failed")


class Interruptible:
    """While this is entered, Ctrl-C sets `requested` and does nothing else, however often it is pressed."""

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> Interruptible:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is not None:  # None: another than Python's, left alone
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._tell_script()

    def _tell_script(self) -> None:
        """Let the script know, in one of whose commands this is: it ends there."""
        outer = getattr(self._before, "__self__", None)
        if isinstance(outer, InterruptibleScript):
            outer.requested = True
        if isinstance(outer, Interruptible):
            outer._tell_script()


class InterruptibleRun(Interruptible):
    """While the machine runs, Ctrl-C sets `requested`; a person's own scheduler that does not return is ended by it."""

    def __init__(self, hypervisor: Any) -> None:
        super().__init__()
        self.hypervisor = hypervisor

    def _handle(self, number: int, frame: FrameType | None) -> None:
        super()._handle(number, frame)
        if self.hypervisor.scheduler.asking:
            raise KeyboardInterrupt


class InterruptibleScript(Interruptible):
    """While this is entered, Ctrl-C sets `requested`, also where a command within has heard it first."""


class Undisturbed(Interruptible):
    """While this is entered, Ctrl-C waits until its end, so that no command is torn in the middle of a change.

    A second one is not kept waiting: the command may be one that never ends.
    """

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self.requested and error[0] is None:
            signal.raise_signal(signal.SIGINT)  # to whoever is there to handle it

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class Watcher(Protocol):
    """Somebody who looks at the machine while it runs. `look` is called often, and must be quick to do nothing."""

    def look(self) -> None: ...


@dataclass(frozen=True)
class Onlookers:
    """All who look at a run in the foreground."""

    watchers: tuple[Watcher, ...]

    def look(self) -> None:
        """Between two slices."""
        for watcher in self.watchers:
            watcher.look()


@contextmanager
def progress_of(lab: Any) -> Iterator[Onlookers]:
    """Who looks at a run in the foreground, where the edge has set them: its progress, and the lab's watchers."""
    progress = None if lab.progress is None else lab.progress(lab.hypervisor)
    try:
        yield Onlookers((*lab.watchers, *([progress] if progress is not None else [])))
    finally:
        if progress is not None:
            progress.close()


def advance(
    hypervisor: Any,
    ns: int | None = None,
    stop: Callable[[], bool] | None = None,
    max_instructions: int | None = None,
    progress: Watcher | None = None,
) -> str:
    """Run the machine for `ns` of virtual time.

    Returns why it ended: time, stop, break (at a stop point), idle, instructions, interrupted.
    """
    with InterruptibleRun(hypervisor) as interrupt:

        def ended() -> bool:
            if progress is not None:
                progress.look()
            return interrupt.requested or (stop is not None and stop())

        until = None if ns is None else hypervisor.now + ns
        why = hypervisor.advance(until, stop=ended, max_instructions=max_instructions)
    return "interrupted" if interrupt.requested else str(why)


def wait_until(lab: Any, condition: Callable[[], bool], tries: int, step: int = 100 * MS) -> bool:
    """Poll `condition` every `step` of virtual time, as AxVisor does; False when it never came true."""
    with progress_of(lab) as progress:
        for _ in range(tries):
            if condition():
                return True
            if advance(lab.hypervisor, step, progress=progress) in ("interrupted", "break"):
                break
    return condition()


def at_rest(hypervisor: Any, vms: Iterable[Any]) -> bool:
    """Every one of `vms` has stopped, or sleeps with nothing to wake it."""
    return all(vm.state in GONE or hypervisor.asleep(vm) for vm in vms)
