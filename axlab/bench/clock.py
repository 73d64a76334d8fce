"""CPU time, and how fast the machine is that it is measured on."""

from __future__ import annotations

import gc
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

CALIBRATION_LOOPS = 50_000
CALIBRATION_RUNS = 15
M64 = (1 << 64) - 1


def seconds(action: Callable[[], Any]) -> float:
    """CPU seconds that an action takes, with what was garbage before out of the way."""
    gc.collect()
    return time_of(action)


def time_of(action: Callable[[], Any]) -> float:
    start = process_time()
    action()
    return process_time() - start


def best(repeat: int, action: Callable[[], float]) -> float:
    """The least of several measurements: the one that was disturbed least."""
    return min(action() for _ in range(repeat))


def calibration() -> float:
    """ns for one addition with a mask of 64 bits, the commonest line of translated code, in a plain loop.

    Two measurements are comparable in proportion to it: it tells a slow machine, and one that others use, too.
    """
    return median(time_of(masked_additions) for _ in range(CALIBRATION_RUNS)) / CALIBRATION_LOOPS * 1e9


def masked_additions() -> int:
    a, b = 1, 0x9E37_79B9_7F4A_7C15
    for _ in range(CALIBRATION_LOOPS):
        a = a + b & M64
    return a
