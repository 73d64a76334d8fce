"""How the cost grows with VMs, vCPUs, RAM and what is recorded: what is measured, and its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from axlab.bench.engines import Run
from axlab.bench.figures import Figure, LeftOut
from axlab.bench.others import many_at_once, share_a_lock
from axlab.notebook import drawing as d

ROUNDS, ALONE = 100, 5_000  # so that vCPUs of one VM compute, and hardly meet

# By what grows, and how far: a run of guests that compute.
AXES: dict[str, dict[str, Callable[[], Run]]] = {
    "VMs at once": {str(n): partial(many_at_once, n) for n in (1, 2, 4, 8)},
    "vCPUs of a VM": {str(n): partial(share_a_lock, n, ROUNDS, ALONE) for n in (1, 2, 4, 8)},
    "RAM of a VM": {f"{mb} MB": partial(many_at_once, ram=mb << 20) for mb in (16, 1024, 4096)},
    "recorded": {level: partial(many_at_once, level=level) for level in ("off", "events", "instructions")},
}

LEFT, BAR, ROW, GAP, WIDTH = 130, 380, 22, 30, 600  # of the picture, in pixels
COLOURS = (d.BLUE, d.GREEN, d.ORANGE, d.PURPLE)


def name(axis: str, step: str) -> str:
    """What a figure is called."""
    return f"{axis}: {step}"


def picture(results: Iterable[Figure | LeftOut]) -> str:
    """The figures of `AXES` as an SVG: bars of million instructions per second. Those that are missing are left out."""
    found = {result.what: result.value for result in results if isinstance(result, Figure)}
    groups = [
        (axis, [(step, found[name(axis, step)]) for step in steps if name(axis, step) in found])
        for axis, steps in AXES.items()
    ]
    most = max((value for _, bars in groups for _, value in bars), default=1.0)
    parts, y = [], 16.0
    for (axis, bars), colour in zip(groups, COLOURS, strict=True):
        parts.append(d.words(10, y, axis, bold=True))
        for step, value in bars:
            y += ROW
            length = BAR * value / most
            parts.append(d.words(LEFT - 10, y, step, anchor="end"))
            parts.append(d.box(LEFT, y - 12, length, ROW - 6, colour, hint=f"{axis} {step}: {value:.1f} M/s"))
            parts.append(d.words(LEFT + length + 6, y, f"{value:.1f}"))
        y += GAP
    parts.append(d.words(LEFT, y - 6, "million instructions per CPU second, of all vCPUs together", size=11))
    return d.document(WIDTH, y + 6, "How the cost of running guests grows", parts)
