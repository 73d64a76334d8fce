"""Every instruction that a CPU executed, and when: a recording that costs eight bytes for each run of instructions.

A run is a number of instructions that lie behind one another. Translated blocks add one run when they are left;
what the stepper executes is runs of one. Addresses are kept to 56 bits: a tag in the top byte is none of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

COUNT_BITS = 6
COUNT_MASK = (1 << COUNT_BITS) - 1


def run_of(pc: int, count: int) -> int:
    """A run as one number: bits 55 to 2 of its address above `count` (at most 63)."""
    return (pc >> 2 & (1 << 54) - 1) << COUNT_BITS | count


def address_of(run: int) -> int:
    """Where a run begins, as a 64-bit address."""
    pc = run >> COUNT_BITS << 2
    return pc | 0xFF << 56 if pc >> 55 else pc


class InstructionTrace:
    """`runs` in the order of execution; `marks` are triples (index into runs, instructions executed, time in ns).

    A mark is made where the CPU is entered: from there on every instruction takes the CPU's `ns_per_instruction`.
    """

    def __init__(self) -> None:
        self.runs = array("Q")
        self.marks = array("Q")
        self.add_run = self.runs.append

    def __getstate__(self) -> dict[str, Any]:
        return {"runs": self.runs, "marks": self.marks}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.runs, self.marks = state["runs"], state["marks"]
        self.add_run = self.runs.append  # of this array, not of the one that was copied

    def add(self, pc: int, count: int) -> None:
        """`count` instructions from `pc` on were executed."""
        self.add_run(run_of(pc, count))

    def mark(self, executed: int, time: int) -> None:
        """The CPU is entered: so many instructions were executed before, and it is `time` now."""
        if self.marks and self.marks[-3] == len(self.runs):  # nothing was executed since the last one
            del self.marks[-3:]
        self.marks.extend((len(self.runs), executed, time))

    def __len__(self) -> int:
        """Instructions recorded."""
        return sum(run & COUNT_MASK for run in self.runs)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """The runs: address and number of instructions."""
        for run in self.runs:
            yield address_of(run), run & COUNT_MASK

    def pcs(self) -> Iterator[int]:
        """The address of every instruction, in the order of execution."""
        for pc, count in self.blocks():
            yield from range(pc, pc + 4 * count, 4)
