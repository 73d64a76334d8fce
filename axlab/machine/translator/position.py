"""Where the text of a block is being written, and what is known there."""

from __future__ import annotations

from dataclasses import dataclass, field

from axlab.machine.translator.facts import Facts
from axlab.machine.translator.flags import Flags


@dataclass(slots=True)
class Position:
    """A place in the text of a block, or of one of a region's blocks.

    `flags` are the operations of which one set the flags last, none if that is not known; `unstored`: the cells
    do not say so yet.
    """

    pc: int  # of the block
    following: int  # the address of the instruction that comes next
    run: int  # where the run of neighbours that is executed here begins
    owed: int = 0  # instructions before the block that the budget does not know of yet
    path: list[int] = field(default_factory=list)  # the addresses of the block's instructions up to here
    flags: tuple[Flags, ...] = ()
    unstored: bool = False
    facts: Facts = field(default_factory=Facts)
    margin: str = ""  # before every line
    left_for: set[int] = field(default_factory=set)  # known targets for which the block was left above

    @property
    def count(self) -> int:
        """Instructions up to here that the budget does not know of yet."""
        return self.owed + len(self.path)

    def entering(self, pc: int, margin: str) -> Position:
        """The beginning of another block of the region, in the text of this one."""
        return Position(pc, pc, pc, self.count, [], self.flags, self.unstored, self.facts.copy(), margin)

    def inside(self, indent: str) -> Position:
        """The same place for lines within an `if`."""
        copied = Position(self.pc, self.following, self.run, self.owed, self.path, self.flags, self.unstored)
        copied.facts, copied.margin, copied.left_for = self.facts.copy(), self.margin + indent, self.left_for
        return copied
