"""What a trace costs: bytes of memory an instruction, and how fast its rows become a frame."""

from __future__ import annotations

import sys

from axlab.bench import engines
from axlab.bench.clock import best, seconds
from axlab.bench.workloads import Workload
from axlab.events import Exit
from axlab.machine.instruction_trace import InstructionTrace
from axlab.trace.executed import INSTRUCTIONS, Recording
from axlab.trace.trace import Trace

WHOLE = 10_000_000  # instructions of a trace that is measured as a whole
EXITS = 1_000_000
DISTINCT = 4_000


def recorded(workload: Workload, instructions: int) -> InstructionTrace:
    """A recording of at least so many instructions: the workload again and again."""
    trace = InstructionTrace()
    while len(trace) < instructions:
        engines.run_bare(workload, trace)
    return trace


def bytes_of(trace: InstructionTrace) -> int:
    """What its columns take in memory, with the room that they have grown into."""
    return sys.getsizeof(trace.runs) + sys.getsizeof(trace.marks)


def instruction_rows(trace: InstructionTrace) -> float:
    """Million rows a CPU second, of every instruction of a recording."""
    whole = Trace()
    whole.recorder.executed.recordings.append(Recording(0, 0, 100, INSTRUCTIONS, trace, goes_on=False))
    return len(trace) / seconds(lambda: whole.frame(INSTRUCTIONS)) / 1e6


def exit_rows(repeat: int) -> float:
    """Million rows a CPU second, of exits, which have the most columns of all events."""
    trace = Trace()
    for number in range(DISTINCT):
        reason = "MmioRead" if number % 3 else "Halt"
        trace.recorder(Exit(number, 0, 0, number % 4, reason, 0x4008_0000 + 4 * number, cost=3000))
    for store in trace.recorder.table("exits").stores.values():
        store.values = store.values * (EXITS // DISTINCT)
    return EXITS / best(repeat, lambda: seconds(lambda: trace.frame("exits"))) / 1e6
