"""What the bit-field, shift, multiply, divide and checksum instructions do (Arm ARM C6.2), a function per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import (
    count_leading_sign_bits,
    count_leading_zeros,
    crc32,
    crc32c,
    reverse_bits,
    reverse_bytes,
    shifted,
    sign_extend,
)

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# Bit fields and shifts


def SBFM(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Signed bit field: ASR, SBFX, SBFIZ, SXTB, SXTH, SXTW."""
    if imms >= immr:
        cpu.set_x(rd, sf, sign_extend(cpu.get_x(rn, sf) >> immr, imms - immr + 1))
    else:
        cpu.set_x(rd, sf, sign_extend(cpu.get_x(rn, sf), imms + 1) << (64 if sf else 32) - immr)


def UBFM(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Unsigned bit field: LSL, LSR, UBFX, UBFIZ, UXTB, UXTH."""
    if imms >= immr:
        cpu.set_x(rd, sf, cpu.get_x(rn, sf) >> immr & (1 << imms - immr + 1) - 1)
    else:
        cpu.set_x(rd, sf, (cpu.get_x(rn, sf) & (1 << imms + 1) - 1) << (64 if sf else 32) - immr)


def BFM(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Insert a bit field and keep the rest: BFI, BFXIL, BFC."""
    if imms >= immr:
        field = (1 << imms - immr + 1) - 1
        cpu.set_x(rd, sf, cpu.get_x(rd, sf) & ~field | cpu.get_x(rn, sf) >> immr & field)
    else:
        position = (64 if sf else 32) - immr
        field = (1 << imms + 1) - 1
        cpu.set_x(rd, sf, cpu.get_x(rd, sf) & ~(field << position) | (cpu.get_x(rn, sf) & field) << position)


def EXTR(cpu: Cpu, sf: int, n: int, rm: int, imms: int, rn: int, rd: int) -> None:
    """A register's width of bits out of two registers side by side; ROR by an immediate."""
    cpu.set_x(rd, sf, cpu.get_x(rm, sf) >> imms | cpu.get_x(rn, sf) << (64 if sf else 32) - imms)


def LSLV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Shift left by a register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) << (cpu.get_x(rm, sf) & (63 if sf else 31)))


def LSRV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Shift right by a register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) >> (cpu.get_x(rm, sf) & (63 if sf else 31)))


def ASRV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Shift right by a register, keeping the sign."""
    cpu.set_x(rd, sf, sign_extend(cpu.get_x(rn, sf), 64 if sf else 32) >> (cpu.get_x(rm, sf) & (63 if sf else 31)))


def RORV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Rotate right by a register."""
    cpu.set_x(rd, sf, shifted(cpu.get_x(rn, sf), 3, cpu.get_x(rm, sf) & (63 if sf else 31), sf))


def RBIT(cpu: Cpu, sf: int, rn: int, rd: int) -> None:
    """Reverse the bits."""
    cpu.set_x(rd, sf, reverse_bits(cpu.get_x(rn, sf), 64 if sf else 32))


def REV16(cpu: Cpu, sf: int, rn: int, rd: int) -> None:
    """Reverse the bytes of every halfword."""
    operand = cpu.get_x(rn, sf)
    cpu.set_x(rd, sf, (operand & 0x00FF_00FF_00FF_00FF) << 8 | operand >> 8 & 0x00FF_00FF_00FF_00FF)


def REV_w(cpu: Cpu, rn: int, rd: int) -> None:
    """Reverse the bytes of a W register."""
    cpu.set_x(rd, 0, reverse_bytes(cpu.get_x(rn, 0), 4))


def REV32(cpu: Cpu, rn: int, rd: int) -> None:
    """Reverse the bytes of both words."""
    operand = cpu.get_x(rn, 1)
    cpu.set_x(rd, 1, reverse_bytes(operand >> 32, 4) << 32 | reverse_bytes(operand & 0xFFFF_FFFF, 4))


def REV_x(cpu: Cpu, rn: int, rd: int) -> None:
    """Reverse the bytes of an X register."""
    cpu.set_x(rd, 1, reverse_bytes(cpu.get_x(rn, 1), 8))


