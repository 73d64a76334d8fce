"""Traces as Apache Arrow tables: `.arrow` and `.parquet` files. pyarrow is imported when one is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axlab.trace.recorder import Recorder
from axlab.trace.table import Lists, Names, Numbers, Store, Table


def write_parquet(recorder: Recorder, path: Path, kind: str | None) -> None:
    """A Parquet file."""
    table = arrow_table(recorder, kind)
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path)


def write_arrow(recorder: Recorder, path: Path, kind: str | None) -> None:
    """An Arrow file (the IPC format with random access)."""
    table = arrow_table(recorder, kind)
    import pyarrow

    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def arrow_table(recorder: Recorder, kind: str | None) -> Any:
    """A `pyarrow.Table` of one kind, or of all kinds in the order in which things happened."""
    import pyarrow

    recorder = recorder.whole()
    if kind is not None:
        return _table(recorder.table(kind))
    serials = _serials(recorder)
    parts = []
    for name in recorder.kinds():
        part = _table(recorder.table(name))
        place = pyarrow.array([name] * len(part), pyarrow.string())
        parts.append(part.add_column(0, "kind", place).append_column("serial", serials(name)))
    return pyarrow.concat_tables(parts, promote_options="default").sort_by("serial").drop_columns(["serial"])


def _serials(recorder: Recorder) -> Any:
    """A function: kind -> the places of its rows in the order of all rows, as `Recorder.rows` has it."""
    import numpy
    import pyarrow

    recorder.flush()
    order = numpy.array(recorder.order, dtype="uint8")
    times = numpy.zeros(len(order), dtype="int64")
    for place, table in enumerate(recorder.tables.values()):
        times[order == place] = table.stores["time"].values
    merged = [numpy.maximum.accumulate(times)]
    shares = {}  # kind of what was executed -> its part of all rows
    for kind in recorder.executed.in_files():
        executed = numpy.array(recorder.executed.table(kind).stored()["time"].values, dtype="int64")
        begin = sum(map(len, merged))
        shares[kind] = slice(begin, begin + len(executed))
        merged.append(executed)
    rank = numpy.empty(sum(map(len, merged)), dtype="int64")
    rank[numpy.argsort(numpy.concatenate(merged), kind="stable")] = numpy.arange(len(rank))
    places = {kind: place for place, kind in enumerate(recorder.tables)}
    return lambda kind: pyarrow.array(
        rank[shares[kind]] if kind in shares else rank[: len(order)][order == places.get(kind, 255)]
    )


def _table(table: Table) -> Any:
    import pyarrow

    return pyarrow.table(
        {
            column.name: _array(store, column.form)
            for column, store in zip(table.columns, table.stored().values(), strict=True)
        }
    )


def _array(store: Store, form: str) -> Any:
    import numpy
    import pyarrow

    values = numpy.array(store.values, dtype=store.values.typecode)
    if isinstance(store, Names):
        return pyarrow.DictionaryArray.from_arrays(values, pyarrow.array(list(store.names), pyarrow.string()))
    if isinstance(store, Lists):
        starts = pyarrow.array([0, *store.ends], pyarrow.int64())
        if form == "bytes":
            return pyarrow.array(list(store.rows()), pyarrow.binary())
        return pyarrow.LargeListArray.from_arrays(starts, pyarrow.array(values))
    assert isinstance(store, Numbers)
    if form == "flag":
        return pyarrow.array(values.astype(bool))
    return pyarrow.array(values, mask=values < 0) if form == "id" else pyarrow.array(values)
