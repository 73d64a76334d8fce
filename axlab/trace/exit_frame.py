"""The exits of a trace with what happened around them: how long the guest was away, and which function left it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from axlab.trace.frames import frame_of
from axlab.trace.spans import Span
from axlab.trace.table import Table

if TYPE_CHECKING:
    import pandas

NEVER = -1


def exit_frame(exits: Table, spans: list[Span], name: Callable[[int, int], str]) -> pandas.DataFrame:
    """A DataFrame of the view `exits()`. `name` gives the symbol of a VM's address, `spans` are those of its vCPUs."""
    import numpy
    import pandas

    frame = frame_of(exits)
    vms, vcpus, times, costs, pcs = (
        numpy.array(exits.stores[column].values) for column in ("vm", "vcpu", "time", "cost", "pc")
    )
    away = away_times(vms, vcpus, times, times + costs, spans)
    frame["away"] = pandas.arrays.IntegerArray(away, away == NEVER)
    frame["symbol"] = symbols(vms, pcs, name)
    return frame


def symbols(vms: Any, pcs: Any, name: Callable[[int, int], str]) -> pandas.Categorical:
    """The symbol of each address of a VM; every address is looked up once."""
    import pandas

    of_vms, known_vms = pandas.factorize(vms)
    of_pcs, known_pcs = pandas.factorize(pcs)
    places, pairs = pandas.factorize(of_pcs * len(known_vms) + of_vms)
    names = [name(int(known_vms[pair % len(known_vms)]), int(known_pcs[pair // len(known_vms)])) for pair in pairs]
    codes, categories = pandas.factorize(pandas.array(names, dtype="str"))
    return pandas.Categorical.from_codes(codes[places] if names else [], pandas.Index(categories, dtype="str"))


def away_times(vms: Any, vcpus: Any, left: Any, handled: Any, spans: list[Span]) -> Any:
    """How long the guest was away at each exit: until it was handled, or until its vCPU was on a physical CPU again.

    `left` and `handled` are the times of the exit and of its end. -1 where the vCPU did not run again.
    """
    import numpy

    away = numpy.full(len(vms), NEVER, "i8")
    for vm, vcpu in {(span.vm, span.vcpu) for span in spans}:
        mine = numpy.flatnonzero((vms == vm) & (vcpus == vcpu))
        running = [span for span in spans if (span.vm, span.vcpu, span.state) == (vm, vcpu, "Running")]
        ends = numpy.array([span.end for span in running], "i8")
        begins = numpy.array([span.begin for span in running], "i8")
        place = numpy.searchsorted(ends, handled[mine], "right")  # the first span that ends behind it
        there = place < len(ends)
        back = numpy.maximum(handled[mine][there], begins[place[there]])
        away[mine[there]] = back - left[mine][there]
    return away
