"""What came from outside, in one future and in others: commands at positions, and the tree of branches.

Going back and on again is the same future. Where something else is done in the past, another branch begins there;
the old one is kept, by its commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from axlab.vmm.outside import Position


class Place(NamedTuple):
    """A moment: the hypervisor's position, and virtual time in ns."""

    position: Position
    now: int


START = Place((0, 0), 0)


@dataclass(frozen=True)
class Command:
    """A command of the hypervisor, and where it was given. A VM stands in `arguments` by its id."""

    place: Place
    name: str
    arguments: dict[str, Any]


@dataclass(eq=False)
class Branch:
    """One future: `commands` from the beginning on, up to `end`. It left `parent` at `fork`, after `done` commands."""

    number: int
    parent: int | None
    fork: Place
    done: int
    commands: list[Command]
    end: Place


@dataclass
class Branches:
    """All futures that were seen; `current` is the one that the lab is in."""

    known: dict[int, Branch] = field(default_factory=dict)
    current: int = 0

    def __post_init__(self) -> None:
        self.known = {0: Branch(0, None, START, 0, [], START)}

    @property
    def here(self) -> Branch:
        """The current one."""
        return self.known[self.current]

    def begin(self, place: Place, done: int) -> Branch:
        """Another future begins here, after the first `done` commands of the current one."""
        branch = Branch(max(self.known) + 1, self.current, place, done, self.here.commands[:done], place)
        self.known[branch.number] = branch
        self.current = branch.number
        return branch

    def line(self, number: int) -> list[Branch]:
        """A branch and those that it came from, itself first."""
        found = [self.known[number]]
        while (parent := found[-1].parent) is not None:
            found.append(self.known[parent])
        return found

    def shared(self, number: int) -> tuple[Place, int]:
        """Up to where the current branch and another are the same, and how many commands they have until then."""
        mine, other = self.line(self.current), self.line(number)
        common = next(branch for branch in mine if branch in other)
        forks = [branch for line in (mine, other) for branch in line[: line.index(common)]]
        return min((branch.fork, branch.done) for branch in forks) if forks else (common.end, len(common.commands))
