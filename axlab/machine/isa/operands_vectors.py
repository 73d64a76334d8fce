"""SIMD&FP registers: scalars, vectors, lanes; modified immediates, shifts (Arm ARM C1.2.5, C3.5, C7.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import product

from axlab.machine.isa.operands import Kind, Reader, Spelling, Values
from axlab.machine.isa.operands_registers import ZR, read_zr

NAME = re.compile(r"([bhsdqv])([0-9]|[12][0-9]|3[01])(\.[0-9]*[bhsd])?")
LETTERS = "bhsd"
ARRANGEMENTS = {(size, q): f"v.{(8 << q) >> size}{LETTERS[size]}" for size in range(4) for q in range(2)}


def lane_size(imm5: int) -> int:
    """The log2 of a lane's bytes: the lowest bit of imm5 that is one."""
    return (imm5 & -imm5).bit_length() - 1


def read_name(reader: Reader, what: str) -> tuple[int, str]:
    """A SIMD&FP register: its number, and its shape such as `d` or `v.4s`."""
    match = NAME.fullmatch(reader.name(what))
    if not match:
        raise reader.wrong(f"expected {what}", back=1)
    return int(match.group(2)), match.group(1) + (match.group(3) or "")


def shaped(shapes: Mapping[Values, str], form: str) -> Kind:
    """A register whose shape depends on fields: `shapes` maps their values to `d` or `v.4s`.

    Where a shape stands for several values, reading takes the first that agrees with what is known.
    """
    inverse: dict[str, list[Values]] = {}
    for values, shape in shapes.items():
        inverse.setdefault(shape, []).append(values)
    what = "one of " + ", ".join(dict.fromkeys(shape.replace("v.", "V.").upper() for shape in shapes.values()))

    def show(n: int, *fields: int) -> str | None:
        shape = shapes.get(fields)
        return None if shape is None else f"{shape[0]}{n}{shape[1:]}"

    def read(reader: Reader, n: int | None, *known: int | None) -> Values:
        n, shape = read_name(reader, f"a register of the shape {what}")
        for values in inverse.get(shape, ()):
            if all(k is None or k == v for k, v in zip(known, values, strict=True)):
                return n, *values
        raise reader.wrong(f"expected a register of the shape {what}", back=1)

    return Kind(show, read, form)


def by_size(shape: Callable[..., str | None], *widths: int) -> dict[Values, str]:
    """The shapes of all values of fields of these widths."""
    found = {values: shape(*values) for values in product(*(range(1 << width) for width in widths))}
    return {values: text for values, text in found.items() if text is not None}


def scalar_or_vector(size: int, q: int, scalar: int) -> str | None:
    """The operands of integer arithmetic, whose only scalar is 64 bits wide."""
    if scalar:
        return "d" if (size, q) == (3, 1) else None
    return ARRANGEMENTS[size, q]


def lane_shape(imm5: int, q: int) -> str | None:
    """The vector that DUP fills."""
    size = lane_size(imm5)
    return ARRANGEMENTS[size, q] if 0 <= size < 4 else None


def shift_shape(immh: int, q: int, scalar: int) -> str | None:
    """The operands of a shift by an immediate: the highest bit of immh is the size."""
    size = immh.bit_length() - 1
    if scalar:
        return "d" if q and size == 3 else None
    return None if size < 0 else ARRANGEMENTS[size, q]


def half_shape(immh: int, q: int) -> str | None:
    """The narrow operand of a shift that widens or narrows."""
    return shift_shape(immh, q, 0) if immh < 8 else None


def wide_shape(immh: int) -> str | None:
    """The wide operand of a shift that widens or narrows."""
    return ARRANGEMENTS[immh.bit_length(), 1] if 0 < immh < 8 else None


def cmode_shape(cmode: int, q: int) -> str | None:
    """The vector of a modified immediate (AdvSIMDExpandImm)."""
    if cmode == 15:
        return None
    return ARRANGEMENTS[0 if cmode == 14 else 2 if cmode < 8 or cmode > 11 else 1, q]


def movi_shape(cmode: int, op: int, q: int) -> str | None:
    """The operand of MOVI: with op=1 64 bits."""
    if op:
        return ("v.2d" if q else "d") if cmode == 14 else None
    return cmode_shape(cmode, q)


# ---- Lanes


def show_lane(n: int, imm5: int) -> str | None:
    """`v1.s[2]`."""
    size = lane_size(imm5)
    return f"v{n}.{LETTERS[size]}[{imm5 >> size + 1}]" if 0 <= size < 4 else None


def read_index(reader: Reader, count: int) -> int:
    """`[2]`, less than `count`."""
    reader.expect("[")
    number = reader.integer(0, count - 1, "the number of a lane")
    reader.expect("]")
    return number


