"""The names of a guest's code and data: which function an address lies in, and where a name is.

Names come from the symbol table of an ELF file, from the labels of AxLab's assembler, and from a list such as
Linux's System.map, which is what `nm` prints. Addresses are the guest's virtual ones.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from axlab.errors import AxError
from axlab.units import PAGE_SIZE

WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name, the address of its first byte, how many bytes it has, and whether they are code."""

    name: str
    address: int
    size: int = 0
    code: bool = True


@dataclass(frozen=True)
class Symbols:
    """Symbols by address, which never change; columns, because a kernel has 150,000.

    Of several names for one address the first in the order of `symbols_of` answers for it; all can be asked for.
    """

    names: tuple[str, ...] = ()
    addresses: array[int] = field(default_factory=lambda: array("Q"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    codes: bytes = b""

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Symbol]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Symbol:
        return Symbol(self.names[index], self.addresses[index], self.sizes[index], bool(self.codes[index]))

    def __deepcopy__(self, memo: dict[int, Any]) -> Symbols:
        """Itself: what never changes is shared between copies of a lab."""
        return self

    def at(self, address: int) -> Symbol | None:
        """The symbol that contains an address: of those that begin at or before it, the nearest."""
        behind = bisect_right(self.addresses, address)
        if not behind:
            return None
        start = self.addresses[behind - 1]
        index = bisect_left(self.addresses, start)
        return self[index] if address - start < self.sizes[index] else None

    def name(self, address: int) -> str:
        """`main`, `main+0x10`, or nothing where no symbol contains the address."""
        found = self.at(address)
        if found is None:
            return ""
        return f"{found.name}+{address - found.address:#x}" if address != found.address else found.name

    def address_of(self, name: str) -> int | None:
        """Where a name is; of a name that several files use for themselves, the lowest address."""
        return self.addresses[self.names.index(name)] if name in self.names else None

    def extent(self, name: str) -> range | None:
        """The addresses that a name stands for, as `at` finds it; None for a name that there is not."""
        start = self.address_of(name)
        if start is None:
            return None
        first = bisect_left(self.addresses, start)
        return range(start, start + self.sizes[first])

    def functions(self) -> list[Symbol]:
        """The symbols of code, one for each address, by address."""
        found = {one.address: one for one in reversed(list(self)) if one.code}
        return list(found.values())[::-1]

    def moved(self, offset: int) -> Symbols:
        """The symbols of code that runs `offset` bytes above where it was linked for."""
        return symbols_of(replace(one, address=one.address + offset & WORD) for one in self)

    def joined(self, more: Symbols) -> Symbols:
        """These and others."""
        return symbols_of([*self, *more])


def symbols_of(symbols: Iterable[Symbol]) -> Symbols:
    """Symbols in the order of their addresses; at one address the longest first, else as they were given.

    One of size 0, whose size is not known, reaches to the next one, and the last one to the end of its page.
    """
    ordered = sorted(symbols, key=lambda one: (one.address, -one.size))
    addresses = [one.address for one in ordered]
    last = addresses[-1] // PAGE_SIZE * PAGE_SIZE + PAGE_SIZE if addresses else 0
    ends = {begin: end for begin, end in zip(addresses, [*addresses[1:], last]) if end != begin}
    sizes = [one.size or ends[one.address] - one.address for one in ordered]
    names = tuple(one.name for one in ordered)
    return Symbols(names, array("Q", addresses), array("Q", sizes), bytes(one.code for one in ordered))


def labels(addresses: Mapping[str, int], code: Container[str] | None = None) -> Symbols:
    """The labels of an assembled program, but for those that begin with `.L`, which are local to it.

    `code` are those that stand before instructions; None: all of them.
    """
    return symbols_of(
        Symbol(name, address, code=code is None or name in code)
        for name, address in addresses.items()
        if not name.startswith(".L")
    )


# `nm` and System.map: address, a letter for the kind, name. A module's name in brackets may follow (kallsyms).
LISTED = re.compile(rb"([0-9a-fA-F]{1,16}) ([A-Za-z?]) (\S+)(?:[ \t]\[[^]\n]*\])?\s*")
ABSENT = b"aANUvVwW"  # a number and no address; or not defined
TEXT = b"tT"
CUT = 60


def parse_symbols(data: bytes, source: str) -> Symbols:
    """The symbols in a file: an ELF file, or a list as `nm` prints it. Raises `AxError` where it is neither."""
    if data[:4] == b"\x7fELF":
        from axlab.vmm.elf_image import refuse_by_ident, symbols

        refuse_by_ident(data, source)
        found = symbols(data)
        if not found:
            raise AxError("is an ELF file without a symbol table; it was stripped", source=source)
        return found
    return parse_list(data, source)


def parse_list(data: bytes, source: str) -> Symbols:
    """The lines `ffff800080010000 T _text`. Raises `AxError` with the line that is none of them."""
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        match = LISTED.fullmatch(line)
        if match is None and line.strip() and not re.fullmatch(rb"\s+[Uvw] \S+\s*", line):
            text = line[:CUT].decode("utf-8", "replace")
            raise AxError(
                f"line {number} is no symbol: {text!a}; an ELF file is wanted, or a list of lines such as "
                f"'ffff800080010000 T _text' (System.map, nm)",
                source=source,
            )
        if match is not None and match[2] not in ABSENT:
            name = match[3].decode("utf-8", "replace")
            if not name.startswith("$"):
                found.append(Symbol(name, int(match[1], 16), code=match[2] in TEXT))
    if not found:
        raise AxError("names no symbol", source=source)
    return symbols_of(found)
