"""From objects to a document: a list of nodes that refer to each other by number, and the bytes that they have.

The document is JSON. A node is an object or a container of the state:

    ["vmm.tasks.Task", {"phase": ..., "vm": ...}]       an object: its class in `classes.py`, its fields
    ["list", [...]]  ["dict", [[key, value], ...]]      and "counter", "deque", "set" in the same way
    ["bytearray", 3]  ["array", "Q", 4]                 with the number of their bytes among the blobs

A value is null, true, false, a number or a text as JSON has them, or an object with one key that says what it is:

    {"ref": 12} a node    {"tuple": [...]}    {"frozenset": [...]}    {"bytes": 5} a blob
    {"enum": ["vmm.tasks.Phase", "RUN"]}    {"event": "exits"} a type of event    {"outside": "events"}

The third item of a node, where there is one, is the name under which whoever reads knows that very object.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from enum import Enum
from pathlib import PurePath
from typing import Any

from axlab.errors import AxError
from axlab.time.classes import kinds, names
from axlab.time.graph import Kind, fields_of, kind_of

CONTAINERS: dict[type, str] = {list: "list", deque: "deque", dict: "dict", Counter: "counter", set: "set"}


class Encoder:
    """Turns a graph of objects into nodes and blobs. `labels` are names for some of the objects, by id;
    `outside` the names of what is not written."""

    def __init__(self, labels: dict[int, str], outside: dict[int, str]) -> None:
        self.labels = labels
        self.outside = outside
        self.nodes: list[list[Any]] = []
        self.blobs: list[bytes] = []
        self.numbers: dict[int, int] = {}  # of each object, by id, its node's number
        self.waiting: list[Any] = []

    def encode(self, roots: dict[str, Any]) -> dict[str, Any]:
        """The document of everything that can be reached from `roots`."""
        document = {"roots": {name: self.value(root) for name, root in roots.items()}, "nodes": self.nodes}
        done = 0
        while done < len(self.waiting):
            self.nodes[done].extend(self.node(self.waiting[done]))
            done += 1
        return document

    def blob(self, data: bytes) -> int:
        self.blobs.append(data)
        return len(self.blobs) - 1

    def value(self, value: Any) -> Any:
        """How a value stands in a field or a container."""
        cls: Any = type(value)
        if value is None or cls in (bool, int, float, str):
            return value
        if id(value) in self.outside:
            return {"outside": self.outside[id(value)]}
        kind = kind_of(cls)
        if cls is tuple:
            return {"tuple": [self.value(item) for item in value]}
        if cls is frozenset:
            return {"frozenset": [self.value(item) for item in value]}
        if kind in (Kind.PLAIN, Kind.TUPLE):
            return self.plain(value)
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.nodes)
            self.nodes.append([])
            self.waiting.append(value)
        return {"ref": self.numbers[id(value)]}

    def plain(self, value: Any) -> Any:
        """A value that never changes and is no number and no text."""
        if isinstance(value, bytes):
            return {"bytes": self.blob(value)}
        if isinstance(value, Enum) and type(value) in names():
            return {"enum": [names()[type(value)], value.name]}
        if isinstance(value, type) and value in kinds():
            return {"event": kinds()[value]}
        if isinstance(value, PurePath):
            return None  # a folder of the lab's: whoever reads has another one
        raise unknown(value)

    def node(self, value: Any) -> list[Any]:
        """An object or a container."""
        cls: Any = type(value)
        label = [self.labels[id(value)]] if id(value) in self.labels else []
        if cls in names():
            fields = {name: self.value(content) for name, content in fields_of(value).items()}
            return [names()[cls], fields, *label]
        if isinstance(value, array):
            return ["array", value.typecode, self.blob(value.tobytes())]
        if cls is bytearray:
            return ["bytearray", self.blob(bytes(value))]
        if cls not in CONTAINERS:
            raise unknown(value)
        if isinstance(value, dict):
            items = [[self.value(key), self.value(content)] for key, content in value.items()]
        else:
            items = [self.value(item) for item in value]
        return [CONTAINERS[cls], items]


def unknown(value: Any) -> AxError:
    cls = type(value)
    what = (
        f"{value!r}" if isinstance(value, type) or callable(value) else f"an object of {cls.__module__}.{cls.__name__}"
    )
    return AxError(
        f"this lab cannot be kept on disk: its state has {what}, which no snapshot file may have; "
        "a snapshot in memory keeps it"
    )
