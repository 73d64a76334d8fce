"""General-purpose registers, plain, shifted and extended; conditions (Arm ARM C1.2)."""

from __future__ import annotations

from collections.abc import Mapping

from axlab.machine.isa.operands import Kind, Reader, Spelling, Values

SYNONYMS = {"lr": "x30", "fp": "x29", "ip0": "x16", "ip1": "x17"}

W_ZR = [f"w{n}" for n in range(31)] + ["wzr"]
X_ZR = [f"x{n}" for n in range(31)] + ["xzr"]
W_SP = [f"w{n}" for n in range(31)] + ["wsp"]
X_SP = [f"x{n}" for n in range(31)] + ["sp"]
ZR = (W_ZR, X_ZR)
SP = (W_SP, X_SP)

ZR_NUMBERS = {name: (n, sf) for sf, names in enumerate(ZR) for n, name in enumerate(names)}
SP_NUMBERS = {name: (n, sf) for sf, names in enumerate(SP) for n, name in enumerate(names)}

SHIFTS = {"lsl": 0, "lsr": 1, "asr": 2, "ror": 3}
SHIFT_NAMES = list(SHIFTS)
EXTENSIONS = {"uxtb": 0, "uxth": 1, "uxtw": 2, "uxtx": 3, "sxtb": 4, "sxth": 5, "sxtw": 6, "sxtx": 7}
EXTENSION_NAMES = list(EXTENSIONS)

CONDITION_NAMES = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"]
CONDITIONS = {name: n for n, name in enumerate(CONDITION_NAMES)} | {"hs": 2, "lo": 3}


def read_register(reader: Reader, numbers: Mapping[str, Values], sf: int | None, what: str) -> Values:
    """Take a register: (number, sf)."""
    name = reader.name(f"a register {what}")
    found = numbers.get(SYNONYMS.get(name, name))
    if found is None:
        raise reader.wrong(f"expected a register {what}", back=1)
    if sf is not None and found[1] != sf:
        raise reader.wrong(f"expected {'an X' if sf else 'a W'} register", back=1, weight=1)
    return found


def read_zr(reader: Reader, n: int | None, sf: int | None) -> Values:
    """A register, or the zero register."""
    return read_register(reader, ZR_NUMBERS, sf, "W0-W30, WZR, X0-X30 or XZR")


def read_sp(reader: Reader, n: int | None, sf: int | None) -> Values:
    """A register, or the stack pointer."""
    return read_register(reader, SP_NUMBERS, sf, "W0-W30, WSP, X0-X30 or SP")


def read_pair(reader: Reader, n: int | None, sf: int | None) -> Values:
    """Two consecutive registers, the first of them even (CASP)."""
    first, sf = read_zr(reader, n, sf)
    if first % 2:
        raise reader.wrong("the first register of the pair must be even", back=1, weight=1)
    reader.expect(",")
    if read_zr(reader, None, sf)[0] != first + 1:
        raise reader.wrong(f"expected {ZR[sf][first + 1]}", back=1, weight=1)
    return first, sf


def show_pair(n: int, sf: int) -> str:
    """Two consecutive registers."""
    return f"{ZR[sf][n]}, {ZR[sf][n + 1 & 31]}"


def read_return(reader: Reader, n: int | None) -> Values:
    """RET's register, X30 if there is none."""
    return read_zr(reader, None, 1)[:1] if reader.item() is not None else (30,)


def read_optional_x(reader: Reader, n: int | None) -> Values:
    """SYS's register, XZR if there is none."""
    return read_zr(reader, None, 1)[:1] if reader.skip(",") else (31,)


def read_amount(reader: Reader, high: int) -> int:
    """A shift amount."""
    return reader.integer(0, high, "a shift amount")


def read_shift(reader: Reader, kinds: int) -> Values:
    """An optional `, lsl #3`; `kinds` says how many of LSL, LSR, ASR, ROR there are."""
    if not reader.skip(","):
        return 0, 0
    what = " or ".join(SHIFT_NAMES[:kinds])
    shift = reader.choice(SHIFTS, what)
    if shift >= kinds:
        raise reader.wrong(f"expected {what}", back=1)
    return shift, read_amount(reader, 63)


def show_shift(shift: int, imm6: int) -> str:
    """`, lsl #3`, or nothing for LSL #0."""
    return f", {SHIFT_NAMES[shift]} #{imm6}" if shift or imm6 else ""


