"""Pages of code: the functions of their blocks, and the cells through which those find each other."""

from __future__ import annotations

from types import CellType, CodeType
from typing import Protocol, cast

from axlab.machine.translator.plan import Plan


class Function(Protocol):
    """The function of the block at `pc`; it needs a budget of `length` instructions. A region has a block `plain`, in
    whose place it is."""

    __code__: CodeType
    pc: int
    length: int
    plain: Function | None

    def __call__(self) -> Function:
        """Execute the block; the one that follows."""


class Stepped(Exception):
    """The instruction at `pc` does not fold."""

    def __init__(self, pc: int) -> None:
        self.pc = pc


class Left(Exception):
    """An instruction was executed after which its block cannot go on."""


class Page:
    """The blocks of one page of code: a virtual page that is a physical one, whatever else is mapped where.

    Blocks of a page find each other through cells; blocks of other pages are looked up in the targets of the
    current TLB, so that a change of the mapping needs to forget nothing but those.
    """

    __slots__ = ("frame", "cells", "functions", "entries", "samples", "watched", "plans")

    def __init__(self, frame: int) -> None:
        self.frame = frame
        self.cells: dict[str, CellType] = {}
        self.functions: dict[int, Function] = {}
        self.entries: dict[int, int] = {}  # how often what was not translated yet was entered
        self.samples: dict[int, int] = {}  # how often a block was found running
        self.watched: set[int] = set()  # blocks that were watched, or are in the plan of another one
        self.plans: dict[int, Plan] = {}  # regions that were planned, by the block at their entry

    def cell(self, name: str) -> CellType:
        """The cell of what begins at an address: `L<address>`, which is translated when it is called, and
        `N<address>` for the block where `L<address>` has a region."""
        found = self.cells.get(name)
        if found is None:
            found = self.cells[name] = CellType(stub(int(name[1:], 16)))
        return found


def stub(pc: int) -> Function:
    """Stands for a block that was not needed yet, or for an instruction that does not fold."""

    def raise_stepped() -> Function:
        raise Stepped(pc)

    function = cast(Function, raise_stepped)
    function.pc, function.length, function.plain = pc, 0, None
    return function
