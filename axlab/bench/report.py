"""How figures are shown: a line of a table each, as they come, and all of them as JSON."""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

from axlab import __version__
from axlab.bench.figures import Figure, LeftOut

WIDTH = 52
HEAD = f"{'what':<{WIDTH}} {'figure':>8} {'unit':<9} {'reach':>7} {'ratio':>6}"


def line(result: Figure | LeftOut) -> str:
    """A figure as a line of the table. `ratio` is how many times what is to be reached it is: 1 and above is good."""
    if isinstance(result, LeftOut):
        return f"{result.what:<{WIDTH}} not measured: it needs {result.needs}"
    reach = "" if result.reach is None else number(result.reach)
    ratio = "" if result.ratio is None else f"{result.ratio:.2f}"
    return f"{result.what:<{WIDTH}} {number(result.value):>8} {result.unit:<9} {reach:>7} {ratio:>6}".rstrip()


def number(value: float) -> str:
    """Three digits of it."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{decimals}f}"


def as_json(results: list[Figure | LeftOut]) -> str:
    """All results and where they were measured."""
    contents: dict[str, Any] = {
        "axlab": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{sys.platform} {platform.machine()}",
        "figures": [result.as_dict() for result in results if isinstance(result, Figure)],
        "left_out": [result.as_dict() for result in results if isinstance(result, LeftOut)],
    }
    return json.dumps(contents, indent=2) + "\n"
