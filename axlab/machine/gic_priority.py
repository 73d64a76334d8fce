"""Priorities of a GIC CPU interface: what may interrupt what (Arm IHI 0069, 4.8).

A lower value is a higher priority. Five bits are implemented, the upper ones of eight; all five may
preempt, so that there are 32 preemption levels and one active-priorities register per group.
"""

from __future__ import annotations

PRIORITY_BITS = 5
PRIORITY_MASK = 0xFF << 8 - PRIORITY_BITS & 0xFF
LEVEL_SHIFT = 8 - PRIORITY_BITS
IDLE = 0xFF
"""The running priority while no interrupt is active, and the lowest priority mask."""

MIN_BPR = (7 - PRIORITY_BITS, 8 - PRIORITY_BITS)
"""The least binary point of group 0 and of group 1: no more bits than exist may preempt."""


class Priorities:
    """Priority mask, binary points, enables and active priorities of one (physical or virtual) CPU interface.

    Two-element lists are indexed by group.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everything masked and disabled, nothing active."""
        self.mask = 0
        self.binary_point = list(MIN_BPR)
        self.common_binary_point = False
        self.split_eoi = False
        self.ack_control = False
        self.fiq_enable = False
        self.enabled = [False, False]
        self.active = [0, 0]

    def set_mask(self, value: int) -> None:
        """PMR: only interrupts of higher priority than this are signalled."""
        self.mask = value & PRIORITY_MASK

    def set_binary_point(self, group: int, value: int) -> None:
        """BPR: a value under the least one acts as, and reads as, the least one."""
        self.binary_point[group] = max(value & 7, MIN_BPR[group])

    def read_binary_point(self, group: int) -> int:
        """BPR as it reads: with a common binary point, group 1's is group 0's plus one."""
        if group and self.common_binary_point:
            return min(self.binary_point[0] + 1, 7)
        return self.binary_point[group]

    def group_mask(self, group: int) -> int:
        """The bits of a priority that decide about preemption (table 4-10: group 1's point is one higher)."""
        if group == 0 or self.common_binary_point:
            return 0xFF << self.binary_point[0] + 1 & 0xFF
        return 0xFF << self.binary_point[1] & 0xFF

    def running(self) -> int:
        """The priority of the highest active interrupt, `IDLE` where there is none."""
        levels = self.active[0] | self.active[1]
        return lowest_bit(levels) << LEVEL_SHIFT if levels else IDLE

    def signals(self, priority: int, group: int) -> bool:
        """Whether a pending interrupt of an enabled group passes the mask and preempts what is active."""
        if priority >= self.mask:
            return False
        running = self.running()
        if running == IDLE:
            return True
        mask = self.group_mask(group)
        return priority & mask < running & mask

    def take(self, priority: int, group: int) -> None:
        """An interrupt was acknowledged: its group priority is active."""
        self.active[group] |= 1 << ((priority & self.group_mask(group)) >> LEVEL_SHIFT)

    def drop(self, groups: tuple[bool, bool] = (True, True)) -> bool:
        """End of interrupt: the highest active priority is no longer so, if it is of one of these groups."""
        levels = self.active[0] | self.active[1]
        bit = levels & -levels
        group = 0 if self.active[0] & bit else 1
        if not levels or not groups[group]:
            return False
        self.active[group] ^= bit
        return True


def lowest_bit(mask: int) -> int:
    """The number of the lowest set bit."""
    return (mask & -mask).bit_length() - 1


def bits(mask: int) -> list[int]:
    """The numbers of the set bits, ascending."""
    numbers = []
    while mask:
        lowest = mask & -mask
        numbers.append(lowest.bit_length() - 1)
        mask ^= lowest
    return numbers
