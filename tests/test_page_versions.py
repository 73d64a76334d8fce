"""Versions of RAM: whatever was written, zeroed and visited in between, each is what it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from axlab.machine.memory import PAGE_SIZE, Memory
from axlab.machine.page_versions import Version

BASE = 0x4000_0000
PAGES = 4
SIZE = PAGES * PAGE_SIZE

places = st.integers(0, SIZE - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), places, st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("zero"), places, st.integers(1, 2 * PAGE_SIZE)),
        st.tuples(st.just("read"), places, st.none()),
        st.tuples(st.just("version"), st.none(), st.none()),
        st.tuples(st.just("go"), st.integers(0, 9), st.none()),
        st.tuples(st.just("forget"), st.integers(0, 9), st.none()),
    ),
    max_size=40,
)


def contents(memory: Memory) -> bytes:
    return memory.read(BASE, SIZE)


def of_version(memory: Memory, version: Version) -> bytes:
    pages = version.pages(memory.pages)
    return b"".join(bytes(pages.get((BASE >> 12) + number, bytes(PAGE_SIZE))) for number in range(PAGES))


@given(steps)
def test_every_version_stays_what_it_was_and_can_be_gone_to(script: list[tuple[str, int, bytes | int | None]]) -> None:
    memory = Memory(BASE, SIZE)
    kept: list[tuple[Version, bytes]] = []
    for step, place, what in script:
        if step == "write" and isinstance(what, bytes):
            memory.write(BASE + place, what[: SIZE - place])
        elif step == "zero" and isinstance(what, int):
            memory.zero(BASE + place, min(what, SIZE - place))
        elif step == "read":
            memory.page(BASE + place >> 12)
        elif step == "version":
            kept.append((memory.version(), contents(memory)))
        elif kept and step == "go":
            version, expected = kept[place % len(kept)]
            memory.go(version)
            assert contents(memory) == expected
        elif kept and step == "forget":
            memory.versions.forget(kept.pop(place % len(kept))[0])
        for version, expected in kept:
            assert of_version(memory, version) == expected
    assert len(memory.versions.known) <= 2 * len(kept) + 1


def test_a_version_costs_the_pages_that_are_written_afterwards() -> None:
    memory = Memory(BASE, 1 << 20)
    memory.write(BASE, b"\x01" * (1 << 20))
    first = memory.version()
    assert first.size == 0
    memory.write(BASE + 4096, b"x")
    memory.write(BASE + 4100, b"y")
    second = memory.version()
    memory.write(BASE + 4100, b"z")
    assert (first.size, second.size) == (4096, 4096)


def test_without_a_version_nothing_is_kept() -> None:
    memory = Memory(BASE, SIZE)
    version = memory.version()
    memory.versions.forget(version)
    memory.write(BASE, b"x")
    assert not memory.versions.known and version.size == 0


def test_what_a_forgotten_version_kept_is_kept_by_the_one_before_it() -> None:
    memory = Memory(BASE, SIZE)
    first, second = memory.version(), None
    memory.write(BASE, b"a")
    second = memory.version()
    memory.write(BASE + 4096, b"b")
    memory.versions.forget(second)
    memory.go(first)
    assert contents(memory) == bytes(SIZE) and memory.touched() == 0


def test_a_page_stays_the_same_object_when_its_contents_go_back() -> None:
    memory = Memory(BASE, SIZE)
    memory.write(BASE, b"a")
    page = memory.page(BASE >> 12)
    version = memory.version()
    memory.write(BASE, b"b")
    memory.go(version)
    assert memory.page(BASE >> 12) is page and page[0] == ord("a")
