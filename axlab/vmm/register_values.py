"""Registers of a vCPU by the names that people use, read without any effect on the guest."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M32
from axlab.machine.register_table import EL2_REGISTERS, TABLE

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

# Reading these shows what the vCPU has; others of the table that are computed are left out, because some of them do
# something when they are read (ICC_IAR1_EL1 acknowledges an interrupt).
SPECIAL = {
    "sp": "stack pointer of the present exception level",
    "lr": "x30, the return address",
    "nzcv": "flags: N 8, Z 4, C 2, V 1",
    "daif": "interrupt masks: D 8, A 4, I 2, F 1",
    "el": "exception level: 0 or 1",
    "sp_el0": "stack pointer of EL0",
    "sp_el1": "stack pointer of EL1",
}


@cache
def names() -> dict[str, str]:
    """Every name, in lower case, and what it is."""
    found = {f"x{number}": f"general-purpose register X{number}" for number in range(31)}
    found |= {f"w{number}": f"low 32 bits of X{number}" for number in range(31)}
    found |= {f"v{number}": f"SIMD register V{number}, 128 bits" for number in range(32)}
    stored = [register.name for register in TABLE if register.read is None] + list(EL2_REGISTERS)
    return found | {name.lower(): f"system register {name}" for name in stored} | SPECIAL


def read(cpu: Cpu, name: str) -> int:
    """A register's value. Raises KeyError for a name that there is not."""
    kind, number = name[0], name[1:]
    if kind in "xwv" and number.isdigit() and int(number) < (32 if kind == "v" else 31):
        value = cpu.v[int(number)] if kind == "v" else cpu.x[int(number)]
        return value & M32 if kind == "w" else value
    if name == "lr":
        return cpu.x[30]
    if name in SPECIAL:
        return int(getattr(cpu, name))
    return cpu.sys[name.upper()]
