"""A hypervisor is plain data: a copy made in the middle of a boot has the same future, to the last event."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_guests import MS, config, hypervisor

from axlab.events import Event
from axlab.vmm.config import default_config
from axlab.vmm.hypervisor import Hypervisor

BUSY = """
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, 1f
    hvc #0
1:  ldr x1, =0x40200000
    ldr x3, =0x09000000
2:  ldxr x2, [x1]
    add x2, x2, #1
    stxr w4, x2, [x1]
    cbnz w4, 2b
    tst x2, #0x3ff
    b.ne 2b
    mov w5, #'.'
    str w5, [x3]
    b 2b"""


class Keeper:
    """An observer that keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def running_lab(scheduler: str = "rr") -> tuple[Hypervisor, Keeper]:
    hv = hypervisor(scheduler=scheduler)
    keeper = Keeper()
    hv.events.add(keeper)
    hv.start(hv.create(default_config("demo")))
    hv.start(hv.create(config(BUSY, vm_id=7, cpus=2, passed=("/intc", "/pl011"), sets=(1, 3))))
    return hv, keeper


def state_of(hv: Hypervisor) -> list[Any]:
    pages = {number: bytes(page) for number, page in hv.board.memory.pages.items() if any(page)}
    vcpus = [vcpu for vm in hv.vms for vcpu in vm.vcpus]
    return [hv.now, pages, [(v.cpu.x, v.cpu.pc, v.cpu.sys, v.instructions, v.usage) for v in vcpus]]


@pytest.mark.parametrize("at", [0, 123_456, MS, 2 * MS + 77, 11 * MS])
def test_a_copy_in_the_middle_of_a_boot_has_the_same_future(at: int) -> None:
    hv, keeper = running_lab()
    hv.advance(at)
    twin, known = copy.deepcopy((hv, keeper))
    assert known.events == keeper.events
    hv.advance(at + 15 * MS)
    twin.advance(at + 15 * MS)
    assert len(known.events) > 20
    assert known.events == keeper.events
    assert state_of(twin) == state_of(hv)


@settings(max_examples=10)
@given(st.integers(0, 60_000), st.sampled_from(["fifo", "rr", "fair"]))
def test_a_copy_at_any_instruction_has_the_same_future(instructions: int, scheduler: str) -> None:
    hv, keeper = running_lab(scheduler)
    hv.advance(max_instructions=instructions)
    twin, known = copy.deepcopy((hv, keeper))
    until = hv.now + 2 * MS
    hv.advance(until)
    twin.advance(until)
    assert known.events == keeper.events
    assert state_of(twin) == state_of(hv)


cuts = st.lists(st.tuples(st.sampled_from(["instructions", "time", "stop"]), st.integers(0, 9_000)), max_size=60)


@cache
def in_one_piece(scheduler: str) -> tuple[list[Any], Any, Any]:
    """Events, state and position of a run that is not cut."""
    whole, keeper = running_lab(scheduler)
    whole.advance(7 * MS)
    return keeper.events, state_of(whole), whole.position


@settings(max_examples=20)
@given(cuts, st.sampled_from(["fifo", "rr", "fair"]))
def test_a_run_is_the_same_however_it_is_cut(cuts: list[tuple[str, int]], scheduler: str) -> None:
    events, state, position = in_one_piece(scheduler)
    pieces, known = running_lab(scheduler)
    positions = [pieces.position]
    for kind, size in cuts:
        left = iter(range(size % 40))
        match kind:
            case "instructions":
                pieces.advance(7 * MS, max_instructions=size)
            case "time":
                pieces.advance(min(7 * MS, pieces.now + 100 * size))
            case _:
                pieces.advance(7 * MS, stop=lambda left=left: next(left, None) is None)  # type: ignore[misc]
        positions.append(pieces.position)
    pieces.advance(7 * MS)
    assert known.events == events
    assert state_of(pieces) == state
    assert pieces.position == position and positions == sorted(positions)


def test_a_copy_shares_nothing_with_its_original() -> None:
    hv, _ = running_lab()
    hv.advance(MS)
    twin = copy.deepcopy(hv)
    before = state_of(twin)
    hv.advance(5 * MS)
    hv.stop(hv.vms.find(7), force=True)
    hv.advance(6 * MS)
    assert state_of(twin) == before


def test_the_same_lab_twice_has_the_same_history() -> None:
    (one, first), (two, second) = running_lab(), running_lab()
    one.advance(12 * MS)
    two.advance(12 * MS)
    assert first.events == second.events


def test_observers_change_nothing() -> None:
    watched, _ = running_lab()
    alone, _ = running_lab()
    alone.events.observers.clear()
    watched.advance(12 * MS)
    alone.advance(12 * MS)
    assert state_of(watched) == state_of(alone)
