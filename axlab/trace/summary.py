"""Exits by reason: the first question that one asks about a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from axlab.trace.table import Names, Table
from axlab.units import format_duration


@dataclass(frozen=True, slots=True)
class ReasonSum:
    """How many exits a reason had, and the virtual ns that the hypervisor took for them."""

    reason: str
    count: int
    cost: int


@dataclass(frozen=True, slots=True)
class ExitSummary:
    """Exits by reason, the most frequent first. Iterate it, print it, or see it in a notebook."""

    reasons: tuple[ReasonSum, ...]

    def __iter__(self) -> Iterator[ReasonSum]:
        return iter(self.reasons)

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def count(self) -> int:
        """All exits together."""
        return sum(reason.count for reason in self.reasons)

    def counts(self) -> dict[str, int]:
        """Reason -> number of exits."""
        return {reason.reason: reason.count for reason in self.reasons}

    def __str__(self) -> str:
        if not self.reasons:
            return "No exits."
        widest = max(len("REASON"), *(len(reason.reason) for reason in self.reasons))
        lines = [f"{'REASON':<{widest}} {'EXITS':>9} {'SHARE':>7} {'TIME':>12}"]
        for reason in self.reasons:
            share = f"{100 * reason.count / self.count:.1f}%"
            lines.append(f"{reason.reason:<{widest}} {reason.count:>9} {share:>7} {format_duration(reason.cost):>12}")
        total = sum(reason.cost for reason in self.reasons)
        lines.append(f"{'all':<{widest}} {self.count:>9} {'':>7} {format_duration(total):>12}")
        return "\n".join(lines)

    __repr__ = __str__


def summarise(exits: Table, vm: int | None = None) -> ExitSummary:
    """The exits of a table by reason (those of one VM)."""
    reasons, costs, vms = (exits.stores[name] for name in ("reason", "cost", "vm"))
    assert isinstance(reasons, Names)
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    for place, cost, of_vm in zip(reasons.values, costs.values, vms.values, strict=True):
        if vm is None or of_vm == vm:
            counts[place] += 1
            sums[place] += cost
    names = list(reasons.names)
    found = [ReasonSum(names[place], count, sums[place]) for place, count in counts.items()]
    return ExitSummary(tuple(sorted(found, key=lambda one: (-one.count, one.reason))))
