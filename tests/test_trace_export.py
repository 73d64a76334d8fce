"""Traces as files."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from axlab.errors import AxError
from axlab.events import Console, Exit, Hypercall, Mmio, VmState
from axlab.trace import Trace, export
from axlab.trace.export import WRITERS

EVENTS = [
    VmState(0, 1, "Loaded", "Running"),
    Exit(100, 0, 1, 0, "MmioWrite", 0x4008_0000, address=0x900_0000, width=4, value=104),
    Mmio(100, 1, 0, 0x900_0000, 4, 104, True, "uart"),
    Console(100, 1, b"h\xff"),
    Hypercall(200, 1, 0, 3, (1, (1 << 64) - 1), 0),
    Exit(300, -1, 1, 1, "Halt", 0xFFFF_0000_0000_0000),
]


@pytest.fixture
def trace() -> Trace:
    trace = Trace()
    for event in EVENTS:
        trace.recorder(event)
    return trace


def test_csv_has_a_line_for_each_event_in_order(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "run.csv")
    rows = list(csv.DictReader((tmp_path / "run.csv").open(encoding="utf-8", newline="")))
    assert [row["kind"] for row in rows] == ["vm_states", "exits", "mmio", "console", "hypercalls", "exits"]
    assert rows[1]["reason"] == "MmioWrite" and rows[1]["address"] == str(0x900_0000) and rows[1]["old"] == ""
    assert rows[3]["data"] == "h\\xff"
    assert rows[4]["args"] == "1 18446744073709551615"


def test_csv_of_one_kind_has_its_columns_only(trace: Trace, tmp_path: Path) -> None:
    trace.save(str(tmp_path / "run.csv"), kind="vm_states")
    assert (tmp_path / "run.csv").read_text() == "time,vm,old,new,reason\n0,1,Loaded,Running,\n"


@pytest.mark.parametrize("name", ["run.json", "run.jsonl"])
def test_json_has_an_object_for_each_event(trace: Trace, tmp_path: Path, name: str) -> None:
    trace.save(tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    objects = json.loads(text) if name == "run.json" else [json.loads(line) for line in text.splitlines()]
    assert objects[0] == {"kind": "vm_states", "time": 0, "vm": 1, "old": "Loaded", "new": "Running", "reason": ""}
    assert objects[4]["args"] == [1, (1 << 64) - 1]
    assert len(objects) == len(EVENTS)


@pytest.mark.parametrize("name", ["run.arrow", "run.parquet"])
def test_arrow_and_parquet_have_typed_columns_in_order(trace: Trace, tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow", reason="python -m pip install 'axlab[parquet]'")
    import pandas

    trace.save(tmp_path / name)
    read = pandas.read_parquet if name.endswith("parquet") else pandas.read_feather
    frame = read(tmp_path / name)
    assert list(frame["kind"]) == ["vm_states", "exits", "mmio", "console", "hypercalls", "exits"]
    assert frame["pc"].iloc[5] == 0xFFFF_0000_0000_0000
    assert list(frame["args"].iloc[4]) == [1, (1 << 64) - 1]
    assert frame["data"].iloc[3] == b"h\xff"
    assert frame["pcpu"].isna().iloc[5]
    trace.save(tmp_path / name, kind="exits")
    assert list(read(tmp_path / name)["reason"]) == ["MmioWrite", "Halt"]


@pytest.mark.parametrize("name", ["run", "run.csv", "run.json", "run.jsonl", "run.arrow", "run.parquet"])
def test_an_empty_trace_is_written_too(tmp_path: Path, name: str) -> None:
    Trace().save(tmp_path / name)
    Trace().save(tmp_path / name, kind="exits")
    assert (tmp_path / name).exists()


def test_own_columns_come_back_as_they_were(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "run")
    again = Trace.load(tmp_path / "run")
    assert [(kind, row) for kind, _, row in again.recorder.rows()] == [
        (kind, row) for kind, _, row in trace.recorder.rows()
    ]
    trace.save(tmp_path / "run", kind="exits")
    assert len(Trace.load(tmp_path / "run")) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "is no trace of AxLab's own form (its first line is not AXLAB TRACE 1)"),
        (b"AXLAB TRACE 1\n{", "is damaged, or was not written completely: Expecting"),
        (b"AXLAB TRACE 1\n{}\n", "is damaged, or was not written completely: 'dropped'"),
        (b'AXLAB TRACE 1\n{"dropped": 0, "events": 9, "tables": []}\nx', "is damaged, or was not"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(AxError) as error:
        Trace.load(tmp_path / "run")
    assert message in str(error.value)


def test_a_cut_file_is_refused_wherever_it_was_cut(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "run")
    whole = (tmp_path / "run").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "run").write_bytes(whole[:length])
        with pytest.raises(AxError):
            Trace.load(tmp_path / "run")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AxError, match="cannot be read: No such file or directory"):
        Trace.load(tmp_path / "nothing")


def test_an_unknown_extension_names_the_known_ones(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(AxError) as error:
        trace.save(tmp_path / "run.parket")
    assert str(error.value) == (
        "run.parket: a trace is not written as .parket; did you mean .parquet? "
        "(known: .csv, .json, .jsonl, .parquet, .arrow, .chrome.json, .perfetto.json, .vcd; none: own columns)"
    )


def test_an_unknown_kind_is_refused_before_there_is_a_file(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(AxError, match=r"a trace has no 'exit'; did you mean exits\? \(kinds: exits, vm_states, "):
        trace.save(tmp_path / "run.csv", kind="exit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_a_place_that_cannot_be_written_is_said(trace: Trace, tmp_path: Path, suffix: str) -> None:
    with pytest.raises(AxError, match=r"cannot be written to .*: there is no folder .*missing; choose another place"):
        trace.save(tmp_path / "missing" / f"run{suffix}")


def test_a_folder_is_no_place_for_a_trace(trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(AxError, match="is a folder; choose another place"):
        trace.save(tmp_path)


def test_writing_that_is_not_permitted_is_said(trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may be allowed everything
    with pytest.raises(AxError, match="writing is not permitted; choose another place"):
        trace.save(tmp_path / "run.csv")


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_missing_library_is_named_before_anything_runs(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(AxError) as error:
        trace.save(tmp_path / f"run.{suffix}")
    needed = f"run.{suffix}: writing .{suffix} needs pyarrow: python -m pip install 'axlab[parquet]'"
    assert str(error.value) == needed


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_is_said(trace: Trace) -> None:
    with pytest.raises(AxError, match="cannot be written to /dev/full: No space left on device"):
        trace.save("/dev/full")


def test_what_was_there_stays_when_writing_fails(trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.csv").write_text("precious")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(AxError):
        trace.save(tmp_path / "run.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["run.csv"]
    assert (tmp_path / "run.csv").read_text() == "precious"
