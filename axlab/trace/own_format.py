"""AxLab's own file of a trace: a line that names the format, a line of JSON, and the columns as they are in memory.

AXLAB TRACE 1
{"events": 1234, "dropped": 0, "tables": [{"kind": "exits", "columns": [...]}, ...], "executed": [...]}
the bytes of every array, little endian, in the order in which the second line names them
"""

from __future__ import annotations

import json
import sys
from array import array
from pathlib import Path
from typing import Any, BinaryIO

from axlab.errors import AxError
from axlab.trace.columns import EXECUTED, FORMS, KINDS, columns_of
from axlab.trace.executed import ACCESSES, BLOCKS, INSTRUCTIONS, Accesses, Recording
from axlab.trace.recorder import Recorder
from axlab.trace.table import Lists, Names, Store, Table

MAGIC = b"AXLAB TRACE 1\n"


def write_own(recorder: Recorder, path: Path, kind: str | None) -> None:
    """Write a trace, or one kind of it, so that `load` gives it back."""
    recorder = recorder.whole()
    tables = recorder.tables if kind is None else {} if kind in EXECUTED else {kind: recorder.table(kind)}
    order = recorder.order if kind is None else array("B", bytes(sum(map(len, tables.values()))))
    recordings = recorder.executed.recordings if kind is None or kind in (BLOCKS, INSTRUCTIONS) else []
    accesses = recorder.executed.accesses if kind in (None, ACCESSES) else []
    every: list[Recording | Accesses] = [*recordings, *accesses]
    columns = [one.whole() for one in every]
    head = {
        "events": len(order),
        "dropped": recorder.dropped,
        "tables": [{"kind": name, "columns": _describe(table)} for name, table in tables.items()],
        "executed": [
            {"vm": one.vm, "vcpu": one.vcpu, "ns": one.ns, "level": one.level, "runs": len(runs), "marks": len(marks)}
            for one, (runs, marks) in zip(recordings, columns)
        ],
        "accesses": [
            {"vm": one.vm, "vcpu": one.vcpu, "rows": len(found[0])}
            for one, found in zip(accesses, columns[len(recordings) :])
        ],
    }
    with open(path, "wb") as file:
        file.write(MAGIC + json.dumps(head).encode() + b"\n")
        _put(file, order)
        for table in tables.values():
            for store in table.stores.values():
                _put(file, store.values)
                if isinstance(store, Lists):
                    _put(file, store.ends)
        for of_recording in columns:
            for column in of_recording:
                _put(file, column)


def _describe(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "length": len(store.values),
            "names": list(store.names) if isinstance(store, Names) else None,
            "rows": len(store),
        }
        for name, store in table.stores.items()
    ]


def load(recorder: Recorder, path: Path) -> None:
    """Read a file of `write_own` into an empty recorder. Raises `AxError` for anything else."""
    try:
        with open(path, "rb") as file:
            if file.readline() != MAGIC:
                raise AxError(f"{path} is no trace of AxLab's own form (its first line is not AXLAB TRACE 1)")
            head = json.loads(file.readline())
            recorder.forgotten = head["dropped"]
            recorder.order = _get(file, "B", head["events"])
            for described in head["tables"]:
                recorder.tables[described["kind"]] = _table(file, described)
            recorder.executed.recordings = [_recording(file, described) for described in head["executed"]]
            recorder.executed.accesses = [_accesses(file, described) for described in head.get("accesses", [])]
    except OSError as error:
        raise AxError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise AxError(f"{path} is damaged, or was not written completely: {error}") from None


def _table(file: BinaryIO, described: dict[str, Any]) -> Table:
    if described["kind"] not in KINDS:
        raise ValueError(f"this version of AxLab knows no kind {described['kind']!r}")
    table = Table(KINDS[described["kind"]])
    forms = {column.name: column.form for column in columns_of(table.event_type)}
    if [column["name"] for column in described["columns"]] != list(forms):
        raise ValueError(f"its columns of {described['kind']} are those of another version")
    for column in described["columns"]:
        _fill(file, table.stores[column["name"]], FORMS[forms[column["name"]]].code, column)
    return table


def _recording(file: BinaryIO, described: dict[str, Any]) -> Recording:
    vm, vcpu, ns = [int(described[name]) for name in ("vm", "vcpu", "ns")]
    recording = Recording(vm, vcpu, ns, str(described["level"]), goes_on=False)
    state = {name: _get(file, "Q", described[name]) for name in ("runs", "marks")}
    if len(state["marks"]) % 3 or state["runs"] and not state["marks"]:
        raise ValueError(f"the recording of vCPU {vcpu} of VM {vm} has no times")
    recording.trace.__setstate__(state)
    return recording


def _accesses(file: BinaryIO, described: dict[str, Any]) -> Accesses:
    recording = Accesses(int(described["vm"]), int(described["vcpu"]), goes_on=False)
    trace = recording.trace
    trace.times, trace.pcs, trace.addresses, trace.values = (_get(file, "Q", described["rows"]) for _ in range(4))
    trace.sizes = _get(file, "B", described["rows"])
    return recording


def _fill(file: BinaryIO, store: Store, code: str, column: dict[str, Any]) -> None:
    store.values = _get(file, code, column["length"])
    if isinstance(store, Names):
        store.names = {name: place for place, name in enumerate(column["names"])}
    if isinstance(store, Lists):
        store.ends = _get(file, "q", column["rows"])


def _put(file: BinaryIO, values: array[int]) -> None:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    values.tofile(file)


def _get(file: BinaryIO, code: str, count: int) -> array[int]:
    values = array(code)
    values.fromfile(file, count)
    if sys.byteorder == "big":
        values.byteswap()
    return values