def show_extended(rm: int, option: int, imm3: int, sf: int, *stack: int) -> str:
    """`w1, uxtw #2`. Where a register is SP (`stack`), the extension that changes nothing is LSL, or nothing."""
    register = ZR[1 if sf and option & 3 == 3 else 0][rm]
    if option == 2 + sf and 31 in stack:
        return f"{register}, lsl #{imm3}" if imm3 else register
    return f"{register}, {EXTENSION_NAMES[option]} #{imm3}" if imm3 else f"{register}, {EXTENSION_NAMES[option]}"


def read_extended(reader: Reader, rm: int | None, option: int | None, imm3: int | None, sf: int, *stack: int) -> Values:
    """A register and how it is extended: `rm, option, imm3` and what was known. An X register stands for its lower
    bits too, as in the GNU assembler."""
    rm, wide = read_zr(reader, None, None)
    if not reader.at(",") or reader.peek(1) == "lsl":
        if 31 not in stack or wide != sf:
            raise reader.wrong("expected an extension such as uxtw")
        amount = 0
        if reader.skip(","):
            reader.name("lsl")
            amount = read_amount(reader, 4)
        return rm, 2 + sf, amount, sf, *stack
    reader.expect(",")
    option = reader.choice(EXTENSIONS, "uxtb, uxth, uxtw, uxtx, sxtb, sxth, sxtw or sxtx")
    if not wide and sf and option & 3 == 3 or wide and not sf:
        other = "a W" if wide else "an X"
        raise reader.wrong(f"{EXTENSION_NAMES[option]} extends {other} register here", back=1, weight=1)
    return rm, option, read_amount(reader, 4) if reader.item() is not None else 0, sf, *stack


def read_condition(reader: Reader, cond: int | None) -> Values:
    """A condition."""
    return (reader.choice(CONDITIONS, "a condition: " + ", ".join(CONDITIONS)),)


def read_inverted(reader: Reader, cond: int | None) -> Values:
    """The condition that an alias inverts; not AL or NV."""
    value = reader.choice(CONDITIONS, "a condition: " + ", ".join(CONDITION_NAMES[:14]))
    if value >= 14:
        raise reader.wrong(f"{CONDITION_NAMES[value]} cannot be inverted", back=1, weight=1)
    return (value ^ 1,)


KINDS: dict[str, Kind | Spelling] = {
    "reg_zr": Kind(lambda n, sf: ZR[sf][n], read_zr, "<W@|X@>"),
    "reg_sp": Kind(lambda n, sf: SP[sf][n], read_sp, "<W@|X@|SP>"),
    "x_zr": Kind(lambda n: X_ZR[n], lambda reader, n: read_zr(reader, n, 1)[:1], "<X@>"),
    "w_zr": Kind(lambda n: W_ZR[n], lambda reader, n: read_zr(reader, n, 0)[:1], "<W@>"),
    "x_sp": Kind(lambda n: X_SP[n], lambda reader, n: read_sp(reader, n, 1)[:1], "<X@|SP>"),
    "reg_of_size": Kind(
        lambda n, size: ZR[size == 3][n],
        lambda reader, n, size: (read_zr(reader, n, int(size == 3))[0], size),
        "<W@|X@>",
    ),
    "reg_signed": Kind(
        lambda n, w: ZR[1 - w][n],
        lambda reader, n, w: (lambda found: (found[0], 1 - found[1]))(read_zr(reader, n, None)),
        "<W@|X@>",
    ),
    "reg_pair": Kind(show_pair, read_pair, "<X@>, <X(@+1)>"),
    "return_register": Kind(lambda n: "" if n == 30 else f" {X_ZR[n]}", read_return, "{ <Xn>}"),
    "optional_x": Kind(lambda n: "" if n == 31 else f", {X_ZR[n]}", read_optional_x, "{, <Xt>}"),
    "shift": Kind(show_shift, lambda reader, *known: read_shift(reader, 3), "{, lsl|lsr|asr #<amount>}"),
    "shift_or_rotate": Kind(show_shift, lambda reader, *known: read_shift(reader, 4), "{, lsl|lsr|asr|ror #<amount>}"),
    "extended": Kind(show_extended, read_extended, "<W@|X@>, <extend> {#<amount>}"),
    "condition": Kind(lambda cond: CONDITION_NAMES[cond], read_condition, "<cond>"),
    "inverted_condition": Kind(lambda cond: CONDITION_NAMES[cond ^ 1] if cond < 14 else None, read_inverted, "<cond>"),
}
