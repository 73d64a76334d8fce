"""Runs as data: frames and SQL over Parquet parts, shut to everything else."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axlab import Lab, runs, sweep
from axlab.bench import many_runs
from axlab.errors import AxError
from axlab.scale.parts import Damaged, read_record
from axlab.scale.runs import Runs


def demo(lab: Lab, parameters: dict[str, Any]) -> dict[str, Any]:
    lab.hypervisor.start(lab.create("demo"))
    lab.run()
    return {"exits": 7, "nested": {"a": [1]}, "maybe": None if parameters["n"] else 1.5}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("sweeps") / "it's"  # a name that SQL has to quote
    with ThreadPoolExecutor(1) as threads:
        return sweep(demo, {"scheduler": ["fifo", "rr"], "n": [0, 1]}, threads, folder)


def test_a_result_that_is_called_like_a_column_is_kept_beside_it(found: Runs) -> None:
    frame = found.frame()
    assert frame["result_exits"].tolist() == [7] * 4
    assert (frame["exits"] > 100).all()
    assert frame["nested"].tolist() == ['{"a": [1]}'] * 4
    assert frame["maybe"].isna().tolist() == [False, True, False, True]


def test_sql_knows_runs_and_every_kind_of_the_trace(found: Runs) -> None:
    answer = found.sql("""
        select scheduler, count(*) as n from exits join runs using (run) group by scheduler order by scheduler
    """)
    per_run = found.frame().groupby("scheduler")["exits"].sum()
    assert answer["n"].tolist() == per_run.tolist()
    assert found.sql("select sum(instructions) as n from vcpus")["n"][0] == found.frame()["instructions"].sum()
    for kind in ("vm_states", "vcpu_states", "interrupts", "hypercalls", "mmio", "console", "psci", "blocks"):
        found.sql(f"select count(*) from {kind}")


def test_a_part_holds_the_trace_as_it_was(found: Runs) -> None:
    lab = Lab(scheduler="rr")
    demo(lab, {"n": 0})
    rows = found.sql("select time, vm, vcpu, reason, pc, esr, cost, value from exits where run = 2 order by time")
    given = lab.trace.frame("exits")
    for name in ("vm", "vcpu", "reason", "pc", "esr", "cost", "value"):
        assert rows[name].astype(str).tolist() == given[name].astype(str).tolist(), name


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/*')",
        "select * from read_parquet('/tmp/*.parquet')",
        "select * from records",  # a variable of ours, which DuckDB would find in Python's frames
        "select * from query('select * from read_text(''/etc/passwd'')')",
        "explain analyze select * from read_text('/etc/passwd')",
    ],
)
def test_sql_reads_nothing_but_the_folder(found: Runs, query: str) -> None:
    with pytest.raises(AxError, match="the query was not answered: "):
        found.sql(query)


@pytest.mark.parametrize(
    "query",
    [
        "copy runs to '/tmp/stolen.csv'",
        "create table x as select 1",
        "set lock_configuration = false",
        "attach '/tmp/x.db'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "select 1; select 2",
        "explain copy runs to '/tmp/stolen.csv'; select 1",
        "",
    ],
)
def test_sql_is_one_select(found: Runs, query: str) -> None:
    with pytest.raises(AxError) as error:
        found.sql(query)
    assert error.value.message == "one SELECT is wanted: runs are asked, and not changed"


def test_a_wrong_query_is_told_in_duckdbs_words(found: Runs) -> None:
    with pytest.raises(AxError, match='Referenced column "shceduler" not found'):
        found.sql("select shceduler from runs")


def test_duckdb_is_wanted_by_name_where_it_is_missing(found: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(AxError) as error:
        found.sql("select 1")
    assert error.value.message == (
        "SQL over runs needs the package duckdb, which is not installed: python -m pip install 'axlab[scale]'"
    )


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AxError) as error:
        runs(tmp_path)
    assert error.value.message == f"{tmp_path} is no folder of a sweep: it has no sweep.json"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', "\x00"])
def test_a_damaged_manifest_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(AxError, match="sweep.json is damaged"):
        runs(tmp_path)


def test_a_damaged_part_is_named(found: Runs, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "sweep.json").write_bytes((found.folder / "sweep.json").read_bytes())
    whole = found.parts[0].read_bytes()
    (tmp_path / "parts/000000.parquet").write_bytes(b"PAR1" + whole[4:200] + b"PAR1")
    with pytest.raises(AxError, match="000000.parquet is damaged .* remove it, and the same sweep makes the run again"):
        runs(tmp_path).records()


@pytest.mark.slow
def test_the_bench_keeps_a_trace_many_times_and_asks_it_in_a_fresh_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_runs, "EVENTS", 2000)
    lab = Lab()
    demo(lab, {"n": 0})
    events, size = many_runs.keep(lab, tmp_path / "runs")
    assert 2000 <= events < 2000 + len(lab.trace) and events % len(lab.trace) == 0
    assert size > 1
    answers = many_runs.asked(tmp_path / "runs")
    assert answers["exits by reason"]["rows"] == len(lab.trace.summary())
    assert answers["peak"] > 10


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_a_part_it_is_read_or_told(found: Runs, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(found.parts[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "part.parquet"
    path.write_bytes(whole)
    try:
        assert read_record(path)["vcpus"] is not None
    except Damaged as error:
        assert str(error)


@pytest.mark.parametrize("record", ["[]", "{}", '{"run": "1"}', "3", "nonsense"])
def test_a_part_with_another_record_is_told(record: str, tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"record": [record]}), tmp_path / "part.parquet")
    with pytest.raises(Damaged):
        read_record(tmp_path / "part.parquet")


def test_a_notebook_shows_the_runs(found: Runs) -> None:
    assert "scheduler" in found._repr_html_() and "it&#x27;s" in found._repr_html_()
