"""A Dask cluster makes the runs: workers may die, and the cluster may go away and come back."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from axlab import sweep
from axlab.errors import AxError
from axlab.scale import engines
from axlab.vmm.config import default_config

BLOCKED = "import sys; sys.modules['axlab'] = None; "  # every import of it fails there
WORKER = "from distributed.cli.dask_worker import main; main()"
SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"


def wait_a_little(lab: Any, parameters: dict[str, Any]) -> int:
    import time

    time.sleep(0.1)
    return int(parameters["n"]) ** 2


def process(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens at a port."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    pytest.fail(f"the server of port {port} has ended with {server.poll()}")


@contextmanager
def cluster(port: int, before: str = "") -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler that answers at a port, and a worker, as two processes; both are killed at the end."""
    here = ("--host", "127.0.0.1", "--no-dashboard")
    started = [
        process(SCHEDULER, *here, "--port", str(port)),
        process(before + WORKER, f"tcp://127.0.0.1:{port}", *here, "--no-nanny", "--nthreads", "1",
                "--death-timeout", "60"),
    ]  # fmt: skip
    try:
        wait_for(port, started[0])
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """A cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def client(workers: Any) -> Iterator[Any]:
    from distributed import Client

    with Client(workers) as connected:
        yield connected


@pytest.mark.slow
def test_a_cluster_gives_the_fingerprints_that_loky_gives(client: Any, tmp_path: Path) -> None:
    grid = {"cpus": [1, 2], "scheduler": ["fifo", "fair"], "seed": [0, 1]}
    guests = ["demo", default_config("demo").renamed(id=1, name="other")]
    on_cluster = sweep(guests, grid, client, tmp_path / "dask").frame()
    by_loky = sweep(guests, grid, out=tmp_path / "loky", workers=1).frame()
    assert set(on_cluster["error"]) == {""}
    assert on_cluster["fingerprint"].tolist() == by_loky["fingerprint"].tolist()
    assert len(set(by_loky["fingerprint"])) == 4  # the demo guests never wait long enough for schedulers to differ


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_run_and_makes_none_double(workers: Any, client: Any, tmp_path: Path) -> None:
    killed = []

    def kill_one(record: dict[str, Any], done: int, whole: int) -> None:
        if done == 5:
            killed.append(next(iter(workers.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    found = sweep(wait_a_little, {"n": range(30)}, client, tmp_path, trace="off", watch=kill_one)
    assert killed
    assert found.frame()["run"].tolist() == list(range(30))
    assert found.frame()["result"].tolist() == [n * n for n in range(30)]
    assert set(found.frame()["error"]) == {""}


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_waited_for_and_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    running: list[Any] = []

    def restart(record: dict[str, Any], done: int, whole: int) -> None:
        if done == 3:
            running.pop().__exit__(None, None, None)
            begin()

    def begin() -> None:
        running.append(cluster(port))
        running[0].__enter__()

    begin()
    try:
        found = sweep(wait_a_little, {"n": range(12)}, f"tcp://127.0.0.1:{port}", tmp_path, trace="off", watch=restart)
    finally:
        running.pop().__exit__(None, None, None)
    assert found.frame()["result"].tolist() == [n * n for n in range(12)]
    said = capfd.readouterr().err
    assert f"the cluster at tcp://127.0.0.1:{port} does not answer; waiting for it" in said
    assert f"the cluster at tcp://127.0.0.1:{port} is back" in said


@pytest.mark.slow
def test_a_worker_without_the_package_is_told_before_any_run_is_lost(tmp_path: Path) -> None:
    port = free_port()
    with cluster(port, BLOCKED), pytest.raises(AxError) as error:
        sweep(wait_a_little, {"n": range(3)}, f"tcp://127.0.0.1:{port}", tmp_path, trace="off")
    assert error.value.message == (
        "a worker cannot import axlab: install AxLab there in the same version, "
        "with its extra: python -m pip install 'axlab[scale]'"
    )
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "CONNECTING", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(AxError, match=re.escape(f"there is no Dask scheduler at {address}: ")):
        sweep(wait_a_little, {"n": [1]}, address, tmp_path)
