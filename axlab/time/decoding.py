"""From a document back to objects. The document is not trusted: it can name classes of `classes.py` and no others.

Nothing that exists already is touched before everything has been read: `decode` makes new objects, and returns what
is to be put into those that exist.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from axlab.machine.memory import Memory
from axlab.time.classes import classes, enums
from axlab.time.field_checks import WrongField, check_fields
from axlab.time.graph import NO_STATE, fields_of
from axlab.time.memento import put_fields
from axlab.trace.columns import ROWS

CONTAINERS: dict[str, Callable[[], Any]] = {
    "list": list, "deque": deque, "dict": dict, "counter": Counter, "set": set, "bytearray": bytearray,
}  # fmt: skip
TYPECODES = frozenset("bBhHiIqQ")
WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)

Put = list[tuple[Any, dict[str, Any]]]  # objects, and their fields


class Decoder:
    """Reads the nodes of one document. `existing` are objects by the names that nodes may have; `outside` by theirs.

    What is wrong raises one of `WRONG`.
    """

    def __init__(self, nodes: list[Any], blobs: list[bytes], existing: dict[str, Any], outside: dict[str, Any]) -> None:
        self.nodes = nodes
        self.blobs = blobs
        self.existing = existing
        self.outside = outside
        self.found: dict[int, str] = {}  # number of a node -> the name of the existing object that it is
        self.objects = [self.blank(number, node) for number, node in enumerate(nodes)]

    def blank(self, number: int, node: Any) -> Any:
        """The object of a node, still empty."""
        kind = node[0]
        if kind in CONTAINERS:
            return CONTAINERS[kind]()
        if kind == "array":
            if node[1] not in TYPECODES:
                raise ValueError(f"{node[1]!r} is no type of an array")
            return array(node[1])
        cls = classes()[kind]
        known = self.existing.get(node[2]) if len(node) > 2 else None
        if type(known) is cls:
            self.found[number] = node[2]
            return known
        if cls is Memory:
            raise ValueError("a lab has one memory")
        return object.__new__(cls)

    def decode(self) -> Put:
        """Fill what is new; return what is to be put into the objects that exist."""
        contents = [self.contents(number, node) for number, node in enumerate(self.nodes)]
        later: Put = []
        for number, (value, content) in enumerate(zip(self.objects, contents, strict=True)):
            if number in self.found:
                later.append((value, content))
            elif self.nodes[number][0] in classes():
                put(value, content)
        for value, content, node in zip(self.objects, contents, self.nodes, strict=True):
            if node[0] not in classes():
                fill(value, content)
        for number, (node, content) in enumerate(zip(self.nodes, contents, strict=True)):
            if node[0] in classes():
                try:
                    check_fields(node[0], content)
                except WrongField as error:
                    raise ValueError(f"{self.path(number)}{error} holds what it may not") from None
        return later

    def path(self, wanted: int) -> str:
        """How a node is reached from one that has a name: `hypervisor.timeline`, `vm 0 demo.devices.gic`."""
        known = {number: node[2] for number, node in enumerate(self.nodes) if node[0] in classes() and len(node) > 2}
        waiting = list(known)
        for number in waiting:
            node = self.nodes[number]
            parts = node[1].items() if node[0] in classes() else enumerate(node[1]) if node[0] == "list" else ()
            for name, value in parts:
                place = value.get("ref") if isinstance(value, dict) else None
                if place is not None and place not in known:
                    known[place] = known[number] + (f".{name}" if isinstance(name, str) else f"[{name}]")
                    waiting.append(place)
        return str(known.get(wanted, self.nodes[wanted][0]))

    def contents(self, number: int, node: Any) -> Any:
        """The fields of an object, the items of a container, the bytes of a buffer."""
        kind, content = node[0], node[-1] if node[0] == "array" else node[1]
        if kind in classes():
            return self.fields(number, classes()[kind], content)
        if kind in ("array", "bytearray"):
            return self.blobs[natural(content)]
        if kind in ("dict", "counter"):
            return [(self.value(key), self.value(item)) for key, item in content]
        return [self.value(item) for item in content]

    def fields(self, number: int, cls: type, content: dict[str, Any]) -> dict[str, Any]:
        """The fields of an object, if they are those of its class."""
        if is_dataclass(cls):
            wanted = {known.name for known in fields(cls)}
        elif number in self.found:
            wanted = set(fields_of(self.objects[number]))
        else:
            wanted = {name for name in content if may_be_field(cls, name)}
        if content.keys() != wanted:
            odd = ", ".join(sorted(content.keys() ^ wanted))
            raise ValueError(f"{cls.__name__} differs in {odd}; it was written by another version of AxLab")
        begin = {} if number in self.found else NO_STATE.get(cls, {})
        return begin | {name: self.value(value) for name, value in content.items()}

    def value(self, value: Any) -> Any:
        """A value of a field or a container."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        [(kind, content)] = value.items()
        match kind:
            case "ref":
                return self.objects[natural(content)]
            case "tuple":
                return tuple([self.value(item) for item in content])
            case "frozenset":
                return frozenset([self.value(item) for item in content])
            case "bytes":
                return self.blobs[natural(content)]
            case "enum":
                return enums()[content[0]][content[1]]
            case "event":
                return ROWS[content]
            case "outside":
                return self.outside[content]
        raise ValueError(f"a value cannot be a {kind!r}")


def may_be_field(cls: type, name: str) -> bool:
    """Whether an object of a class can have a field of that name, which hides nothing that the class does."""
    there = getattr(cls, name, None)
    return name.isidentifier() and not name.startswith("__") and not (callable(there) or isinstance(there, property))


def natural(number: Any) -> int:
    """A number of a node or of a blob."""
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no number of a node")
    return number


def put(value: Any, content: dict[str, Any]) -> None:
    """Give an object its fields, and begin anew with the caches that it has beside them."""
    restore = getattr(value, "__setstate__", None)
    if restore is not None and not is_frozen_with_slots(type(value)):
        restore(content)
    else:
        put_new(value, content)


def is_frozen_with_slots(cls: type) -> bool:
    """Whether a class has a `__setstate__` that `dataclass` made, which takes a list."""
    return is_dataclass(cls) and "__slots__" in vars(cls)


def put_new(value: Any, content: dict[str, Any]) -> None:
    for name, item in content.items():
        object.__setattr__(value, name, item)


def put_existing(later: Put) -> None:
    """Put what was read into the objects that exist."""
    for value, content in later:
        if hasattr(value, "drop_caches"):
            put(value, content)
        else:
            put_fields(value, content)


def fill(value: Any, content: Any) -> None:
    """Put its items or bytes into a new container."""
    if isinstance(value, array):
        value.frombytes(content)
    elif isinstance(value, bytearray | list | deque):
        value.extend(content)
    elif isinstance(value, set):
        value.update(content)
    else:
        dict.update(value, content)
