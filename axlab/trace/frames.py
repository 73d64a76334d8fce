"""Tables as pandas DataFrames. pandas is imported when the first frame is asked for.

Types: integers are nullable, with <NA> where an id is -1 (there is none); words are categories;
time is there twice, as integer nanoseconds (`time`, `begin`) and as a Timedelta (`at`, `begin_at`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from axlab.trace.columns import FORMS, Column
from axlab.trace.table import Lists, Names, Store, Table, values_of

if TYPE_CHECKING:
    import pandas


def frame_of(table: Table, vm: int | None = None) -> pandas.DataFrame:
    """All rows of a table (those of one VM) as a DataFrame, oldest first."""
    import pandas

    series: dict[str, Any] = {}
    for column, store in zip(table.columns, table.stored().values(), strict=True):
        series[column.name] = MAKERS[column.form](store, column)
        if column.form in TIMEDELTAS:
            beside = "at" if column.name == "time" else f"{column.name}_at"
            series[beside] = TIMEDELTAS[column.form](store)
    frame = pandas.DataFrame(series, copy=False)
    if vm is None or "vm" not in frame:
        return frame
    return frame[(frame["vm"] == vm).fillna(False).astype(bool)].reset_index(drop=True)


def _plain(store: Store, column: Column | None) -> Any:
    """A column as a numpy array: a copy, because the recorder's own must stay free to grow."""
    import numpy

    return numpy.array(_view(store.values))


def _view(values: array[int]) -> Any:
    import numpy

    return numpy.frombuffer(values, dtype=values.typecode) if values else numpy.empty(0, dtype=values.typecode)


def _timedelta(store: Store) -> Any:
    import pandas

    return pandas.Series(_plain(store, None).view("m8[ns]"), copy=False)


def _maybe_timedelta(store: Store) -> Any:
    """-1, it never was, as NaT."""
    import numpy

    series = _timedelta(store)
    return series.mask(numpy.array(store.values) < 0)


def _integers(store: Store, column: Column) -> Any:
    """Nullable integers without any null."""
    import numpy
    import pandas

    values = _plain(store, column)
    return pandas.arrays.IntegerArray(values, numpy.zeros(len(values), dtype=bool))


def _ids(store: Store, column: Column) -> Any:
    import pandas

    values = _plain(store, column)
    return pandas.arrays.IntegerArray(values, values < 0)


def _flags(store: Store, column: Column) -> Any:
    import numpy
    import pandas

    values = _plain(store, column).view(bool)
    return pandas.arrays.BooleanArray(values, numpy.zeros(len(values), dtype=bool))


def _categories(store: Store, column: Column) -> Any:
    import pandas

    assert isinstance(store, Names)
    names = pandas.Index(list(store.names), dtype="str")
    return pandas.Categorical.from_codes(_plain(store, column), categories=names)


def _texts(store: Store, column: Column) -> Any:
    import pandas

    return pandas.array(list(store.rows()), dtype=FORMS[column.form].dtype)


def _sequences(store: Store, column: Column) -> Any:
    """bytes and tuples: Python objects, one by one (these kinds have few rows)."""
    import numpy

    assert isinstance(store, Lists)
    values = numpy.empty(len(store), dtype=object)
    for index, row in enumerate(store.rows()):
        values[index] = row
    return values


MAKERS: dict[str, Callable[[Store, Column], Any]] = {
    "time": _plain, "moment": _ids, "length": _ids, "share": _plain,
    "count": _integers, "id": _ids, "word": _integers, "signed": _integers, "flag": _flags,
    "name": _categories, "text": _texts, "bytes": _sequences, "words": _sequences,
}  # fmt: skip
TIMEDELTAS: dict[str, Callable[[Store], Any]] = {"time": _timedelta, "moment": _maybe_timedelta}


def frame_of_rows(row_type: type[Any], rows: Iterable[Any]) -> pandas.DataFrame:
    """The rows of a view, values of one dataclass, as a typed DataFrame."""
    table = Table(row_type)
    table.extend([values_of(row_type)(row) for row in rows])
    return frame_of(table)
