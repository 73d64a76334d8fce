"""Flattened device trees: reading and writing (Devicetree Specification 0.4, chapter 5, version 17).

Reading takes any bytes: every offset is checked, depth and size are bounded, and nothing but
`AxError` is raised.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from axlab.errors import AxError

MAGIC = 0xD00DFEED
VERSION = 17
LAST_COMPATIBLE = 16
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
HEADER = struct.Struct(">10I")
SIZE_LIMIT = 2 << 20
"""Linux maps no more (Documentation/arch/arm64/booting.rst)."""
DEPTH_LIMIT = 64


@dataclass
class Node:
    """A node: its name with unit address (`pl011@9000000`; the root's is empty), properties as bytes, children."""

    name: str = ""
    properties: dict[str, bytes] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    def add(self, name: str, properties: dict[str, bytes]) -> Node:
        """A new child, behind the others."""
        child = Node(name, properties)
        self.children.append(child)
        return child

    def child(self, name: str) -> Node | None:
        """The child of that name; without a unit address, the first one that has that name before its `@`."""
        exact = next((node for node in self.children if node.name == name), None)
        return exact or next((node for node in self.children if node.name.partition("@")[0] == name), None)

    def find(self, path: str) -> Node | None:
        """The node at a path such as `/cpus/cpu@0`, or None."""
        node: Node | None = self
        for part in path.split("/"):
            if part and node is not None:
                node = node.child(part)
        return node

    def cells(self, name: str) -> list[int]:
        """A property as 32-bit numbers; empty where it is missing."""
        value = self.properties.get(name, b"")
        return [int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value) - 3, 4)]

    def strings(self, name: str) -> list[str]:
        """A property as strings; empty where it is missing."""
        value = self.properties.get(name, b"")
        return value.rstrip(b"\0").decode("utf-8", "replace").split("\0") if value else []


@dataclass
class Tree:
    """A device tree: its root, the memory reservations (address, size), the physical id of the boot CPU."""

    root: Node
    reservations: list[tuple[int, int]] = field(default_factory=list)
    boot_cpu: int = 0


def cells(*numbers: int) -> bytes:
    """32-bit numbers as a property's value."""
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def cells64(*numbers: int) -> bytes:
    """64-bit numbers (two cells each) as a property's value."""
    return b"".join(number.to_bytes(8, "big") for number in numbers)


def strings(*texts: str) -> bytes:
    """Strings as a property's value, each with its NUL."""
    return b"".join(text.encode() + b"\0" for text in texts)


# --- writing ---------------------------------------------------------------------------------------


def pack(root: Node, reservations: list[tuple[int, int]] | None = None, boot_cpu: int = 0) -> bytes:
    """The blob of a tree, version 17: header, reservations, structure, strings."""
    names: dict[str, int] = {}
    body = bytearray()
    pack_node(root, body, names)
    body += END.to_bytes(4, "big")
    table = b"".join(name.encode() + b"\0" for name in names)
    reserve = b"".join(struct.pack(">QQ", *entry) for entry in [*(reservations or []), (0, 0)])
    at_reserve = HEADER.size
    at_body = at_reserve + len(reserve)
    at_table = at_body + len(body)
    header = HEADER.pack(
        MAGIC,
        at_table + len(table),
        at_body,
        at_table,
        at_reserve,
        VERSION,
        LAST_COMPATIBLE,
        boot_cpu,
        len(table),
        len(body),
    )
    return header + reserve + bytes(body) + table


def pack_node(node: Node, body: bytearray, names: dict[str, int]) -> None:
    """One node and its children as tokens; `names` gathers the offsets of property names."""
    body += BEGIN_NODE.to_bytes(4, "big") + padded(node.name.encode() + b"\0")
    for name, value in node.properties.items():
        at = names.setdefault(name, sum(len(known.encode()) + 1 for known in names))
        body += struct.pack(">III", PROPERTY, len(value), at) + padded(value)
    for child in node.children:
        pack_node(child, body, names)
    body += END_NODE.to_bytes(4, "big")


def padded(data: bytes) -> bytes:
    """Bytes up to the next multiple of 4."""
    return data + bytes(-len(data) % 4)


# --- reading ---------------------------------------------------------------------------------------


