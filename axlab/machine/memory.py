"""RAM, of which only the touched pages cost anything."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakSet

from axlab.machine.bus import NothingThere
from axlab.machine.page_versions import Version, Versions

PAGE_BITS = 12
PAGE_SIZE = 1 << PAGE_BITS
PAGE_MASK = PAGE_SIZE - 1

CACHES = ("users", "watched", "compiled", "code_store", "versions")  # attributes of a Memory that are not saved


class ViewUser(Protocol):
    """Who keeps views of pages, and what follows from their contents: a CPU."""

    def drop_writers(self, number: int) -> None:
        """Report every store to page `number` with `Memory.stored` from now on."""

    def drop_all_writers(self) -> None:
        """Ask `Memory.writable` for every page that is stored to from now on."""

    def forget_code(self, number: int) -> None:
        """Page `number` has changed."""

    def flush_tlb(self) -> None:
        """Pages were freed: keep no view of any."""


class CodeStore(Protocol):
    """Where translated code is kept from one session to the next: by key, as bytes. Only a private one is trusted."""

    def get(self, key: bytes) -> bytes | None:
        """What was put under a key."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value."""


class Memory:
    """`size` bytes of RAM from physical address `base`, both multiples of 4 KiB; untouched RAM is zero.

    `pages` maps a page number (address >> 12) to its 4096 bytes, and misses what was never written. A page
    stays the same `bytearray` until `zero` frees it; who keeps views of pages must drop them then.
    An access that leaves the memory raises `NothingThere`: to hardware, an external abort.
    """

    def __init__(self, base: int, size: int) -> None:
        if base & PAGE_MASK or size & PAGE_MASK:
            raise ValueError(f"RAM of {size:#x} bytes at {base:#x} does not consist of whole 4 KiB pages")
        self.base = base
        self.size = size
        self.others: list[tuple[int, int]] = []  # ranges beside the RAM: start, end
        self.pages: dict[int, bytearray] = {}
        self.watched: dict[int, int] = {}  # page number -> a bit for each 64 bytes from which something follows
        self.users: WeakSet[ViewUser] = WeakSet()
        self.compiled: dict[Any, Any] = {}  # what users made of the contents of pages, for each other
        self.code_store: CodeStore | None = None
        self.versions = Versions()

    def add(self, base: int, size: int) -> None:
        """Make another range of addresses memory: the array of a flash bank."""
        self.others.append((base, base + size))

    def contains(self, address: int, size: int = 1) -> bool:
        """Whether all of `size` bytes from `address` are memory."""
        end = address + size
        if self.base <= address and end <= self.base + self.size:
            return True
        return any(start <= address and end <= behind for start, behind in self.others)

    def page(self, number: int) -> bytearray:
        """The bytes of page `number`, to read; from now on it costs its 4 KiB."""
        page = self.pages.get(number)
        if page is None:
            self.check(number << PAGE_BITS, PAGE_SIZE)
            page = self.pages[number] = bytearray(PAGE_SIZE)
        return page

    def writable(self, number: int) -> bytearray:
        """The bytes of page `number`, to read and to write: until the next version is made."""
        self.keep(number)
        return self.page(number)

    def keep(self, number: int) -> None:
        """Page `number` is about to change: the latest version keeps what is in it."""
        latest = self.versions.latest
        if latest is not None and number not in latest.before:
            page = self.pages.get(number)
            latest.before[number] = None if page is None else bytes(page)

    def version(self) -> Version:
        """Remember what is in memory now. It costs what is written to from now on."""
        for user in self.users:
            user.drop_all_writers()
        return self.versions.add()

    def go(self, version: Version) -> None:
        """Make the contents what they were. Pages that were not touched then are freed."""
        for number in self.versions.go(version, self.pages):
            self.stored(number, 0, PAGE_SIZE)
        for user in self.users:
            user.flush_tlb()

    def replace(self, pages: dict[int, bytes]) -> None:
        """Make these pages the contents of memory, and all others zero. Versions stay what they were."""
        for number in [*self.pages.keys() - pages.keys(), *pages]:
            self.keep(number)
            if number in pages:
                self.page(number)[:] = pages[number]
            else:
                del self.pages[number]
            self.stored(number, 0, PAGE_SIZE)
        for user in self.users:
            user.flush_tlb()

    def check(self, address: int, size: int) -> None:
        """Raise `NothingThere` unless all of `size` bytes from `address` are memory."""
        if not self.contains(address, size):
            raise NothingThere(f"no memory at {address:#x} ({size} bytes)")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from `address`. Reading touches nothing."""
        self.check(address, size)
        offset = address & PAGE_MASK
        number = address >> PAGE_BITS
        if offset + size <= PAGE_SIZE:
            page = self.pages.get(number)
            return bytes(size) if page is None else bytes(page[offset : offset + size])
        result = bytearray(size)
        done = 0
        while done < size:
            part = min(PAGE_SIZE - offset, size - done)
            page = self.pages.get(number)
            if page is not None:
                result[done : done + part] = memoryview(page)[offset : offset + part]
            done += part
            number += 1
            offset = 0
        return bytes(result)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Write `data` from `address` on: all of it, or nothing where it would leave the memory."""
        self.check(address, len(data))
        source = memoryview(data)
        offset = address & PAGE_MASK
        number = address >> PAGE_BITS
        done = 0
        while done < len(data):
            part = min(PAGE_SIZE - offset, len(data) - done)
            self.writable(number)[offset : offset + part] = source[done : done + part]
            if number in self.watched:
                self.stored(number, offset, part)
            done += part
            number += 1
            offset = 0

    def watch(self, address: int, size: int) -> None:
        """Somebody keeps what follows from `size` bytes at `address`, within a page: a store to them is reported."""
        number = address >> PAGE_BITS
        if number not in self.watched:
            for user in self.users:
                user.drop_writers(number)
        self.watched[number] = self.watched.get(number, 0) | watch_bits(address & PAGE_MASK, size)

    def stored(self, number: int, offset: int, size: int) -> None:
        """`size` bytes in page `number` have changed; whoever keeps what followed from them is told."""
        if self.watched.get(number, 0) & watch_bits(offset, size):
            del self.watched[number]
            for user in self.users:
                user.forget_code(number)

    def read_int(self, address: int, size: int) -> int:
        """A little-endian number of `size` bytes, at any alignment."""
        return int.from_bytes(self.read(address, size), "little")

    def write_int(self, address: int, size: int, value: int) -> None:
        """Write the low `size` bytes of `value`, little-endian, at any alignment."""
        self.write(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def zero(self, address: int, size: int) -> None:
        """Zero a range and free the pages that lie wholly in it, so that they cost nothing again."""
        self.check(address, size)
        end = address + size
        for number in [known for known in self.watched if address >> PAGE_BITS <= known <= (end - 1) >> PAGE_BITS]:
            self.stored(number, 0, PAGE_SIZE)
        first, last = -(-address >> PAGE_BITS), end >> PAGE_BITS  # whole pages: first up to, not with, last
        if first > last:
            self.clear(address, end)
            return
        self.clear(address, first << PAGE_BITS)
        self.clear(last << PAGE_BITS, end)
        if last - first < len(self.pages):
            freed = [number for number in range(first, last) if number in self.pages]
        else:
            freed = [number for number in self.pages if first <= number < last]
        for number in freed:
            self.keep(number)
            del self.pages[number]

    def clear(self, start: int, end: int) -> None:
        """Zero a range inside one page, if the page was ever touched."""
        page = self.pages.get(start >> PAGE_BITS)
        if page is not None and start < end:
            offset = start & PAGE_MASK
            self.keep(start >> PAGE_BITS)
            page[offset : offset + end - start] = bytes(end - start)

    def touched(self) -> int:
        """Bytes that the touched pages take."""
        return len(self.pages) * PAGE_SIZE

    def __getstate__(self) -> dict[str, Any]:
        """What is saved: the bytes, and not who looks at them. CPUs register again as users when they run."""
        return {name: value for name, value in vars(self).items() if name not in CACHES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, users=WeakSet(), watched={}, compiled={}, code_store=None, versions=Versions())

    def __deepcopy__(self, memo: dict[int, Any]) -> Memory:
        copied = Memory(self.base, self.size)
        memo[id(self)] = copied
        copied.others = list(self.others)
        copied.code_store = self.code_store
        copied.pages = {number: bytearray(page) for number, page in self.pages.items()}
        return copied


def watch_bits(offset: int, size: int) -> int:
    """A bit for each 64 bytes of a page that `size` bytes from `offset` touch."""
    first, last = offset >> 6, offset + size - 1 >> 6
    return (2 << last) - (1 << first)
