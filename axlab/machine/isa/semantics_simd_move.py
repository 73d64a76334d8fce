"""What SIMD&FP moves and permutations do (Arm ARM C7.2), a function per row of `a64.isa`.

A result narrower than 128 bits zeroes the rest of its register. `imm5` of the lane instructions holds the
size of a lane as its lowest one bit, and the index above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M32, M64, mask, replicate, reverse_bits, reverse_bytes, sign_extend
from axlab.machine.isa.vectors import (
    expand_float,
    expand_immediate,
    insert,
    join,
    lane_count,
    lanes,
    lowest_set_bit,
)

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# Between registers


def FMOV_reg(cpu: Cpu, ftype: int, rn: int, rd: int) -> None:
    """Copy an S or D register."""
    cpu.check_fp()
    cpu.set_v(rd, cpu.get_v(rn) & (M64 if ftype else M32))


def FMOV_imm(cpu: Cpu, ftype: int, imm8: int, rd: int) -> None:
    """A floating-point constant."""
    cpu.check_fp()
    cpu.set_v(rd, expand_float(imm8, 64 if ftype else 32))


def FMOV_to_general(cpu: Cpu, sf: int, ftype: int, rn: int, rd: int) -> None:
    """The bits of an S or D register."""
    cpu.check_fp()
    cpu.set_x(rd, sf, cpu.get_v(rn))


def FMOV_from_general(cpu: Cpu, sf: int, ftype: int, rn: int, rd: int) -> None:
    """The bits of a general-purpose register."""
    cpu.check_fp()
    cpu.set_v(rd, cpu.get_x(rn, sf))


def FMOV_top_to_general(cpu: Cpu, rn: int, rd: int) -> None:
    """The upper half of a vector register."""
    cpu.check_fp()
    cpu.set_x(rd, 1, cpu.get_v(rn) >> 64)


def FMOV_top_from_general(cpu: Cpu, rn: int, rd: int) -> None:
    """Replace the upper half of a vector register."""
    cpu.check_fp()
    cpu.set_v(rd, cpu.get_v(rd) & M64 | cpu.get_x(rn, 1) << 64)


def DUP_element(cpu: Cpu, q: int, imm5: int, rn: int, rd: int) -> None:
    """One lane into all lanes."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    element = cpu.get_v(rn) >> (imm5 >> size + 1 << 3 + size) & mask(8 << size)
    cpu.set_v(rd, replicate(element, 8 << size, 64 << q))


def DUP_element_scalar(cpu: Cpu, imm5: int, rn: int, rd: int) -> None:
    """One lane into a scalar register."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    cpu.set_v(rd, cpu.get_v(rn) >> (imm5 >> size + 1 << 3 + size) & mask(8 << size))


def DUP_general(cpu: Cpu, q: int, imm5: int, rn: int, rd: int) -> None:
    """A general-purpose register into all lanes."""
    cpu.check_fp()
    width = 8 << lowest_set_bit(imm5)
    cpu.set_v(rd, replicate(cpu.get_x(rn, 1) & mask(width), width, 64 << q))


def SMOV(cpu: Cpu, q: int, imm5: int, rn: int, rd: int) -> None:
    """A lane into a general-purpose register, with its sign."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    cpu.set_x(rd, q, sign_extend(cpu.get_v(rn) >> (imm5 >> size + 1 << 3 + size), 8 << size))


def UMOV(cpu: Cpu, q: int, imm5: int, rn: int, rd: int) -> None:
    """A lane into a general-purpose register."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    cpu.set_x(rd, q, cpu.get_v(rn) >> (imm5 >> size + 1 << 3 + size) & mask(8 << size))


def INS_general(cpu: Cpu, imm5: int, rn: int, rd: int) -> None:
    """A general-purpose register into one lane."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    cpu.set_v(rd, insert(cpu.get_v(rd), imm5 >> size + 1, 8 << size, cpu.get_x(rn, 1)))


def INS_element(cpu: Cpu, imm5: int, imm4: int, rn: int, rd: int) -> None:
    """One lane into another."""
    cpu.check_fp()
    size = lowest_set_bit(imm5)
    element = cpu.get_v(rn) >> (imm4 >> size << 3 + size)
    cpu.set_v(rd, insert(cpu.get_v(rd), imm5 >> size + 1, 8 << size, element))


# Constants


def MOVI(cpu: Cpu, q: int, op: int, abc: int, cmode: int, defgh: int, rd: int) -> None:
    """A constant into all lanes."""
    cpu.check_fp()
    cpu.set_v(rd, replicate(expand_immediate(op, cmode, abc << 5 | defgh), 64, 64 << q))


def MVNI(cpu: Cpu, q: int, abc: int, cmode: int, defgh: int, rd: int) -> None:
    """The inverse of a constant into all lanes."""
    cpu.check_fp()
    cpu.set_v(rd, replicate(expand_immediate(1, cmode, abc << 5 | defgh) ^ M64, 64, 64 << q))


def ORR_vector_imm(cpu: Cpu, q: int, abc: int, cmode: int, defgh: int, rd: int) -> None:
    """Bitwise OR with a constant."""
    cpu.check_fp()
    operand = replicate(expand_immediate(0, cmode, abc << 5 | defgh), 64, 64 << q)
    cpu.set_v(rd, cpu.get_v(rd) & mask(64 << q) | operand)


