"""Sweeps that are ended from outside: what was done is kept, nothing is left behind, and the same sweep goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from axlab import runs

COMMAND = [sys.executable, "-m", "axlab", "sweep", "demo", "--workers", "1", "--trace-level", "off", "-o"]
RUNS = 24


def sweep_of(folder: Path, seeds: int = RUNS) -> subprocess.Popen[str]:
    """`axlab sweep` in a session of its own, as a terminal would start it; its temporary files are in `temporary`."""
    command = [*COMMAND, str(folder), "--seeds", str(seeds)]
    temporary = folder.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.02)


def done(folder: Path) -> int:
    return len(list(folder.glob("parts/*.parquet")))


def left(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                alive = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if alive and os.getsid(int(name)) == session:
                    found.append(int(name))
            except OSError:
                pass  # it has ended
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_keeps_what_is_done_and_leaves_no_process_behind(tmp_path: Path) -> None:
    process = sweep_of(tmp_path / "runs", seeds=5000)
    wait_until(lambda: done(tmp_path / "runs") > 3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the workers, too
    _, said = process.communicate(timeout=60)
    kept = len(runs(tmp_path / "runs"))
    assert process.returncode == 130
    assert f"axlab: {kept} of 5000 runs are done and kept; the same command goes on with the others\n" in said
    assert "Traceback" not in said
    wait_until(lambda: left(process.pid) == [])  # loky's own helpers end by themselves, when nobody needs them any more
    assert list((tmp_path / "temporary").glob("axlab-*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sweep_that_is_killed_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    process = sweep_of(tmp_path / "runs")
    wait_until(lambda: done(tmp_path / "runs") > 3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until(lambda: left(process.pid) == [])
    assert list((tmp_path / "temporary").glob("axlab-*")) == []
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs/parts").glob("*.parquet")}
    assert 3 < len(before) < RUNS
    again = sweep_of(tmp_path / "runs")
    assert again.communicate(timeout=120) == (f"{RUNS} runs are in {tmp_path / 'runs'}\n", "")
    assert sorted(runs(tmp_path / "runs").parts) == list(range(RUNS))
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())


FULL = """
import resource
from concurrent.futures import ThreadPoolExecutor
from axlab import AxError, sweep
def run(lab, parameters):
    if parameters["n"] == 2:  # from here on no file can be longer than a page
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    return 0
with ThreadPoolExecutor(1) as threads:
    try:
        sweep(run, {"n": range(4)}, threads, "runs")
    except AxError as error:
        print(error)
"""


def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True)
    kept = sorted(path.name for path in (tmp_path / "runs/parts").iterdir())
    assert result.stdout == (
        f"run {len(kept)} cannot be kept in runs: file too large; {len(kept)} runs are there, and the same sweep "
        "goes on with the others when there is room\n"
    )
    assert kept == [f"{number:06}.parquet" for number in range(len(kept))] and len(kept) < 3
    assert len(runs(tmp_path / "runs")) == len(kept)
