"""`axlab bench`: its options, and the loop over the measurements."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from axlab.errors import AxError, nearest

if TYPE_CHECKING:
    from axlab.bench.figures import Figure, LeftOut
    from axlab.bench.measurements import Settings

DONE = 0


def declare(parser: argparse.ArgumentParser) -> None:
    """The options of `axlab bench`."""
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these measurements (--list names them)")
    parser.add_argument("--list", action="store_true", help="say which measurements there are")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="the best of N runs (default 1)")
    parser.add_argument("--linux", type=Path, metavar="FOLDER", help="where 'axlab fetch debian-kernel' left a kernel")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="also draw the figures of 'growth' as SVG")


def main(arguments: argparse.Namespace) -> int:
    """Measure, print each figure as it comes, and write JSON where asked for. Raises `AxError`."""
    from axlab.bench import growth
    from axlab.bench.measurements import MEASUREMENTS, Settings
    from axlab.bench.report import HEAD, as_json, line

    if arguments.list:
        for name, measurement in MEASUREMENTS.items():
            print(f"{name:<10} {(measurement.__doc__ or '').splitlines()[0]}")
        return DONE
    if arguments.repeat < 1:
        raise AxError(f"--repeat {arguments.repeat} is wrong: measure at least once")
    names = arguments.only or list(MEASUREMENTS)
    for name in names:
        if name not in MEASUREMENTS:
            known = ", ".join(MEASUREMENTS)
            raise AxError(f"there is no measurement {name!r}{nearest(name, list(MEASUREMENTS))} (there are {known})")
    if arguments.chart is not None and "growth" not in names:
        raise AxError("--chart draws the figures of 'growth', which --only leaves out")
    for path in filter(None, (arguments.json, arguments.chart)):
        write(path, "")  # what cannot be written is told before a long run, not after it
    print(HEAD, flush=True)
    results = []
    for result in measured(names, Settings(arguments.repeat, arguments.linux)):
        print(line(result), flush=True)
        results.append(result)
    if arguments.json is not None:
        write(arguments.json, as_json(results))
    if arguments.chart is not None:
        write(arguments.chart, growth.picture(results))
    return DONE


def measured(names: list[str], settings: Settings) -> Iterator[Figure | LeftOut]:
    """The results of these measurements; each figure with how fast the machine was around it."""
    from axlab.bench.clock import calibration
    from axlab.bench.figures import Figure
    from axlab.bench.measurements import MEASUREMENTS

    for name in names:
        before = calibration()
        for result in MEASUREMENTS[name](settings):
            if isinstance(result, Figure):
                after = calibration()
                result = replace(result, calibration=(before + after) / 2)
                before = after
            yield result


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None
