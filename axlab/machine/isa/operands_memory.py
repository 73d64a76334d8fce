"""Offsets and indices of loads and stores; prefetch operations (Arm ARM C1.3.3, C6.2 PRFM)."""

from __future__ import annotations

from collections.abc import Callable

from axlab.machine.isa.bits import sign_extend
from axlab.machine.isa.operands import Kind, Reader, Spelling, Values
from axlab.machine.isa.operands_registers import EXTENSION_NAMES, EXTENSIONS, X_SP, ZR, read_sp, read_zr

Scale = Callable[..., int]
"""The log2 of what an offset is multiplied with, of the fields behind the offset."""


def fp_scale(size: int, q: int) -> int:
    """The log2 of the bytes of a SIMD&FP register in memory: B, H, S, D, Q."""
    return size + 4 * q


def scaled(width: int, signed: bool, scale: Scale, step: bool) -> Kind:
    """An offset of `width` bits: `, #16` that may be missing, or as a `step` `#16` that is always there."""

    def show(offset: int, *fields: int) -> str:
        value = (sign_extend(offset, width) if signed else offset) << scale(*fields)
        return f"#{value}" if step else f", #{value}" if value else ""

    def read(reader: Reader, offset: int | None, *fields: int) -> Values:
        if not step and not reader.skip(","):
            return 0, *fields
        low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        return reader.multiple(low, high, 1 << scale(*fields)) & (1 << width) - 1, *fields

    return Kind(show, read, "#<offset>" if step else "{, #<offset>}")


def index(scale: Scale) -> Kind:
    """An index register: `x1`, `x1, lsl #3`, `w1, uxtw`, `w1, sxtw #3`."""

    def show(rm: int, option: int, s: int, *fields: int) -> str:
        register = ZR[option & 1][rm]
        if option == 3:
            return f"{register}, lsl #{scale(*fields)}" if s else register
        amount = f" #{scale(*fields)}" if s else ""
        return f"{register}, {EXTENSION_NAMES[option]}{amount}"

    def read(reader: Reader, rm: int | None, option: int | None, s: int | None, *fields: int) -> Values:
        rm, wide = read_zr(reader, None, None)
        if not reader.skip(","):
            if not wide:
                raise reader.wrong("a W register as an index needs uxtw or sxtw", weight=1)
            return rm, 3, 0, *fields
        extension = reader.name("lsl, uxtw, sxtw or sxtx")
        option = 3 if extension == "lsl" else EXTENSIONS.get(extension, 0)
        if option not in (2, 3, 6, 7) or option & 1 != wide or extension == "uxtx":
            raise reader.wrong(f"expected {'lsl or sxtx' if wide else 'uxtw or sxtw'}", back=1, weight=1)
        if reader.at("]") and extension != "lsl":
            return rm, option, 0, *fields
        amount = reader.integer(0, 4)
        if amount not in (0, scale(*fields)):
            raise reader.wrong(f"the amount is 0 or {scale(*fields)} here", back=1, weight=1)
        return rm, option, int(amount == scale(*fields)), *fields

    return Kind(show, read, "<Wm|Xm>{, lsl|uxtw|sxtw|sxtx {#<amount>}}")


def read_base(reader: Reader, rn: int | None) -> Values:
    """A base register without an offset; `, #0` may be written."""
    rn = read_sp(reader, rn, 1)[0]
    if reader.skip(","):
        reader.integer(0, 0)
    return (rn,)


TYPES = ("pld", "pli", "pst")


def show_prefetch(rt: int) -> str:
    """`pldl1keep`, or a number where there is no name."""
    if rt >> 3 == 3 or rt >> 1 & 3 == 3:
        return f"#{rt:#04x}"
    return f"{TYPES[rt >> 3]}l{(rt >> 1 & 3) + 1}{'strm' if rt & 1 else 'keep'}"


PREFETCHES = {show_prefetch(rt): rt for rt in range(32)}


def read_prefetch(reader: Reader, rt: int | None) -> Values:
    """`pldl1keep`, or a number."""
    if reader.peek() in PREFETCHES:
        return (PREFETCHES[reader.name("")],)
    return (reader.integer(0, 31, "a prefetch operation such as pldl1keep, or a number"),)


def nothing() -> int:
    """Offsets in bytes."""
    return 0


def pair(sf: int) -> int:
    """Offsets in registers: 4 or 8 bytes."""
    return 2 + sf


def same(size: int) -> int:
    """Offsets in units of the access."""
    return size


KINDS: dict[str, Kind | Spelling] = {
    "base": Kind(lambda rn: X_SP[rn], read_base, "<X@|SP>"),
    "offset_scaled": scaled(12, False, same, step=False),
    "offset_scaled_by_8": scaled(12, False, lambda: 3, step=False),
    "offset_scaled_fp": scaled(12, False, fp_scale, step=False),
    "offset_signed": scaled(9, True, nothing, step=False),
    "step_signed": scaled(9, True, nothing, step=True),
    "offset_pair": scaled(7, True, pair, step=False),
    "step_pair": scaled(7, True, pair, step=True),
    "offset_pair_of_words": scaled(7, True, lambda: 2, step=False),
    "step_pair_of_words": scaled(7, True, lambda: 2, step=True),
    "offset_pair_fp": scaled(7, True, pair, step=False),
    "step_pair_fp": scaled(7, True, pair, step=True),
    "index": index(same),
    "index_of_8": index(lambda: 3),
    "index_fp": index(fp_scale),
    "prefetch": Kind(show_prefetch, read_prefetch, "<prfop>"),
}
