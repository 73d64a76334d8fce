"""Where two runs part: the first thing that happened in one and not in the other, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from axlab.errors import AxError
from axlab.trace.columns import EXECUTED
from axlab.trace.recorder import Recorder
from axlab.trace.table import Table
from axlab.units import format_duration

APART = ("console", "log")  # what was printed is compared as one text; log lines say what events say already
ADDRESSES = ("pc", "address", "far", "hpfar", "esr", "value", "number")

Found = tuple[str, Table, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How two runs compare. `same` rows were equal from the beginning on; `words` say what then differs.

    `equal` where nothing does. `time` is the virtual ns of the first difference, -1 without one. `columns` are the
    columns that differ, where the same kind of thing happened in both. `a` and `b` say what happened in each.
    """

    equal: bool
    same: int
    time: int = -1
    kind: str = ""
    columns: tuple[str, ...] = ()
    a: str = ""
    b: str = ""

    @property
    def words(self) -> str:
        """The difference as a few lines of text."""
        if self.equal:
            return f"The runs are the same: all {self.same:,} events, and what was printed."
        at = f"until {format_duration(self.time)} of virtual time: {self.same:,} event{'s' * (self.same != 1)}"
        why = f"They differ in {', '.join(self.columns)}." if self.columns else "Something else happened."
        return "\n".join([f"The runs are the same {at}.", why, f"a: {self.a}", f"b: {self.b}"])

    def __str__(self) -> str:
        return self.words

    def __repr__(self) -> str:
        return self.words


def compare(a: Recorder, b: Recorder) -> Difference:
    """The first difference of two traces, which have to be whole. Raises `AxError`."""
    for recorder in (a, b):
        if recorder.dropped:
            raise AxError(f"a trace has dropped its first {recorder.dropped} rows: only whole traces are compared")
    executed = a.executed.in_files() == b.executed.in_files()
    same = 0
    for mine, other in zip_longest(comparable(a, executed), comparable(b, executed)):
        if mine is None or other is None or mine[0] != other[0] or mine[2] != other[2]:
            return difference(mine, other, same)
        same += 1
    return printed(a, b, same) or Difference(True, same)


def comparable(recorder: Recorder, executed: bool) -> Iterator[Found]:
    """The rows that are compared one by one."""
    return (found for found in recorder.rows() if found[0] not in APART and (executed or found[0] not in EXECUTED))


def difference(mine: Found | None, other: Found | None, same: int) -> Difference:
    """Two rows that are not equal; None: this run has no more."""
    times = [found[2][0] for found in (mine, other) if found is not None]
    columns: tuple[str, ...] = ()
    if mine is not None and other is not None and mine[0] == other[0]:
        pairs = zip(mine[1].columns, mine[2], other[2], strict=True)
        columns = tuple(column.name for column, one, two in pairs if one != two)
    kind = (mine or other or ("",))[0]
    return Difference(False, same, min(times), kind, columns, sentence(mine), sentence(other))


def sentence(found: Found | None) -> str:
    """A row in words: `at 1.2ms VM[0] VCpu[1] exits: reason MmioWrite, pc 0x40080010, ...`."""
    if found is None:
        return "nothing more happened"
    kind, table, row = found
    values = {column.name: value for column, value in zip(table.columns, row, strict=True)}
    time, vm, vcpu = values.pop("time"), values.pop("vm", -1), values.pop("vcpu", -1)
    who = (f" VM[{vm}]" if vm >= 0 else "") + (f" VCpu[{vcpu}]" if vcpu >= 0 else "")
    facts = ", ".join(f"{name} {shown(name, value)}" for name, value in values.items() if value not in ("", (), -1))
    return f"at {format_duration(time)}{who} {kind}: {facts}"


def shown(name: str, value: Any) -> str:
    """A value as people read it: addresses and registers in hexadecimal."""
    if isinstance(value, tuple):
        return " ".join(f"{item:#x}" for item in value)
    return f"{value:#x}" if name in ADDRESSES and isinstance(value, int) else str(value)


def printed(a: Recorder, b: Recorder, same: int) -> Difference | None:
    """The first difference of what guests printed, or were sent, in two runs whose events are the same."""
    mine, other = streams(a), streams(b)
    for vm, direction in sorted({*mine, *other}):
        one, two = mine.get((vm, direction), b""), other.get((vm, direction), b"")
        if one != two:
            place = next((n for n, (x, y) in enumerate(zip(one, two)) if x != y), min(len(one), len(two)))
            time = min(time_of(recorder, vm, direction, place) for recorder in (a, b))
            where = f"console of VM[{vm}], {direction}, from byte {place} on"
            said = [f"{where}: {text(data[place:])}" for data in (one, two)]
            return Difference(False, same, time, "console", ("data",), *said)
    return None


def streams(recorder: Recorder) -> dict[tuple[int, str], bytes]:
    """All console bytes by VM and direction: in which portions they came does not matter."""
    found: dict[tuple[int, str], list[bytes]] = {}
    for _, vm, data, direction in recorder.table("console").rows():
        found.setdefault((vm, direction), []).append(data)
    return {stream: b"".join(parts) for stream, parts in found.items()}


def time_of(recorder: Recorder, vm: int, direction: str, place: int) -> int:
    """When a byte of a console was printed; of one that never was, when the last one was."""
    last = 0
    for time, of_vm, data, of_direction in recorder.table("console").rows():
        if (of_vm, of_direction) == (vm, direction):
            last = time
            place -= len(data)
            if place < 0:
                break
    return int(last)


def text(data: bytes) -> str:
    """The next bytes, shortened."""
    return ascii(data[:40].decode("latin-1")) + ("..." if len(data) > 40 else "") if data else "nothing more"
