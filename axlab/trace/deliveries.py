"""Interrupts on their way: raised, injected into a list register, taken by the guest, ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from axlab.errors import AxError, nearest
from axlab.events import Interrupt

SHARED = 32  # INTIDs from here on belong to a VM, not to one of its vCPUs
NEVER = -1
KINDS = {"irq": range(1 << 24), "sgi": range(16), "ppi": range(16, SHARED), "spi": range(SHARED, 1 << 24)}


@dataclass(slots=True)
class Delivery:
    """One interrupt of a vCPU: the virtual ns of its four steps, `NEVER` for one that was not seen.

    Raised again before it is taken, it is still one: pending is one bit. `vcpu` is who took it, or would have.
    """

    vm: int
    vcpu: int
    intid: int
    raised: int = NEVER
    injected: int = NEVER
    taken: int = NEVER
    ended: int = NEVER


@dataclass(frozen=True, slots=True)
class Latency:
    """A delivery and what it took in ns: from raised to injected, from raised to taken, and from taken to ended."""

    vm: int
    vcpu: int
    intid: int
    raised: int
    injected: int
    taken: int
    ended: int
    to_injected: int
    to_taken: int
    handling: int


def deliveries(steps: Iterable[Interrupt]) -> list[Delivery]:
    """The deliveries that events say, in the order in which they began. `steps` are in the order of the trace."""
    found: list[Delivery] = []
    pending: dict[tuple[int, ...], Delivery] = {}
    active: dict[tuple[int, ...], Delivery] = {}

    def the_pending(key: tuple[int, ...], step: Interrupt) -> Delivery:
        if key not in pending:
            pending[key] = Delivery(step.vm, step.vcpu, step.intid)
            found.append(pending[key])
        return pending[key]

    for step in steps:
        key = (step.vm, step.intid) if step.intid >= SHARED else (step.vm, step.vcpu, step.intid)
        if step.action == "raised":
            one = the_pending(key, step)
            one.raised = step.time if one.raised == NEVER else one.raised
        elif step.action == "injected":
            one = the_pending(key, step)
            # Physical CPUs run side by side: the clock of the one that takes it can be behind the one that raised it.
            one.injected = max(step.time, one.raised) if one.injected == NEVER else one.injected
            one.vcpu = step.vcpu
        elif step.action == "taken":
            one = the_pending(key, step)
            one.taken = max(step.time, one.injected)
            one.vcpu = step.vcpu
            active[key] = pending.pop(key)
        elif key in active:
            active.pop(key).ended = step.time
    return found


def latencies(found: Iterable[Delivery], kind: str = "irq") -> list[Latency]:
    """What deliveries took: of all interrupts ("irq"), or of "sgi", "ppi" or "spi". Raises `AxError`."""
    if kind not in KINDS:
        raise AxError(f"there is no latency of {kind!r}{nearest(kind, list(KINDS))} (there is {', '.join(KINDS)})")
    return [
        Latency(
            *(one.vm, one.vcpu, one.intid, one.raised, one.injected, one.taken, one.ended),
            between(one.raised, one.injected),
            between(one.raised, one.taken),
            between(one.taken, one.ended),
        )
        for one in found
        if one.intid in KINDS[kind]
    ]


def between(begin: int, end: int) -> int:
    """The ns between two moments, `NEVER` where one of them was not."""
    return NEVER if NEVER in (begin, end) else end - begin