def parse(data: bytes, source: str = "<dtb>") -> Node:
    """The root of a blob. Raises `AxError` for anything that is no device tree."""
    return parse_tree(data, source).root


def parse_tree(data: bytes, source: str = "<dtb>") -> Tree:
    """A blob with its reservations. Raises `AxError` for anything that is no device tree."""
    if len(data) < HEADER.size or int.from_bytes(data[:4], "big") != MAGIC:
        raise AxError(
            "is no device tree blob (no d00dfeed at its beginning); compile a .dts file with dtc", source=source
        )
    header = HEADER.unpack_from(data)
    _, total, at_body, at_table, at_reserve, version, compatible, boot_cpu, table_size, body_size = header
    if total > len(data):
        raise AxError(f"is a device tree that is cut off: {len(data)} bytes of {total}", source=source)
    if total > SIZE_LIMIT:
        raise AxError(f"is a device tree of {total} bytes; the limit is 2 MB", source=source)
    if version < LAST_COMPATIBLE or compatible > VERSION:
        raise AxError(f"is a device tree of version {version}; AxLab reads versions 16 and 17", source=source)
    if version == LAST_COMPATIBLE:
        body_size = total - at_body
    if at_body % 4 or at_body + body_size > total or at_table + table_size > total or at_reserve > total:
        raise damaged(source, "a part lies outside the blob")
    reader = Reader(data[at_body : at_body + body_size], data[at_table : at_table + table_size], source)
    return Tree(reader.tree(), reservations(data[:total], at_reserve, source), boot_cpu)


def damaged(source: str, why: str) -> AxError:
    return AxError(f"is a damaged device tree: {why}", source=source)


def reservations(data: bytes, at: int, source: str) -> list[tuple[int, int]]:
    """The memory reservation block: pairs up to (0, 0)."""
    found: list[tuple[int, int]] = []
    while at + 16 <= len(data):
        address, size = struct.unpack_from(">QQ", data, at)
        if not size and not address:
            return found
        found.append((address, size))
        at += 16
    raise damaged(source, "the reservations have no end")


class Reader:
    """Walks the structure block token by token, with a stack instead of recursion."""

    def __init__(self, body: bytes, table: bytes, source: str) -> None:
        self.body = body
        self.table = table
        self.source = source
        self.at = 0

    def number(self) -> int:
        if self.at + 4 > len(self.body):
            raise damaged(self.source, "the structure ends in the middle")
        self.at += 4
        return int.from_bytes(self.body[self.at - 4 : self.at], "big")

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.body):
            raise damaged(self.source, f"{size} bytes at {self.at:#x} reach beyond the structure")
        data = self.body[self.at : self.at + size]
        self.at += size + -size % 4
        return data

    def text(self, data: bytes, at: int) -> str:
        end = data.find(b"\0", at)
        if end < 0 or at > len(data):
            raise damaged(self.source, "a name has no end")
        try:
            return data[at:end].decode("utf-8")
        except UnicodeDecodeError:
            raise damaged(self.source, f"a name is no text: {data[at : min(end, at + 20)]!r}") from None

    def tree(self) -> Node:
        """The root node with all below it."""
        open_nodes: list[Node] = []
        root: Node | None = None
        while True:
            token = self.number()
            if token == BEGIN_NODE and (open_nodes or root is None):
                node = self.begin(open_nodes)
                root = root or node
            elif token == END_NODE and open_nodes:
                open_nodes.pop()
            elif token == PROPERTY and open_nodes:
                self.property(open_nodes[-1])
            elif token == END and root is not None and not open_nodes:
                return root
            elif token != NOP:
                raise damaged(self.source, f"token {token:#x} at {self.at - 4:#x} does not belong there")

    def begin(self, open_nodes: list[Node]) -> Node:
        name = self.text(self.body, self.at)
        self.take(len(name.encode()) + 1)
        node = Node(name)
        if len(open_nodes) >= DEPTH_LIMIT:
            raise damaged(self.source, f"nodes are nested deeper than {DEPTH_LIMIT}")
        if open_nodes:
            open_nodes[-1].children.append(node)
        open_nodes.append(node)
        return node

    def property(self, node: Node) -> None:
        size, name_at = self.number(), self.number()
        value = self.take(size)
        node.properties.setdefault(self.text(self.table, name_at), value)
