"""The fingerprint: equal for equal runs, different for different ones, on every Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from axlab.events import Console, Event, Exit, Hypercall, Log, VmState
from axlab.trace import Trace

EVENTS: list[Event] = [
    VmState(0, 1, "Loaded", "Running", "grüß"),
    Exit(100, 0, 1, 0, "MmioWrite", 0x4008_0000),
    Hypercall(200, 1, 0, 3, (1, 2), 0),
]


def fingerprint(*events: Event) -> str:
    trace = Trace()
    for event in events:
        trace.recorder(event)
    return trace.fingerprint()


def test_equal_runs_have_equal_fingerprints() -> None:
    assert fingerprint(*EVENTS) == fingerprint(*EVENTS)


def test_any_difference_shows() -> None:
    prints = {
        fingerprint(),
        fingerprint(*EVENTS),
        fingerprint(*EVENTS[::-1]),
        fingerprint(*EVENTS[:-1]),
        fingerprint(*EVENTS, Console(300, 1, b"a")),
        fingerprint(*EVENTS, Console(300, 2, b"a")),
        fingerprint(*EVENTS, Console(300, 1, b"a", "input")),
        fingerprint(*EVENTS[:-1], Hypercall(201, 1, 0, 3, (1, 2), 0)),
    }
    assert len(prints) == 8


def test_log_lines_do_not_count() -> None:
    assert fingerprint(*EVENTS, Log(5, "info", "words")) == fingerprint(*EVENTS)


@given(text=st.binary(max_size=50), cuts=st.lists(st.integers(0, 50)))
def test_it_does_not_matter_in_which_portions_a_console_prints(text: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    portions = [Console(n, 1, text[a:b]) for n, (a, b) in enumerate(zip(places, places[1:], strict=False))]
    assert fingerprint(*portions) == fingerprint(*([Console(9, 1, text)] if text else []))


def test_reading_it_does_not_change_it() -> None:
    trace = Trace()
    for _ in range(3_000):  # far more than one block of the hash
        for event in EVENTS:
            trace.recorder(event)
        trace.fingerprint() if len(trace.recorder.tables) % 2 else None
    whole = Trace()
    for event in EVENTS * 3_000:
        whole.recorder(event)
    assert trace.fingerprint() == whole.fingerprint()


def test_it_is_the_same_in_another_process_whatever_its_hash_seed() -> None:
    program = "from tests.test_fingerprint import EVENTS, fingerprint; print(fingerprint(*EVENTS))"
    for seed in ("0", "1234"):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == fingerprint(*EVENTS)


def test_it_is_what_it_was_on_every_python_and_machine() -> None:
    assert fingerprint(*EVENTS) == "35b0fd9e77f8891f1ec43020fbc4f9098330dc8a18ea3a83d11c8b2db9c22adc"


def test_a_vm_has_a_fingerprint_of_its_own_that_others_do_not_change() -> None:
    alone, beside, changed = Trace(), Trace(), Trace()
    for event in EVENTS:
        for trace in (alone, beside, changed):
            trace.recorder(event)
        beside.recorder(Console(event.time, 7, b"noise"))
        beside.recorder(Hypercall(event.time, 7, 0, 3, (1, 2), 0))
    changed.recorder(Console(300, 1, b"a"))
    assert beside.fingerprint(vm=1) == alone.fingerprint(vm=1) != changed.fingerprint(vm=1)
    assert beside.fingerprint() != alone.fingerprint()
