"""What instructions mean: AxLab's semantics against Unicorn's (QEMU's), on random instructions and blocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from unicorn_oracle import BRANCHES, MIDDLE, POINTER, ROWS, STRAIGHT, Pair, is_memory

pytestmark = pytest.mark.slow

PER_STATE = 64  # instructions from one random state to the next
INSTRUCTIONS = 2_000_000
BLOCKS = 20_000
BLOCK_LENGTH = 30


def test_random_instructions_do_what_unicorn_does(volume: Callable[[int], int]) -> None:
    pair = Pair(seed=1)
    recent: list[int] = []
    for number in range(volume(INSTRUCTIONS)):
        row, word = pair.random_instruction(ROWS)
        recent.append(word)
        pair.run([word], 1 if row.name in BRANCHES else None)
        pair.compare([word], vectors=row.chapter == "C7.2")
        if number % 16 == 15:
            pair.compare(recent, vectors=True, memory=True)
            recent = []
        if number % PER_STATE == PER_STATE - 1:
            pair.randomise()


def test_every_row_does_what_unicorn_does() -> None:
    pair = Pair(seed=2)
    for row in ROWS:
        for _ in range(10):
            _, word = pair.random_instruction([row])
            pair.run([word], 1 if row.name in BRANCHES else None)
            pair.compare([word], vectors=True, memory=is_memory(row))
        pair.randomise()


@pytest.mark.parametrize("translates", [False, True], ids=["stepped", "translated"])
def test_random_blocks_do_what_unicorn_does(translates: bool, volume: Callable[[int], int]) -> None:
    pair = Pair(seed=3, translates=translates)
    for _ in range(volume(BLOCKS)):
        pair.randomise()
        pair.set_x(POINTER, MIDDLE + pair.rng.randrange(64) * 64)
        words = pair.random_block(BLOCK_LENGTH)
        pair.run(words)
        pair.compare(words, vectors=True, memory=True)


def test_straight_code_is_what_the_blocks_are_made_of() -> None:
    assert {"ADD_imm", "LDR_imm_uoffset", "LDXR", "ADD_vector", "LDn_multiple", "CASP"} <= {
        row.name for row in STRAIGHT
    }
