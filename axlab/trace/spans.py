"""Spans: from when to when a vCPU was in a scheduling state, and on which physical CPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from axlab.events import VcpuState

NOT_THERE = ("Free", "Created", "Invalid")  # no task: nothing to show


@dataclass(frozen=True, slots=True)
class Span:
    """A vCPU was in `state` from `begin` to `end` (virtual ns), on physical CPU `pcpu` where it was Running, else -1.

    `reason` is what a Blocked vCPU waited for.
    """

    vm: int
    vcpu: int
    pcpu: int
    state: str
    begin: int
    end: int
    reason: str

    @property
    def length(self) -> int:
        """How long it was, in virtual ns."""
        return self.end - self.begin


def spans_of(changes: Iterable[VcpuState], until: int, since: int = 0) -> list[Span]:
    """The spans that state changes say, by begin, VM and vCPU. A vCPU that has no task (Off) has none.

    `changes` are in the order in which they happened. A span that is still going on ends at `until`; one that was
    going on before the first change that is known begins at `since`. Spans of no length are left out: a vCPU that is
    woken is Ready for an instant even where a physical CPU waits for it.
    """
    open_: dict[tuple[int, int], Span] = {}
    found: list[Span] = []
    for change in changes:
        vcpu = (change.vm, change.vcpu)
        last = open_.get(vcpu) or Span(*vcpu, -1, str(change.old), since, since, "")
        # Physical CPUs run side by side: one can wake a vCPU a little before the time at which it went to sleep.
        now = max(change.time, last.begin)
        found.append(replace(last, end=now))
        pcpu = change.pcpu if change.new == "Running" else -1
        open_[vcpu] = Span(*vcpu, pcpu, str(change.new), now, now, str(change.reason))
    found += [replace(last, end=max(until, last.begin)) for last in open_.values()]
    kept = [span for span in found if span.length and span.state not in NOT_THERE]
    return sorted(kept, key=lambda span: (span.begin, span.vm, span.vcpu))
