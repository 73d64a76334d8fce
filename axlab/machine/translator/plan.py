"""What of a page's code becomes one function: one block, or a region of several that follow each other often."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from axlab.machine.translator.values import M32, M64

Edges = dict[tuple[int, int], int]  # how often a block followed another

MAX_INSTRUCTIONS = 48  # of a block, and between two looks at the budget
LARGEST = 300  # instructions of a region, roughly
RARE = 64  # a block that is not one of so many does not belong to a region
ALIGNED = "sp&15"  # the assumption that the stack pointer is aligned: at most 0
LEVELS = (M32, M64 - 2047)  # what registers are assumed not to exceed: a word, and what an address never does


@dataclass(frozen=True, slots=True)
class Plan:
    """`heads` are the blocks to which branches within the function lead, the first its entry. Of the others each
    follows one block alone and is written where that is left; `edges` are those that were seen, the frequent first.

    `lengths` are the instructions of blocks. `bounds` are what registers may be assumed not to exceed at the heads.
    """

    heads: tuple[int, ...]
    edges: tuple[tuple[int, int], ...] = ()
    lengths: dict[int, int] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Instructions, roughly."""
        return sum(self.lengths.values())

    @property
    def is_region(self) -> bool:
        """Whether it was made from what was seen running."""
        return bool(self.lengths)

    def goes_on_at(self, pc: int, target: int) -> bool:
        """Whether the function goes on where the block at `pc` is left for a target."""
        return target in self.heads or (pc, target) in self.edges

    def key(self) -> str:
        """All that the text depends on besides the instructions."""
        return f"{self.heads} {self.edges} {self.lengths} {sorted(self.bounds.items())}"


def planned(entry: int, lengths: dict[int, int], loops: Set[int], edges: Edges, bounds: dict[str, int]) -> Plan:
    """The region of the block at `entry`: the blocks of its page on the loops through it. `lengths` are those of all
    blocks of the page, of which `loops` are loops by themselves."""
    often = max(sum(edges.values()) // RARE, 2)
    while True:
        frequent = [edge for edge in edges if edges[edge] >= often and edge[0] in lengths and edge[1] in lengths]
        within = reached(entry, frequent) & reached(entry, [(after, before) for before, after in frequent])
        if len(within) == 1 or sum(lengths[pc] for pc in within) <= LARGEST:
            break
        often *= 2
    kept = sorted((e for e in frequent if within.issuperset(e)), key=lambda edge: (-edges[edge], edge))
    before = {pc: [edge for edge in kept if edge[1] == pc] for pc in within}
    heads = [pc for pc in within if pc != entry and (len(before[pc]) > 1 or pc in loops)]
    heads.sort(key=lambda pc: (-sum(edges[edge] for edge in before[pc]), pc))
    return Plan((entry, *heads), tuple(kept), {pc: lengths[pc] for pc in sorted(within)}, bounds)


def reached(start: int, edges: list[tuple[int, int]]) -> set[int]:
    """What edges lead to from `start`, and that itself."""
    found, new = {start}, [start]
    while new:
        pc = new.pop()
        for before, after in edges:
            if before == pc and after not in found:
                found.add(after)
                new.append(after)
    return found


def bounds_of(x: list[int], sp: int) -> dict[str, int]:
    """What the registers of a CPU do not exceed, by name, where that may be worth to assume."""
    found = {f"x{n}": level for n, value in enumerate(x) if (level := level_of(value)) is not None}
    if sp % 16 == 0:
        found[ALIGNED] = 0
        found["sp"] = LEVELS[1]
    return found


def level_of(bound: int | None) -> int | None:
    """The assumption that a bound proves."""
    return next((level for level in LEVELS if bound is not None and bound <= level), None)
