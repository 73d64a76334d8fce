"""Sweeps: every set of parameters is one run, each is kept once, and it does not matter who makes them."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from axlab import Lab, __version__, runs, sweep
from axlab.errors import AxError
from axlab.events import Event
from axlab.scale.folder import part_path
from axlab.scale.source import source_of
from axlab.scale.worker import Task, work
from axlab.vmm.scheduler import Scheduler

GUEST = """
[base]
id = 0
name = "guest"
vm_type = 1
cpu_num = 2
[kernel]
entry_point = 0x4008_0000
kernel_path = "axlab:demo"
kernel_load_addr = 0x4008_0000
cmdline = "load=${load}"
memory_regions = [[0x4000_0000, 0x100_0000, 0x7, 0]]
[devices]
interrupt_mode = "emulated"
emu_devices = [
  ["gicd", 0x800_0000, 0x1_0000, 0, 0x21, []],
  ["gicr", 0x80a_0000, 0x4_0000, 0, 0x20, [2, 131072, 0]],
  ["uart", 0x900_0000, 0x1000, 33, 0x2, []],
]
"""


@pytest.fixture
def threads() -> Any:
    """The quickest engine: it needs no new process."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def demo(lab: Lab, parameters: dict[str, Any]) -> dict[str, Any]:
    lab.hypervisor.start(lab.create("demo"))
    lab.run()
    return {"stopped": str(lab.vm(0).state), "square": parameters.get("n", 0) ** 2}


def boom(lab: Lab, parameters: dict[str, Any]) -> float:
    return 10 / parameters["n"]


def test_every_set_of_parameters_is_one_run(threads: Executor, tmp_path: Path) -> None:
    found = sweep(demo, {"cpus": [1, 2], "n": [3, 4]}, threads, tmp_path / "runs")
    frame = found.frame()
    assert list(frame["square"]) == [9, 16, 9, 16]
    assert list(frame["cpus"]) == [1, 1, 2, 2]
    assert set(frame["stopped"]) == {"Stopped"} and set(frame["error"]) == {""}
    assert repr(found) == f"<Runs: 4 of 4 of the function demo, in {tmp_path / 'runs'}>"


def test_a_parameter_that_is_a_setting_sets_up_the_lab(threads: Executor, tmp_path: Path) -> None:
    def settings(lab: Lab, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"n": lab.board.cpus, "kind": lab.hypervisor.scheduler.name}

    found = sweep(settings, {"cpus": [3], "scheduler": ["rr"]}, threads, tmp_path / "runs")
    assert found.records()[0]["result"] == {"n": 3, "kind": "rr"}


def test_a_run_that_fails_is_a_row_with_its_error_and_stops_no_other(threads: Executor, tmp_path: Path) -> None:
    found = sweep(boom, {"n": [2, 0, 5]}, threads, tmp_path / "runs")
    frame = found.frame()
    line = boom.__code__.co_firstlineno + 1
    assert list(frame["error"]) == ["", f"ZeroDivisionError: division by zero (line {line} of boom)", ""]
    assert list(frame["result"].dropna()) == [5.0, 2.0]
    assert "ZeroDivisionError" in found.error(1)


def test_a_result_that_cannot_be_kept_is_an_error_of_its_run(threads: Executor, tmp_path: Path) -> None:
    found = sweep(lambda lab, parameters: {"vm": lab}, None, threads, tmp_path / "runs")
    assert found.records()[0]["error"] == (
        "the result['vm'] is a Lab, which cannot be kept: numbers, text, true and false, lists and dicts can"
    )


