"""What vCPUs executed, as rows: complete, in time, typed, saved; and of no effect on what happens."""

from __future__ import annotations

import copy
import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest
from shell_labs import toml
from small_guests import SPINS

from axlab import Lab
from axlab.cli import main
from axlab.errors import AxError
from axlab.trace import Trace
from axlab.trace.trace import LEVELS

BLOCK_COLUMNS = ["time", "at", "vm", "vcpu", "pc", "instructions"]


def booted(level: str, **settings: Any) -> Lab:
    """A lab that has run the demo guest, recorded at a level."""
    lab = Lab(**settings)
    lab.trace.record(level)
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    return booted("instructions")


def executed(lab: Lab) -> dict[int, int]:
    """Instructions of each vCPU of VM 0."""
    return {vcpu.id: vcpu.instructions for vcpu in lab.vm(0).vcpus}


def test_the_instructions_of_the_blocks_are_those_that_each_vcpu_executed(lab: Lab) -> None:
    blocks = lab.trace.frame("blocks")
    assert blocks.groupby("vcpu")["instructions"].sum().to_dict() == executed(lab)
    assert lab.trace.frame("instructions").groupby("vcpu").size().to_dict() == executed(lab)


def test_both_kinds_are_typed_frames_by_time(lab: Lab) -> None:
    blocks, instructions = lab.trace.frame("blocks"), lab.trace.frame("instructions")
    assert list(blocks.columns) == BLOCK_COLUMNS
    assert list(instructions.columns) == BLOCK_COLUMNS[:-1]
    assert [str(dtype) for dtype in blocks.dtypes] == ["int64", "timedelta64[ns]", "Int32", "Int32", "UInt64", "Int64"]
    assert blocks["time"].is_monotonic_increasing and instructions["time"].is_monotonic_increasing


def test_every_exit_comes_right_behind_the_instruction_that_caused_it(lab: Lab) -> None:
    exits = lab.trace.exits()
    caused = exits[exits["reason"].isin(["MmioWrite", "Hypercall", "CpuUp"])]
    when = set(zip(lab.trace.frame("instructions")["time"] + 100, lab.trace.frame("instructions")["vcpu"], strict=True))
    assert len(caused) > 20
    assert all((row.time, row.vcpu) in when for row in caused.itertuples())


@pytest.mark.parametrize("kind", ["blocks", "instructions"])
def test_rows_without_numpy_are_those_of_the_frame(lab: Lab, kind: str) -> None:
    frame = lab.trace.frame(kind).drop(columns="at")
    assert list(lab.trace.recorder.table(kind).rows()) == list(frame.itertuples(index=False, name=None))


def test_stepping_records_the_same_as_translating(lab: Lab) -> None:
    stepped = Lab()
    stepped.trace.record("instructions")
    for vcpu in stepped.create("demo").vcpus:
        vcpu.cpu.translates = False
    stepped.hypervisor.start(stepped.vm(0))
    stepped.run()
    first = Lab()
    first.trace.record("instructions")
    first.hypervisor.start(first.create("demo"))
    first.run()
    for kind in ("instructions", "blocks"):
        assert stepped.trace.frame(kind).equals(first.trace.frame(kind))


def test_blocks_are_the_same_however_a_run_is_cut(lab: Lab) -> None:
    cut = Lab()
    cut.trace.record("blocks")
    cut.hypervisor.start(cut.create("demo"))
    whole = Lab()
    whole.trace.record("blocks")
    whole.hypervisor.start(whole.create("demo"))
    whole.run("5ms")
    for _ in range(500):
        cut.run("10us")
    assert cut.trace.frame("blocks").equals(whole.trace.frame("blocks"))


def test_a_fingerprint_is_the_same_at_every_level(lab: Lab) -> None:
    assert {booted(level).fingerprint() for level in LEVELS} == {lab.fingerprint()}


@pytest.mark.parametrize("level", ["off", "events"])
def test_without_recording_the_frames_are_typed_and_empty(level: str) -> None:
    trace = booted(level).trace
    assert list(trace.frame("blocks").columns) == BLOCK_COLUMNS
    assert [len(trace.frame(kind)) for kind in ("blocks", "instructions")] == [0, 0]


def test_at_the_level_of_blocks_no_single_instructions_are_shown() -> None:
    trace = booted("blocks").trace
    assert len(trace.frame("blocks")) > 100
    assert len(trace.frame("instructions")) == 0


def test_a_vm_that_starts_again_is_recorded_on() -> None:
    lab = booted("blocks")
    lab.shell("vm start 0")
    blocks = lab.trace.frame("blocks")
    assert blocks.groupby("vcpu")["instructions"].sum().to_dict() == executed(lab)
    assert blocks["time"].is_monotonic_increasing


def two_guests(folder: Path) -> Lab:
    lab = Lab()
    for number in (0, 1):
        (folder / f"{number}.toml").write_text(toml(SPINS, number))
        lab.hypervisor.start(lab.create(folder / f"{number}.toml"))
    return lab