def BIC_vector_imm(cpu: Cpu, q: int, abc: int, cmode: int, defgh: int, rd: int) -> None:
    """Clear the bits of a constant."""
    cpu.check_fp()
    operand = replicate(expand_immediate(1, cmode, abc << 5 | defgh), 64, 64 << q)
    cpu.set_v(rd, cpu.get_v(rd) & mask(64 << q) & ~operand)


def FMOV_vector_imm(cpu: Cpu, q: int, op: int, abc: int, defgh: int, rd: int) -> None:
    """A floating-point constant into all lanes."""
    cpu.check_fp()
    cpu.set_v(rd, replicate(expand_immediate(op, 0b1111, abc << 5 | defgh), 64, 64 << q))


# Permutation


def EXT(cpu: Cpu, q: int, rm: int, imm4: int, rn: int, rd: int) -> None:
    """A vector out of two side by side, from byte `imm4` on."""
    cpu.check_fp()
    width = 64 << q
    pair = (cpu.get_v(rm) & mask(width)) << width | cpu.get_v(rn) & mask(width)
    cpu.set_v(rd, pair >> imm4 * 8 & mask(width))


def table_lookup(cpu: Cpu, q: int, rm: int, length: int, rn: int, otherwise: list[int]) -> int:
    """Every byte of Vm picks one out of `length` + 1 registers from Vn on; out of range, `otherwise`'s stays."""
    table = [byte for n in range(length + 1) for byte in lanes(cpu.get_v((rn + n) % 32), 8, 16)]
    picks = lanes(cpu.get_v(rm), 8, 8 << q)
    return join([table[pick] if pick < len(table) else other for pick, other in zip(picks, otherwise, strict=True)], 8)


def TBL(cpu: Cpu, q: int, rm: int, length: int, rn: int, rd: int) -> None:
    """Look up bytes in a table; out of range gives zero."""
    cpu.check_fp()
    cpu.set_v(rd, table_lookup(cpu, q, rm, length, rn, [0] * (8 << q)))


def TBX(cpu: Cpu, q: int, rm: int, length: int, rn: int, rd: int) -> None:
    """Look up bytes in a table; out of range leaves the byte as it was."""
    cpu.check_fp()
    cpu.set_v(rd, table_lookup(cpu, q, rm, length, rn, lanes(cpu.get_v(rd), 8, 8 << q)))


def two_operands(cpu: Cpu, q: int, size: int, rm: int, rn: int) -> tuple[list[int], list[int]]:
    """The lanes of Vn and of Vm."""
    count = lane_count(q, 0, size)
    return lanes(cpu.get_v(rn), 8 << size, count), lanes(cpu.get_v(rm), 8 << size, count)


def UZP1(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The even lanes of two vectors."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    cpu.set_v(rd, join((first + second)[0::2], 8 << size))


def UZP2(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The odd lanes of two vectors."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    cpu.set_v(rd, join((first + second)[1::2], 8 << size))


def TRN1(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The even lanes of two vectors, alternating."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    cpu.set_v(rd, join([lane for pair in zip(first[0::2], second[0::2], strict=True) for lane in pair], 8 << size))


def TRN2(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The odd lanes of two vectors, alternating."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    cpu.set_v(rd, join([lane for pair in zip(first[1::2], second[1::2], strict=True) for lane in pair], 8 << size))


def ZIP1(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The lower halves of two vectors, alternating."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    half = len(first) // 2
    cpu.set_v(rd, join([lane for pair in zip(first[:half], second[:half], strict=True) for lane in pair], 8 << size))


def ZIP2(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The upper halves of two vectors, alternating."""
    cpu.check_fp()
    first, second = two_operands(cpu, q, size, rm, rn)
    half = len(first) // 2
    cpu.set_v(rd, join([lane for pair in zip(first[half:], second[half:], strict=True) for lane in pair], 8 << size))


def reversed_groups(cpu: Cpu, q: int, group: int, size: int, rn: int) -> int:
    """Vn with the order of the elements in every group of `group` bits reversed."""
    groups = lanes(cpu.get_v(rn), group, (64 << q) // group)
    return join([join(lanes(bits, 8 << size, group >> 3 + size)[::-1], 8 << size) for bits in groups], group)


def REV64(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Reverse the elements of every doubleword."""
    cpu.check_fp()
    cpu.set_v(rd, reversed_groups(cpu, q, 64, size, rn))


def REV32_vector(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Reverse the elements of every word."""
    cpu.check_fp()
    cpu.set_v(rd, reversed_groups(cpu, q, 32, size, rn))


def REV16_vector(cpu: Cpu, q: int, rn: int, rd: int) -> None:
    """Reverse the bytes of every halfword."""
    cpu.check_fp()
    cpu.set_v(rd, reversed_groups(cpu, q, 16, 0, rn))


def RBIT_vector(cpu: Cpu, q: int, rn: int, rd: int) -> None:
    """Reverse the bits of every byte."""
    cpu.check_fp()
    vector = reverse_bits(cpu.get_v(rn) & mask(64 << q), 64 << q)
    cpu.set_v(rd, reverse_bytes(vector, 8 << q))


# Narrower and wider lanes


def XTN(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The lower half of every lane; XTN2 writes the upper half of the register."""
    cpu.check_fp()
    narrow = join(lanes(cpu.get_v(rn), 16 << size, 8 >> size), 8 << size)
    cpu.set_v(rd, cpu.get_v(rd) & M64 | narrow << 64 if q else narrow)
