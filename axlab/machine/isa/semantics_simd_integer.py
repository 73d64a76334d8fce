"""What SIMD integer arithmetic, logic and comparison do (Arm ARM C7.2), a function per row of `a64.isa`.

`size` is the logarithm of a lane's bytes; `scalar` operates on the one 64-bit lane of a D register.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import count_leading_sign_bits, count_leading_zeros, mask
from axlab.machine.isa.vectors import join, lane_count, lanes, signed_lanes

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


def unsigned(cpu: Cpu, n: int, q: int, scalar: int, size: int) -> list[int]:
    """The lanes of Vn, as unsigned numbers."""
    return lanes(cpu.get_v(n), 8 << size, lane_count(q, scalar, size))


def signed(cpu: Cpu, n: int, q: int, scalar: int, size: int) -> list[int]:
    """The lanes of Vn, as signed numbers."""
    return signed_lanes(cpu.get_v(n), 8 << size, lane_count(q, scalar, size))


# Bitwise


def AND_vector(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise AND."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) & cpu.get_v(rm)) & mask(64 << q))


def BIC_vector(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Clear the bits of Vm."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) & ~cpu.get_v(rm)) & mask(64 << q))


def ORR_vector(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise OR; MOV between vectors."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) | cpu.get_v(rm)) & mask(64 << q))


def ORN_vector(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise OR with the inverse."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) | ~cpu.get_v(rm)) & mask(64 << q))


def EOR_vector(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise exclusive OR."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) ^ cpu.get_v(rm)) & mask(64 << q))


def BSL(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise select: Vd picks the bits of Vn where it is one, of Vm where it is zero."""
    cpu.check_fp()
    select = cpu.get_v(rd)
    cpu.set_v(rd, (select & cpu.get_v(rn) | ~select & cpu.get_v(rm)) & mask(64 << q))


