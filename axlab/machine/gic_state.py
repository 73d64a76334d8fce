"""What a GIC knows of each interrupt: enabled, pending, active, group, configuration, priority."""

from __future__ import annotations

from axlab.machine.gic_priority import PRIORITY_MASK


class Bank:
    """A run of interrupts, `first` and on; each property is an integer with one bit for each of them.

    SGIs and PPIs (INTID 0-31) are a bank per CPU, SPIs (32 and up) are one bank for all. `implemented`
    has the bits of the interrupts that exist here; the others are RAZ/WI and can never become pending.
    `always_enabled` are those that cannot be disabled.
    """

    def __init__(self, first: int, count: int, always_enabled: int = 0) -> None:
        self.first = first
        self.count = count
        self.always_enabled = always_enabled
        self.implemented = (1 << count) - 1
        self.reset()

    def reset(self) -> None:
        """All disabled, idle, group 0, highest priority; SGIs are edge-triggered, the others level-sensitive."""
        self.enabled = self.always_enabled
        self.latched = 0
        self.lines = 0
        self.active = 0
        self.group = 0
        self.edge = 0xFFFF if self.first == 0 else 0
        self.priority = [0] * self.count

    @property
    def pending(self) -> int:
        """Latched by an edge, a message or a write, or held by the line of a level-sensitive interrupt."""
        return self.latched | self.lines & ~self.edge

    def set_line(self, bit: int, level: bool) -> bool:
        """Set an input line; says whether it changed. A rising edge is latched."""
        if not bit & self.implemented or bool(self.lines & bit) == level:
            return False
        self.lines ^= bit
        if level:
            self.latched |= bit & self.edge
        return True

    def set_priority(self, index: int, value: int) -> None:
        """IPRIORITYR: the bits that are not implemented read as zero."""
        if self.implemented >> index & 1:
            self.priority[index] = value & PRIORITY_MASK

    def candidates(self, groups: int) -> int:
        """Pending, not active, enabled, and of an enabled group (bit 0: group 0, bit 1: group 1)."""
        return self.pending & self.enabled & ~self.active & self.of_groups(groups)

    def of_groups(self, groups: int) -> int:
        """Bits of the interrupts of these groups."""
        return (self.group if groups & 2 else 0) | (~self.group if groups & 1 else 0)