def test_the_same_sweep_again_makes_only_the_runs_that_are_missing(threads: Executor, tmp_path: Path) -> None:
    sweep(demo, {"n": range(3)}, threads, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    part_path(tmp_path / "parts", 1).unlink()
    (tmp_path / "parts/000002.parquet.unfinished").write_bytes(b"half of it")
    assert runs(tmp_path).missing == [1]
    assert len(sweep(demo, {"n": range(3)}, threads, tmp_path)) == 3
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert [path.name for path in kept if kept[path] != again[path]] == ["000001.parquet"]
    assert set(again) == set(kept)


def test_runs_that_failed_are_made_again_where_that_is_asked_for(threads: Executor, tmp_path: Path) -> None:
    licence = tmp_path / "licence"

    def licensed(lab: Lab, parameters: dict[str, Any]) -> int:
        if parameters["n"] == 2 and not licence.exists():
            raise RuntimeError("no licence")
        return int(parameters["n"])

    def made(**how: bool) -> tuple[list[str], list[str]]:
        """The errors of all runs, and the parts that were written."""
        before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("runs/parts/*")}
        found = sweep(licensed, {"n": [1, 2, 3]}, threads, tmp_path / "runs", **how)
        after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("runs/parts/*")}
        errors = [record["error"].partition(" (")[0] for record in found.records()]
        return errors, sorted(name for name in after if before.get(name) != after[name])

    failed = ["", "RuntimeError: no licence", ""]
    assert made() == (failed, ["000000.parquet", "000001.parquet", "000002.parquet"])
    assert made() == (failed, [])
    assert made(retry_failed=True) == (failed, ["000001.parquet"])
    licence.touch()
    assert made(retry_failed=True) == (["", "", ""], ["000001.parquet"])
    assert made(retry_failed=True) == (["", "", ""], [])


def test_a_part_that_a_power_cut_left_half_is_made_again(threads: Executor, tmp_path: Path) -> None:
    sweep(demo, None, threads, tmp_path)
    path = part_path(tmp_path / "parts", 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert len(runs(tmp_path)) == 0
    assert sweep(demo, None, threads, tmp_path).records()[0]["result"]["stopped"] == "Stopped"


def test_a_folder_of_another_sweep_is_refused(threads: Executor, tmp_path: Path) -> None:
    sweep(demo, {"n": [1]}, threads, tmp_path)
    with pytest.raises(AxError) as error:
        sweep(demo, {"n": [2]}, threads, tmp_path)
    assert error.value.message == (
        f"{tmp_path} holds another sweep, of the function demo (different: the list of parameters); "
        "choose another folder, or remove this one"
    )
    with pytest.raises(AxError, match=r"\(different: what is run\)"):
        sweep(boom, {"n": [1]}, threads, tmp_path)
    with pytest.raises(AxError, match=r"\(different: the level of the trace\)"):
        sweep(demo, {"n": [1]}, threads, tmp_path, trace="off")


def test_a_folder_with_other_things_is_refused(threads: Executor, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("\\section{Results}")
    with pytest.raises(AxError) as error:
        sweep(demo, None, threads, tmp_path)
    assert error.value.message == f"{tmp_path} holds other things than a sweep; choose another folder"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_sweeps_cannot_write_to_one_folder_at_once(threads: Executor, tmp_path: Path) -> None:
    def nested(record: dict[str, Any], done: int, whole: int) -> None:
        with pytest.raises(AxError, match="a sweep is writing to .* now"):
            sweep(demo, {"n": [1]}, threads, tmp_path)
        seen.append((done, whole))

    seen: list[tuple[int, int]] = []
    sweep(demo, {"n": [1]}, threads, tmp_path, watch=nested)
    assert seen == [(1, 1)]


def test_whoever_makes_the_runs_the_fingerprints_are_the_same(threads: Executor, tmp_path: Path) -> None:
    grid = {"cpus": [1, 2], "scheduler": ["fifo", "fair"]}
    with ProcessPoolExecutor(1) as processes:
        found = [
            sweep("demo", grid, engine, tmp_path / name).frame()["fingerprint"].tolist()
            for name, engine in (("threads", threads), ("processes", processes), ("loky", None))
        ]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) > 1


class Last(Scheduler):
    def choose(self, tasks: list[Any], pcpu: int, now: int) -> Any:
        return tasks[-1]


def test_schedulers_of_ones_own_go_by_names(booted: Path, threads: Executor, tmp_path: Path) -> None:
    def title(lab: Lab, parameters: dict[str, Any]) -> str:
        return lab.hypervisor.scheduler.title

    for snapshot in ("", booted):
        found = sweep(
            title, {"scheduler": ["last", "rr"]}, threads, tmp_path / f"runs{bool(snapshot)}",
            snapshot=snapshot, schedulers={"last": Last},
        )  # fmt: skip
        assert found.frame()["result"].tolist() == ["Last", "RoundRobin"]


def test_a_function_that_uses_another_function_is_another_sweep_when_that_changes() -> None:
    def made(factor: int) -> Any:
        def scaled(n: int) -> int:
            return n * factor

        return lambda lab, parameters: scaled(parameters["n"])

    assert source_of(made(2)) == source_of(made(2))
    assert source_of(made(2)) != source_of(made(3))


def test_keys_and_holes_of_a_configuration_are_parameters(threads: Executor, tmp_path: Path) -> None:
    (tmp_path / "guest.toml").write_text(GUEST)
    found = sweep(
        tmp_path / "guest.toml",
        {"load": ["light", "heavy"], "base.cpu_num": [1, 2], "guest.base.vm_type": [2], "seed": [0, 1]},
        threads,
        tmp_path / "runs",
    )
    frame = found.frame()
    assert set(frame["error"]) == {""}
    counts = found.sql("select run, count(*) as n from vcpus group by run order by run")["n"].tolist()
    assert counts == frame["base.cpu_num"].tolist()
    assert frame.groupby(["base.cpu_num", "seed"])["fingerprint"].nunique().tolist() == [1] * 4  # it reads no cmdline
    assert frame["fingerprint"].nunique() == 4  # but it has as many CPUs, and starts when, as it is told


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"load": ["x"], "shceduler": ["rr"]}, "the configuration has no parameter shceduler; did you mean scheduler?"),
        ({"load": ["x"], "kernel.cmdlime": ["x"]},
         "the configuration has no parameter kernel.cmdlime; did you mean kernel.cmdline?"),
        ({}, "the configuration has a hole ${load} that no parameter fills; give it values: load=..."),
        ({"load": ["x"], "run": [1]},
         "no parameter can be called run: every run has a column of that name; choose another"),
    ],
)  # fmt: skip
def test_parameters_that_a_configuration_does_not_have_are_named(
    parameters: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "guest.toml").write_text(GUEST)
    with pytest.raises(AxError) as error:
        sweep(tmp_path / "guest.toml", parameters, out=tmp_path / "runs")
    assert error.value.message == message
    assert not (tmp_path / "runs").exists()


