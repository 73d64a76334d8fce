"""RAM: sparse, byte for byte what was written."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.machine.bus import NothingThere
from axlab.machine.memory import PAGE_SIZE, Memory

BASE = 0x4000_0000
PAGES = 5


def small_memory() -> Memory:
    return Memory(BASE, PAGES * PAGE_SIZE)


def test_eight_gigabytes_of_untouched_ram_cost_nothing() -> None:
    memory = Memory(BASE, 8 << 30)
    assert memory.read(BASE + (7 << 30), 8192) == bytes(8192)
    assert memory.read_int(BASE + (8 << 30) - 8, 8) == 0
    assert memory.touched() == 0


def test_one_byte_costs_one_page() -> None:
    memory = small_memory()
    memory.write(BASE + 5000, b"x")
    assert memory.touched() == PAGE_SIZE
    assert list(memory.pages) == [(BASE + 5000) >> 12]


def test_numbers_are_little_endian_at_any_alignment() -> None:
    memory = small_memory()
    memory.write_int(BASE + PAGE_SIZE - 3, 8, 0x1122334455667788)
    assert memory.read(BASE + PAGE_SIZE - 3, 8) == bytes.fromhex("8877665544332211")
    assert memory.read_int(BASE + PAGE_SIZE - 3, 8) == 0x1122334455667788
    memory.write_int(BASE, 2, -1)
    assert memory.read_int(BASE, 4) == 0xFFFF


def test_a_page_stays_the_same_object_until_it_is_freed() -> None:
    memory = small_memory()
    page = memory.page(BASE >> 12)
    memory.write(BASE, bytes(range(256)))
    assert memory.page(BASE >> 12) is page
    assert page[255] == 255
    memory.zero(BASE, PAGE_SIZE)
    assert memory.page(BASE >> 12) is not page


def test_zeroing_frees_whole_pages_and_clears_parts_of_others() -> None:
    memory = small_memory()
    memory.write(BASE, b"\xff" * (PAGES * PAGE_SIZE))
    memory.zero(BASE + 100, 2 * PAGE_SIZE)
    assert memory.touched() == (PAGES - 1) * PAGE_SIZE
    expected = b"\xff" * 100 + bytes(2 * PAGE_SIZE) + b"\xff" * ((PAGES - 2) * PAGE_SIZE - 100)
    assert memory.read(BASE, PAGES * PAGE_SIZE) == expected


def test_zeroing_three_gigabytes_of_which_little_was_touched_is_quick() -> None:
    memory = Memory(BASE, 4 << 30)
    memory.write(BASE + (1 << 30), b"x")
    memory.zero(BASE, 3 << 30)
    assert memory.touched() == 0


def test_an_access_that_leaves_the_memory_is_refused_and_changes_nothing() -> None:
    memory = small_memory()
    end = BASE + PAGES * PAGE_SIZE
    with pytest.raises(NothingThere, match=r"^no memory at 0x40004ffc \(8 bytes\)$"):
        memory.write(end - 4, bytes(8))
    with pytest.raises(NothingThere):
        memory.read(BASE - 1, 1)
    with pytest.raises(NothingThere):
        memory.page(end >> 12)
    with pytest.raises(NothingThere):
        memory.zero(end, 1)
    assert memory.touched() == 0
    assert memory.contains(end - 4, 4) and not memory.contains(end - 4, 5)


def test_ram_consists_of_whole_pages() -> None:
    with pytest.raises(ValueError, match="^RAM of 0x1800 bytes at 0x40000000 does not consist of whole 4 KiB pages$"):
        Memory(BASE, 0x1800)


def test_a_copy_shares_nothing_with_the_original() -> None:
    memory = small_memory()
    memory.add(0, PAGE_SIZE)
    memory.write(BASE, b"before")
    copied = copy.deepcopy(memory)
    memory.write(BASE, b"after!")
    assert copied.read(BASE, 6) == b"before"
    assert copied.contains(0)


def test_memory_is_saved_without_those_who_look_at_it() -> None:
    memory = small_memory()
    memory.add(0, PAGE_SIZE)
    memory.write(BASE, b"saved")
    user = Watcher()
    memory.users.add(user)
    memory.watch(BASE, 4)
    restored = pickle.loads(pickle.dumps(memory))
    assert restored.read(BASE, 5) == b"saved" and restored.contains(0)
    restored.write(BASE, b"other")
    assert user.forgotten == []


class Watcher:
    """A user of memory that notes what it is told."""

    def __init__(self) -> None:
        self.writers: list[int] = []
        self.forgotten: list[int] = []

    def drop_writers(self, number: int) -> None:
        self.writers.append(number)

    def forget_code(self, number: int) -> None:
        self.forgotten.append(number)


def test_a_store_to_watched_bytes_is_reported_once() -> None:
    memory, user = small_memory(), Watcher()
    memory.users.add(user)
    memory.watch(BASE + 128, 64)
    assert user.writers == [BASE >> 12]
    memory.write(BASE, bytes(128))
    memory.write(BASE + 192, bytes(100))
    assert user.forgotten == []
    memory.write(BASE + 120, bytes(16))
    memory.write(BASE + 128, bytes(16))
    assert user.forgotten == [BASE >> 12]


def test_zeroing_watched_bytes_is_reported() -> None:
    memory, user = small_memory(), Watcher()
    memory.users.add(user)
    memory.watch(BASE + PAGE_SIZE, 4)
    memory.zero(BASE, PAGE_SIZE)
    assert user.forgotten == []
    memory.zero(BASE, 3 * PAGE_SIZE)
    assert user.forgotten == [(BASE >> 12) + 1]


writes = st.lists(st.tuples(st.integers(0, PAGES * PAGE_SIZE - 1), st.binary(max_size=3 * PAGE_SIZE)), max_size=8)
zeros = st.tuples(st.integers(0, PAGES * PAGE_SIZE), st.integers(0, PAGES * PAGE_SIZE))


@given(writes, zeros)
def test_memory_is_one_flat_array_of_bytes(writes: list[tuple[int, bytes]], zero: tuple[int, int]) -> None:
    memory, flat = small_memory(), bytearray(PAGES * PAGE_SIZE)
    for offset, data in writes:
        data = data[: PAGES * PAGE_SIZE - offset]
        memory.write(BASE + offset, data)
        flat[offset : offset + len(data)] = data
    start, end = min(zero), max(zero)
    memory.zero(BASE + start, end - start)
    flat[start:end] = bytes(end - start)
    assert memory.read(BASE, PAGES * PAGE_SIZE) == flat
