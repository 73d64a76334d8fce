"""Runs as data: the Parquet parts of a sweep, as a DataFrame and in SQL."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.scale.folder import PARTS, read_manifest, whole_parts
from axlab.scale.libraries import library
from axlab.scale.parts import Damaged, read_record

if TYPE_CHECKING:
    import pandas

SHOWN = 20  # rows of a table in a notebook
OWN = ("virtual_ns", "instructions", "exits", "cpu_seconds", "fingerprint", "error")


def runs(folder: str | Path) -> Runs:
    """The runs in a sweep's folder. Raises `AxError` where it is none."""
    return Runs(folder)


def failures(found: Runs) -> list[tuple[int, str]]:
    """(number, error) of the runs that failed."""
    return [(record["run"], record["error"]) for record in found.records() if record["error"]]


class Runs:
    """The runs of a sweep that are done, also while others are being made.

    >>> found = axlab.runs("runs/")
    >>> found.frame()                      # one row for each run: parameters, results, what was measured
    >>> found.sql("select scheduler, avg(latency_ns) from runs group by scheduler")
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.parts = whole_parts(self.folder / PARTS)

    def __len__(self) -> int:
        """How many runs are done."""
        return len(self.parts)

    @property
    def missing(self) -> list[int]:
        """The numbers of the runs that are not done."""
        return [number for number in range(len(self.manifest.parameters)) if number not in self.parts]

    def records(self) -> list[dict[str, Any]]:
        """What was kept of each run, as plain data. Raises `AxError` for a part that is damaged."""
        return [self._record(path) for path in self.parts.values()]

    def _record(self, path: Path) -> dict[str, Any]:
        try:
            return read_record(path)
        except Damaged as error:
            raise AxError(f"{path} is damaged ({error}); remove it, and the same sweep makes the run again") from None
        except OSError as error:
            raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None

    def table(self) -> Any:
        """The runs as an Arrow table: `run`, parameters, results, and what was measured of every run."""
        return arrow([flat(record) for record in self.records()])

    def frame(self) -> pandas.DataFrame:
        """The runs as a DataFrame, one row for each."""
        frame: pandas.DataFrame = self.table().to_pandas()
        return frame

    def sql(self, query: str) -> pandas.DataFrame:
        """The answer of DuckDB to a SELECT.

        Tables: `runs`, `vcpus`, one for each kind of the trace (`exits`, `interrupts`, ...), and `events` for all
        kinds; their column `run` says which run a row is of. Nothing outside of the folder can be read, and nothing
        written. Raises `AxError`.
        """
        from axlab.scale.query import answer

        return answer(self, query)

    def error(self, run: int) -> str:
        """Why a run failed, with the traceback where there was one. Raises `AxError` for a run that is not there."""
        if run not in self.parts:
            raise AxError(f"{self.folder} has no run {run}; it has {len(self)} runs, from 0 on")
        record = self._record(self.parts[run])
        return str(record["traceback"] or record["error"])

    def __repr__(self) -> str:
        whole = len(self.manifest.parameters)
        return f"<Runs: {len(self)} of {whole} of {self.manifest.what}, in {self.folder}>"

    def _repr_html_(self) -> str:
        frame = self.frame()
        more = f"<p>and {len(frame) - SHOWN} more: <code>.frame()</code></p>" if len(frame) > SHOWN else ""
        return f"<p>{html.escape(repr(self))}</p>{frame.head(SHOWN).to_html(index=False)}{more}"


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record as one row. A result that is called like a parameter or a column gets `result_` before its name."""
    row: dict[str, Any] = {"run": record["run"]} | record["parameters"]
    own = {name: record[name] for name in OWN}
    for name, value in record["result"].items():
        row[f"result_{name}" if name in row or name in own else name] = value
    return row | own


def arrow(rows: list[dict[str, Any]]) -> Any:
    """Rows with any columns as an Arrow table; a column has the narrowest type that holds all its values."""
    pyarrow = library("pyarrow", "reading runs")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pyarrow.table({name: column([row.get(name) for row in rows]) for name in names})


def column(values: list[Any]) -> Any:
    """A column of plain values: true and false, whole numbers, numbers, or text (what is nested, as JSON)."""
    pyarrow = library("pyarrow", "reading runs")
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int} and all(value is None or -(1 << 63) <= value < 1 << 63 for value in values):
        return pyarrow.array(values, pyarrow.int64())
    if kinds == {int} and all(value is None or 0 <= value < 1 << 64 for value in values):
        return pyarrow.array(values, pyarrow.uint64())
    if kinds and kinds <= {int, float}:
        return pyarrow.array([None if value is None else float(value) for value in values], pyarrow.float64())
    if kinds == {bool}:
        return pyarrow.array(values, pyarrow.bool_())
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pyarrow.array([None if text is None else valid(text) for text in texts], pyarrow.string())


def valid(text: str) -> str:
    """The text with what is no Unicode (half a surrogate pair) as an escape: UTF-8 cannot hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
