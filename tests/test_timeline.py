"""The timeline: lanes of states in a window of virtual time, one by one or by shares."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_checks import check_picture, words_of
from shell_labs import lab_with

from axlab.errors import AxError
from axlab.events import Exit, Interrupt, VcpuState
from axlab.lab import Lab
from axlab.notebook.figures import live, show
from axlab.notebook.timeline import BINS, PLOT, Timeline, draw, ticks, timeline
from axlab.notebook.timeline_tracks import GUEST, HYPERVISOR, NOTHING, STATES, line, tracks_of
from axlab.trace.recorder import Recorder
from axlab.trace.spans import spans_of

MS = 1_000_000


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


def exit_at(time: int, cost: int, vcpu: int = 0) -> Exit:
    return Exit(time, 0, 0, vcpu, "MmioWrite", 0, cost=cost)


def changed(time: int, new: str, reason: str = "", vcpu: int = 0, pcpu: int = 0) -> VcpuState:
    return VcpuState(time, pcpu, 0, vcpu, "Free", new, reason)


def recorded(*events: Any) -> Recorder:
    recorder = Recorder()
    for event in events:
        recorder(event)
    return recorder


def pieces(recorder: Recorder, until: int) -> list[tuple[int, int, str]]:
    """What the first vCPU did, one by one."""
    track = tracks_of(recorder, 1, until).vcpus[0].line
    found = track.rectangles(0, until, 10**6, 0)
    assert found is not None
    return [(begin, end, STATES[code]) for begin, end, code in found]


def test_a_vcpu_is_in_the_hypervisor_during_its_exits() -> None:
    recorder = recorded(
        changed(0, "Ready"), changed(5, "Running"), exit_at(10, 4), exit_at(20, 3), changed(23, "Blocked", "interrupt")
    )
    assert pieces(recorder, 40) == [
        (0, 5, "ready"),
        (5, 10, "in the guest"),
        (10, 14, "in the hypervisor"),
        (14, 20, "in the guest"),
        (20, 23, "in the hypervisor"),
        (23, 40, "waits for interrupt"),
    ]


def test_a_physical_cpu_has_what_ran_on_it() -> None:
    recorder = recorded(
        changed(0, "Running", vcpu=0, pcpu=0), changed(4, "Running", vcpu=1, pcpu=1), changed(9, "Free", vcpu=0)
    )
    tracks = tracks_of(recorder, 2, 20)
    assert tracks.pcpus[0].rectangles(0, 20, 9, 0) == [(0, 9, 0)]
    assert tracks.pcpus[1].rectangles(0, 20, 9, 0) == [(4, 20, 1)]


def test_marks_are_exits_injections_and_ipis() -> None:
    recorder = recorded(
        changed(0, "Running"), exit_at(3, 1), Interrupt(4, 0, 0, 5, "raised"), Interrupt(6, 0, 0, 5, "injected"),
        Interrupt(7, 0, 0, 5, "taken"), Interrupt(8, 0, 0, 40, "raised"),
    )  # fmt: skip
    marks = tracks_of(recorder, 1, 20).vcpus[0].marks
    found = {kind: one.within(0, 20, 9) for kind, one in marks.items()}
    assert found == {"exit": (1, [(3, "MmioWrite")]), "injection": (1, [(6, "SGI 5")]), "IPI": (1, [(4, "SGI 5")])}


states = st.sampled_from(["Ready", "Running", "Blocked", "Free"])


@given(st.lists(st.tuples(st.integers(0, 50), states, st.integers(0, 2)), max_size=30), st.integers(0, 60))
def test_lanes_are_the_spans_of_the_trace(rows: list[tuple[int, str, int]], more: int) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    until = (rows[-1][0] if rows else 0) + more
    changes = [changed(time, state, "input" if state == "Blocked" else "", vcpu) for time, state, vcpu in rows]
    names = {"Running": "in the guest", "Ready": "ready", "Blocked": "waits for input"}
    begun = {vcpu: min(one.time for one in changes if one.vcpu == vcpu) for vcpu in {one.vcpu for one in changes}}
    expected = [
        (span.vcpu, span.begin, span.end, names[span.state])
        for span in spans_of(changes, until)
        if span.begin >= begun[span.vcpu]
    ]
    found = [
        (track.vcpu, begin, end, STATES[code])
        for track in tracks_of(recorded(*changes), 1, until).vcpus
        for begin, end, code in track.line.rectangles(0, until, 10**6, 0) or []
    ]
    assert sorted(joined(expected)) == sorted(joined(found))


def joined(pieces: list[tuple[int, int, int, str]]) -> set[tuple[int, int, str]]:
    """(vCPU, moment, state): independent of where pieces are cut."""
    return {(vcpu, time, state) for vcpu, begin, end, state in pieces for time in range(begin, end)}


lengths = st.lists(st.tuples(st.integers(1, 1000), st.integers(NOTHING, 4)), min_size=1, max_size=50)


@given(lengths, st.integers(0, 20_000), st.integers(1, 20_000), st.integers(1, 40))
def test_shares_are_what_the_pieces_add_up_to(parts: list[tuple[int, int]], begin: int, span: int, bins: int) -> None:
    edges = numpy.cumsum([0, *(length for length, _ in parts)])
    row = line(edges, numpy.array([code for _, code in parts]))
    end = begin + span
    exact = row.rectangles(begin, end, 10**6, 0) or []
    shares = row.shares(begin, end, bins)
    for code in {code for _, code in parts} - {NOTHING}:
        wanted = 100 * sum(stop - start for start, stop, of in exact if of == code) / span
        got = sum(shares.get(code, [0])) / bins
        assert abs(got - wanted) <= 0.5 + 1e-6  # each bin is rounded to a whole percent
    assert all(sum(column) <= 100 + len(shares) for column in zip(*shares.values()))


def test_what_cannot_be_seen_one_by_one_is_shown_by_shares(lab: Lab) -> None:
    whole = Timeline(lab).data()
    busy = next(one for one in whole["lanes"] if one["name"] == "vCPU 0.0")
    assert busy["rects"] is None and all(len(share) == BINS for share in busy["shares"].values())
    part = Timeline(lab, window=(300_000, 420_000)).data()
    assert next(one for one in part["lanes"] if one["name"] == "vCPU 0.0")["rects"]


def test_a_million_events_are_a_few_thousand_numbers() -> None:
    edges = numpy.arange(0, 3_000_000, 3)
    row = line(edges, numpy.arange(len(edges) - 1) % 3)
    assert row.rectangles(0, 3_000_000, 300, 0) is None
    assert sum(map(len, row.shares(0, 3_000_000, BINS).values())) == 3 * BINS
    assert len(row.rectangles(1_000_000, 1_000_300, 300, 0) or []) == 101


@pytest.mark.parametrize("window", [None, (300_000, 420_000), (0, 1), (10**12, 2 * 10**12)])
def test_the_picture_of_any_window_can_be_read(lab: Lab, window: tuple[int, int] | None) -> None:
    picture = Timeline(lab, window=window).picture()
    check_picture(picture)
    assert "pCPU 1" in words_of(picture)


def test_the_picture_says_in_words_how_much_of_what(lab: Lab) -> None:
    picture = timeline(lab, lab.vm(0))
    assert picture.alt == (
        "Timeline of VM[0], 0 ns to 3.55108 ms. vCPU 0.0: in the guest 2.4 %, in the hypervisor 13.4 %, waits for "
        "interrupt 84.2 %, 157 exits, 3 injections; vCPU 0.1: in the guest 0.5 %, in the hypervisor 3.6 %, 42 exits."
    )
    assert picture.text.splitlines()[3].startswith("  vCPU 0.0  in the guest 2.4 %")


def test_an_empty_trace_has_a_timeline() -> None:
    picture = timeline(Lab(cpus=1))
    check_picture(picture)
    assert "Nothing was recorded: no vCPU has run." in words_of(picture)


def test_many_cpus_and_vms_have_room() -> None:
    lab = lab_with(*["    b ."] * 5, settings={"cpus": 8})
    lab.shell("vm start 0-4 --detach; vm run --for 25ms")
    check_picture(timeline(lab))
    alone = Timeline(lab, vm=3).data()
    assert [one["name"] for one in alone["lanes"] if one["kind"] == "vcpu"] == ["vCPU 3.0"]
    assert [len(one["rects"]) for one in alone["lanes"] if one["kind"] == "pcpu"] == [0, 0, 0, 1, 0, 0, 0, 0]


def test_a_window_is_asked_for_by_a_message(lab: Lab) -> None:
    scene = Timeline(lab)
    scene.receive({"window": [1000.5, 2 * MS]})
    assert (scene.data()["begin"], scene.data()["end"]) == (1000, 2 * MS)
    scene.receive({"window": [-50, -60]})
    assert (scene.data()["begin"], scene.data()["end"]) == (0, 1)
    scene.receive({"window": None})
    assert scene.data()["end"] == lab.now


@pytest.mark.parametrize("window", ["all", [1], [1, 2, 3], ["a", "b"], [True, 9], [0, float("nan")], [0, 1e300], {}])
def test_other_windows_are_refused(lab: Lab, window: Any) -> None:
    with pytest.raises(AxError, match="this view does not understand"):
        Timeline(lab).receive({"window": window})


def test_a_live_timeline_has_the_same_data(lab: Lab) -> None:
    view = live(Timeline(lab))
    assert view.frame == Timeline(lab).data()
    view._handle_custom_msg({"window": [0, MS]}, [])
    assert view.frame["end"] == MS
    assert view.legend[-1][1:] == ["exits", "axlab-mark"]
    view.close()


def test_the_command_takes_times(lab: Lab) -> None:
    assert show(lab, "timeline", ["0", "--from", "1ms", "--to", "2ms"]).alt.startswith(
        "Timeline of VM[0], 1 ms to 2 ms"
    )
    with pytest.raises(AxError, match="--from takes a time, such as 10ms"):
        show(lab, "timeline", ["--from"])
    with pytest.raises(AxError, match=r"the timeline would end at 1 ms, before it begins \(2 ms\)"):
        show(lab, "timeline", ["--from", "2ms", "--to", "1ms"])


@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_ticks_are_few_and_round(begin: int, span: int) -> None:
    found = ticks(begin, begin + span)
    assert len(found) <= 9
    assert all(begin <= time <= begin + span for time in found)
    assert span < 10 or len(found) >= 2


def test_what_is_drawn_lies_in_the_plot(lab: Lab) -> None:
    assert PLOT == 2 * BINS
    data = Timeline(lab).data()
    assert {GUEST, HYPERVISOR} <= {int(code) for one in data["lanes"] for code in one["shares"]}
    check_picture(draw(data))