def test_a_value_that_a_configuration_refuses_is_the_error_of_its_run(threads: Executor, tmp_path: Path) -> None:
    found = sweep("demo", [{"cpus": 1}, {"cpus": 99}], threads, tmp_path / "runs")
    assert found.frame()["error"].tolist() == ["", "cpus = 99 is wrong: a whole number from 1 to 8 is wanted"]


@pytest.fixture
def booted(tmp_path: Path) -> Path:
    """A snapshot of the demo guest, half a millisecond after its start."""
    lab = Lab()
    lab.hypervisor.start(lab.create("demo"))
    lab.run("500us")
    lab.snapshots.write(tmp_path / "booted.axsnap")
    return tmp_path / "booted.axsnap"


def test_runs_begin_from_a_snapshot(booted: Path, threads: Executor, tmp_path: Path) -> None:
    whole = Lab()
    whole.hypervisor.start(whole.create("demo"))
    whole.run()
    found = sweep([], {"scheduler": ["fifo", "rr"]}, threads, tmp_path / "runs", snapshot=booted)
    assert set(found.frame()["error"]) == {""}
    assert found.frame()["elapsed_ns"].tolist() == [whole.now - 500_000] * 2
    assert found.sql("select min(time) as first from events")["first"][0] >= 500_000
    assert found.frame()["instructions"].tolist() == [sum(v.instructions for v in whole.vm(0).vcpus)] * 2


