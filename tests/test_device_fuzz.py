"""No access of any size, alignment or value raises out of a device, and none forgets who it is."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.machine.board import Board
from axlab.machine.bus import Access, Claim, NothingThere
from axlab.machine.registers import Device

TWINS = {"flash1", *(f"virtio{i}" for i in range(1, 32))}  # of devices that are there
CLAIMS = [claim for claim in Board(ram=1 << 20).bus.claims if claim.name not in TWINS]
NAMES = [claim.name for claim in CLAIMS]


def random_access(draw: random.Random, size: int) -> Access:
    """Mostly registers that exist: low offsets and the identification; now and then anything."""
    width = draw.choice((1, 2, 4, 8))
    near = draw.choice((size, 0x80, 0x480, 0x40))
    offset = min(draw.randrange(near), size - width)
    value = draw.choice((0, draw.getrandbits(64), draw.getrandbits(8), (1 << 64) - 1, 1 << draw.randrange(64)))
    return Access(offset, width, value & (1 << 8 * width) - 1, draw.random() < 0.6)


@pytest.mark.parametrize("name", NAMES)
def test_random_accesses_never_raise_and_always_fit_their_width(name: str, volume: Callable[[int], int]) -> None:
    draw = random.Random(name)
    device = Board(ram=1 << 20).device(name)
    size = next(claim.size for claim in CLAIMS if claim.name == name)
    for _ in range(volume(50_000)):
        access = random_access(draw, size)
        value = device.access(access.address, access)
        assert 0 <= value < 1 << 8 * access.width
        assert not (access.is_write and value)
        assert isinstance(device.interrupt, bool)


@pytest.mark.parametrize("name", NAMES)
def test_a_device_copied_in_the_middle_of_its_work_goes_on_as_the_original(name: str) -> None:
    draw = random.Random(name)
    device = Board(ram=1 << 20).device(name)
    for _ in range(200):
        access = random_access(draw, 0x1000 if name != "virtio0" else 0x200)
        device.access(access.address, access)
    copied = copy.deepcopy(device)
    for _ in range(200):
        access = random_access(draw, 0x1000 if name != "virtio0" else 0x200)
        assert device.access(access.address, access) == copied.access(access.address, access)
        assert device.interrupt == copied.interrupt


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("flash")])
def test_a_reset_device_is_as_a_new_one(name: str) -> None:
    draw = random.Random(name)
    device = Board(ram=1 << 20).device(name)
    assert isinstance(device, Device)
    for _ in range(500):
        access = random_access(draw, 0x1000 if name != "virtio0" else 0x200)
        device.access(access.address, access)
    device.reset()
    assert vars(device) == vars(Board(ram=1 << 20).device(name))


accesses = st.builds(
    Access,
    st.one_of(st.integers(0, 0x0C00_0000), st.sampled_from(CLAIMS).map(lambda claim: claim.base + claim.size - 1)),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(0, (1 << 64) - 1),
    st.booleans(),
    st.integers(0, 7),
)


@given(st.lists(accesses, max_size=20))
def test_an_access_anywhere_is_answered_or_nothing_is_there(accesses: list[Access]) -> None:
    board = Board(ram=1 << 20)
    for access in accesses:
        access = replace(access, value=access.value & (1 << 8 * access.width) - 1)
        claim: Claim | None = board.bus.find(access.address)
        try:
            board.bus.access(access)
        except NothingThere:
            assert claim is None or access.address + access.width > claim.base + claim.size
