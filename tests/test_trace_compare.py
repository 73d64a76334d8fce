"""Where two runs part: the first difference between two traces, in words."""

from __future__ import annotations

import pytest
from ring_guest import ring_lab
from shell_labs import lab_with, prints

from axlab.errors import AxError
from axlab.events import Console, Event, Exit, Log, VmState
from axlab.lab import Lab
from axlab.trace import Trace

EVENTS: list[Event] = [
    VmState(0, 0, "Loaded", "Running"),
    Exit(100, 0, 0, 1, "MmioWrite", 0x4008_0010, address=0x0900_0000, width=4, value=0x41),
    Exit(200, 0, 0, 1, "Halt", 0x4008_0014),
]


def trace_of(*events: Event) -> Trace:
    trace = Trace()
    for event in events:
        trace.recorder(event)
    return trace


def test_equal_runs_have_no_difference_however_their_consoles_were_cut() -> None:
    a = trace_of(*EVENTS, Console(300, 0, b"hello"), Log(1, "info", "words"))
    b = trace_of(Console(10, 0, b"hel"), *EVENTS, Console(300, 0, b"lo"))
    assert a.compare(b).equal
    assert str(a.compare(b)) == "The runs are the same: all 3 events, and what was printed."


def test_the_first_event_that_differs_is_told_with_the_columns_that_do() -> None:
    other = Exit(100, 0, 0, 1, "MmioWrite", 0x4008_0010, address=0x0900_0000, width=4, value=0x42)
    found = trace_of(*EVENTS).compare(trace_of(EVENTS[0], other, EVENTS[2]))
    assert (found.same, found.time, found.kind, found.columns) == (1, 100, "exits", ("value",))
    assert str(found) == (
        "The runs are the same until 100 ns of virtual time: 1 event.\n"
        "They differ in value.\n"
        "a: at 100 ns VM[0] VCpu[1] exits: pcpu 0, reason MmioWrite, pc 0x40080010, esr 0x0, far 0x0, hpfar 0x0, "
        "cost 0, address 0x9000000, width 4, value 0x41\n"
        "b: at 100 ns VM[0] VCpu[1] exits: pcpu 0, reason MmioWrite, pc 0x40080010, esr 0x0, far 0x0, hpfar 0x0, "
        "cost 0, address 0x9000000, width 4, value 0x42"
    )


def test_a_run_that_ends_earlier_and_one_in_which_something_else_happens_are_told_apart() -> None:
    shorter = trace_of(*EVENTS).compare(trace_of(*EVENTS[:2]))
    assert (shorter.same, shorter.b) == (2, "nothing more happened")
    another = trace_of(*EVENTS).compare(trace_of(EVENTS[0], VmState(90, 0, "Running", "Stopping", "forced")))
    assert (another.time, another.columns) == (90, ())
    assert another.b == "at 90 ns VM[0] vm_states: old Running, new Stopping, reason forced"
    assert "Something else happened.\n" in str(another)


def test_what_was_printed_is_compared_where_the_events_agree() -> None:
    a, b = trace_of(*EVENTS, Console(300, 0, b"hello")), trace_of(*EVENTS, Console(300, 0, b"help!"))
    found = a.compare(b)
    assert (found.kind, found.time) == ("console", 300)
    assert (found.a, found.b) == (
        "console of VM[0], output, from byte 3 on: 'lo'",
        "console of VM[0], output, from byte 3 on: 'p!'",
    )


def test_two_guests_that_print_different_texts_part_at_the_first_character_that_differs() -> None:
    labs = []
    for text in ("hello", "help!"):
        labs.append(lab_with(prints(text)))
        labs[-1].shell("vm start 0")
    found = labs[0].trace.compare(labs[1])
    assert (found.kind, found.columns) == ("exits", ("value",))
    assert ("value 0x6c" in found.a, "value 0x70" in found.b) == (True, True)


def test_the_same_run_is_the_same_to_the_last_block_and_on_fewer_cpus_it_is_not() -> None:
    once, again, other = ring_lab("blocks"), ring_lab("blocks"), ring_lab("blocks", pcpus=2)
    assert once.trace.compare(again).equal
    assert once.trace.compare(again).same > len(once.trace.frame("blocks"))
    found = once.trace.compare(other)
    assert not found.equal
    assert once.fingerprint() != other.fingerprint()


def test_what_is_no_run_and_what_is_not_whole_is_refused() -> None:
    with pytest.raises(AxError, match=r"a run is compared with a lab or a trace, not with 'run.csv'"):
        Trace().compare("run.csv")
    short = Trace(limit=10)
    for time in range(5000):
        short.recorder(VmState(time, 0, "Loaded", "Running"))
    with pytest.raises(AxError, match=r"a trace has dropped its first \d+ rows: only whole traces are compared"):
        Trace().compare(short)
    assert Lab().trace.compare(Lab()).equal
