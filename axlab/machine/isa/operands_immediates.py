"""Immediates of data-processing instructions, bit fields, labels (Arm ARM C3.3, C3.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from axlab.machine.isa.bits import logical_immediate, rotate_right, sign_extend
from axlab.machine.isa.operands import Kind, Place, Reader, Spelling, Values, show_number

M64 = (1 << 64) - 1


def ones(width: int) -> int:
    """`width` ones."""
    return (1 << width) - 1


def data_width(sf: int | None) -> int:
    """Bits of an operand; 64 where that is not known."""
    return 32 if sf == 0 else 64


def read_bits(reader: Reader, width: int) -> int:
    """A number that fits `width` bits, signed or unsigned, as bits."""
    return reader.integer(-(1 << width - 1), ones(width)) & ones(width)


def plain(width: int, form: str, show: str = "#{:#x}") -> Kind:
    """An unsigned immediate of `width` bits."""
    return Kind(show.format, lambda reader, value: (reader.integer(0, ones(width)),), form)


def imm12_of(reader: Reader, value: int) -> Values:
    """imm12 and sh of a number; an explicit `, lsl #12` may follow."""
    if reader.skip(","):
        if reader.name("lsl") != "lsl":
            raise reader.wrong("expected lsl #0 or lsl #12", back=1)
        shift = reader.integer(0, 12)
        if shift in (0, 12) and 0 <= value < 4096:
            return value, shift // 12
        raise reader.wrong("a 12-bit immediate is 0 to 4095, with lsl #0 or lsl #12", back=1, weight=1)
    if 0 <= value < 4096:
        return value, 0
    if 0 <= value < 1 << 24 and value & 0xFFF == 0:
        return value >> 12, 1
    raise reader.wrong(f"{show_number(value)} is not 0 to 4095, nor such a number shifted left by 12", back=1, weight=1)


def read_imm12(reader: Reader, imm12: int | None, sh: int | None) -> Values:
    """A 12-bit immediate, optionally shifted."""
    return imm12_of(reader, read_any(reader))


def read_negated(reader: Reader, imm12: int | None, sh: int | None) -> Values:
    """The negative number of which the opposite instruction takes the absolute value."""
    value = read_any(reader)
    if value >= 0:
        raise reader.wrong("expected a negative number", back=1)
    return imm12_of(reader, -value)


def read_any(reader: Reader) -> int:
    """Any integer."""
    return reader.integer(-(1 << 63), M64)


def show_imm12(imm12: int, sh: int) -> str:
    """`#0x1, lsl #12`."""
    return f"#{imm12:#x}, lsl #12" if sh else f"#{imm12:#x}"


def show_imm16(imm16: int, hw: int) -> str:
    """`#0x1, lsl #16`."""
    return f"#{imm16:#x}, lsl #{16 * hw}" if hw else f"#{imm16:#x}"


def read_imm16(reader: Reader, imm16: int | None, hw: int | None) -> Values:
    """A 16-bit immediate, optionally shifted; `:abs_g1:` implies its shift."""
    node = reader.expression()
    reader.position -= 1
    value = reader.integer(0, 0xFFFF)
    if node.kind.startswith(":abs_g"):
        return value, int(node.kind[6])
    if not reader.skip(","):
        return value, 0
    if reader.name("lsl") != "lsl":
        raise reader.wrong("expected lsl", back=1)
    return value, reader.multiple(0, 3, 16)


def moved(imm16: int, hw: int, sf: int) -> int:
    """What MOVZ writes."""
    return imm16 << 16 * hw


def read_moved(reader: Reader, sf: int | None, inverted: bool) -> Values:
    """The constant of `mov` as MOVZ's, or MOVN's if `inverted`."""
    width = data_width(sf)
    value = read_bits(reader, width) ^ (ones(width) if inverted else 0)
    for hw in range(width // 16):
        if value & ~(0xFFFF << 16 * hw) == 0:
            return value >> 16 * hw, hw, width // 64
    raise reader.wrong("the constant is neither 16 bits in zeros or ones, nor a bit mask", back=1, weight=1)


def is_wide_move(value: int, sf: int) -> bool:
    """Whether MOVZ or MOVN can write a value, so that `mov` means one of them (MoveWidePreferred)."""
    width = data_width(sf)
    return any(v & ~(0xFFFF << 16 * hw) == 0 for v in (value, value ^ ones(width)) for hw in range(width // 16))


def encode_bit_mask(value: int, width: int) -> Values | None:
    """N, immr and imms of a logical immediate: the inverse of DecodeBitMasks."""
    if value in (0, ones(width)):
        return None
    size = width
    while size > 2 and value & ones(size // 2) == value >> size // 2 & ones(size // 2):
        size //= 2
        value &= ones(size)
    element = value & ones(size)
    count = element.bit_count()
    for rotation in range(size):
        if rotate_right(ones(count), rotation, size) == element:
            return int(size == 64), rotation, (-size << 1 | count - 1) & 0x3F
    return None


def read_mask(reader: Reader, sf: int | None, inverted: bool) -> Values:
    """A logical immediate, or its complement."""
    width = data_width(sf)
    value = read_bits(reader, width) ^ (ones(width) if inverted else 0)
    encoded = encode_bit_mask(value, width)
    if encoded is None:
        raise reader.wrong(f"{show_number(value)} is no bit mask: a rotated run of ones, repeated", back=1, weight=1)
    return *encoded, width // 64


def show_mask(n: int, immr: int, imms: int, sf: int) -> str:
    """The constant in hexadecimal."""
    return f"#{logical_immediate(n, imms, immr, sf):#x}"


def show_moved_mask(n: int, immr: int, imms: int, sf: int) -> str | None:
    """The constant of `mov` as ORR's, where it is not MOVZ's or MOVN's."""
    return None if is_wide_move(logical_immediate(n, imms, immr, sf), sf) else show_mask(n, immr, imms, sf)


