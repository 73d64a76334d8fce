"""`axlab sweep`, `axlab runs` and `vm sweep`: what they say, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from axlab import Lab
from axlab.cli import main
from axlab.scale import engines, sweep
from axlab.vmm.scheduler import Scheduler


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's engine is worker processes; a thread of this one is quicker, and has the same contract."""
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(sweep, "engine_of", lambda *_: engines.ExecutorEngine(ThreadPoolExecutor(1)))


@pytest.mark.usefixtures("one_thread")
def test_a_sweep_says_where_its_runs_are_and_sql_asks_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "runs")
    assert main(["sweep", "demo", "--param", "cpus=1,2", "--param", "scheduler=fifo,rr", "-o", folder]) == 0
    assert capsys.readouterr().out == f"4 runs are in {folder}\n"
    query = "select cpus, avg(latency_ns) as wait, count(*) as n from runs group by cpus order by cpus"
    assert main(["runs", folder, "--sql", query, "--csv"]) == 0
    assert capsys.readouterr().out == "cpus,wait,n\n1,5500.0,2\n2,0.0,2\n"
    assert main(["runs", folder]) == 0
    assert capsys.readouterr().out.split()[:4] == ["run", "cpus", "scheduler", "ended"]


@pytest.mark.usefixtures("one_thread")
def test_runs_that_failed_are_said_and_are_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "runs")
    assert main(["sweep", "demo", "--param", "cpus=1,9", "-o", folder]) == 1
    assert capsys.readouterr().out == (
        f"2 runs are in {folder}, 1 of them failed:\n  run 1: cpus = 9 is wrong: a whole number from 1 to 8 is wanted\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--param", "cpu=1"], "the configuration has no parameter cpu; did you mean cpus?"),
        (["demo", "--param", "cpus"], "'cpus' is no parameter; write NAME=VALUE,VALUE, such as cpus=1,2,4"),
        (["demo", "--workers", "0"], "--workers 0 is wrong: 1 or more are wanted"),
        (["demo", "--for", "soon"], "'soon' is no duration; write a number and a unit, such as 10ms, 250us or 1.5s"),
        ([], "there is nothing to run: name a configuration, an image, demo, or a snapshot"),
    ],
)
def test_what_cannot_be_swept_is_told_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *words, "-o", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().err == f"axlab: {message}\n"
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("one_thread")
def test_the_shell_sweeps_into_the_labs_folder(tmp_path: Path) -> None:
    lab = Lab(folder=tmp_path)
    result = lab.shell("vm sweep demo --param cpus=1,2 -o found")
    assert result.text() == "✓ 2 runs are in found"
    assert [run["parameters"] for run in result.json()["runs"]] == [{"cpus": 1}, {"cpus": 2}]
    assert (tmp_path / "found/sweep.json").exists()
    assert len(lab.hypervisor.vms) == 0


@pytest.mark.usefixtures("one_thread")
def test_the_shell_sweeps_over_a_scheduler_of_ones_own(tmp_path: Path) -> None:
    class Latest(Scheduler):
        def choose(self, tasks: list[Any], pcpu: int, now: int) -> Any:
            return tasks[-1]

    lab = Lab(folder=tmp_path)
    lab.schedulers["latest"] = Latest
    runs = lab.shell("vm sweep demo --param scheduler=latest,lates").json()["runs"]
    assert [run["error"] for run in runs] == [
        "",
        "unknown scheduler 'lates'; there are fifo, rr, fair, random, or hand over a Scheduler",
    ]


def test_the_shell_sweeps_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/link").symlink_to(tmp_path)
    lab = Lab(folder=tmp_path / "lab")
    for folder in ("../out", "link/out"):
        result = lab.shell(f"vm sweep demo -o {folder}")
        assert result.text() == f"✗ {folder} is outside of the lab's folder"
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("one_thread")
def test_the_command_line_and_the_shell_make_runs_again_that_failed(tmp_path: Path) -> None:
    words = ["demo", "--param", "cpus=1,9", "-o"]
    lab = Lab(folder=tmp_path)
    for sweep_again in (
        lambda *more: main(["sweep", *words, str(tmp_path / "found"), *more]) == 0,
        lambda *more: lab.shell(" ".join(["vm sweep", *words, "found", *more])).ok,
    ):
        assert not sweep_again()
        before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "found/parts").iterdir()}
        assert not sweep_again("--retry-failed")
        after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "found/parts").iterdir()}
        assert [name for name in before if before[name] != after[name]] == ["000001.parquet"]


def test_a_mistake_in_the_shell_is_a_line(tmp_path: Path) -> None:
    result = Lab(folder=tmp_path).shell("vm sweep demo --param shceduler=rr")
    assert result.text() == "✗ the configuration has no parameter shceduler; did you mean scheduler?"
