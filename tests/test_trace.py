"""The recorder keeps what happened, as columns."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab import events
from axlab.errors import AxError
from axlab.events import Console, Event, Exit, Fault, Hypercall, Log, Mmio, Observers, VmState
from axlab.trace import Trace
from axlab.trace.columns import DESCRIBED, FORM_OF_TYPE, FORMS, KINDS, columns_of, document

READ = Exit(100, 0, 1, 0, "MmioRead", 0x4008_0000, esr=0x9300_0046, cost=500, address=0x900_0018, width=4)
CALL = Exit(250, 0, 1, 0, "Hypercall", 0x4008_0010, cost=300, value=2)
WFI = Exit(400, 2, 0, 1, "Halt", 0xFFFF_0000_1234_5678, cost=200)


def traced(*events: Event, limit: int | None = None) -> Trace:
    trace = Trace(limit=limit)
    for event in events:
        trace.recorder(event)
    return trace


def test_every_event_type_has_a_kind() -> None:
    known = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)]
    assert set(KINDS.values()) == set(known) - {Event}


def test_every_field_of_every_event_is_described_in_a_form_that_fits_its_type() -> None:
    fits = {"int": {"time", "count", "id", "word", "signed"}, "str": {"name", "text"}}
    for event_type in KINDS.values():
        for field in fields(event_type):
            column = DESCRIBED[field.name]
            assert column.form in fits.get(str(field.type), {FORM_OF_TYPE[str(field.type)]}), (event_type, field.name)


def test_every_described_column_is_used_and_has_a_meaning() -> None:
    assert {column.name for _, column in document()} == set(DESCRIBED)
    assert all(column.meaning and column.form in FORMS for column in DESCRIBED.values())


def test_what_goes_in_comes_out_in_order() -> None:
    given = [READ, VmState(300, 1, "Loaded", "Running"), CALL, Console(310, 1, b"hello\xff"), WFI]
    given += [Hypercall(320, 1, 0, 7, (1, 2, (1 << 64) - 1), 0), Hypercall(330, 1, 0, 8, (), 5)]
    given += [Mmio(340, 1, 0, 0x900_0000, 4, 65, True, "uart"), Fault(350, 1, 0, 0x10, "jumped into nothing")]
    rows = [KINDS[kind](*row) for kind, _, row in traced(*given).recorder.rows()]
    assert rows == given


def test_a_value_beyond_64_bits_is_kept_as_a_register_holds_it_and_a_result_with_its_sign() -> None:
    trace = traced(Hypercall(1, 0, 0, 3, (-1,), -1), Hypercall(2, 0, 0, 1 << 64 | 3, (), (1 << 64) - 2))
    first, second = trace.recorder.table("hypercalls").rows()
    assert first == (1, 0, 0, 3, ((1 << 64) - 1,), -1)
    assert second == (2, 0, 0, 3, (), -2)


def test_a_trace_can_be_copied_in_the_middle_of_a_run() -> None:
    trace = traced(READ, CALL)
    second = copy.deepcopy(trace)
    trace.recorder(WFI)
    assert (len(trace), len(second)) == (3, 2)
    second.recorder(WFI)
    assert second.fingerprint() == trace.fingerprint()


SOME = st.sampled_from([READ, CALL, Console(1, 0, b"abc"), Log(1, "info", "x")])


@given(limit=st.integers(0, 40), kinds=st.lists(SOME))
def test_a_bounded_trace_keeps_the_last_events_and_counts_the_others(limit: int, kinds: list[Event]) -> None:
    trace = Trace(limit=limit)
    for event in kinds:
        trace.recorder(event)
        trace.recorder.flush()
    kept = [KINDS[kind](*row) for kind, _, row in trace.recorder.rows()]
    assert min(limit, len(kinds)) <= len(kept) <= 2 * limit
    assert kept == kinds[len(kinds) - len(kept) :]
    assert trace.recorder.dropped == len(kinds) - len(kept)


def test_a_recorder_that_is_off_keeps_the_fingerprint_only() -> None:
    trace = Trace(level="off")
    trace.recorder(READ)
    assert len(trace) == 0
    assert trace.fingerprint() == traced(READ).fingerprint()
    trace.recorder.level = "events"
    trace.recorder(CALL)
    assert len(trace) == 1


def test_an_unknown_level_is_refused_and_the_nearest_is_named() -> None:
    with pytest.raises(AxError) as error:
        Trace(level="event")
    assert str(error.value) == "'event' is no level of recording; did you mean events? (levels: off, events)"


@dataclass(frozen=True, slots=True)
class DiskRead(Event):
    """An event of somebody else's."""

    sector: int
    by: str


def test_an_event_type_of_a_third_party_is_recorded_too() -> None:
    trace = traced(DiskRead(5, 7, "guest"))
    assert [column.name for column in columns_of(DiskRead)] == ["time", "sector", "by"]
    assert list(trace.recorder.table("disk_read").rows()) == [(5, 7, "guest")]
    assert "disk_read" in trace.recorder.kinds()


def test_exits_are_summed_by_reason() -> None:
    summary = traced(READ, CALL, WFI, READ).summary()
    assert summary.counts() == {"MmioRead": 2, "Halt": 1, "Hypercall": 1}
    assert summary.count == 4
    assert str(summary).splitlines() == [
        "REASON        EXITS   SHARE         TIME",
        "MmioRead          2   50.0%         1 us",
        "Halt              1   25.0%       200 ns",
        "Hypercall         1   25.0%       300 ns",
        "all               4               1.5 us",
    ]


def test_exits_are_summed_for_one_vm() -> None:
    assert traced(READ, CALL, WFI).summary(vm=0).counts() == {"Halt": 1}


def test_a_trace_without_exits_says_so() -> None:
    assert str(Trace().summary()) == "No exits."


def test_a_recorder_is_an_observer() -> None:
    hub, trace = Observers(), Trace()
    hub.add(trace.recorder)
    hub.emit(READ)
    assert repr(trace) == "<Trace of 1 events>"


def test_clearing_forgets_the_rows_and_keeps_the_fingerprint() -> None:
    trace = traced(READ)
    before = trace.fingerprint()
    trace.recorder.clear()
    assert (len(trace), trace.fingerprint()) == (0, before)
