"""The columns of what vCPUs executed, by numpy: millions of rows a second. Imported when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy

from axlab.machine.instruction_trace import COUNT_BITS, COUNT_MASK
from axlab.trace.executed import INSTRUCTIONS, Recording

DTYPES = ("<i8", "<i4", "<i4", "<u8", "<i8")  # time, vm, vcpu, pc, instructions: as FORMS has them


def columns(recordings: list[Recording], kind: str) -> list[Any]:
    """The columns of a kind, in their order, as arrays: rows by time, and of equal time by recording."""
    parts = [_columns(recording, kind) for recording in recordings]
    count = 4 if kind == INSTRUCTIONS else 5
    whole = [numpy.concatenate([numpy.empty(0, DTYPES[n]), *(part[n] for part in parts)]) for n in range(count)]
    if len(parts) > 1:
        order = numpy.argsort(whole[0], kind="stable")
        whole = [column[order] for column in whole]
    return [numpy.ascontiguousarray(column, dtype) for column, dtype in zip(whole, DTYPES, strict=False)]


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
    runs = numpy.array(recording.trace.runs, "u8")
    marks = numpy.array(recording.trace.marks, "i8").reshape(-1, 3)
    counts = (runs & COUNT_MASK).astype("i8")
    before = numpy.concatenate([[0], numpy.cumsum(counts)])  # instructions before each run
    mark = numpy.searchsorted(marks[:, 0], numpy.arange(len(runs)), "right") - 1
    times = marks[mark, 2] + (before[:-1] - before[marks[mark, 0]]) * recording.ns
    pcs = (runs >> COUNT_BITS) << 2
    pcs[pcs >> 55 == 1] |= 0xFF << 56
    return times[counts > 0], pcs[counts > 0], counts[counts > 0]
