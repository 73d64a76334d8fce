"""Letting virtual time pass while a command waits.

The machine is never torn out of an instruction: a person's Ctrl-C raises a flag that the hypervisor
looks at between slices.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from axlab.units import TIME_UNITS

MS = TIME_UNITS["ms"]
DEFAULT_LIMIT = TIME_UNITS["s"]  # of a foreground run in the shell and in notebooks

GONE = ("Stopped", "Failed")


class Interruptible:
    """While this is entered, Ctrl-C sets `requested`; a second one within it raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


def advance(
    hypervisor: Any,
    ns: int | None = None,
    stop: Callable[[], bool] | None = None,
    max_instructions: int | None = None,
) -> str:
    """Run the machine for `ns` of virtual time. Returns why it ended: time, stop, idle, instructions, interrupted."""
    with Interruptible() as interrupt:
        why = hypervisor.advance(
            None if ns is None else hypervisor.now + ns,
            stop=lambda: interrupt.requested or (stop is not None and stop()),
            max_instructions=max_instructions,
        )
    return "interrupted" if interrupt.requested else str(why)


def wait_until(hypervisor: Any, condition: Callable[[], bool], tries: int, step: int = 100 * MS) -> bool:
    """Poll `condition` every `step` of virtual time, as AxVisor does; False when it never came true."""
    for _ in range(tries):
        if condition():
            return True
        if advance(hypervisor, step) == "interrupted":
            return condition()
    return condition()


def at_rest(hypervisor: Any, vms: Iterable[Any]) -> bool:
    """Every one of `vms` has stopped, or sleeps with nothing to wake it."""
    return all(vm.state in GONE or hypervisor.asleep(vm) for vm in vms)
