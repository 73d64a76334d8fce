"""What vCPUs executed: recordings of instructions as rows, by block or one by one.

The machine records runs of instructions (`machine/instruction_trace.py`), a few bytes for each time a block is
left. At both levels it records the same; the level decides what is shown of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

from axlab.machine.instruction_trace import COUNT_MASK, InstructionTrace, address_of
from axlab.trace.columns import EXECUTED
from axlab.trace.table import Store, Table

BLOCKS, INSTRUCTIONS = EXECUTED

Row = tuple[Any, ...]


@dataclass(eq=False)
class Recording:
    """What one vCPU executed. `ns` of virtual time is what an instruction takes; `level` what is shown.

    `goes_on`: the vCPU is still recorded.
    """

    vm: int
    vcpu: int
    ns: int
    level: str = BLOCKS
    trace: InstructionTrace = field(default_factory=InstructionTrace)
    goes_on: bool = True

    def shows(self, kind: str) -> bool:
        """Whether the rows of a kind are asked for."""
        return kind == BLOCKS or self.level == INSTRUCTIONS

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
        marks = self.trace.marks
        entries = [(*marks[at : at + 3],) for at in range(0, len(marks), 3)]
        runs = self.trace.runs
        ends = [entry[0] for entry in entries[1:]] + [len(runs)]
        for (first, _, time), end in zip(entries, ends, strict=True):
            for run in runs[first:end]:
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
        runs, marks = self.trace.runs, self.trace.marks
        count = sum(run & COUNT_MASK for run in runs[marks[-3] :]) if marks else 0
        last = (0, marks[-2] + count, marks[-1] + count * self.ns) if marks else ()
        del runs[:], marks[:]
        marks.extend(last)

    def length(self, kind: str) -> int:
        """How many rows of a kind there are."""
        return len(self.trace) if kind == INSTRUCTIONS else sum(1 for _ in self.blocks())


class ExecutedTable(Table):
    """The rows of all recordings, by time: made when they are asked for, because they are much longer than those."""

    def __init__(self, kind: str, recordings: Iterable[Recording]) -> None:
        super().__init__(EXECUTED[kind])
        self.kind = kind
        self.recordings = [recording for recording in recordings if recording.shows(kind)]

    def __len__(self) -> int:
        return sum(recording.length(self.kind) for recording in self.recordings)

    def rows(self) -> Iterator[Row]:
        return merge(*(recording.rows(self.kind) for recording in self.recordings), key=lambda row: row[0])

    def stored(self) -> dict[str, Store]:
        """The columns, by numpy."""
        from axlab.trace.executed_columns import columns

        table = Table(self.event_type)
        for store, values in zip(table.stores.values(), columns(self.recordings, self.kind), strict=True):
            store.values.frombytes(values.view("u1"))
        return table.stores


@dataclass
class Executed:
    """All recordings of a trace, in the order in which they began."""

    recordings: list[Recording] = field(default_factory=list)

    def find(self, trace: InstructionTrace | None) -> Recording | None:
        """The recording that a CPU's trace belongs to."""
        return next((known for known in self.recordings if known.trace is trace), None)

    def begin(self, vm: int, vcpu: int, ns: int) -> Recording:
        """A new recording; an older one of a vCPU with these ids, which is no more, does not go on."""
        for known in self.recordings:
            known.goes_on = known.goes_on and (known.vm, known.vcpu) != (vm, vcpu)
        self.recordings.append(Recording(vm, vcpu, ns))
        return self.recordings[-1]

    def kinds(self) -> list[str]:
        """The kinds of which there are rows."""
        return [kind for kind in EXECUTED if any(known.shows(kind) for known in self.recordings)]

    def finest(self) -> str:
        """The kind that says all: the one which a file of the whole trace holds; "" without recordings."""
        return (self.kinds() or [""])[-1]

    def table(self, kind: str) -> ExecutedTable:
        """The rows of a kind; empty where nothing was recorded."""
        return ExecutedTable(kind, self.recordings)
