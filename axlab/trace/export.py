"""Traces as files, in the form that the file's extension names.

A file of the whole trace has one row for each event, in the order in which they happened, with its `kind` and
the columns of all kinds; a file of one kind has that kind's columns.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from axlab.errors import AxError, nearest
from axlab.trace.columns import columns_of
from axlab.trace.export_arrow import write_arrow, write_parquet
from axlab.trace.export_chrome import write_chrome
from axlab.trace.export_vcd import write_vcd
from axlab.trace.own_format import write_own
from axlab.trace.recorder import Recorder
from axlab.trace.story import Story

Writer = Callable[[Recorder, Path, "str | None"], None]


def form_of(path: Path) -> str:
    """The ending of a file's name that chooses its form: a key of `WRITERS` or `DRAWN`. Raises `AxError`."""
    name = path.name.lower()
    for ending in sorted((*WRITERS, *DRAWN), key=len, reverse=True):
        if ending and name.endswith(ending):
            return ending
    suffix = path.suffix.lower()
    if not suffix:
        return ""
    near = nearest(suffix, [*WRITERS, *DRAWN])
    known = f"(known: {NAMES_OF_FORMS}; none: own columns)"
    raise AxError(f"{path.name}: a trace is not written as {path.suffix}{near} {known}")


def check(path: Path) -> None:
    """Raise `AxError` where `save` could not write: to ask before a long run, not after it."""
    suffix = form_of(path)
    if suffix in NEED_PYARROW and find_spec("pyarrow") is None:
        raise AxError(f"{path.name}: writing {suffix} needs pyarrow: python -m pip install 'axlab[parquet]'")
    folder = path.absolute().parent
    why = (
        "is a folder" if path.is_dir()
        else f"there is no folder {folder}" if not folder.is_dir()
        else "" if os.access(path if path.exists() else folder, os.W_OK)
        else "writing is not permitted"
    )  # fmt: skip
    if why:
        raise AxError(f"the trace cannot be written to {path}: {why}; choose another place")


def save(recorder: Recorder, path: Path, kind: str | None = None, story: Story | None = None) -> None:
    """Write a trace, or one kind of it. A file that was there is replaced only when all is written.

    `story` is what the forms of `DRAWN` show, which have no kinds.

    Raises `AxError` for an extension that is not known, a kind that is not there, a library that is
    missing, and a place that cannot be written.
    """
    check(path)
    form = form_of(path)
    if form in DRAWN and kind is not None:
        raise AxError(f"{path.name}: {form} shows a whole trace, not one kind of rows")
    if kind is not None:
        recorder.table(kind)  # refused here, before there is a file
    beside = path.with_name(f"{path.name}.part") if not path.exists() or path.is_file() else path
    try:
        if form in DRAWN:
            DRAWN[form](story or Story(), beside)
        else:
            WRITERS[form](recorder, beside, kind)
        if beside != path:
            os.replace(beside, path)
    except OSError as error:
        _remove(beside, path)
        why = error.strerror or error
        raise AxError(f"the trace cannot be written to {path}: {why}; choose another place") from None
    except BaseException:
        _remove(beside, path)
        raise


def _remove(beside: Path, path: Path) -> None:
    """Take away what was half written; never what was there before."""
    if beside != path:
        try:
            beside.unlink(missing_ok=True)
        except OSError:
            pass  # the place is not even a folder: nothing was written


def columns_of_file(recorder: Recorder, kind: str | None) -> list[str]:
    """The names of the columns of a file, in their order."""
    if kind is not None:
        return [column.name for column in recorder.table(kind).columns]
    every = [column.name for each in recorder.kinds() for column in columns_of(recorder.table(each).event_type)]
    return ["kind", *dict.fromkeys(every)]


def records(recorder: Recorder, kind: str | None) -> Iterator[dict[str, Any]]:
    """Every row as name -> value: numbers, text, flags, and lists of numbers."""
    if kind is not None:
        table = recorder.table(kind)
        for row in table.rows():
            yield {column.name: _plain(value) for column, value in zip(table.columns, row, strict=True)}
        return
    for name, table, row in recorder.rows():
        yield {"kind": name} | {column.name: _plain(value) for column, value in zip(table.columns, row, strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return list(value) if isinstance(value, tuple) else value


def write_csv(recorder: Recorder, path: Path, kind: str | None) -> None:
    """Comma-separated values with a line of names; lists of numbers are separated by spaces."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, columns_of_file(recorder, kind), lineterminator="\n")
        writer.writeheader()
        for record in records(recorder, kind):
            writer.writerow(
                {
                    name: " ".join(map(str, value)) if isinstance(value, list) else value
                    for name, value in record.items()
                }
            )


def write_json_lines(recorder: Recorder, path: Path, kind: str | None) -> None:
    """One JSON object on each line."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records(recorder, kind))


def write_json(recorder: Recorder, path: Path, kind: str | None) -> None:
    """One JSON array of objects, one object on each line."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        separator = "[\n"
        for record in records(recorder, kind):
            file.write(separator + json.dumps(record, ensure_ascii=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


WRITERS: dict[str, Writer] = {
    ".csv": write_csv,
    ".json": write_json,
    ".jsonl": write_json_lines,
    ".parquet": write_parquet,
    ".arrow": write_arrow,
    "": write_own,
}
DRAWN: dict[str, Callable[[Story, Path], None]] = {
    ".chrome.json": write_chrome,
    ".perfetto.json": write_chrome,
    ".vcd": write_vcd,
}
NEED_PYARROW = {".parquet", ".arrow"}
NAMES_OF_FORMS = ", ".join([*(ending for ending in WRITERS if ending), *DRAWN])
