"""A sweep as a chart: one dot for each run, over one parameter, in colours by another; it fills as runs are done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from axlab.errors import AxError, nearest
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.scale.runs import flat
from axlab.units import format_duration

WIDTH, HEIGHT = 620, 300
LEFT, RIGHT, TOP, BOTTOM = 96, 16, 46, 44
COLOURS = (d.BLUE, d.ORANGE, d.GREEN, d.PURPLE, d.RED, d.SLATE)
TICKS = 4
MOST = 24  # values of a parameter that are drawn side by side
SHOWN_FIRST = ("latency_ns", "elapsed_ns", "virtual_ns")

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """What is drawn: `dots` are (place of the x value, place of the series, y value) of the runs that are done."""

    x: str
    y: str
    series: str
    values: tuple[str, ...]
    names: tuple[str, ...]
    dots: tuple[tuple[int, int, float], ...]
    done: int
    failed: int
    whole: int

    def mean(self, place: int, series: int) -> float | None:
        """The mean of the dots at one place."""
        found = [y for at, of, y in self.dots if (at, of) == (place, series)]
        return fmean(found) if found else None


def chart_of(
    sets: Sequence[Parameters], records: Sequence[dict[str, Any]], x: str = "", y: str = "", series: str = ""
) -> Chart:
    """The chart of a sweep; what is not named is chosen: parameters that vary, and a number that every run has.

    Raises `AxError` for names that the sweep does not have.
    """
    varying = [name for name in sets[0] if name != "seed" and len({shown(one.get(name)) for one in sets}) > 1]
    x = checked(x, list(sets[0]), "parameter") if x else next(iter([*varying, *sets[0]]), "run")
    left = [name for name in varying if name != x]
    series = checked(series, list(sets[0]), "parameter") if series else next(iter(left), "")
    rows = [flat(record) for record in records]
    y = number(y, rows)
    sets = [one | {"run": place} for place, one in enumerate(sets)]
    values = tuple(dict.fromkeys(shown(one.get(x)) for one in sets))[:MOST]
    names = tuple(dict.fromkeys(shown(one.get(series)) for one in sets))[: len(COLOURS)] if series else ("",)
    dots = [
        (values.index(shown(row.get(x))), names.index(shown(row.get(series))) if series else 0, float(row[y]))
        for row in rows
        if is_number(row.get(y)) and shown(row.get(x)) in values and (not series or shown(row.get(series)) in names)
    ]
    failed = sum(bool(record["error"]) for record in records)
    return Chart(x, y, series, values, names, tuple(dots), len(records), failed, len(sets))


def checked(name: str, known: list[str], what: str) -> str:
    if name not in known:
        raise AxError(f"the sweep has no {what} {name}{nearest(name, known)} (there are {', '.join(known)})")
    return name


def number(y: str, rows: list[dict[str, Any]]) -> str:
    """The column that is drawn upwards."""
    known = list(dict.fromkeys(name for row in rows for name, value in row.items() if is_number(value)))
    if y:
        return checked(y, known, "number") if rows else y
    return next((name for name in (*SHOWN_FIRST, *known) if name in known), SHOWN_FIRST[0])


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """A parameter's value as a word."""
    return value if isinstance(value, str) else json.dumps(value)


def sweep_chart(chart: Chart) -> Picture:
    """The picture of a chart."""
    top = max((y for *_, y in chart.dots), default=0.0) or 1.0
    step = nice(top / TICKS)
    high = step * -(-top // step)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    column = wide / len(chart.values)

    def across(place: int, series: int) -> float:
        return LEFT + column * (place + (series + 1) / (len(chart.names) + 1))

    def up(y: float) -> float:
        return TOP + tall * (1 - y / high)

    parts = [d.words(LEFT, 18, title(chart), bold=True)]
    for tick in range(round(high / step) + 1):
        y = up(tick * step)
        parts.append(d.rule(LEFT, y, WIDTH - RIGHT, y, opacity=0.25))
        parts.append(d.words(LEFT - 8, y + 4, amount(chart.y, tick * step), size=11, anchor="end"))
    for place, value in enumerate(chart.values):
        middle = LEFT + column * (place + 0.5)
        parts.append(d.words(middle, HEIGHT - 24, d.fitted(value, column - 4, 11), size=11, anchor="middle"))
    parts.append(d.words(LEFT + wide / 2, HEIGHT - 6, chart.x, size=11, anchor="middle", italic=True))
    for place, series, y in chart.dots:
        hint = d.escaped(f"{chart.values[place]} {chart.names[series]}: {amount(chart.y, y)}")
        parts.append(
            f"<circle cx='{across(place, series):.1f}' cy='{up(y):.1f}' r='3.5' fill='{COLOURS[series]}' "
            f"fill-opacity='0.55'><title>{hint}</title></circle>"
        )
    for series, colour in enumerate(COLOURS[: len(chart.names)]):
        for place in range(len(chart.values)):
            mean = chart.mean(place, series)
            if mean is not None:
                x, y = across(place, series), up(mean)
                parts.append(d.rule(x - 9, y, x + 9, y, colour=colour, line=2.5))
    if chart.series:
        entries = [(colour, f"{chart.series} {name}") for colour, name in zip(COLOURS, chart.names)]
        parts.append(d.legend(LEFT, 36, entries))
    return Picture(d.document(WIDTH, HEIGHT, title(chart), parts), alternative(chart), text(chart))


def nice(step: float) -> float:
    """The next larger of 1, 2, 5, 10, ..."""
    power = 10.0 ** (len(f"{int(step)}") - 1) if step >= 1 else 1.0
    while power > step:
        power /= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step)


def amount(name: str, value: float) -> str:
    """A number with the unit that its column's name says."""
    return format_duration(round(value)) if name.endswith("_ns") else f"{value:g}"


def title(chart: Chart) -> str:
    done = f"{chart.done} runs" if chart.done == chart.whole else f"{chart.done} of {chart.whole} runs"
    return f"{chart.y} by {chart.x}, {done}" + (f", {chart.failed} failed" if chart.failed else "")


def alternative(chart: Chart) -> str:
    return f"Chart: {title(chart)}. Means: {'; '.join(means(chart)) or 'none yet'}"


def means(chart: Chart) -> list[str]:
    """`rr 2: 5 us` for every place that has dots."""
    places = [(place, series) for place in range(len(chart.values)) for series in range(len(chart.names))]
    return [
        f"{chart.values[place]} {chart.names[series]}".strip() + f": {amount(chart.y, mean)}"
        for place, series in places
        if (mean := chart.mean(place, series)) is not None
    ]


def text(chart: Chart) -> str:
    """The means as lines."""
    return "\n".join([title(chart), *(f"  {line}" for line in means(chart))])
