"""What vCPUs executed: recordings of instructions, by block or one by one, and of their accesses to memory, as rows.

The machine records runs of instructions (`machine/instruction_trace.py`), a few bytes for each time a block is
left. At both levels it records the same; the level decides what is shown of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import compress
from operator import itemgetter
from typing import Any

from axlab.machine.access_trace import IS_WRITE, AccessTrace
from axlab.machine.instruction_trace import COUNT_MASK, InstructionTrace, address_of
from axlab.trace.columns import EXECUTED
from axlab.trace.scope import Scope, kept_runs
from axlab.trace.spill import Bounds, Part, Spilled, add_part
from axlab.trace.table import Store, Table

BLOCKS, INSTRUCTIONS, ACCESSES = EXECUTED
MEMORY = "memory"  # the level of accesses
LEVELS = (BLOCKS, INSTRUCTIONS, MEMORY)
CHUNK = 1 << 16  # runs or accesses that make a part

EVERYTHING = Scope()

Row = tuple[Any, ...]


@dataclass(eq=False)
class Recording:
    """What one vCPU executed. `ns` of virtual time is what an instruction takes; `level` what is shown.

    `goes_on`: the vCPU is still recorded. `parts` are older columns, runs and marks, of which `dropped` instructions
    are no more; of those and of `trace`, which is the newest, `scope` says what belongs to the recording.
    """

    vm: int
    vcpu: int
    ns: int
    level: str = BLOCKS
    trace: InstructionTrace = field(default_factory=InstructionTrace)
    goes_on: bool = True
    scope: Scope = EVERYTHING
    parts: list[Part | Spilled] = field(default_factory=list)
    dropped: int = 0

    @property
    def newest(self) -> array[int]:
        """The column by whose length it is told when a part is due."""
        return self.trace.runs

    def pieces(self) -> Iterator[tuple[array[int], array[int]]]:
        """The columns of all parts, runs and marks, oldest first."""
        for part in self.parts:
            runs, marks = part.read()
            yield runs, marks
        yield self._newest()

    def _newest(self) -> tuple[array[int], array[int]]:
        runs, marks = self.trace.runs, self.trace.marks
        return (runs, marks) if self.scope.is_everything else kept_runs(runs, marks, self.ns, self.scope)

    def whole(self) -> tuple[array[int], array[int]]:
        """The columns of all parts as one."""
        runs, marks = array("Q"), array("Q")
        for more, entries in self.pieces():
            marks.extend(value if at % 3 else value + len(runs) for at, value in enumerate(entries))
            runs.extend(more)
        return runs, marks

    def settle(self, bounds: Bounds) -> None:
        """Make a part of the newest columns, where something is to be left out, forgotten or put on disk."""
        runs, marks = self._newest()
        rows = sum(run & COUNT_MASK for run in runs)
        self.dropped += add_part(self.parts, (runs[:], marks[:]), rows, bounds)
        self._begin_anew()

    def shows(self, kind: str) -> bool:
        """Whether the rows of a kind are asked for."""
        return kind == BLOCKS or self.level in (INSTRUCTIONS, MEMORY)

    def blocks(self) -> Iterator[Row]:
        """(time, vm, vcpu, pc, instructions) of every block; the time is that of its first instruction.

        A block is as long as instructions follow each other in memory and time, whatever portions the machine
        executed: it does not depend on how code was translated, or on who stopped the machine in between.
        """
        first, count = (0, 0), 0  # time and pc of the block that grows
        for time, pc, more in self.runs():
            if count and (time, pc) == (first[0] + count * self.ns, first[1] + 4 * count):
                count += more
                continue
            if count:
                yield first[0], self.vm, self.vcpu, first[1], count
            first, count = (time, pc), more
        if count:
            yield first[0], self.vm, self.vcpu, first[1], count

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """(time, pc, instructions) of every run, as the machine recorded them."""
        for runs, marks in self.pieces():
            for at in range(0, len(marks), 3):
                first, _, time = marks[at : at + 3]
                for run in runs[first : marks[at + 3] if at + 3 < len(marks) else len(runs)]:
                    count = run & COUNT_MASK
                    if count:
                        yield time, address_of(run), count
                    time += count * self.ns

    def instructions(self) -> Iterator[Row]:
        """(time, vm, vcpu, pc) of every instruction."""
        for time, pc, count in self.runs():
            for n in range(count):
                yield time + n * self.ns, self.vm, self.vcpu, pc + 4 * n

    def rows(self, kind: str) -> Iterator[Row]:
        """The rows of a kind, oldest first."""
        return self.blocks() if kind == BLOCKS else self.instructions()

    def clear(self) -> None:
        """Forget what was recorded; the recording goes on."""
        self.parts.clear()
        self.dropped = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Empty the newest columns, but for the mark from which time goes on."""
        runs, marks = self.trace.runs, self.trace.marks
        count = sum(run & COUNT_MASK for run in runs[marks[-3] :]) if marks else 0
        last = (0, marks[-2] + count, marks[-1] + count * self.ns) if marks else ()
        del runs[:], marks[:]
        marks.extend(last)

    def length(self, kind: str) -> int:
        """How many rows of a kind there are."""
        return sum(count for _, _, count in self.runs()) if kind == INSTRUCTIONS else sum(1 for _ in self.blocks())