def show_shift_right(immr: int, imms: int, sf: int) -> str | None:
    """The amount of ASR and LSR (immediate)."""
    return f"#{immr}" if imms == data_width(sf) - 1 else None


def read_shift_right(reader: Reader, immr: int | None, imms: int | None, sf: int) -> Values:
    """The amount of ASR and LSR (immediate)."""
    last = data_width(sf) - 1
    return reader.integer(0, last), last, sf


def show_shift_left(immr: int, imms: int, sf: int) -> str | None:
    """The amount of LSL (immediate)."""
    last = data_width(sf) - 1
    return f"#{last - imms}" if imms != last and imms + 1 == immr else None


def read_shift_left(reader: Reader, immr: int | None, imms: int | None, sf: int) -> Values:
    """The amount of LSL (immediate)."""
    last = data_width(sf) - 1
    amount = reader.integer(0, last)
    return -amount & last, last - amount, sf


def show_insert(immr: int, imms: int, sf: int) -> str | None:
    """Lsb and width of BFI, SBFIZ and UBFIZ."""
    return f"#{data_width(sf) - immr}, #{imms + 1}" if imms < immr else None


def read_insert(reader: Reader, immr: int | None, imms: int | None, sf: int) -> Values:
    """Lsb and width of BFI, SBFIZ and UBFIZ."""
    width = data_width(sf)
    lsb = reader.integer(0, width - 1)
    reader.expect(",")
    return -lsb & width - 1, reader.integer(1, width - lsb) - 1, sf


def show_extract(immr: int, imms: int, sf: int) -> str | None:
    """Lsb and width of BFXIL, SBFX and UBFX."""
    return f"#{immr}, #{imms - immr + 1}" if imms >= immr else None


def read_extract(reader: Reader, immr: int | None, imms: int | None, sf: int) -> Values:
    """Lsb and width of BFXIL, SBFX and UBFX."""
    width = data_width(sf)
    lsb = reader.integer(0, width - 1)
    reader.expect(",")
    return lsb, lsb + reader.integer(1, width - lsb) - 1, sf


def read_bit_number(reader: Reader, b40: int | None, b5: int | None) -> Values:
    """The bit of TBZ and TBNZ; a W register has no bit over 31."""
    value = reader.integer(0, 63)
    if b5 == 0 and value > 31:
        raise reader.wrong(f"{value} is not in 0 to 31", back=1, weight=1)
    return value & 31, value >> 5


def show_label(width: int, place: Place, offset: int) -> str:
    """The target of a branch or literal load."""
    return place.label(place.address + (sign_extend(offset, width) << 2) & M64)


def read_label(width: int, reader: Reader, offset: int | None) -> Values:
    """The target of a branch or literal load, as a number of words."""
    distance = read_target(reader) - reader.address
    if distance % 4:
        raise reader.wrong("the target is not aligned to 4 bytes", back=1, weight=1)
    return (check_distance(reader, distance >> 2, width, 4) & ones(width),)


