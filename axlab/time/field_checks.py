"""Whether a value is what a field may hold."""

from __future__ import annotations

import types
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, NewType, TypeVar, Union, get_args, get_origin

from axlab.time.field_types import types_of

CONTAINERS = (list, deque, set, frozenset, Sequence, Iterable)
UNKNOWN = (Any, object, TypeVar)


def check_fields(name: str, fields: dict[str, Any]) -> None:
    """`WrongField` for the first field of an object of a class that holds what it may not."""
    for field, wanted in types_of(name).items():
        if field in fields:
            where = misfit(fields[field], wanted)
            if where is not None:
                raise WrongField(f".{field}{where}")


class WrongField(ValueError):
    """A field holds what it may not; the text says which part of an object that is."""


def misfit(value: Any, wanted: Any) -> str | None:
    """Which part of a value is none of a type: None if all fits, `""` for the value itself, else such as `[3]`."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted in UNKNOWN or isinstance(wanted, TypeVar | str):
        return None
    if origin is Annotated:
        return misfit(value, arguments[0]) if fits_size(value, arguments[1]) else ""
    if origin in (Union, types.UnionType):
        found = [misfit(value, one) for one in arguments]
        return None if None in found else max((one or "" for one in found), key=len)
    if origin is tuple:
        return misfit_of_tuple(value, arguments)
    if origin in (dict, Counter, Mapping):
        return misfit_of_mapping(value, arguments)
    if origin in CONTAINERS:
        kind = (list, tuple, deque, set, frozenset) if origin in (Sequence, Iterable) else origin
        return misfit_of_items(value, arguments[0]) if isinstance(value, kind) else ""
    return None if is_one(value, wanted) else ""


def fits_size(value: Any, wanted: Any) -> bool:
    """Whether a number is in a range, or a list as long as it has to be."""
    if isinstance(wanted, range):
        return isinstance(value, int) and value in wanted
    return not isinstance(wanted, int) or isinstance(value, list) and len(value) == wanted


def misfit_of_items(value: Iterable[Any], wanted: Any) -> str | None:
    for place, item in enumerate(value):
        where = misfit(item, wanted)
        if where is not None:
            return f"[{place}]{where}"
    return None


def misfit_of_mapping(value: Any, arguments: tuple[Any, ...]) -> str | None:
    if not isinstance(value, dict):
        return ""
    for key, item in value.items():
        parts = (key, item)
        if any(misfit(part, wanted) is not None for part, wanted in zip(parts, arguments, strict=False)):
            return f"[{key!r}]" if isinstance(key, str | int) else "[...]"
    return None


def misfit_of_tuple(value: Any, arguments: tuple[Any, ...]) -> str | None:
    if not isinstance(value, tuple):
        return ""
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return misfit_of_items(value, arguments[0])
    if any(repr(one).startswith("*") for one in arguments):  # a text and numbers: an event of the timeline
        fits = bool(value) and isinstance(value[0], str) and all(isinstance(item, int) for item in value[1:])
        return None if fits else ""
    if len(value) != len(arguments):
        return ""
    found = (misfit(item, wanted) for item, wanted in zip(value, arguments, strict=True))
    return next((f"[{place}]{where}" for place, where in enumerate(found) if where is not None), None)


def is_one(value: Any, wanted: Any) -> bool:
    """Whether a value is one of a class, as snapshots keep it: a path is None, a number of any kind a plain one."""
    if wanted is None or wanted is type(None):
        return value is None
    if isinstance(wanted, NewType):
        return is_one(value, wanted.__supertype__)
    if not isinstance(wanted, type):
        return True
    if issubclass(wanted, int) and not issubclass(wanted, Enum | bool):
        return isinstance(value, int)
    if issubclass(wanted, PurePath):
        return value is None
    if getattr(wanted, "_is_protocol", False):
        return True
    return isinstance(value, wanted)