def test_a_lab_in_a_snapshot_has_its_cpus(booted: Path, tmp_path: Path) -> None:
    with pytest.raises(AxError) as error:
        sweep([], {"cpus": [1]}, out=tmp_path / "runs", snapshot=booted)
    assert error.value.message == (
        "cpus cannot be a parameter of runs from a snapshot: the lab in it has been made already"
    )


def test_a_snapshot_that_is_not_there_is_told_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(AxError, match="nowhere.axsnap: no such file or directory"):
        sweep([], None, out=tmp_path / "runs", snapshot=tmp_path / "nowhere.axsnap")


def test_a_worker_with_another_version_makes_no_run() -> None:
    with pytest.raises(AxError) as error:
        work(Task(0, b"", {}, "off", version="0.0.1"))
    assert error.value.message == (f"a worker has AxLab {__version__}, and here it is 0.0.1: install the same on both")


@pytest.mark.parametrize("package", ["cloudpickle", "joblib", "pyarrow"])
def test_a_package_that_is_missing_is_named_with_how_to_install_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AxError) as error:
        sweep(demo, None, out=tmp_path / "runs")
    told = f"needs the package {package}, which is not installed: python -m pip install 'axlab[scale]'"
    assert told in str(error.value)


def test_a_configuration_that_is_wrong_with_every_set_is_refused_at_once(threads: Executor, tmp_path: Path) -> None:
    with pytest.raises(AxError, match="base.cpu_num"):
        sweep("demo", {"base.cpu_num": [0, 1000]}, threads, tmp_path / "runs")
    frame = sweep("demo", {"base.cpu_num": [1, 1000]}, threads, tmp_path / "runs").frame()
    assert frame["error"].str.contains("base.cpu_num").tolist() == [False, True]


@dataclass(frozen=True)
class Rain(Event):
    """An event of a user's own."""

    amount: int
    run: int = 7


@dataclass(frozen=True)
class Snow(Event):
    """Another one, with a column of the same name and another type."""

    amount: str


def test_events_of_a_users_own_are_kept_too(threads: Executor, tmp_path: Path) -> None:
    def run(lab: Lab, parameters: dict[str, Any]) -> str:
        lab.events.emit(Rain(0, 3))
        return "half a pair: \ud800"

    found = sweep(run, {"n": [0, 1]}, threads, tmp_path / "runs")
    rows = found.sql("select run, kind, time from events order by run")
    assert rows.values.tolist() == [[0, "rain", 0], [1, "rain", 0]]
    assert found.frame()["result"].tolist() == ["half a pair: \\ud800"] * 2


def test_a_trace_that_cannot_be_kept_is_the_error_of_its_run(threads: Executor, tmp_path: Path) -> None:
    def run(lab: Lab, parameters: dict[str, Any]) -> int:
        lab.events.emit(Rain(0, 3))
        lab.events.emit(Snow(0, "deep"))
        return 5

    frame = sweep(run, None, threads, tmp_path / "runs").frame()
    assert frame["error"][0].startswith("its trace cannot be kept: ")
    assert frame["result"].tolist() == [5]


def test_what_is_no_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AxError, match="42 cannot make runs: an executor of concurrent.futures, a Dask Client, or"):
        sweep(demo, None, 42, tmp_path)


NOTEBOOK = """
import os, signal, time
DEADLY = 1
def deadly(n): return n == DEADLY
def run(lab, parameters):
    if deadly(parameters["n"]):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return parameters["n"]
"""


@pytest.mark.slow
def test_a_run_of_a_notebooks_function_that_kills_its_worker_is_a_row_and_stops_no_other(tmp_path: Path) -> None:
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec(NOTEBOOK, cell)
    frame = sweep(cell["run"], {"n": range(4)}, out=tmp_path, workers=1, trace="off").frame()
    told = "its worker process died 2 times: killed, perhaps because memory was full"
    assert frame["error"].tolist() == ["", told, "", ""]
    assert frame["result"].dropna().tolist() == [0, 2, 3]