@dataclass(eq=False)
class Accesses:
    """Loads and stores of one vCPU. `parts` are older columns, `trace` has the newest; see `Recording`."""

    vm: int
    vcpu: int
    trace: AccessTrace = field(default_factory=AccessTrace)
    goes_on: bool = True
    scope: Scope = EVERYTHING
    parts: list[Part | Spilled] = field(default_factory=list)
    dropped: int = 0

    @property
    def newest(self) -> array[int]:
        """The column by whose length it is told when a part is due."""
        return self.trace.times

    def shows(self, kind: str) -> bool:
        """Whether the rows of a kind are asked for."""
        return kind == ACCESSES

    def pieces(self) -> Iterator[tuple[array[int], ...]]:
        """The columns of all parts: times, pcs, addresses, values, and sizes with `IS_WRITE`."""
        for part in self.parts:
            yield part.read()
        yield self._newest()

    def _newest(self) -> tuple[array[int], ...]:
        trace = self.trace
        whole = (trace.times, trace.pcs, trace.addresses, trace.values, trace.sizes)
        if self.scope.is_everything:
            return whole
        kept = [self.scope.has(time, address) for time, address in zip(trace.times, trace.addresses, strict=True)]
        return tuple(array(column.typecode, compress(column, kept)) for column in whole)

    def whole(self) -> tuple[array[int], ...]:
        """The columns of all parts as one."""
        columns = tuple(array(code) for code in "QQQQB")
        for piece in self.pieces():
            for column, more in zip(columns, piece, strict=True):
                column.extend(more)
        return columns

    def settle(self, bounds: Bounds) -> None:
        """Make a part of the newest columns."""
        columns = self._newest()
        self.dropped += add_part(self.parts, tuple(column[:] for column in columns), len(columns[0]), bounds)
        self.trace.clear()

    def rows(self, kind: str) -> Iterator[Row]:
        """(time, vm, vcpu, pc, address, width, value, is_write) of every access, oldest first."""
        for columns in self.pieces():
            for time, pc, address, value, size in zip(*columns, strict=True):
                yield time, self.vm, self.vcpu, pc, address, size & ~IS_WRITE, value, size >= IS_WRITE

    def clear(self) -> None:
        """Forget what was recorded; the recording goes on."""
        self.parts.clear()
        self.dropped = 0
        self.trace.clear()

    def length(self, kind: str) -> int:
        """How many accesses there are."""
        return sum(part.rows for part in self.parts) + len(self._newest()[0])


class RecordedTable(Table):
    """The rows of all recordings, by time: made when they are asked for, because they are much longer than those."""

    def __init__(self, kind: str, recordings: Iterable[Recording | Accesses]) -> None:
        super().__init__(EXECUTED[kind])
        self.kind = kind
        self.recordings = [recording for recording in recordings if recording.shows(kind)]

    def __len__(self) -> int:
        return sum(recording.length(self.kind) for recording in self.recordings)

    def rows(self) -> Iterator[Row]:
        return merge(*(recording.rows(self.kind) for recording in self.recordings), key=itemgetter(0))

    def stored(self) -> dict[str, Store]:
        """The columns, by numpy."""
        from axlab.trace.executed_columns import columns

        table = Table(self.event_type)
        for store, values in zip(table.stores.values(), columns(self.recordings, self.kind), strict=True):
            store.values.frombytes(values.view("u1"))
        return table.stores


@dataclass
class Executed:
    """All recordings of a trace, of instructions and of accesses to memory, in the order in which they began."""

    recordings: list[Recording] = field(default_factory=list)
    accesses: list[Accesses] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)

    def every(self) -> list[Recording | Accesses]:
        """All recordings, those of instructions first."""
        return [*self.recordings, *self.accesses]

    def settle(self) -> None:
        """Make parts of what has become long, where something is left out, forgotten or put on disk."""
        for one in self.every():
            if len(one.newest) >= CHUNK and not (one.scope.is_everything and self.bounds.are_open):
                one.settle(self.bounds)

    def find(self, trace: InstructionTrace | None) -> Recording | None:
        """The recording that a CPU's trace belongs to."""
        return next((known for known in self.recordings if known.trace is trace), None)

    def begin(self, vm: int, vcpu: int, ns: int, scope: Scope = EVERYTHING) -> Recording:
        """A new recording; an older one of a vCPU with these ids, which is no more, does not go on."""
        self._end(self.recordings, vm, vcpu)
        self.recordings.append(Recording(vm, vcpu, ns, scope=scope))
        return self.recordings[-1]

    def find_accesses(self, trace: AccessTrace | None) -> Accesses | None:
        """The recording that a CPU's accesses belong to."""
        return next((known for known in self.accesses if known.trace is trace), None)

    def begin_accesses(self, vm: int, vcpu: int, scope: Scope = EVERYTHING) -> Accesses:
        """A new recording of accesses to memory."""
        self._end(self.accesses, vm, vcpu)
        self.accesses.append(Accesses(vm, vcpu, scope=scope))
        return self.accesses[-1]

    def _end(self, recordings: Iterable[Recording | Accesses], vm: int, vcpu: int) -> None:
        for known in recordings:
            known.goes_on = known.goes_on and (known.vm, known.vcpu) != (vm, vcpu)

    def clear(self) -> None:
        """Forget what was recorded; the recordings go on."""
        for one in self.every():
            one.clear()

    @property
    def dropped(self) -> int:
        """Instructions and accesses that were forgotten, because only so many were to be kept."""
        return sum(one.dropped for one in self.every())

    def kinds(self) -> list[str]:
        """The kinds of which there are rows."""
        shown = [kind for kind in (BLOCKS, INSTRUCTIONS) if any(known.shows(kind) for known in self.recordings)]
        return shown + [ACCESSES] * bool(self.accesses)

    def in_files(self) -> list[str]:
        """The kinds that a file of the whole trace holds: blocks only where there are no single instructions."""
        kinds = self.kinds()
        return [kind for kind in kinds if kind != BLOCKS or INSTRUCTIONS not in kinds]

    def table(self, kind: str) -> RecordedTable:
        """The rows of a kind; empty where nothing was recorded."""
        return RecordedTable(kind, self.accesses if kind == ACCESSES else self.recordings)
