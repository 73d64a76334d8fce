"""What gdb is told of a vCPU: its registers, their numbers and sizes (target.xml), and how to read and write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine.register_table import EL2_REGISTERS, TABLE

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

M64, M128 = (1 << 64) - 1, (1 << 128) - 1
VECTOR_TYPES = """\
    <vector id="v2d" type="ieee_double" count="2"/><vector id="v2u" type="uint64" count="2"/>
    <vector id="v4f" type="ieee_single" count="4"/><vector id="v4u" type="uint32" count="4"/>
    <vector id="v8u" type="uint16" count="8"/><vector id="v16u" type="uint8" count="16"/>
    <union id="aarch64v"><field name="f64" type="v2d"/><field name="f32" type="v4f"/><field name="u64" type="v2u"/>
      <field name="u32" type="v4u"/><field name="u16" type="v8u"/><field name="u8" type="v16u"/></union>
"""
FLAGS = """\
    <flags id="cpsr_flags" size="4">
      <field name="SP" start="0" end="0"/><field name="EL" start="2" end="3"/><field name="F" start="6" end="6"/>
      <field name="I" start="7" end="7"/><field name="A" start="8" end="8"/><field name="D" start="9" end="9"/>
      <field name="IL" start="20" end="20"/><field name="SS" start="21" end="21"/><field name="V" start="28" end="28"/>
      <field name="C" start="29" end="29"/><field name="Z" start="30" end="30"/><field name="N" start="31" end="31"/>
    </flags>
"""


@dataclass(frozen=True)
class Register:
    """A register as gdb has it: `bits` wide, of a type of target.xml, in one of its features."""

    name: str
    bits: int
    type: str
    feature: str
    read: Callable[[Cpu], int]
    write: Callable[[Cpu, int], None]


def general(number: int) -> Register:
    """X0 to X30."""

    def write(cpu: Cpu, value: int) -> None:
        cpu.x[number] = value

    return Register(f"x{number}", 64, "int", "core", lambda cpu: cpu.x[number], write)


def attribute(name: str, type_: str) -> Register:
    """SP or PC."""
    return Register(
        name, 64, type_, "core", lambda cpu: int(getattr(cpu, name)), lambda cpu, value: setattr(cpu, name, value)
    )


def read_cpsr(cpu: Cpu) -> int:
    """PSTATE as SPSR_EL1 would hold it."""
    return cpu.nzcv << 28 | cpu.ss << 21 | cpu.il << 20 | cpu.daif << 6 | cpu.el << 2 | cpu.sp_sel


def write_cpsr(cpu: Cpu, value: int) -> None:
    """Flags and interrupt masks; the exception level is not a debugger's to change."""
    cpu.nzcv = value >> 28 & 15
    cpu.daif = value >> 6 & 15
    cpu.attention = True


def vector(number: int) -> Register:
    """V0 to V31."""

    def write(cpu: Cpu, value: int) -> None:
        cpu.v[number] = value

    return Register(f"v{number}", 128, "aarch64v", "fpu", lambda cpu: cpu.v[number], write)


def system(name: str, bits: int, feature: str) -> Register:
    """A stored system register."""

    def write(cpu: Cpu, value: int) -> None:
        cpu.sys[name] = value
        cpu.flush_tlb()
        cpu.attention = True

    return Register(name.lower() if feature == "fpu" else name, bits, "int", feature, lambda cpu: cpu.sys[name], write)


def registers(fp: bool) -> list[Register]:
    """All registers, in the order of their numbers."""
    core = [general(number) for number in range(31)]
    core += [attribute("sp", "data_ptr"), attribute("pc", "code_ptr")]
    core.append(Register("cpsr", 32, "cpsr_flags", "core", read_cpsr, write_cpsr))
    fpu = [vector(number) for number in range(32)] + [system(name, 32, "fpu") for name in ("FPSR", "FPCR")]
    stored = [one.name for one in TABLE if one.read is None and not one.is_fp] + list(EL2_REGISTERS)
    return core + (fpu if fp else []) + [system(name, 64, "system") for name in dict.fromkeys(stored)]


FEATURES = {"core": "org.gnu.gdb.aarch64.core", "fpu": "org.gnu.gdb.aarch64.fpu", "system": "org.axlab.system"}
TYPES = {"core": FLAGS, "fpu": VECTOR_TYPES, "system": ""}


def target_xml(known: list[Register]) -> str:
    """The target description."""
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">']
    lines.append("  <architecture>aarch64</architecture>")
    for feature, name in FEATURES.items():
        mine = [(number, one) for number, one in enumerate(known) if one.feature == feature]
        if not mine:
            continue
        lines.append(f'  <feature name="{name}">')
        lines.append(TYPES[feature])
        group = ' group="system" save-restore="no"' if feature == "system" else ""
        lines += [
            f'    <reg name="{one.name}" bitsize="{one.bits}" type="{one.type}" regnum="{number}"{group}/>'
            for number, one in mine
        ]
        lines.append("  </feature>")
    return "\n".join([*lines, "</target>", ""])


def read_hex(cpu: Cpu, register: Register) -> str:
    """A register's value, its bytes in the target's order."""
    size = register.bits // 8
    return (register.read(cpu) & (1 << register.bits) - 1).to_bytes(size, "little").hex()


def write_hex(cpu: Cpu, register: Register, text: str) -> None:
    """Set a register. Raises ValueError for what is no value of its size."""
    data = bytes.fromhex(text)
    if len(data) != register.bits // 8:
        raise ValueError(f"{register.name} has {register.bits // 8} bytes, not {len(data)}")
    register.write(cpu, int.from_bytes(data, "little"))