def read_lane(reader: Reader, n: int | None, imm5: int | None) -> Values:
    """`v1.s[2]`, of the size that is known."""
    n, shape = read_name(reader, "a lane such as V1.S[2]")
    size = LETTERS.find(shape[2:]) if len(shape) == 3 else -1
    if size < 0 or imm5 is not None and lane_size(imm5) != size:
        raise reader.wrong("expected a lane such as V1.S[2], of the size of the other operand", back=1)
    return n, read_index(reader, 16 >> size) << size + 1 | 1 << size


def read_source_lane(reader: Reader, n: int | None, imm4: int | None, imm5: int | None) -> Values:
    """The second lane of INS (element)."""
    n, lane = read_lane(reader, n, imm5)
    size = lane_size(lane)
    return n, lane >> size + 1 << size, imm5 if imm5 is not None else lane


def read_reg_of_lane(reader: Reader, n: int | None, imm5: int) -> Values:
    """The general-purpose register that is as wide as a lane."""
    return read_zr(reader, n, int(lane_size(imm5) == 3))[0], imm5


def read_top_half(reader: Reader, n: int | None) -> Values:
    """`v1.d[1]`."""
    n, lane = read_lane(reader, n, 8)
    if lane != 0b11000:
        raise reader.wrong("expected lane 1", back=2, weight=1)
    return (n,)


# ---- Immediates


def float_of(imm8: int) -> float:
    """VFPExpandImm: a sign, three bits of exponent, four of fraction."""
    exponent = (imm8 >> 4 & 7 ^ 4) - 3
    return (-1 if imm8 >> 7 else 1) * (16 + (imm8 & 15)) / 16 * 2.0**exponent


FLOATS = {float_of(imm8): imm8 for imm8 in range(256)}


def read_float(reader: Reader) -> int:
    """A floating-point number that fits 8 bits."""
    value = reader.number()
    if float(value) not in FLOATS:
        raise reader.wrong(f"{value} is not n/16 * 2^r with n from 16 to 31 and r from -3 to 4", back=1, weight=1)
    return FLOATS[float(value)]


def show_shifted_imm(abc: int, defgh: int, cmode: int) -> str:
    """`#0x1, lsl #8`."""
    value = f"#{abc << 5 | defgh:#x}"
    if cmode in (12, 13):
        return f"{value}, msl #{8 << (cmode & 1)}"
    amount = 0 if cmode == 14 else 8 * (cmode >> 1 & (3 if cmode < 8 else 1))
    return f"{value}, lsl #{amount}" if amount else value


def read_shifted_imm(reader: Reader, abc: int | None, defgh: int | None, cmode: int) -> Values:
    """A byte and how it is shifted; `cmode` tells the size of the lanes and becomes exact."""
    value = reader.integer(0, 255)
    if reader.skip(","):
        how = reader.name("lsl or msl")
        if how == "msl" and cmode == 0:
            cmode = 11 + reader.multiple(1, 2, 8)
        elif how == "lsl":
            cmode += 2 * reader.multiple(0, 0 if cmode == 14 else 3 if cmode < 8 else 1, 8)
        else:
            raise reader.wrong("expected lsl", back=1)
    return value >> 5, value & 31, cmode


def show_modified(abc: int, defgh: int, cmode: int, op: int) -> str:
    """MOVI's immediate: with op=1 every bit becomes a byte."""
    if not op:
        return show_shifted_imm(abc, defgh, cmode)
    bits = abc << 5 | defgh
    return f"#{sum(0xFF << 8 * n for n in range(8) if bits >> n & 1):#x}"


def read_modified(reader: Reader, abc: int | None, defgh: int | None, cmode: int, op: int) -> Values:
    """MOVI's immediate."""
    if not op:
        return *read_shifted_imm(reader, abc, defgh, cmode), op
    value = reader.integer(-(1 << 63), (1 << 64) - 1) & (1 << 64) - 1
    lanes = value.to_bytes(8, "little")
    if any(byte not in (0, 0xFF) for byte in lanes):
        raise reader.wrong(f"{value:#x} has bytes that are neither 0x00 nor 0xff", back=1, weight=1)
    bits = sum((byte & 1) << n for n, byte in enumerate(lanes))
    return bits >> 5, bits & 31, cmode, op


def shift_amount(left: bool) -> Kind:
    """A shift of lanes: 0 to bits - 1 to the left, 1 to bits to the right. Makes immh exact."""

    def show(immb: int, immh: int) -> str:
        lane = 8 << immh.bit_length() - 1
        return f"#{(immh << 3 | immb) - lane if left else 2 * lane - (immh << 3 | immb)}"

    def read(reader: Reader, immb: int | None, immh: int) -> Values:
        lane = 8 << immh.bit_length() - 1
        amount = reader.integer(0, lane - 1) if left else reader.integer(1, lane)
        bits = lane + amount if left else 2 * lane - amount
        return bits & 7, bits >> 3

    return Kind(show, read, "#<amount>", refines=True)


