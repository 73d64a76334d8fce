"""The timeline: from when to when a vCPU was in which state, and where."""

from __future__ import annotations

import copy

import pandas
import pytest
from shell_labs import lab_with
from small_guests import COUNTS, SLEEPS_FOR_EVER

from axlab.events import VcpuState
from axlab.lab import Lab
from axlab.trace.spans import Span, spans_of

# A vCPU that runs, sleeps, is woken, waits for a physical CPU, and leaves.
LIFE = [
    VcpuState(0, -1, 0, 0, "Free", "Blocked", "start"),
    VcpuState(0, -1, 0, 0, "Blocked", "Ready"),
    VcpuState(0, 0, 0, 0, "Ready", "Running"),
    VcpuState(40, 0, 0, 0, "Running", "Blocked", "interrupt"),
    VcpuState(70, 0, 0, 0, "Blocked", "Ready"),
    VcpuState(90, 1, 0, 0, "Ready", "Running"),
    VcpuState(100, 1, 0, 0, "Running", "Free"),
]


def test_a_span_begins_where_the_one_before_ends_and_instants_are_left_out() -> None:
    assert spans_of(LIFE, until=500) == [
        Span(0, 0, 0, "Running", 0, 40, ""),
        Span(0, 0, -1, "Blocked", 40, 70, "interrupt"),
        Span(0, 0, -1, "Ready", 70, 90, ""),
        Span(0, 0, 1, "Running", 90, 100, ""),
    ]


def test_what_is_still_going_on_ends_now_and_what_was_going_on_before_begins_where_the_trace_does() -> None:
    assert spans_of(LIFE[3:5], until=500, since=10) == [
        Span(0, 0, -1, "Running", 10, 40, ""),
        Span(0, 0, -1, "Blocked", 40, 70, "interrupt"),
        Span(0, 0, -1, "Ready", 70, 500, ""),
    ]


def test_a_vcpu_that_is_woken_before_it_slept_did_not_sleep() -> None:
    """Two physical CPUs are simulated in turns: the clock of the one that wakes can be behind."""
    changes = [
        VcpuState(0, 0, 0, 0, "Ready", "Running"),
        VcpuState(100, 0, 0, 0, "Running", "Blocked", "interrupt"),
        VcpuState(90, 0, 0, 0, "Blocked", "Ready"),
        VcpuState(90, 0, 0, 0, "Ready", "Running"),
    ]
    assert [(s.state, s.begin, s.end) for s in spans_of(changes, 150)] == [("Running", 0, 100), ("Running", 100, 150)]


def test_the_spans_of_a_run_cover_it_and_add_up_to_what_the_hypervisor_counted() -> None:
    lab = lab_with(COUNTS, COUNTS, SLEEPS_FOR_EVER, settings={"cpus": 1, "scheduler": "rr"})
    for vm in lab.hypervisor.vms:
        lab.hypervisor.start(vm)
    lab.run("65ms")
    spans = lab.trace.spans()
    for vm in lab.hypervisor.vms:
        usage = vm.vcpus[0].usage_at(lab.now)
        mine = [span for span in spans if span.vm == vm.id]
        times = {state: sum(span.length for span in mine if span.state == state) for state in ("Running", "Ready")}
        assert times == {"Running": usage.run_ns, "Ready": usage.ready_ns}
        assert all(before.end == after.begin for before, after in zip(mine, mine[1:], strict=False))
        assert mine[-1].end == lab.now
    assert lab.trace.spans(vm=2) == [span for span in spans if span.vm == 2]


def test_the_timeline_is_a_typed_frame_of_the_spans() -> None:
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0")
    frame = lab.trace.timeline()
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "vm": "Int32", "vcpu": "Int32", "pcpu": "Int32", "state": "category", "begin": "int64",
        "begin_at": "timedelta64[ns]", "end": "int64", "end_at": "timedelta64[ns]", "reason": "category",
    }  # fmt: skip
    assert len(frame) == len(lab.trace.spans())
    running = frame[(frame["state"] == "Running") & (frame["vcpu"] == 0)]
    assert (running["end"] - running["begin"]).sum() == lab.vm(0).vcpus[0].usage.run_ns
    assert frame["begin_at"].iloc[-1] == pandas.Timedelta(frame["begin"].iloc[-1], "ns")
    assert frame["pcpu"].isna().sum() == (frame["state"] != "Running").sum()


@pytest.mark.parametrize("of", ["new", "copied"])
def test_a_timeline_of_nothing_is_typed_and_empty(of: str) -> None:
    lab = Lab() if of == "new" else copy.deepcopy(Lab())
    frame = lab.trace.timeline()
    assert len(frame) == 0
    assert str(frame["begin_at"].dtype) == "timedelta64[ns]"
