"""All orders of a few threads' steps: how many there are, which one goes wrong, and who waits for ever."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.course import explore, until
from axlab.course.interleavings import Make, Step
from axlab.errors import AxError

ENDS = 1  # a thread's last step is to end, after its last yield


def named(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"step {number}"


def counters(*lengths: int) -> Make:
    return lambda: (None, {f"t{place}": named(length) for place, length in enumerate(lengths)})  # type: ignore[return-value]


def multinomial(lengths: tuple[int, ...]) -> int:
    from math import factorial, prod

    return factorial(sum(lengths)) // prod(factorial(length) for length in lengths)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=3))
def test_every_order_is_tried_once(lengths: list[int]) -> None:
    found = explore(counters(*lengths))
    assert found.ok
    assert found.orders == multinomial(tuple(length + ENDS for length in lengths))


def increment(state: Any) -> Iterator[str]:
    value = state.value
    yield f"reads {value}"
    state.value = value + 1
    yield f"writes {value + 1}"


def two_increments() -> tuple[Any, dict[str, Any]]:
    state = SimpleNamespace(value=0)
    return state, {"a": increment(state), "b": increment(state)}


def test_a_lost_update_is_found() -> None:
    found = explore(two_increments, lambda state, ended: f"the value is {state.value}" * (ended and state.value != 2))
    assert found.wrong == "the value is 1"
    assert [step.name for step in found.steps].count("reads 0") == 2


def lost_wake_up() -> tuple[Any, dict[str, Any]]:
    state = SimpleNamespace(ready=False, woken=False)

    def sleeper() -> Iterator[Any]:
        ready = state.ready
        yield "looks"
        if not ready:
            state.woken = False
            yield until(lambda: state.woken, "sleeps")

    def waker() -> Iterator[Any]:
        state.ready = state.woken = True
        yield "wakes"

    return state, {"sleeper": sleeper(), "waker": waker()}


def test_who_waits_for_ever_is_named_with_the_steps_that_led_there() -> None:
    found = explore(lost_wake_up)
    assert (found.wrong, found.waiting) == ("sleeper waits for ever", ("sleeper",))
    assert found.steps == (Step("sleeper", "looks"), Step("waker", "wakes"), Step("sleeper", "sleeps"))
    assert repr(found).splitlines()[1:] == ["  1. sleeper  looks", "  2. waker    wakes", "  3. sleeper  sleeps"]


def test_a_thread_that_raises_has_panicked() -> None:
    def broken() -> Iterator[str]:
        yield "begins"
        raise KeyError("no queue")

    found = explore(lambda: (None, {"delete": broken()}))
    assert found.wrong == "delete panics (KeyError)"
    assert found.steps[-1] == Step("delete", "panics: 'no queue'")


def test_the_state_is_looked_at_after_each_step() -> None:
    found = explore(two_increments, lambda state, ended: "it is 1" if state.value == 1 and not ended else "")
    assert found.steps[-1].name == "writes 1"


def test_too_many_orders_are_an_error() -> None:
    with pytest.raises(AxError, match="more than 20000 orders of steps; use fewer threads"):
        explore(counters(5, 5, 5))


@pytest.mark.parametrize("make", [lost_wake_up, two_increments])
def test_the_picture_says_what_the_text_says(make: Make) -> None:
    picture = explore(make).picture()
    ElementTree.fromstring(picture.svg)
    assert picture.text == repr(explore(make))