def test_one_vm_alone_can_be_recorded_and_no_more(tmp_path: Path) -> None:
    lab = two_guests(tmp_path)
    lab.run("1ms")
    lab.trace.record("blocks", vm=1)
    lab.run("1ms")
    before = lab.vm(1).vcpus[0].instructions
    assert set(lab.trace.frame("blocks")["vm"]) == {1}
    assert lab.trace.frame("blocks")["time"].min() >= 1_000_000
    lab.trace.record("events", vm="guest1")
    lab.run("1ms")
    assert lab.trace.frame("blocks")["instructions"].sum() < before


def test_a_copy_of_a_lab_goes_on_recording_by_itself(tmp_path: Path) -> None:
    lab = two_guests(tmp_path)
    lab.trace.record("instructions")
    lab.run("1ms")
    twin = copy.deepcopy(lab)
    rows = len(lab.trace.frame("instructions"))
    for each in (twin, lab):
        each.run("1ms")
    assert len(lab.trace.frame("instructions")) > rows
    assert twin.trace.frame("instructions").equals(lab.trace.frame("instructions"))


def test_what_is_cleared_is_gone_and_recording_goes_on_in_time(tmp_path: Path) -> None:
    lab = two_guests(tmp_path)
    lab.trace.record("blocks")
    lab.run("1ms")
    lab.trace.clear()
    assert len(lab.trace.frame("blocks")) == 0
    lab.run("1ms")
    assert lab.trace.frame("blocks")["time"].min() >= 1_000_000


def test_a_wrong_level_is_refused() -> None:
    with pytest.raises(AxError, match=r"'block' is no level of recording; did you mean blocks\?"):
        Lab().trace.record("block")
    with pytest.raises(AxError, match="belongs to no lab"):
        Trace().record("blocks")


def test_a_run_costs_few_bytes_an_instruction(lab: Lab) -> None:
    for recording in lab.trace.recorder.executed.recordings:
        size = 8 * (len(recording.trace.runs) + len(recording.trace.marks))
        assert size <= 24 * recording.length("instructions")


# Files


def test_a_saved_recording_comes_back(lab: Lab, tmp_path: Path) -> None:
    lab.trace.save(tmp_path / "run")
    lab.trace.save(tmp_path / "blocks", kind="blocks")
    for kind in ("blocks", "instructions", "exits"):
        assert Trace.load(tmp_path / "run").frame(kind).equals(lab.trace.frame(kind))
    assert Trace.load(tmp_path / "blocks").frame("blocks").equals(lab.trace.frame("blocks"))
    assert len(Trace.load(tmp_path / "blocks").exits()) == 0


def test_a_file_of_everything_has_instructions_between_the_events(lab: Lab, tmp_path: Path) -> None:
    lab.trace.save(tmp_path / "run.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["time"] for row in rows if row["kind"] == "instructions"] == list(lab.trace.frame("instructions").time)
    first = next(n for n, row in enumerate(rows) if row["kind"] == "exits" and row["reason"] == "CpuUp")
    assert max(row["time"] for row in rows[:first]) <= rows[first]["time"] <= rows[first + 1]["time"]


@pytest.mark.parametrize("name", ["run.arrow", "run.parquet"])
def test_arrow_has_the_rows_in_the_order_of_csv(lab: Lab, tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow", reason="python -m pip install 'axlab[parquet]'")
    import pandas

    lab.trace.save(tmp_path / name)
    lab.trace.save(tmp_path / "run.csv")
    frame = (pandas.read_parquet if name.endswith("parquet") else pandas.read_feather)(tmp_path / name)
    rows = list(csv.DictReader((tmp_path / "run.csv").open(encoding="utf-8", newline="")))
    assert list(frame["kind"]) == [row["kind"] for row in rows]
    assert list(frame["time"]) == [int(row["time"]) for row in rows]


@pytest.mark.parametrize("level", ["blocks", "instructions"])
def test_the_command_line_records_at_a_level(tmp_path: Path, level: str) -> None:
    place, stats = tmp_path / "run.csv", tmp_path / "stats.json"
    assert main(["run", "demo", "--trace", str(place), "--trace-level", level, "--stats", str(stats)]) == 0
    rows = [row for row in csv.DictReader(place.open(encoding="utf-8", newline="")) if row["kind"] == level]
    count = sum(int(row["instructions"]) for row in rows) if level == "blocks" else len(rows)
    assert count == json.loads(stats.read_text())["instructions"]


def test_the_command_line_offers_the_levels_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "demo", "--trace-level", "everything"])
    error = capsys.readouterr().err
    assert "invalid choice: 'everything'" in error and all(level in error for level in LEVELS)


@pytest.mark.slow
def test_a_frame_of_instructions_is_made_at_five_million_rows_a_second(tmp_path: Path) -> None:
    lab = two_guests(tmp_path)
    lab.trace.record("instructions", vm=0)
    lab.run("150ms")
    times = []
    for _ in range(3):
        began = time.process_time()
        rows = len(lab.trace.frame("instructions"))
        times.append(time.process_time() - began)
    assert rows > 1_000_000
    assert rows / min(times) > 5_000_000, f"{rows / min(times):,.0f} rows a second"
