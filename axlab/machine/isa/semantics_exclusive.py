"""What exclusive and acquire/release loads and stores do (Arm ARM C6.2), a function per row of `a64.isa`.

Simulated CPUs run one at a time and memory is always in order, so that acquire and release need only
check the alignment. `machine/exclusives.py` says how reservations work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


def LDAR(cpu: Cpu, size: int, rn: int, rt: int) -> None:
    """Load-acquire."""
    cpu.set_x(rt, 1, cpu.load_acquire(cpu.base(rn), 1 << size))


def STLR(cpu: Cpu, size: int, rn: int, rt: int) -> None:
    """Store-release."""
    cpu.store_release(cpu.base(rn), 1 << size, cpu.get_x(rt, 1))


def LDXR(cpu: Cpu, size: int, rn: int, rt: int) -> None:
    """Load and reserve."""
    cpu.set_x(rt, 1, cpu.load_exclusive(cpu.base(rn), 1 << size))


def LDAXR(cpu: Cpu, size: int, rn: int, rt: int) -> None:
    """Load-acquire and reserve."""
    cpu.set_x(rt, 1, cpu.load_exclusive(cpu.base(rn), 1 << size))


def STXR(cpu: Cpu, size: int, rs: int, rn: int, rt: int) -> None:
    """Store if the reservation stands; Ws becomes 0 for success, 1 for failure."""
    cpu.set_x(rs, 0, cpu.store_exclusive(cpu.base(rn), 1 << size, cpu.get_x(rt, 1)))


def STLXR(cpu: Cpu, size: int, rs: int, rn: int, rt: int) -> None:
    """Store-release if the reservation stands; Ws becomes 0 for success, 1 for failure."""
    cpu.set_x(rs, 0, cpu.store_exclusive(cpu.base(rn), 1 << size, cpu.get_x(rt, 1)))


def LDXP(cpu: Cpu, sf: int, rt2: int, rn: int, rt: int) -> None:
    """Load a pair and reserve it."""
    pair = cpu.load_exclusive(cpu.base(rn), 16 if sf else 8)
    cpu.set_x(rt, sf, pair)
    cpu.set_x(rt2, sf, pair >> (64 if sf else 32))


def LDAXP(cpu: Cpu, sf: int, rt2: int, rn: int, rt: int) -> None:
    """Load-acquire a pair and reserve it."""
    pair = cpu.load_exclusive(cpu.base(rn), 16 if sf else 8)
    cpu.set_x(rt, sf, pair)
    cpu.set_x(rt2, sf, pair >> (64 if sf else 32))


def STXP(cpu: Cpu, sf: int, rs: int, rt2: int, rn: int, rt: int) -> None:
    """Store a pair if the reservation stands; Ws becomes 0 for success, 1 for failure."""
    pair = cpu.get_x(rt2, sf) << (64 if sf else 32) | cpu.get_x(rt, sf)
    cpu.set_x(rs, 0, cpu.store_exclusive(cpu.base(rn), 16 if sf else 8, pair))


def STLXP(cpu: Cpu, sf: int, rs: int, rt2: int, rn: int, rt: int) -> None:
    """Store-release a pair if the reservation stands; Ws becomes 0 for success, 1 for failure."""
    pair = cpu.get_x(rt2, sf) << (64 if sf else 32) | cpu.get_x(rt, sf)
    cpu.set_x(rs, 0, cpu.store_exclusive(cpu.base(rn), 16 if sf else 8, pair))
