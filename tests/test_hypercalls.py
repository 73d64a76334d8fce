"""Hypercalls: by table, with a result whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_guests import MS, POWERS_OFF, SPINS, finished, hvc, listen, report, reported, started

from axlab.events import Hypercall, Log
from axlab.vmm import exits, hypercalls

MINUS_ONE = (1 << 64) - 1


@pytest.mark.parametrize("number", [0, 1, 7, 0x7FFF_FFFF, 1 << 40])
def test_an_unknown_hypercall_returns_minus_one(number: int) -> None:
    """Fix 11: the original leaves x0 alone for unknown ones."""
    assert reported(finished(hvc(number) + report("x0") + POWERS_OFF)) == [MINUS_ONE]


def test_the_debugging_call_answers() -> None:
    assert reported(finished(hvc(2) + report("x0") + POWERS_OFF)) == [0]


def test_a_failed_hypercall_is_logged_with_its_reason() -> None:
    hv, vm = started(hvc(3, 7, 0x4020_0000, 0x4020_0008) + POWERS_OFF)
    seen = listen(hv, Log, Hypercall)
    hv.advance(MS)
    warnings = [e.message for e in seen if isinstance(e, Log) and "Hypercall" in e.message]
    assert warnings == ["Hypercall [0x3] failed: VM[0] has no IVC device; give it one in emu_devices (type 0xA)"]
    assert [(e.number, e.result) for e in seen if isinstance(e, Hypercall)] == [(3, -1)]


numbers = st.one_of(st.integers(0, 8), st.integers(0, (1 << 64) - 1))
edges = st.sampled_from([0, 0x4000_0000, 0x40FF_FFF8, 0x40FF_FFFC, 0x900_0000, 1 << 40])
values = st.one_of(edges, st.integers(0, (1 << 64) - 1))


@settings(max_examples=200)
@given(st.lists(st.tuples(numbers, st.tuples(*[values] * 6)), max_size=5))
def test_no_hypercall_raises(calls: list[tuple[int, tuple[int, ...]]]) -> None:
    hv, vm = LAB
    for number, args in calls:
        hypercalls.execute(hv, vm, vm.vcpus[0], exits.Hypercall(number, args))
        assert vm.vcpus[0].cpu.x[0] in (0, MINUS_ONE)


LAB = started(SPINS, emulated=(("ivc", 0x6000_0000, 0x10_0000, 0, 0x0A),))