VECTOR = by_size(lambda size, q: ARRANGEMENTS[size, q], 2, 1)
SIZES: dict[Values, str] = {(n,): letter for n, letter in enumerate("bhsd")}

KINDS: dict[str, Kind | Spelling] = {
    "fp_sd": shaped({(0,): "s", (1,): "d"}, "<S@|D@>"),
    "fp_sdq": shaped({(0,): "s", (1,): "d", (2,): "q"}, "<S@|D@|Q@>"),
    "fp_bhsd": shaped(SIZES, "<B@|H@|S@|D@>"),
    "fp_hsd": shaped({(0,): "h", (1,): "s", (2,): "d"}, "<H@|S@|D@>"),
    "fp_d": shaped({(): "d"}, "<D@>"),
    "fp_bhsdq": shaped({(0, 0): "b", (1, 0): "h", (2, 0): "s", (3, 0): "d", (0, 1): "q"}, "<B@|H@|S@|D@|Q@>"),
    "fp_of_lane": shaped(by_size(lambda imm5: LETTERS[lane_size(imm5)] if lane_shape(imm5, 0) else None, 5), "<V@>"),
    "vector": shaped(VECTOR, "<V@>.<T>"),
    "vector_b": shaped({(q,): ARRANGEMENTS[0, q] for q in range(2)}, "<V@>.<8B|16B>"),
    "vector_2d": shaped({(): "v.2d"}, "<V@>.2D"),
    "vector_or_d": shaped(by_size(scalar_or_vector, 2, 1, 1), "<V@>.<T>"),
    "vector_wide": shaped({(size,): ARRANGEMENTS[size + 1, 1] for size in range(3)}, "<V@>.<Ta>"),
    "vector_twice": shaped({(size, q): ARRANGEMENTS[size + 1, q] for size in range(3) for q in range(2)}, "<V@>.<Ta>"),
    "vector_fp": shaped({(0, 0): "v.2s", (0, 1): "v.4s", (1, 1): "v.2d"}, "<V@>.<T>"),
    "vector_of_lane": shaped(by_size(lane_shape, 5, 1), "<V@>.<T>"),
    "vector_of_immh": shaped(by_size(shift_shape, 4, 1, 1), "<V@>.<T>"),
    "vector_of_half_immh": shaped(by_size(half_shape, 4, 1), "<V@>.<Tb>"),
    "vector_of_wide_immh": shaped(by_size(wide_shape, 4), "<V@>.<Ta>"),
    "vector_of_cmode": shaped(by_size(movi_shape, 4, 1, 1), "<V@>.<T>"),
    "vector_of_even_cmode": shaped(
        by_size(lambda cmode, q: cmode_shape(cmode, q) if cmode % 2 == 0 or cmode == 13 else None, 4, 1), "<V@>.<T>"
    ),
    "vector_of_odd_cmode": shaped(
        by_size(lambda cmode, q: cmode_shape(cmode, q) if cmode % 2 else None, 4, 1), "<V@>.<T>"
    ),
    "lane": Kind(show_lane, read_lane, "<V@>.<Ts>[<index>]", refines=True),
    "source_lane": Kind(
        lambda n, imm4, imm5: show_lane(n, imm4 >> lane_size(imm5) << lane_size(imm5) + 1 | 1 << lane_size(imm5)),
        read_source_lane,
        "<V@>.<Ts>[<index>]",
    ),
    "reg_of_lane": Kind(lambda n, imm5: ZR[lane_size(imm5) == 3][n], read_reg_of_lane, "<W@|X@>"),
    "top_half": Kind(lambda n: f"v{n}.d[1]", read_top_half, "<V@>.D[1]"),
    "zero": Kind(lambda size: "#0", lambda reader, size: (reader.integer(0, 0) or size,), "#0"),
    "second_half": Spelling({(0,): "", (1,): "2"}),
    "fp_imm": Kind(lambda imm8: f"#{float_of(imm8)}", lambda reader, imm8: (read_float(reader),), "#<fpimm>"),
    "fp_imm_split": Kind(
        lambda abc, defgh: f"#{float_of(abc << 5 | defgh)}",
        lambda reader, abc, defgh: (lambda imm8: (imm8 >> 5, imm8 & 31))(read_float(reader)),
        "#<fpimm>",
    ),
    "shifted_imm": Kind(show_shifted_imm, read_shifted_imm, "#<imm8>{, lsl|msl #<amount>}", refines=True),
    "modified_imm": Kind(show_modified, read_modified, "#<imm>{, lsl|msl #<amount>}", refines=True),
    "vector_shift_left": shift_amount(left=True),
    "vector_shift_right": shift_amount(left=False),
}
