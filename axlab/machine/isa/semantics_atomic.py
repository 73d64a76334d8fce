"""What the atomic read-modify-write instructions of FEAT_LSE do (Arm ARM C6.2), a function per row of `a64.isa`.

All functions of this module belong to FEAT_LSE: without `Features.lse` their encodings are UNDEFINED.
CPUs run one at a time, so that a load and a store are one atomic access. A store is checked before memory
is read: a page that cannot be written faults as a write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import sign_extend

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


def CAS(cpu: Cpu, size: int, a: int, rs: int, r: int, rn: int, rt: int) -> None:
    """Compare and swap: store Xt if memory holds Xs; Xs becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    compared = cpu.get_x(rs, 1) & (1 << (8 << size)) - 1
    cpu.store(address, 1 << size, cpu.get_x(rt, 1) if old == compared else old)
    cpu.set_x(rs, 1, old)


def CASP(cpu: Cpu, sf: int, a: int, rs: int, r: int, rn: int, rt: int) -> None:
    """Compare and swap a pair of registers."""
    width = 64 if sf else 32
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 16 if sf else 8)
    compared = cpu.get_x(rs, sf) | cpu.get_x(rs + 1, sf) << width
    new = cpu.get_x(rt, sf) | cpu.get_x(rt + 1, sf) << width
    cpu.store(address, 16 if sf else 8, new if old == compared else old)
    cpu.set_x(rs, sf, old)
    cpu.set_x(rs + 1, sf, old >> width)


def LDADD(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Add to memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, old + cpu.get_x(rs, 1))
    cpu.set_x(rt, 1, old)


def LDCLR(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Clear bits in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, old & ~cpu.get_x(rs, 1))
    cpu.set_x(rt, 1, old)


def LDEOR(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Invert bits in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, old ^ cpu.get_x(rs, 1))
    cpu.set_x(rt, 1, old)


def LDSET(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Set bits in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, old | cpu.get_x(rs, 1))
    cpu.set_x(rt, 1, old)


def LDSMAX(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Keep the greater signed number in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, max(sign_extend(old, 8 << size), sign_extend(cpu.get_x(rs, 1), 8 << size)))
    cpu.set_x(rt, 1, old)


def LDSMIN(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Keep the lesser signed number in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, min(sign_extend(old, 8 << size), sign_extend(cpu.get_x(rs, 1), 8 << size)))
    cpu.set_x(rt, 1, old)


def LDUMAX(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Keep the greater unsigned number in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, max(old, cpu.get_x(rs, 1) & (1 << (8 << size)) - 1))
    cpu.set_x(rt, 1, old)


def LDUMIN(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Keep the lesser unsigned number in memory; Xt becomes what memory held."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, min(old, cpu.get_x(rs, 1) & (1 << (8 << size)) - 1))
    cpu.set_x(rt, 1, old)


def SWP(cpu: Cpu, size: int, a: int, r: int, rs: int, rn: int, rt: int) -> None:
    """Swap a register with memory."""
    address = cpu.base(rn)
    old = cpu.load_atomic(address, 1 << size)
    cpu.store(address, 1 << size, cpu.get_x(rs, 1))
    cpu.set_x(rt, 1, old)