def CLZ(cpu: Cpu, sf: int, rn: int, rd: int) -> None:
    """Count the leading zeros."""
    cpu.set_x(rd, sf, count_leading_zeros(cpu.get_x(rn, sf), 64 if sf else 32))


def CLS(cpu: Cpu, sf: int, rn: int, rd: int) -> None:
    """Count the bits below the sign bit that equal it."""
    cpu.set_x(rd, sf, count_leading_sign_bits(cpu.get_x(rn, sf), 64 if sf else 32))


# Multiply, divide, checksum


def MADD(cpu: Cpu, sf: int, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply and add."""
    cpu.set_x(rd, sf, cpu.get_x(ra, sf) + cpu.get_x(rn, sf) * cpu.get_x(rm, sf))


def MSUB(cpu: Cpu, sf: int, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply and subtract."""
    cpu.set_x(rd, sf, cpu.get_x(ra, sf) - cpu.get_x(rn, sf) * cpu.get_x(rm, sf))


def SMADDL(cpu: Cpu, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply signed words and add."""
    cpu.set_x(rd, 1, cpu.get_x(ra, 1) + sign_extend(cpu.get_x(rn, 0), 32) * sign_extend(cpu.get_x(rm, 0), 32))


def SMSUBL(cpu: Cpu, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply signed words and subtract."""
    cpu.set_x(rd, 1, cpu.get_x(ra, 1) - sign_extend(cpu.get_x(rn, 0), 32) * sign_extend(cpu.get_x(rm, 0), 32))


def SMULH(cpu: Cpu, rm: int, rn: int, rd: int) -> None:
    """The upper half of a signed product."""
    cpu.set_x(rd, 1, sign_extend(cpu.get_x(rn, 1), 64) * sign_extend(cpu.get_x(rm, 1), 64) >> 64)


def UMADDL(cpu: Cpu, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply unsigned words and add."""
    cpu.set_x(rd, 1, cpu.get_x(ra, 1) + cpu.get_x(rn, 0) * cpu.get_x(rm, 0))


def UMSUBL(cpu: Cpu, rm: int, ra: int, rn: int, rd: int) -> None:
    """Multiply unsigned words and subtract."""
    cpu.set_x(rd, 1, cpu.get_x(ra, 1) - cpu.get_x(rn, 0) * cpu.get_x(rm, 0))


def UMULH(cpu: Cpu, rm: int, rn: int, rd: int) -> None:
    """The upper half of an unsigned product."""
    cpu.set_x(rd, 1, cpu.get_x(rn, 1) * cpu.get_x(rm, 1) >> 64)


def UDIV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Divide unsigned; by zero gives zero."""
    divisor = cpu.get_x(rm, sf)
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) // divisor if divisor else 0)


def SDIV(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Divide signed, rounding towards zero; by zero gives zero."""
    dividend = sign_extend(cpu.get_x(rn, sf), 64 if sf else 32)
    divisor = sign_extend(cpu.get_x(rm, sf), 64 if sf else 32)
    if divisor == 0:
        cpu.set_x(rd, sf, 0)
    elif (dividend < 0) == (divisor < 0):
        cpu.set_x(rd, sf, dividend // divisor)
    else:
        cpu.set_x(rd, sf, -(-dividend // divisor))


def CRC32(cpu: Cpu, sf: int, rm: int, sz: int, rn: int, rd: int) -> None:
    """Go on with a CRC-32 (polynomial 0x04C11DB7) over 1, 2, 4 or 8 bytes."""
    cpu.set_x(rd, 0, crc32(cpu.get_x(rn, 0), cpu.get_x(rm, 1), 1 << sz))


def CRC32C(cpu: Cpu, sf: int, rm: int, sz: int, rn: int, rd: int) -> None:
    """Go on with a CRC-32C (polynomial 0x1EDC6F41) over 1, 2, 4 or 8 bytes."""
    cpu.set_x(rd, 0, crc32c(cpu.get_x(rn, 0), cpu.get_x(rm, 1), 1 << sz))
