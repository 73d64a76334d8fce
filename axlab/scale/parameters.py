"""Parameters of a sweep: a grid, a list or a DataFrame in; a list of sets of plain values out."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from axlab.errors import AxError

Parameters = dict[str, Any]


def parameter_sets(parameters: Any) -> list[Parameters]:
    """One set for each run, in a fixed order.

    A mapping of name -> values is a grid: every combination, the last name varying fastest. A sequence of mappings
    and a DataFrame (one row for each run) are taken as they are; None is one run without parameters. Raises `AxError`.
    """
    if parameters is None:
        return [{}]
    if isinstance(parameters, Mapping):
        columns = [values_of(name, values) for name, values in parameters.items()]
        sets: Iterable[Mapping[Any, Any]] = (dict(zip(parameters, row)) for row in product(*columns))
    elif hasattr(parameters, "to_dict") and hasattr(parameters, "columns"):
        sets = parameters.to_dict("records")
    elif isinstance(parameters, Iterable) and not isinstance(parameters, str):
        sets = parameters
    else:
        raise AxError(f"{parameters!r} are no parameters: a dict of lists, a list of dicts or a DataFrame is wanted")
    found = [checked_set(number, one) for number, one in enumerate(sets)]
    if not found:
        raise AxError("there is no set of parameters, so there is nothing to run")
    return found


def values_of(name: Any, values: Any) -> list[Any]:
    """The values of one name of a grid; a single value stands for a list of one."""
    if isinstance(values, str | int | float | None):
        return [values]
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise AxError(f"parameter {name}: {values!r} is no list of values")
    found = list(values)
    if not found:
        raise AxError(f"parameter {name} has no values; leave it out, or give it one")
    return found


def checked_set(number: int, one: Any) -> Parameters:
    """One set with plain values. Raises `AxError`."""
    if not isinstance(one, Mapping):
        raise AxError(f"parameters[{number}] is {one!r}: a dict of name and value is wanted")
    for name in one:
        if not isinstance(name, str) or not name:
            raise AxError(f"parameters[{number}]: {name!r} is no name of a parameter")
    return {name: plain(value, f"parameter {name}") for name, value in one.items()}


def plain(value: Any, what: str) -> Any:
    """A value as JSON can keep it: numbers, text, true and false, None, and lists and dicts of them.

    numpy's numbers and arrays become Python's. Raises `AxError` for anything else; `what` names it there.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return _bare(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner, f"{what}[{key!r}]") for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(inner, f"{what}[{place}]") for place, inner in enumerate(value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist(), what)
    kind = type(value).__name__
    raise AxError(f"{what} is a {kind}, which cannot be kept: numbers, text, true and false, lists and dicts can")


def _bare(value: Any) -> Any:
    """Without the types that only look like numbers and text (numpy's, enumerations)."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    return value


def read_parameter(text: str) -> tuple[str, list[Any]]:
    """`scheduler=fifo,rr` -> its name and values; `"a,b"` in double quotes is one value. Raises `AxError`."""
    name, equals, values = text.partition("=")
    if not equals or not name.strip() or not values:
        raise AxError(f"{text!r} is no parameter; write NAME=VALUE,VALUE, such as cpus=1,2,4")
    return name.strip(), [read_value(value) for value in next(csv.reader([values], skipinitialspace=True))]


def read_value(text: str) -> int | float | bool | str:
    """A value as people write it: a number (also 0x10), true or false, else text."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?[0-9]{1,30}", text):
        return int(text)
    if re.fullmatch(r"0[xX][0-9a-fA-F][0-9a-fA-F_]{0,30}", text) and not text.endswith("_"):
        return int(text, 16)
    if re.fullmatch(r"[+-]?[0-9]{1,30}\.[0-9]{0,30}([eE][+-]?[0-9]{1,3})?", text) and math.isfinite(float(text)):
        return float(text)
    return text


def read_grid(texts: Sequence[str], seeds: int | None = None) -> dict[str, list[Any]]:
    """The grid of `--param` options, and of `--seeds N` the parameter `seed` from 0 on. Raises `AxError`."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        name, values = read_parameter(text)
        if name in grid:
            raise AxError(f"parameter {name} is given twice; write its values behind one another: {name}=A,B")
        grid[name] = values
    if seeds is not None:
        if seeds < 1:
            raise AxError(f"{seeds} seeds are no sweep: 1 or more are wanted")
        if "seed" in grid:
            raise AxError("the parameter seed is given twice: by its name, and by the number of seeds")
        grid["seed"] = list(range(seeds))
    return grid
