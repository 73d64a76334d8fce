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
    import pandas

    frame = frame_of(exits)
    away = away_times(frame["vm"], frame["vcpu"], frame["time"] + frame["cost"].astype("int64"), frame["time"], spans)
    frame["away"] = pandas.arrays.IntegerArray(away, away == NEVER)
    places = list(zip(frame["vm"].fillna(NEVER), frame["pc"]))
    names = {place: name(int(place[0]), int(place[1])) for place in dict.fromkeys(places)}
    categories = list(dict.fromkeys(names.values()))
    codes = {text: code for code, text in enumerate(categories)}
    of_places = {place: codes[text] for place, text in names.items()}
    index = pandas.Index(categories, dtype="str")
    frame["symbol"] = pandas.Categorical.from_codes([of_places[place] for place in places], index)
    return frame


def away_times(vms: Any, vcpus: Any, handled: Any, left: Any, spans: list[Span]) -> Any:
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
        times = handled.to_numpy()[mine]
        place = numpy.searchsorted(ends, times, "right")  # the first span that ends behind it
        there = place < len(ends)
        back = numpy.maximum(times[there], begins[place[there]])
        away[mine[there]] = back - left.to_numpy()[mine][there]
    return away
