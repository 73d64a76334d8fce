"""Pages of code: the functions of their blocks, and the cells through which those find each other."""

from __future__ import annotations

from collections.abc import Callable
from types import CellType
from typing import Any

Function = Callable[[], Any]


class Stepped(Exception):
    """The instruction at `pc` does not fold."""

    def __init__(self, pc: int) -> None:
        self.pc = pc


class Page:
    """The blocks of one page of code: a virtual page that is a physical one, whatever else is mapped where.

    Blocks of a page find each other through cells; blocks of other pages are looked up in the targets of the
    current TLB, so that a change of the mapping needs to forget nothing but those.
    """

    __slots__ = ("frame", "cells", "functions", "entries")

    def __init__(self, frame: int) -> None:
        self.frame = frame
        self.cells: dict[str, CellType] = {}
        self.functions: dict[int, Function] = {}
        self.entries: dict[int, int] = {}  # how often what was not translated yet was entered

    def cell(self, name: str) -> CellType:
        """The cell of the block that begins at an address, `L<address>`; it is translated when it is called."""
        found = self.cells.get(name)
        if found is None:
            found = self.cells[name] = CellType(stub(int(name[1:], 16)))
        return found


def stub(pc: int) -> Function:
    """Stands for a block that was not needed yet, or for an instruction that does not fold."""

    def raise_stepped() -> Function:
        raise Stepped(pc)

    raise_stepped.length = 0  # type: ignore[attr-defined]
    raise_stepped.pc = pc  # type: ignore[attr-defined]
    return raise_stepped
