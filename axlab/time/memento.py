"""What a lab's objects were like at a moment, kept beside the objects themselves.

Going back puts the fields of every object and the contents of every container back into the very same object.
Whoever holds a VM, a vCPU or a list of the lab holds the same one afterwards. An object that did not exist
then is simply no longer referred to; one that has been removed since is there again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from axlab.time.graph import Kind, fields_of, is_frozen, kind_of

NUMBERS_AND_WORDS = frozenset((int, str, bytes, bool, type(None)))  # most of what there is: not worth a look
CHUNK = 1 << 14  # bytes of a buffer that two mementos share where they are equal


@dataclass(eq=False)
class Memento:
    """Objects with their fields, containers with their contents, buffers with their bytes in chunks.

    `constant` are objects, by id, that never change and lead to nothing that does: later mementos pass them by.
    """

    objects: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    mappings: list[tuple[Any, dict[Any, Any]]] = field(default_factory=list)
    sequences: list[tuple[Any, tuple[Any, ...]]] = field(default_factory=list)
    sets: list[tuple[set[Any], tuple[Any, ...]]] = field(default_factory=list)
    buffers: dict[int, tuple[Any, list[bytes]]] = field(default_factory=dict)
    constant: dict[int, Any] = field(default_factory=dict)

    def restore(self) -> None:
        """Make every object what it was."""
        for value, fields in self.objects:
            put_fields(value, fields)
        for mapping, contents in self.mappings:
            mapping.clear()
            dict.update(mapping, contents)  # a Counter's own would add
        for sequence, items in self.sequences:
            sequence.clear()
            sequence.extend(items)
        for known, members in self.sets:
            known.clear()
            known.update(members)
        for buffer, chunks in self.buffers.values():
            put_bytes(buffer, chunks)

    def add(self, value: Any, previous: Memento | None) -> Iterable[Any]:
        """Keep one value, if it may change. Returns what it leads to."""
        cls: Any = type(value)
        kind = kind_of(cls)
        if kind is Kind.OBJECT:
            fields = fields_of(value)
            if not is_frozen(type(value)):
                self.objects.append((value, fields))
            elif all(type(part) in NUMBERS_AND_WORDS or id(part) in self.constant for part in fields.values()):
                self.constant[id(value)] = value
            return fields.values()
        if kind is Kind.MAPPING:
            contents = dict(value)
            self.mappings.append((value, contents))
            return [*contents, *contents.values()]
        if kind is Kind.SEQUENCE:
            self.sequences.append((value, tuple(value)))
        elif kind is Kind.SET:
            self.sets.append((value, tuple(value)))
        elif kind is Kind.BUFFER:
            before = previous.buffers.get(id(value)) if previous is not None else None
            known = before[1] if before is not None and before[0] is value else []
            self.buffers[id(value)] = value, chunks_of(value, known)
        return value if kind in (Kind.SEQUENCE, Kind.SET, Kind.TUPLE) else ()

    @property
    def size(self) -> int:
        """Bytes in its buffers, also of chunks that others share."""
        return sum(len(chunk) for _, chunks in self.buffers.values() for chunk in chunks)


def capture(roots: Iterable[Any], previous: Memento | None = None) -> Memento:
    """The memento of all that can be reached from `roots`. Buffers share the chunks that `previous` has alike."""
    memento = Memento()
    if previous is not None:
        memento.constant = previous.constant
    seen = set(memento.constant)
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if id(value) not in seen:
            seen.add(id(value))
            waiting += [part for part in memento.add(value, previous) if type(part) not in NUMBERS_AND_WORDS]
    return memento


def chunks_of(buffer: Any, known: list[bytes]) -> list[bytes]:
    """The bytes of a buffer in chunks; one that is equal to the one at its place in `known` is that one."""
    chunks = []
    with memoryview(buffer) as view, view.cast("B") as data:
        for place, start in enumerate(range(0, len(data), CHUNK)):
            chunk = bytes(data[start : start + CHUNK])
            chunks.append(known[place] if place < len(known) and known[place] == chunk else chunk)
    return chunks


def put_bytes(buffer: Any, chunks: list[bytes]) -> None:
    """Make the bytes of a buffer those of the chunks."""
    data = b"".join(chunks)
    if isinstance(buffer, bytearray):
        buffer[:] = data
        return
    del buffer[:]
    buffer.frombytes(data)


def put_fields(value: Any, fields: dict[str, Any]) -> None:
    """Make the fields of an object those; a field that it has got since then goes."""
    for name in fields_of(value).keys() - fields.keys():
        delattr(value, name)
    for name, content in fields.items():
        object.__setattr__(value, name, content)
