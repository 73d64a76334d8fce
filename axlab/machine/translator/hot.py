"""Which code is hot: the block that is about to run is looked at now and then, and what follows it is watched.

A block at which the CPU was found often is worth a region. Then the next blocks are executed one by one, to see
which follow which; the region is made of those that did.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import CellType

from axlab.machine.translator.pages import Function, Page
from axlab.machine.translator.plan import MAX_INSTRUCTIONS, Edges

PERIOD = 10_000  # instructions from one look to the next
HOT_SAMPLES = 12  # looks at a block after which it is watched
WATCHED = 256  # blocks that are watched


@dataclass(slots=True)
class Hot:
    """What is known of what is hot on a CPU. `due`: the instruction count of the next look."""

    enough: int = field(default_factory=lambda: HOT_SAMPLES)  # looks after which a block is watched
    due: int = 0
    page: Page | None = None  # of the block that is watched
    pc: int = 0  # its address
    bounds: dict[str, int] = field(default_factory=dict)  # of the registers when it began
    edges: Edges = field(default_factory=Counter)
    ends: int = 0  # periods that ended while it was watched

    def next_look(self, executed: int) -> int:
        """The instruction count of the next look, when so many were executed: soon if a slice ended at it."""
        return max(self.due, executed + MAX_INSTRUCTIONS)

    def looked(self, executed: int) -> int:
        """There was a look when so many instructions were executed; the count of the next one."""
        self.due = executed + PERIOD
        return self.due

    def watches(self, page: Page, pc: int) -> bool:
        """A block was found running, once more. Whether what follows it is watched from now on: if that was often
        enough. The caller then says what the registers are bounded by."""
        self.ends += 1
        if self.page is not None or pc in page.watched or page.samples[pc] < self.enough:
            return False
        page.watched.add(pc)
        self.page, self.pc, self.ends = page, pc, 0
        self.edges = Counter()
        return True

    @property
    def has_seen_enough(self) -> bool:
        """Whether what is watched was for long enough."""
        return self.ends > 1 or sum(self.edges.values()) >= WATCHED

    def watch(self, block: Function, budget: CellType) -> Function:
        """Execute blocks one by one while the budget allows; the next one."""
        block = block.plain or block
        for _ in range(WATCHED):
            if block.length > budget.cell_contents:
                break
            after = block()
            after = after.plain or after
            self.edges[block.pc, after.pc] += 1
            block = after
        return block
