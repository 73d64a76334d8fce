"""The trace of a real guest's run: complete, consistent, and the same each time."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from axlab import Lab
from axlab.events import Event

ROOT = Path(__file__).parent.parent


def booted(level: str = "events") -> Lab:
    lab = Lab()
    lab.trace.recorder.level = level
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    return booted()


def test_every_exit_is_recorded(lab: Lab) -> None:
    assert lab.trace.summary(0).counts() == dict(lab.vm(0).exits)


def test_every_move_of_the_vm_is_recorded(lab: Lab) -> None:
    states = lab.trace.frame("vm_states", vm=0)
    assert list(states["new"])[-3:] == ["Running", "Stopping", "Stopped"]
    assert all(states["old"].astype(str)[1:].to_numpy() == states["new"].astype(str)[:-1].to_numpy())


def test_the_console_is_what_the_guest_printed(lab: Lab) -> None:
    console = lab.trace.frame("console", vm=0)
    assert b"".join(console["data"]) == bytes(lab.vm(0).console.output)


def test_time_never_goes_back_on_a_physical_cpu(lab: Lab) -> None:
    for _, exits in lab.trace.exits().groupby("pcpu"):
        assert exits["time"].is_monotonic_increasing


def test_two_runs_have_one_fingerprint_whatever_is_recorded(lab: Lab) -> None:
    assert booted().fingerprint() == booted("off").fingerprint() == lab.fingerprint()


def test_an_observer_more_or_less_changes_nothing(lab: Lab) -> None:
    seen: list[Event] = []
    watched = Lab()
    watched.events.add(seen.append)
    watched.create("demo")
    watched.shell("vm start 0")
    assert watched.fingerprint() == lab.fingerprint()
    assert len(seen) == len(lab.trace)


def test_a_copy_in_the_middle_of_a_boot_has_the_same_future(lab: Lab) -> None:
    first = Lab()
    first.create("demo")
    first.shell("vm start 0 --detach")
    first.run("1ms")
    second = copy.deepcopy(first)
    assert second.fingerprint() == first.fingerprint()
    assert first.run() == second.run()
    assert second.fingerprint() == first.fingerprint()
    assert second.vm(0).state == "Stopped"


@pytest.mark.slow
def test_the_fingerprint_does_not_depend_on_the_process(lab: Lab) -> None:
    program = "from tests.test_trace_of_a_run import booted; print(booted().fingerprint())"
    for seed in ("1", "4711"):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.strip() == lab.fingerprint()
