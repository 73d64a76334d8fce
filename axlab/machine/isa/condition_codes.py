"""Condition codes: with which flags they hold (Arm ARM C1.2.4)."""

from __future__ import annotations

from collections.abc import Callable

# For each condition code the flags NZCV, as a 4-bit number, with which it holds: bit n of HOLDS[cond] (C1.2.4).
CONDITIONS: tuple[Callable[[bool, bool, bool, bool], bool], ...] = (
    lambda n, z, c, v: z,
    lambda n, z, c, v: c,
    lambda n, z, c, v: n,
    lambda n, z, c, v: v,
    lambda n, z, c, v: c and not z,
    lambda n, z, c, v: n == v,
    lambda n, z, c, v: n == v and not z,
)


def condition_holds(cond: int, nzcv: int) -> bool:
    """The manual's ConditionHolds: odd conditions are the opposite of the even ones, but 0b1111 is always."""
    if cond >> 1 == 0b111:
        return True
    result = CONDITIONS[cond >> 1](bool(nzcv & 8), bool(nzcv & 4), bool(nzcv & 2), bool(nzcv & 1))
    return result != bool(cond & 1)


HOLDS = tuple(sum(condition_holds(cond, nzcv) << nzcv for nzcv in range(16)) for cond in range(16))