def BIT(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise insert if true: the bits of Vn where Vm is one."""
    cpu.check_fp()
    select = cpu.get_v(rm)
    cpu.set_v(rd, (select & cpu.get_v(rn) | ~select & cpu.get_v(rd)) & mask(64 << q))


def BIF(cpu: Cpu, q: int, rm: int, rn: int, rd: int) -> None:
    """Bitwise insert if false: the bits of Vn where Vm is zero."""
    cpu.check_fp()
    select = cpu.get_v(rm)
    cpu.set_v(rd, (select & cpu.get_v(rd) | ~select & cpu.get_v(rn)) & mask(64 << q))


def NOT(cpu: Cpu, q: int, rn: int, rd: int) -> None:
    """Bitwise inverse."""
    cpu.check_fp()
    cpu.set_v(rd, ~cpu.get_v(rn) & mask(64 << q))


def CNT(cpu: Cpu, q: int, rn: int, rd: int) -> None:
    """Count the one bits of every byte."""
    cpu.check_fp()
    cpu.set_v(rd, join([byte.bit_count() for byte in lanes(cpu.get_v(rn), 8, 8 << q)], 8))


# Lane by lane


def ADD_vector(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Add."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([a + b for a, b in pairs], 8 << size))


def SUB_vector(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Subtract."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([a - b for a, b in pairs], 8 << size))


def ABS(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Absolute value."""
    cpu.check_fp()
    cpu.set_v(rd, join([abs(a) for a in signed(cpu, rn, q, scalar, size)], 8 << size))


def NEG_vector(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Negative."""
    cpu.check_fp()
    cpu.set_v(rd, join([-a for a in unsigned(cpu, rn, q, scalar, size)], 8 << size))


def SMAX(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The greater signed number."""
    cpu.check_fp()
    pairs = zip(signed(cpu, rn, q, 0, size), signed(cpu, rm, q, 0, size), strict=True)
    cpu.set_v(rd, join([max(a, b) for a, b in pairs], 8 << size))


def UMAX(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The greater unsigned number."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, 0, size), unsigned(cpu, rm, q, 0, size), strict=True)
    cpu.set_v(rd, join([max(a, b) for a, b in pairs], 8 << size))


def SMIN(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The lesser signed number."""
    cpu.check_fp()
    pairs = zip(signed(cpu, rn, q, 0, size), signed(cpu, rm, q, 0, size), strict=True)
    cpu.set_v(rd, join([min(a, b) for a, b in pairs], 8 << size))


def UMIN(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The lesser unsigned number."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, 0, size), unsigned(cpu, rm, q, 0, size), strict=True)
    cpu.set_v(rd, join([min(a, b) for a, b in pairs], 8 << size))


def MUL_vector(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Multiply."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, 0, size), unsigned(cpu, rm, q, 0, size), strict=True)
    cpu.set_v(rd, join([a * b for a, b in pairs], 8 << size))


def MLA_vector(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Multiply and add to Vd."""
    cpu.check_fp()
    factors = zip(unsigned(cpu, rn, q, 0, size), unsigned(cpu, rm, q, 0, size), strict=True)
    sums = unsigned(cpu, rd, q, 0, size)
    cpu.set_v(rd, join([c + a * b for c, (a, b) in zip(sums, factors, strict=True)], 8 << size))


def MLS_vector(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Multiply and subtract from Vd."""
    cpu.check_fp()
    factors = zip(unsigned(cpu, rn, q, 0, size), unsigned(cpu, rm, q, 0, size), strict=True)
    sums = unsigned(cpu, rd, q, 0, size)
    cpu.set_v(rd, join([c - a * b for c, (a, b) in zip(sums, factors, strict=True)], 8 << size))


def CLS_vector(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Count the bits below the sign bit that equal it."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size)
    cpu.set_v(rd, join([count_leading_sign_bits(a, 8 << size) for a in operands], 8 << size))


def CLZ_vector(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Count the leading zeros."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size)
    cpu.set_v(rd, join([count_leading_zeros(a, 8 << size) for a in operands], 8 << size))


# Comparison: a lane of ones where it holds, else of zeros


def CMGT(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Signed greater than."""
    cpu.check_fp()
    pairs = zip(signed(cpu, rn, q, scalar, size), signed(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a > b) for a, b in pairs], 8 << size))


def CMHI(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Unsigned higher."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a > b) for a, b in pairs], 8 << size))


def CMGE(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Signed greater than or equal."""
    cpu.check_fp()
    pairs = zip(signed(cpu, rn, q, scalar, size), signed(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a >= b) for a, b in pairs], 8 << size))


def CMHS(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Unsigned higher or same."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a >= b) for a, b in pairs], 8 << size))


def CMEQ(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Equal."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a == b) for a, b in pairs], 8 << size))


def CMTST(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """A bit in common."""
    cpu.check_fp()
    pairs = zip(unsigned(cpu, rn, q, scalar, size), unsigned(cpu, rm, q, scalar, size), strict=True)
    cpu.set_v(rd, join([-(a & b != 0) for a, b in pairs], 8 << size))


def CMGT_zero(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Greater than zero."""
    cpu.check_fp()
    cpu.set_v(rd, join([-(a > 0) for a in signed(cpu, rn, q, scalar, size)], 8 << size))


def CMGE_zero(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Greater than or equal to zero."""
    cpu.check_fp()
    cpu.set_v(rd, join([-(a >= 0) for a in signed(cpu, rn, q, scalar, size)], 8 << size))


def CMEQ_zero(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Equal to zero."""
    cpu.check_fp()
    cpu.set_v(rd, join([-(a == 0) for a in signed(cpu, rn, q, scalar, size)], 8 << size))


def CMLE_zero(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Less than or equal to zero."""
    cpu.check_fp()
    cpu.set_v(rd, join([-(a <= 0) for a in signed(cpu, rn, q, scalar, size)], 8 << size))


def CMLT_zero(cpu: Cpu, q: int, scalar: int, size: int, rn: int, rd: int) -> None:
    """Less than zero."""
    cpu.check_fp()
    cpu.set_v(rd, join([-(a < 0) for a in signed(cpu, rn, q, scalar, size)], 8 << size))