def read_target(reader: Reader) -> int:
    """An address."""
    value = reader.number("a label or an address")
    if isinstance(value, float):
        raise reader.wrong(f"{value} is no address", back=1, weight=1)
    return value


def check_distance(reader: Reader, distance: int, width: int, unit: int) -> int:
    """A distance must fit its field; addresses wrap at 64 bits."""
    wrapped = sign_extend(distance, 64)
    if not -(1 << width - 1) <= wrapped < 1 << width - 1:
        reach = (1 << width - 1) * unit
        raise reader.wrong(f"the target is {wrapped * unit:+#x} bytes away; the reach is {reach:#x}", back=1, weight=1)
    return wrapped


def show_adr(page: int, place: Place, immhi: int, immlo: int) -> str:
    """The target of ADR (page 0) or ADRP (page 12)."""
    base = place.address >> page << page
    return place.label(base + (sign_extend(immhi << 2 | immlo, 21) << page) & M64)


def read_adr(page: int, reader: Reader, immhi: int | None, immlo: int | None) -> Values:
    """The target of ADR (page 0) or ADRP (page 12)."""
    distance = (read_target(reader) >> page) - (reader.address >> page)
    value = check_distance(reader, distance, 21, 1 << page) & ones(21)
    return value >> 2, value & 3


def label(width: int) -> Kind:
    """A label that is `width` bits of words away."""
    return Kind(partial(show_label, width), partial(read_label, width), "<label>", relative=True)


def of_known_width(read: Callable[..., Values]) -> Callable[..., Values]:
    """A reader whose last known value is sf, which a register before it has told."""
    return lambda reader, *known: read(reader, *known[:-1], 1 if known[-1] is None else known[-1])


KINDS: dict[str, Kind | Spelling] = {
    "imm12_shifted": Kind(show_imm12, read_imm12, "#<imm12>{, lsl #12}"),
    "imm12_negated": Kind(show_imm12, read_negated, "#-<imm12>{, lsl #12}"),
    "imm16_shifted": Kind(show_imm16, read_imm16, "#<imm16>{, lsl #<16|32|48>}"),
    "moved": Kind(
        lambda imm16, hw, sf: f"#{moved(imm16, hw, sf):#x}",
        lambda reader, imm16, hw, sf: read_moved(reader, sf, inverted=False),
        "#<imm>",
    ),
    "moved_inverted": Kind(
        lambda imm16, hw, sf: f"#{moved(imm16, hw, sf) ^ ones(data_width(sf)):#x}",
        lambda reader, imm16, hw, sf: read_moved(reader, sf, inverted=True),
        "#<imm>",
    ),
    "moved_bitmask": Kind(show_moved_mask, lambda reader, n, r, s, sf: read_mask(reader, sf, inverted=False), "#<imm>"),
    "bitmask": Kind(show_mask, lambda reader, n, r, s, sf: read_mask(reader, sf, inverted=False), "#<bitmask>"),
    "bitmask_inverted": Kind(show_mask, lambda reader, n, r, s, sf: read_mask(reader, sf, inverted=True), "#<bitmask>"),
    "position": plain(6, "#<position>", "#{}"),
    "shift_right": Kind(show_shift_right, of_known_width(read_shift_right), "#<amount>"),
    "shift_left": Kind(show_shift_left, of_known_width(read_shift_left), "#<amount>"),
    "insert_field": Kind(show_insert, of_known_width(read_insert), "#<lsb>, #<width>"),
    "extract_field": Kind(show_extract, of_known_width(read_extract), "#<lsb>, #<width>"),
    "bit_number": Kind(lambda b40, b5: f"#{b5 << 5 | b40}", read_bit_number, "#<bit>"),
    "hex_imm": plain(16, "#<imm>"),
    "decimal_imm": plain(16, "#<imm16>", "#{}"),
    "optional_imm": Kind(
        lambda value: f" #{value:#x}" if value else "",
        lambda reader, value: (reader.integer(0, 0xFFFF) if reader.item() is not None else 0,),
        "{ #<imm16>}",
    ),
    "label_14": label(14),
    "label_19": label(19),
    "label_26": label(26),
    "label_adr": Kind(partial(show_adr, 0), partial(read_adr, 0), "<label>", relative=True),
    "label_adrp": Kind(partial(show_adr, 12), partial(read_adr, 12), "<label>", relative=True),
}
