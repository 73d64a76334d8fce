"""Tables as typed DataFrames."""

from __future__ import annotations

import time

import pandas
import pytest

from axlab.errors import AxError
from axlab.events import Console, Exit, Hypercall, Mmio, VmState
from axlab.trace import Trace
from axlab.trace.columns import FORMS, KINDS, columns_of

EVENTS = [
    Exit(1_500_000, 0, 1, 0, "MmioRead", 0xFFFF_0000_0000_0000, value=(1 << 64) - 1),
    Exit(2_000_000, -1, 2, 1, "Halt", 4),
    VmState(3_000_000, 2, "Running", "Stopped", "clean"),
    Mmio(3_000_000, 1, 0, 0x900_0000, 4, 65, True, ""),
    Console(4_000_000, 1, b"hi"),
    Hypercall(5_000_000, 1, 0, 3, (1, 2), 0),
]


@pytest.fixture
def trace() -> Trace:
    trace = Trace()
    for event in EVENTS:
        trace.recorder(event)
    return trace


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_each_kind_is_typed_full_or_empty(trace: Trace, kind: str) -> None:
    for frame in (trace.frame(kind), Trace().frame(kind)):
        expected = [(column.name, FORMS[column.form].dtype) for column in columns_of(KINDS[kind])]
        expected.insert(1, ("at", "timedelta64[ns]"))
        assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == expected


def test_time_is_there_as_nanoseconds_and_as_a_timedelta(trace: Trace) -> None:
    frame = trace.frame()
    assert list(frame["time"]) == [1_500_000, 2_000_000]
    assert frame["at"].iloc[0] == pandas.Timedelta("1.5ms")


def test_a_64_bit_word_is_unsigned_and_exact(trace: Trace) -> None:
    assert int(trace.exits()["value"].iloc[0]) == (1 << 64) - 1
    assert int(trace.exits()["pc"].iloc[0]) == 0xFFFF_0000_0000_0000


def test_an_id_that_is_none_is_missing(trace: Trace) -> None:
    assert list(trace.exits()["pcpu"].isna()) == [False, True]


def test_the_frame_of_one_vm_has_its_rows_only(trace: Trace) -> None:
    assert list(trace.exits(vm=2)["reason"]) == ["Halt"]
    assert list(trace.frame("vm_states", vm=1)["new"]) == []


def test_flags_bytes_and_lists_are_what_they_were(trace: Trace) -> None:
    assert bool(trace.frame("mmio")["is_write"].iloc[0]) is True
    assert trace.frame("console")["data"].iloc[0] == b"hi"
    assert trace.frame("hypercalls")["args"].iloc[0] == (1, 2)


def test_exits_can_be_grouped_by_reason(trace: Trace) -> None:
    counts = trace.exits().groupby("reason", observed=True).size()
    assert counts.to_dict() == {"MmioRead": 1, "Halt": 1}


def test_an_unknown_kind_is_refused_and_the_nearest_is_named(trace: Trace) -> None:
    with pytest.raises(AxError) as error:
        trace.frame("exit")
    assert str(error.value) == (
        "a trace has no 'exit'; did you mean exits? (kinds: exits, vm_states, vcpu_states, interrupts, "
        "hypercalls, mmio, console, psci, faults, log, blocks, instructions, accesses)"
    )


def test_a_frame_does_not_change_while_recording_goes_on(trace: Trace) -> None:
    frame = trace.exits()
    trace.recorder(EVENTS[0])
    assert len(frame) == 2
    assert len(trace.exits()) == 3


@pytest.mark.slow
def test_a_frame_is_made_at_five_million_rows_a_second() -> None:
    trace = Trace()
    for n in range(5_000):
        trace.recorder(Exit(n, 0, 0, 0, "MmioRead" if n % 3 else "Halt", n))
    for store in trace.recorder.table("exits").stores.values():
        store.values = store.values * 400
    times = []
    for _ in range(3):
        began = time.process_time()
        rows = len(trace.exits())
        times.append(time.process_time() - began)
    assert rows == 2_000_000
    assert rows / min(times) > 5_000_000, f"{rows / min(times):,.0f} rows a second"
