"""The columns of what vCPUs executed, by numpy: millions of rows a second. Imported when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from axlab.machine.access_trace import IS_WRITE
from axlab.machine.instruction_trace import COUNT_BITS, COUNT_MASK
from axlab.trace.executed import ACCESSES, BLOCKS, INSTRUCTIONS, Accesses, Recording

# The columns of each kind, as FORMS has them.
DTYPES = {
    BLOCKS: ("<i8", "<i4", "<i4", "<u8", "<i8"),  # time, vm, vcpu, pc, instructions
    INSTRUCTIONS: ("<i8", "<i4", "<i4", "<u8"),
    ACCESSES: ("<i8", "<i4", "<i4", "<u8", "<u8", "<i8", "<u8", "i1"),  # ..., pc, address, width, value, is_write
}


def columns(recordings: Sequence[Recording | Accesses], kind: str) -> list[Any]:
    """The columns of a kind, in their order, as arrays: rows by time, and of equal time by recording."""
    parts = [_accesses(one) if isinstance(one, Accesses) else _columns(one, kind) for one in recordings]
    dtypes = DTYPES[kind]
    whole = [numpy.concatenate([numpy.empty(0, dtype), *(part[n] for part in parts)]) for n, dtype in enumerate(dtypes)]
    if len(parts) > 1:
        order = numpy.argsort(whole[0], kind="stable")
        whole = [column[order] for column in whole]
    return [numpy.ascontiguousarray(column, dtype) for column, dtype in zip(whole, dtypes, strict=True)]


def _accesses(recording: Accesses) -> list[Any]:
    pieces = [[numpy.array(column) for column in piece] for piece in recording.pieces()]
    times, pcs, addresses, values, sizes = (numpy.concatenate(parts) for parts in zip(*pieces, strict=True))
    vms, vcpus = (numpy.full(len(times), number, "i4") for number in (recording.vm, recording.vcpu))
    writes = sizes >= IS_WRITE
    widths = (sizes & ~numpy.uint8(IS_WRITE)).astype("i8")
    return [times.astype("i8"), vms, vcpus, pcs, addresses, widths, values, writes]


def _columns(recording: Recording, kind: str) -> list[Any]:
    times, pcs, counts = executed_runs(recording)
    if kind != INSTRUCTIONS:
        times, pcs, counts = _joined(times, pcs, counts, recording.ns)
    else:
        within = numpy.arange(counts.sum()) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        times = numpy.repeat(times, counts) + within * recording.ns
        pcs = numpy.repeat(pcs, counts) + (within * 4).astype("u8")
    vms = numpy.full(len(times), recording.vm, "i4")
    vcpus = numpy.full(len(times), recording.vcpu, "i4")
    return [times, vms, vcpus, pcs, counts][: 4 if kind == INSTRUCTIONS else 5]


def _joined(times: Any, pcs: Any, counts: Any, ns: int) -> tuple[Any, Any, Any]:
    """Runs that follow each other in memory and time, as one block: see `Recording.blocks`."""
    follows = (pcs[1:] == pcs[:-1] + (4 * counts[:-1]).astype("u8")) & (times[1:] == times[:-1] + counts[:-1] * ns)
    first = numpy.flatnonzero(numpy.concatenate([[True] * bool(len(times)), ~follows]))
    return times[first], pcs[first], numpy.add.reduceat(counts, first) if len(first) else counts


def executed_runs(recording: Recording) -> tuple[Any, Any, Any]:
    """Time of the first instruction, address and length of every run."""
    pieces = [_times(*piece, recording.ns) for piece in recording.pieces()]
    times, pcs, counts = (numpy.concatenate(parts) for parts in zip(*pieces, strict=True))
    return times, pcs, counts


def _times(recorded: Any, entries: Any, ns: int) -> tuple[Any, Any, Any]:
    """The same of one piece of a recording."""
    runs = numpy.array(recorded, "u8")
    marks = numpy.array(entries, "i8").reshape(-1, 3)
    counts = (runs & COUNT_MASK).astype("i8")
    before = numpy.concatenate([[0], numpy.cumsum(counts)])  # instructions before each run
    mark = numpy.searchsorted(marks[:, 0], numpy.arange(len(runs)), "right") - 1
    times = marks[mark, 2] + (before[:-1] - before[marks[mark, 0]]) * ns
    pcs = (runs >> COUNT_BITS) << 2
    pcs[pcs >> 55 == 1] |= 0xFF << 56
    return times[counts > 0], pcs[counts > 0], counts[counts > 0]
