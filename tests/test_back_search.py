"""Searching back: for who wrote a value, for a breakpoint, for any stop point that held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from counting import COUNTER, counted, counting_lab, executed, history_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from small_guests import COUNTS
from test_snapshots import busy_lab, state_of

from axlab.machine.stops import Watch
from axlab.shell.commands_stops import break_point
from axlab.shell.context import Context
from axlab.time import search
from axlab.vmm.stops import FOREVER, StopPoint


def test_who_wrote_this_is_asked_of_a_watch() -> None:
    lab = counting_lab()
    lab.hypervisor.advance(max_instructions=20_002)
    last = counted(lab)
    watch = StopPoint(0, "the counter", vm=0, watches=(Watch(COUNTER, COUNTER + 8),))
    lab.hypervisor.stops.add(lab.hypervisor, watch)
    history = history_of(lab)
    for number in range(4):
        found = history.back_until([watch])
        assert found is not None and found.stopped is not None and found.stopped.hit is not None
        assert counted(lab) == last - number == found.stopped.hit.value
        assert found.stopped.hit.was == last - number - 1
    assert watch.hits == 0
    assert lab.run() == "break" and counted(lab) == last - 2


def test_a_breakpoint_is_gone_back_to_and_passed_on_the_way_on() -> None:
    lab = counting_lab()
    loop = 0x4008_0004
    lab.run("1ms")
    point = StopPoint(0, "the loop", vm=0, breakpoints=frozenset({loop}))
    lab.hypervisor.stops.add(lab.hypervisor, point)
    before = executed(lab)
    assert history_of(lab).back_until([point]) is not None
    assert lab.vm(0).vcpus[0].cpu.pc == loop and 0 < before - executed(lab) <= 4
    here = executed(lab)
    assert lab.run() == "break" and executed(lab) == here + 4


LOOP = 0x4008_0004  # of COUNTS: x2 is the number that was counted before


@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(st.integers(200, 3_000), st.integers(2, 60), st.integers(1, 9), st.sampled_from(["break", "every", "watch"]))
def test_a_search_back_finds_what_a_run_forward_has_passed_last(end: int, few: int, bits: int, kind: str) -> None:
    lab = counting_lab()
    history = history_of(lab)
    places = []
    condition: Any = lab.filter(f"x2 & {(1 << bits) - 1} == {1 << bits - 1}", lab.vm(0))
    point = StopPoint(1, "", vm=0, condition=condition)
    if kind == "watch":
        point.watches = (Watch(COUNTER, COUNTER + 8),)
    elif kind == "break":
        point.breakpoints = frozenset({LOOP})
    else:
        point.everywhere, end = True, min(end, 500)
    lab.hypervisor.stops.add(lab.hypervisor, replace(point))
    while (left := end - lab.hypervisor.executed) > 0:
        if lab.hypervisor.advance(max_instructions=min(left, 1_000)) == "break":
            places.append(lab.hypervisor.executed)
        history.remember()
    lab.hypervisor.stops.remove(lab.hypervisor, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FEW", few)
        patch.setattr(search, "FIRST_PART", few)
        for expected in [place for place in reversed(places) if place < end][:3]:
            found = history.back_until([point])
            assert found is not None and lab.hypervisor.executed == found.place.position[1] == expected


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(
        ["time < {}us", "time <= {}us", "time in {}us..{}us", "time == {}us", "time > {}us", "{}us >= time"]
    ),
    st.integers(1, 40).map(lambda number: number * 3),
    st.sampled_from(["", " and x2 & 7 == 3", " and pc & 4 == 0", " or x2 == 9", " and exit"]),
    st.sampled_from(["fifo", "rr"]),
)
def test_a_time_in_a_filter_shortens_a_search_back_and_changes_nothing(
    form: str, time: int, more: str, scheduler: str
) -> None:
    places = []
    for is_reference in (False, True):
        lab = busy_lab(scheduler)
        for _ in range(3):
            lab.hypervisor.advance(max_instructions=300)
            history_of(lab).remember()
        found = break_point(Context(lab.shell), form.format(time, time + 9) + more, lab.vm(7))
        if is_reference:
            found.after, found.before, found.everywhere = 0, FOREVER, True
        for _ in range(3):
            hit = history_of(lab).back_until([replace(found, number=1)])
            places.append((is_reference, hit and hit.place, lab.hypervisor.position))
    assert [place[1:] for place in places[:3]] == [place[1:] for place in places[3:]]


def test_a_hit_just_at_a_checkpoint_is_found() -> None:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    history = history_of(lab)
    mmio: Any = lab.filter("exit == mmio", lab.vm(0))
    event = StopPoint(1, "", vm=0, events=True, condition=mmio)
    lab.hypervisor.stops.add(lab.hypervisor, replace(event))
    assert lab.run("1ms") == "break"
    place = history.place.position
    history.remember()
    lab.hypervisor.stops.remove(lab.hypervisor, 1)
    lab.hypervisor.advance(max_instructions=1)
    found = history.back_until([event])
    assert found is not None and lab.hypervisor.position == place


def test_where_no_stop_point_held_nothing_changes() -> None:
    lab = counting_lab()
    lab.run("1ms")
    state = state_of(lab)
    assert history_of(lab).back_until([StopPoint(1, "never", vm=0, breakpoints=frozenset({0x1234_5678}))]) is None
    assert state_of(lab) == state


def test_a_filter_and_a_watch_are_gone_back_to_by_commands() -> None:
    lab = counting_lab()
    lab.hypervisor.advance(max_instructions=20_002)
    assert lab.shell("vm watch 0 0x40200000").ok
    back = lab.shell("vm back 0 --continue")
    assert back.ok and counted(lab) == 5000
    assert any("0x40200000" in line and "5000" in line for line in said(back)), said(back)
    assert lab.shell("vm back 0 --until 'pc == 0x40080004 and x2 == 4000'").ok
    assert counted(lab) == 4000 and lab.vm(0).vcpus[0].cpu.pc == 0x4008_0004
    never = lab.shell("vm back 0 --until 'pc == 0x12345678'")
    assert said(never) == ["✗ pc == 0x12345678 did not hold before this moment"] and counted(lab) == 4000


def test_in_a_lab_in_which_nothing_has_happened_no_moment_is_found() -> None:
    lab = lab_with(COUNTS)
    never = lab.shell("vm back 0 --until 'pc == 0x12345678'")
    assert said(never) == ["✗ pc == 0x12345678 did not hold before this moment"] and lab.now == 0
