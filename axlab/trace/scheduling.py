"""How physical CPUs were shared: how long each vCPU ran, waited for one, and slept; and how fair that was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from axlab.trace.spans import Span


@dataclass(frozen=True, slots=True)
class Turns:
    """Of one vCPU, in virtual ns: `running` on a physical CPU, `waiting` for one, `blocked` for something else.

    `waits` is how often it waited, `longest_wait` and `mean_wait` how long. `got` is the share of the time in
    which it wanted a physical CPU that it had one, 0 to 1.
    """

    vm: int
    vcpu: int
    running: int
    waiting: int
    blocked: int
    waits: int
    mean_wait: int
    longest_wait: int
    got: float


def turns(spans: Iterable[Span]) -> list[Turns]:
    """What the spans of each vCPU add up to, by VM and vCPU."""
    of_vcpus: dict[tuple[int, int], dict[str, list[int]]] = {}
    for span in spans:
        states = of_vcpus.setdefault((span.vm, span.vcpu), {"Running": [], "Ready": [], "Blocked": []})
        states[span.state].append(span.length)
    found = []
    for (vm, vcpu), states in sorted(of_vcpus.items()):
        running, waits, blocked = sum(states["Running"]), states["Ready"], sum(states["Blocked"])
        waiting = sum(waits)
        wanted = running + waiting
        found.append(
            Turns(
                *(vm, vcpu, running, waiting, blocked, len(waits)),
                mean_wait=waiting // len(waits) if waits else 0,
                longest_wait=max(waits, default=0),
                got=running / wanted if wanted else 1.0,
            )
        )
    return found


def fairness(shares: Iterable[float]) -> float:
    """Jain's index of shares: 1 where all are equal, 1/n where one of n has everything (and 1 of none at all).

    Jain, Chiu, Hawe: A Quantitative Measure of Fairness and Discrimination (DEC-TR-301, 1984).
    """
    values = list(shares)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
