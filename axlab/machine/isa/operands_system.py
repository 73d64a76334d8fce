"""System registers, system instructions, barriers, hints, and the parts of mnemonics (Arm ARM C5, C6.2)."""

from __future__ import annotations

import re

from axlab.errors import nearest
from axlab.machine.isa.operands import Kind, Reader, Spelling, Values
from axlab.machine.isa.operands_registers import CONDITION_NAMES
from axlab.machine.isa.system_names import ENCODINGS, OPERATIONS, OPERATIONS_ON_ALL, PSTATE_FIELDS, WRITTEN_AS

READ_NAMES: dict[Values, str] = {
    encoding: name for name, encoding in ENCODINGS.items() if name not in WRITTEN_AS.values()
}
WRITTEN_NAMES: dict[Values, str] = {encoding: WRITTEN_AS.get(name, name) for encoding, name in READ_NAMES.items()}
NUMBERS = {name.lower(): encoding for name, encoding in ENCODINGS.items()}
GENERIC = re.compile(r"s([23])_([0-7])_c([0-9]|1[0-5])_c([0-9]|1[0-5])_([0-7])")

BARRIERS = {
    1: "oshld", 2: "oshst", 3: "osh", 5: "nshld", 6: "nshst", 7: "nsh",
    9: "ishld", 10: "ishst", 11: "ish", 13: "ld", 14: "st", 15: "sy",
}  # fmt: skip
BARRIER_NUMBERS = {name: n for n, name in BARRIERS.items()}

HINTS = {
    6: "dgh", 7: "xpaclri", 8: "pacia1716", 10: "pacib1716", 12: "autia1716", 14: "autib1716", 16: "esb",
    17: "psb csync", 18: "tsb csync", 20: "csdb", 22: "clearbhb", 24: "paciaz", 25: "paciasp", 26: "pacibz",
    27: "pacibsp", 28: "autiaz", 29: "autiasp", 30: "autibz", 31: "autibsp", 32: "bti", 34: "bti c", 36: "bti j",
    38: "bti jc",
}  # fmt: skip
"""The hints of later architectures: this machine executes them as NOP, as ARMv8.0 does."""


def show_register(names: dict[Values, str], o0: int, op1: int, crn: int, crm: int, op2: int) -> str:
    """A system register's name, or the generic one."""
    name = names.get((2 + o0, op1, crn, crm, op2))
    return name or f"S{2 + o0}_{op1}_C{crn}_C{crm}_{op2}"


def read_system_register(reader: Reader, *known: int | None) -> Values:
    """A system register by its name, or as `S3_0_C15_C2_0`."""
    name = reader.name("a system register")
    generic = GENERIC.fullmatch(name)
    encoding = tuple(int(part) for part in generic.groups()) if generic else NUMBERS.get(name)
    if encoding is None:
        raise reader.wrong(f"there is no system register {name}{nearest(name, list(NUMBERS))}", back=1, weight=1)
    return encoding[0] - 2, *encoding[1:]


def read_pstate(reader: Reader, op1: int | None, op2: int | None) -> Values:
    """A field of PSTATE."""
    fields = {name.lower(): numbers for name, numbers in PSTATE_FIELDS.items()}
    name = reader.name("SPSel, DAIFSet or DAIFClr")
    if name not in fields:
        raise reader.wrong("expected SPSel, DAIFSet or DAIFClr", back=1)
    return fields[name]


def read_barrier(reader: Reader, crm: int | None) -> Values:
    """A barrier's domain, or its number."""
    if reader.peek() in BARRIER_NUMBERS:
        return (BARRIER_NUMBERS[reader.name("")],)
    return (reader.integer(0, 15, "a barrier option such as sy or ish"),)


def read_optional_crm(reader: Reader, crm: int | None) -> Values:
    """An option that is 15 when it is missing."""
    if reader.item() is None:
        return (15,)
    if reader.peek() == "sy":
        reader.position += 1
        return (15,)
    return (reader.integer(0, 15),)


def show_optional_crm(crm: int) -> str:
    """An option that is 15 when it is missing."""
    return "" if crm == 15 else f" #{crm:#x}"


def read_c_name(reader: Reader, number: int | None) -> Values:
    """`C7`."""
    match = re.fullmatch(r"c(\d+)", reader.name("C0 to C15"))
    if not match or int(match.group(1)) > 15:
        raise reader.wrong("expected C0 to C15", back=1)
    return (int(match.group(1)),)


OPERATION_NAMES: dict[Values, str] = {encoding: name for name, encoding in OPERATIONS.items()}

optional_crm = Kind(show_optional_crm, read_optional_crm, "{ #<imm>}")

KINDS: dict[str, Kind | Spelling] = {
    "system_register": Kind(lambda *encoding: show_register(READ_NAMES, *encoding), read_system_register, "<sysreg>"),
    "system_register_written": Kind(
        lambda *encoding: show_register(WRITTEN_NAMES, *encoding), read_system_register, "<sysreg>"
    ),
    "pstate_field": Kind(
        lambda op1, op2: next((name for name, numbers in PSTATE_FIELDS.items() if numbers == (op1, op2)), None),
        read_pstate,
        "<SPSel|DAIFSet|DAIFClr>",
    ),
    "barrier": Kind(lambda crm: BARRIERS.get(crm, f"#{crm:#04x}"), read_barrier, "<option>"),
    "optional_crm": optional_crm,
    "optional_sy": optional_crm,
    "op_imm": Kind(lambda op: f"#{op}", lambda reader, op: (reader.integer(0, 7),), "#<op>"),
    "c_name": Kind(lambda number: f"C{number}", read_c_name, "<Cn>"),
    "hint_number": Kind(
        lambda crm, op2: f"#{crm << 3 | op2:#x}",
        lambda reader, crm, op2: (lambda number: (number >> 3, number & 7))(reader.integer(0, 127)),
        "#<imm7>",
    ),
    "hint_name": Spelling({(n >> 3, n & 7): name for n, name in HINTS.items()}),
    "dc_ic_at_tlbi": Spelling({encoding: name for name, encoding in OPERATIONS_ON_ALL.items()}),
    "dc_ic_at_tlbi_of": Spelling(OPERATION_NAMES),
    "bh": Spelling({(0,): "b", (1,): "h", (2,): "", (3,): ""}),
    "bhw": Spelling({(0,): "b", (1,): "h", (2,): "w"}),
    "bhwx": Spelling({(0,): "b", (1,): "h", (2,): "w", (3,): "x"}),
    "acquire_release": Spelling({(0, 0): "", (1, 0): "a", (0, 1): "l", (1, 1): "al"}),
    "release": Spelling({(0,): "", (1,): "l"}),
    "condition_name": Spelling({(n,): name for n, name in enumerate(CONDITION_NAMES)}),
    "condition_synonym": Spelling({(2,): "hs", (3,): "lo"}),
}
