"""`%%sweep`, and the chart that it fills."""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from notebook_cells import notebook, value

from axlab import Lab
from axlab.errors import AxError
from axlab.notebook.sweep_cell import LiveChart
from axlab.notebook.sweep_chart import chart_of, nice, sweep_chart
from axlab.scale import engines, sweep

CELL = """%%sweep --param cpus=1,2 --param guests=1,2 --workers 1 -o found --x guests --by cpus
vm create demo
vm start 0 --detach
vm run --for ${guests}ms
"""


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("AXLAB_PROGRESS", "off")
    shell = notebook(tmp_path, monkeypatch)
    yield shell
    atexit.unregister(shell.atexit_operations)


def record(run: int, parameters: dict[str, Any], result: dict[str, Any], error: str = "") -> dict[str, Any]:
    own = {"virtual_ns": 10, "instructions": 5, "exits": 2, "cpu_seconds": 0.5, "fingerprint": "x"}
    return {"run": run, "parameters": parameters, "result": result, "error": error} | own


SETS = [{"cpus": cpus, "scheduler": name} for cpus in (1, 2) for name in ("fifo", "rr")]
RECORDS = [record(run, one, {"latency_ns": 1000 * (run + 1)}) for run, one in enumerate(SETS)]


def test_a_cell_of_commands_is_run_for_each_set_of_parameters(
    ip: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "engine_of", lambda *_: engines.ExecutorEngine(ThreadPoolExecutor(1)))
    result = value(ip, CELL)
    assert result.ok and len(result.runs) == 4
    assert result.text().splitlines()[0] == "latency_ns by guests, 4 runs"
    assert result.text().splitlines()[-1] == "✓ 4 runs are in found"
    assert result.runs.frame()["elapsed_ns"].tolist() == [1_000_000, 2_000_000, 1_000_000, 2_000_000]
    bundle = result._repr_mimebundle_()
    assert "<img alt=" in bundle["text/html"] and bundle["application/vnd.axlab+json"]["folder"] == "found"
    assert value(ip, CELL).runs.parts == result.runs.parts  # nothing was missing


SCHED = """%%sched latest
class Latest(Scheduler):
    def choose(self, tasks, pcpu, now):
        return tasks[-1]
    def preempts(self, task, waiting, now):
        return task.slice_ns >= LONGEST
"""
SCHED_CELL = """%%sweep --param cpus=1 --param scheduler=latest,fifo,lates --workers 1 -o sched
vm create demo demo demo
vm start 0 1 2 --detach
vm run --for 20ms
"""


def test_a_scheduler_of_ones_own_is_a_parameter(ip: InteractiveShell) -> None:
    value(ip, "LONGEST = 5_000_000")
    value(ip, SCHED)
    found = value(ip, SCHED_CELL).runs
    lab = Lab(cpus=1, scheduler=ip.user_ns["Latest"])
    for line in SCHED_CELL.splitlines()[1:]:
        assert lab.shell(line).ok
    latest, fifo, unknown = found.records()
    assert latest["fingerprint"] == lab.fingerprint() != fifo["fingerprint"], "a worker schedules as this process does"
    assert unknown["error"] == "unknown scheduler 'lates'; there are fifo, rr, fair, random, or hand over a Scheduler"
    value(ip, SCHED.replace("tasks[-1]", "tasks[0]"))
    with pytest.raises(AxError, match=r"holds another sweep, .* \(different: what is run\)"):
        value(ip, SCHED_CELL)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%sweep --param cpu=1\nvm list",
         "the script has no hole ${cpu}, and a lab no setting cpu; did you mean cpus?"),
        ("%%sweep\nvm start ${guest}",
         "the script has a hole ${guest} that no parameter fills; give it values: guest=..."),
        ("%%sweep\nvm lsit", "unknown command 'lsit' of vm; did you mean list?"),
    ],
)  # fmt: skip
def test_what_no_run_could_be_made_of_is_refused_at_once(cell: str, message: str, ip: InteractiveShell) -> None:
    with pytest.raises(AxError) as error:
        value(ip, cell)
    assert message in str(error.value)
    assert not Path("runs").exists()


def test_a_chart_has_a_dot_for_each_run_and_says_the_means() -> None:
    chart = chart_of(SETS, RECORDS)
    assert (chart.x, chart.y, chart.series) == ("cpus", "latency_ns", "scheduler")
    picture = sweep_chart(chart)
    assert picture.svg.count("<circle") == 4
    assert picture.text == ("latency_ns by cpus, 4 runs\n  1 fifo: 1 us\n  1 rr: 2 us\n  2 fifo: 3 us\n  2 rr: 4 us")


def test_a_chart_fills_while_runs_come() -> None:
    live = LiveChart(SETS, ("", "", ""))
    assert live.picture().svg.count("<circle") == 0
    live.records.append(RECORDS[2])
    assert live.picture().text == "latency_ns by cpus, 1 of 4 runs\n  2 fifo: 3 us"
    live.records.append(record(1, SETS[1], {}, "boom"))
    assert live.picture().text.splitlines()[0] == "latency_ns by cpus, 2 of 4 runs, 1 failed"


def test_a_name_that_the_sweep_does_not_have_is_told() -> None:
    with pytest.raises(AxError, match="no parameter shceduler; did you mean scheduler"):
        chart_of(SETS, RECORDS, series="shceduler")
    with pytest.raises(AxError, match="no number latencyns; did you mean latency_ns"):
        chart_of(SETS, RECORDS, y="latencyns")


def test_a_parameter_cannot_bring_markup_into_the_picture() -> None:
    evil = "<script>alert(1)</script>"
    picture = sweep_chart(chart_of([{"a": evil}], [record(0, {"a": evil}, {"latency_ns": 1})]))
    assert "<script" not in picture.svg and "<script" not in picture.html()


@settings(max_examples=50)
@given(st.floats(1e-6, 1e15))
def test_ticks_are_round_and_no_smaller_than_asked(step: float) -> None:
    found = nice(step)
    assert step <= found <= 10 * step
    assert re.fullmatch(r"[125]\.0000e[+-][0-9]+", f"{found:.4e}")


@settings(max_examples=20)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_every_dot_lies_within_the_picture(values: list[int]) -> None:
    sets = [{"n": place % 5} for place in range(len(values))]
    records = [record(place, sets[place], {"latency_ns": value}) for place, value in enumerate(values)]
    for x, y in re.findall(r"cx='([-0-9.]+)' cy='([-0-9.]+)'", sweep_chart(chart_of(sets, records)).svg):
        assert 96 <= float(x) <= 604 and 46 <= float(y) <= 256
