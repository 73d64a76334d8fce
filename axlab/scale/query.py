"""SQL over the parts of a sweep, by DuckDB: larger than memory, and shut to everything but those parts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.scale.libraries import library
from axlab.scale.parts import RUN
from axlab.trace.columns import ROWS, columns_of

if TYPE_CHECKING:
    from axlab.scale.runs import Runs

MEMORY = "1GB"  # what is larger goes to a temporary file
LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # else a query reads this module's variables
    "preserve_insertion_order": "false",
    "enable_progress_bar": "false",  # it would be printed into the answer
    "enable_external_file_cache": "false",  # a file is read once
    "memory_limit": f"'{MEMORY}'",
}


def answer(runs: Runs, query: str) -> Any:
    """A DataFrame with the answer. Raises `AxError` for what is no single SELECT, and for what DuckDB refuses."""
    with opened(runs) as (duckdb, connection):
        try:
            statements = connection.extract_statements(query)
            kinds = [statement.type for statement in statements]
            if kinds not in ([duckdb.StatementType.SELECT], [duckdb.StatementType.EXPLAIN]):
                raise AxError("one SELECT is wanted: runs are asked, and not changed")
            return connection.execute(statements[0]).df()
        except duckdb.Error as error:
            raise AxError(f"the query was not answered: {error}") from None


@contextmanager
def opened(runs: Runs) -> Iterator[tuple[Any, Any]]:
    """DuckDB and a connection to it that has the views, and can reach nothing else."""
    duckdb = library("duckdb", "SQL over runs")
    with tempfile.TemporaryDirectory(prefix="axlab-sql-") as scratch, duckdb.connect(":memory:") as connection:
        fill(connection, runs)
        files = [str(path.absolute()) for path in runs.parts.values()]
        settings = LOCKED | {"temp_directory": quoted(scratch), "allowed_paths": listed(files)}
        for name, value in settings.items():
            connection.execute(f"set {name} = {value}")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield duckdb, connection


def fill(connection: Any, runs: Runs) -> None:
    """The tables `runs` and `vcpus`, a view for each kind of the trace, and `events`, of all kinds."""
    from axlab.scale.runs import arrow, flat

    records = runs.records()
    vcpus = [{"run": record["run"]} | vcpu for record in records for vcpu in record["vcpus"]]
    for name, rows in (("runs", [flat(record) for record in records]), ("vcpus", vcpus)):
        connection.register("given", arrow(rows or [{"run": None}]))
        connection.execute(f"create table {name} as select * from given{'' if rows else ' limit 0'}")
        connection.unregister("given")
    if not runs.parts:
        return
    files = listed([str(path.absolute()) for path in runs.parts.values()])
    connection.execute(
        "create view events as select run, kind, time, pcpu, vm, vcpu, reason, pc, cost "
        f"from read_parquet({files}) where kind <> {quoted(RUN)}"
    )
    for kind, event_type in ROWS.items():
        names = ", ".join(f'"{column.name}"' for column in columns_of(event_type))
        connection.execute(
            f"create view {kind} as select run, {names} from read_parquet({files}) where kind = {quoted(kind)}"
        )


def quoted(text: str) -> str:
    """A text of SQL."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: list[str]) -> str:
    return f"[{', '.join(map(quoted, texts))}]"
