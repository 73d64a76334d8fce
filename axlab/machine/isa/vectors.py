"""Vectors as lists of lanes, and the constants that SIMD&FP immediates encode (Arm ARM J1.2)."""

from __future__ import annotations

from functools import cache

from axlab.machine.isa.bits import mask, replicate, sign_extend


def lanes(vector: int, width: int, count: int) -> list[int]:
    """The lowest `count` lanes of `width` bits each, as unsigned numbers."""
    ones = (1 << width) - 1
    return [vector >> lane * width & ones for lane in range(count)]


def signed_lanes(vector: int, width: int, count: int) -> list[int]:
    """The lowest `count` lanes of `width` bits each, as signed numbers."""
    return [sign_extend(lane, width) for lane in lanes(vector, width, count)]


def join(values: list[int], width: int) -> int:
    """Lanes of `width` bits side by side, the first one lowest. Each value is cut to the width."""
    ones = (1 << width) - 1
    vector = 0
    for lane, value in enumerate(values):
        vector |= (value & ones) << lane * width
    return vector


def lane_count(q: int, scalar: int, size: int) -> int:
    """How many lanes of 8 << size bits an operand has: 64 bits, 128 if `q`, or one lane if `scalar`."""
    return 1 if scalar else 8 << q >> size


def insert(vector: int, index: int, width: int, value: int) -> int:
    """`vector` with one lane replaced."""
    return vector & ~(mask(width) << index * width) | (value & mask(width)) << index * width


def lowest_set_bit(value: int) -> int:
    """The position of the lowest one bit; `value` is not 0."""
    return (value & -value).bit_length() - 1


@cache
def expand_float(imm8: int, width: int) -> int:
    """The manual's VFPExpandImm: a floating-point constant of 32 or 64 bits in 8 bits, abcdefgh.

    Sign a; exponent NOT(b), b replicated, cd; fraction efgh.
    """
    exponent_bits, fraction_bits = (8, 23) if width == 32 else (11, 52)
    sign, b, low = imm8 >> 7, imm8 >> 6 & 1, imm8 >> 4 & 3
    exponent = (1 - b) << exponent_bits - 1 | b * mask(exponent_bits - 3) << 2 | low
    return sign << width - 1 | exponent << fraction_bits | (imm8 & 15) << fraction_bits - 4


@cache
def expand_immediate(op: int, cmode: int, imm8: int) -> int:
    """The manual's AdvSIMDExpandImm: the 64 bits that 8 bits of an instruction stand for."""
    kind, low = cmode >> 1, cmode & 1
    if kind < 4:
        return replicate(imm8 << 8 * kind, 32, 64)
    if kind < 6:
        return replicate(imm8 << 8 * (kind - 4), 16, 64)
    if kind == 6:
        return replicate(imm8 << 16 | 0xFFFF if low else imm8 << 8 | 0xFF, 32, 64)
    if low:
        return expand_float(imm8, 64) if op else replicate(expand_float(imm8, 32), 32, 64)
    if op:
        return join([0xFF * (imm8 >> bit & 1) for bit in range(8)], 8)
    return replicate(imm8, 8, 64)
