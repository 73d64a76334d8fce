"""A Parquet part: the whole of one run, its row of results and its trace, in one file.

Every part has the same columns, so that many of them are one table: `run`, `kind`, and those of every kind of
event. The first row is of the kind `run`; its `record` is the run's parameters and results as JSON.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from axlab.scale.libraries import library
from axlab.trace.columns import ROWS
from axlab.trace.export_arrow import arrow_table
from axlab.trace.recorder import Recorder

OWN_GROUP = 1 << 16  # rows of a kind that are worth a row group of their own; what is smaller shares one
GROUP = 1 << 20  # rows of a row group
RUN = "run"
DELTAS = ("time", "pc")
"""Columns in which differences are small; in all others few values repeat, which a dictionary is for."""


def part(lab: Any, record: dict[str, Any]) -> bytes:
    """The part of a run, as the bytes of a file; `lab` is None where there was none."""
    pyarrow, parquet = library("pyarrow", "keeping runs"), library("pyarrow.parquet", "keeping runs")
    first = pyarrow.table({"record": [json.dumps(record)]})
    tables = {RUN: first} | ({} if lab is None else kinds(lab.trace.recorder))
    schema = schema_of(tables)
    wide = [widened(table, kind, record["run"], schema) for kind, table in tables.items()]
    big = [table for table in wide if len(table) >= OWN_GROUP]
    small = pyarrow.concat_tables([table for table in wide if len(table) < OWN_GROUP])
    file = io.BytesIO()
    names = [name for name in schema.names if name not in DELTAS]
    with parquet.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=names,
        column_encoding=dict.fromkeys(DELTAS, "DELTA_BINARY_PACKED"),
        write_statistics=["run", "kind", "time"],
        dictionary_pagesize_limit=1 << 20,
    ) as writer:
        for table in [small, *big]:
            writer.write_table(table, row_group_size=GROUP)
    return file.getvalue()


def kinds(recorder: Recorder) -> dict[str, Any]:
    """Kind -> Arrow table, of all kinds that have rows."""
    recorder.flush()
    found = [*recorder.tables, *recorder.executed.kinds()]
    tables = {kind: arrow_table(recorder, kind) for kind in found}
    return {kind: table for kind, table in tables.items() if len(table)}


def schema_of(tables: dict[str, Any]) -> Any:
    """`run`, `kind`, `record`, and the columns of all kinds, also of those that have no rows here."""
    pyarrow = library("pyarrow", "keeping runs")
    name = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    columns = {"run": pyarrow.int32(), "kind": name, "record": pyarrow.string()}
    empty = Recorder()
    for kind in ROWS:
        columns |= {field.name: field.type for field in arrow_table(empty, kind).schema if field.name not in columns}
    for table in tables.values():
        columns |= {field.name: field.type for field in table.schema if field.name not in columns}
    return pyarrow.schema(list(columns.items()))


def widened(table: Any, kind: str, run: int, schema: Any) -> Any:
    """A kind's table with all columns of the schema."""
    pyarrow = library("pyarrow", "keeping runs")
    count = len(table)
    words = pyarrow.array([kind], pyarrow.string())
    have = dict(zip(table.column_names, table.columns)) | {
        "run": pyarrow.repeat(pyarrow.scalar(run, pyarrow.int32()), count),
        "kind": pyarrow.DictionaryArray.from_arrays(pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), count), words),
    }
    columns = [have[field.name] if field.name in have else pyarrow.nulls(count, field.type) for field in schema]
    return pyarrow.table(columns, schema=schema).unify_dictionaries()


FIELDS = {
    "run": int, "parameters": dict, "result": dict, "error": str, "traceback": str, "cpu_seconds": float,
    "fingerprint": str, "virtual_ns": int, "instructions": int, "exits": int, "vcpus": list,
}  # fmt: skip
"""What a record holds, whatever was run."""


class Damaged(Exception):
    """A file that is no part, and why."""


def read_record(path: Path) -> dict[str, Any]:
    """The record of a part. Raises `Damaged` for a file that is none, and OSError for one that cannot be read."""
    parquet = library("pyarrow.parquet", "reading runs")
    try:
        with path.open("rb") as file, parquet.ParquetFile(file) as opened:
            record = json.loads(opened.read_row_group(0, columns=["record"])["record"][0].as_py())
    except PermissionError:
        raise
    except Exception as error:  # pyarrow has a family of its own, and what is damaged may raise any of it
        raise Damaged(str(error) or type(error).__name__) from None
    for name, kind in FIELDS.items():
        if not isinstance(record, dict) or not isinstance(record.get(name), kind):
            raise Damaged(f"its record has no {name}")
    if not all(isinstance(row, dict) for row in record["vcpus"]):
        raise Damaged("its record has vcpus that are none")
    return dict(record)
