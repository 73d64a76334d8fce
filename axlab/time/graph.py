"""The state of a lab as a graph of objects: what belongs to it, what of an object is state, what never changes.

Both kinds of snapshots walk this graph: those in memory keep each object's fields beside the object, those on
disk write them down. RAM is not walked: `Memory` keeps versions of its pages.
"""

from __future__ import annotations

import enum
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import PurePath
from types import FunctionType
from typing import Any

from axlab.events import Observers
from axlab.machine.cpu import Cpu
from axlab.machine.memory import Memory
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.stops import Stops

PLAIN = (int, float, str, bytes, bool, type(None), enum.Enum, PurePath, range, FunctionType, type)
MAPPINGS = (dict, Counter, OrderedDict, defaultdict)
SEQUENCES = (list, deque)
BUFFERS = (bytearray, array)

# Fields that are saved elsewhere (pages by `Memory.version`), set anew (what a CPU stops at, by `Stops.apply`), or
# belong to who looks.
NO_STATE: dict[type, dict[str, Any]] = {
    Memory: {"pages": None},
    Cpu: {"breakpoints": frozenset(), "watches": ()},  # with what an object that is read has there
    Hypervisor: {"events": None, "stops": None},
}


class Kind(enum.Enum):
    """How a value takes part in the state."""

    PLAIN = "never changes, and leads to nothing that does"
    TUPLE = "never changes, but its items may"
    MAPPING = "a dict or one of its kind"
    SEQUENCE = "a list or a deque"
    SET = "a set"
    BUFFER = "bytes that change: a bytearray or an array"
    OBJECT = "an object with fields"
    OUTSIDE = "does not belong to the state: who observes, and where a person wants time to stand still"


@cache
def kind_of(cls: type) -> Kind:
    """The kind of all values of a class."""
    if issubclass(cls, (Observers, Stops)):
        return Kind.OUTSIDE
    if issubclass(cls, tuple) or cls is frozenset:
        return Kind.TUPLE
    for classes, kind in (
        (PLAIN, Kind.PLAIN), (MAPPINGS, Kind.MAPPING), (SEQUENCES, Kind.SEQUENCE), ((set,), Kind.SET),
        (BUFFERS, Kind.BUFFER),
    ):  # fmt: skip
        if issubclass(cls, classes):
            return kind
    return Kind.OBJECT


def is_frozen(cls: type) -> bool:
    """Whether the fields of a class's objects never change: those of a frozen dataclass."""
    return is_dataclass(cls) and bool(cls.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def fields_of(value: object) -> dict[str, Any]:
    """The fields of an object that are state, by name: what it gives when it is copied or saved. Caches are none."""
    state: Any = value.__getstate__()
    if isinstance(state, tuple):
        state = {**(state[0] or {}), **(state[1] or {})}
    if isinstance(state, list):  # a frozen dataclass with slots
        state = {known.name: content for known, content in zip(fields(value), state, strict=True)}  # type: ignore[arg-type]
    hidden = NO_STATE.get(type(value))
    return {name: content for name, content in state.items() if name not in hidden} if hidden else dict(state or {})
