"""Pure functions on bit strings, named as in the Arm manual's shared pseudocode (Arm ARM J1)."""

from __future__ import annotations

from functools import cache
from zlib import crc32 as zlib_crc32

M32 = (1 << 32) - 1
M64 = (1 << 64) - 1


def mask(width: int) -> int:
    """`width` ones."""
    return (1 << width) - 1


def sign_extend(value: int, width: int) -> int:
    """The low `width` bits of `value` as a two's complement number, which may be negative."""
    return (value & (1 << width) - 1 ^ 1 << width - 1) - (1 << width - 1)


def rotate_right(value: int, amount: int, width: int) -> int:
    """`value`, of `width` bits, rotated right by `amount` (less than `width`)."""
    return (value >> amount | value << width - amount) & (1 << width) - 1


def replicate(value: int, width: int, total: int) -> int:
    """`value`, of `width` bits, repeated until it fills `total` bits."""
    return value * (((1 << total) - 1) // ((1 << width) - 1))


def reverse_bytes(value: int, size: int) -> int:
    """The `size` bytes of `value` in the opposite order."""
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def reverse_bits(value: int, width: int) -> int:
    """The `width` bits of `value` in the opposite order."""
    return int(f"{value:0{width}b}"[::-1], 2)


def count_leading_zeros(value: int, width: int) -> int:
    """Zero bits above the highest one bit."""
    return width - value.bit_length()


def count_leading_sign_bits(value: int, width: int) -> int:
    """Bits after the sign bit that equal it (the manual's CountLeadingSignBits)."""
    return count_leading_zeros((value ^ value >> 1) & mask(width - 1), width - 1)


@cache
def logical_immediate(n: int, imms: int, immr: int, sf: int) -> int:
    """The constant that AND, ORR, EOR and TST immediates encode (the manual's DecodeBitMasks).

    Elements of 2 to 64 bits, each a run of ones rotated right by `immr`, fill the register. Reserved
    encodings never come here: the table of instructions does not decode them.
    """
    size = 1 << (n << 6 | ~imms & 0x3F).bit_length() - 1
    ones = mask((imms & size - 1) + 1)
    return replicate(rotate_right(ones, immr & size - 1, size), size, 64 if sf else 32)


def shifted(value: int, shift: int, amount: int, sf: int) -> int:
    """A register operand shifted by LSL (0), LSR (1), ASR (2) or ROR (3); the result fits the register."""
    if amount == 0:
        return value
    width = 64 if sf else 32
    if shift == 0:
        return value << amount & (1 << width) - 1
    if shift == 1:
        return value >> amount
    if shift == 2:
        return sign_extend(value, width) >> amount & (1 << width) - 1
    return rotate_right(value, amount, width)


def extended(value: int, option: int, amount: int, sf: int) -> int:
    """A register operand extended by UXTB (0) to SXTX (7) and shifted left by `amount`."""
    width = 8 << (option & 3)
    value &= (1 << width) - 1
    if option & 4:
        value = sign_extend(value, width)
    return value << amount & (M64 if sf else M32)


def crc32(accumulator: int, value: int, size: int) -> int:
    """CRC-32 of the low `size` bytes of `value`, going on from `accumulator`, without the usual inversions."""
    data = (value & mask(8 * size)).to_bytes(size, "little")
    return zlib_crc32(data, accumulator ^ M32) ^ M32


CRC32C_POLYNOMIAL = 0x82F6_3B78  # 0x1EDC_6F41 with its bits reversed


def _crc32c_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (CRC32C_POLYNOMIAL if byte & 1 else 0)
    return byte


CRC32C_TABLE = tuple(_crc32c_entry(byte) for byte in range(256))


def crc32c(accumulator: int, value: int, size: int) -> int:
    """CRC-32C of the low `size` bytes of `value`, going on from `accumulator`, without the usual inversions."""
    for _ in range(size):
        accumulator = accumulator >> 8 ^ CRC32C_TABLE[(accumulator ^ value) & 0xFF]
        value >>= 8
    return accumulator
