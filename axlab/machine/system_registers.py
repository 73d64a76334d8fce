"""The system registers that the CPU has: who may access them, what traps, what a write changes.

One table, `REGISTERS`; all that is not in it is UNDEFINED, but for the ID registers that are reserved, which
read as zero. Names are the manual's (Arm ARM D17); their encodings are in `isa/system_names.py`. The timer's and
the GIC interface's registers are declared beside those devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.exceptions import GuestException, undefined
from axlab.machine.features import Features
from axlab.machine.isa.system_names import ENCODINGS
from axlab.machine.register_table import EL2_REGISTERS, TABLE, SystemRegister
from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import system_access_syndrome

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

Encoding = tuple[int, int, int, int, int]  # op0, op1, CRn, CRm, op2

REGISTERS: dict[Encoding, SystemRegister] = {ENCODINGS[register.name]: register for register in TABLE}

HCR_TID3 = 1 << 18


def reset_values(features: Features) -> dict[str, int]:
    """All stored registers as they are after a reset."""
    values = dict(EL2_REGISTERS)
    for register in TABLE:
        reset = register.reset
        values[register.name] = reset(features) if callable(reset) else reset
    return values


def read(cpu: Cpu, encoding: Encoding, rt: int) -> int:
    """MRS: the register's value. Raises what the access leads to where it is not allowed."""
    register = REGISTERS.get(encoding)
    if register is None:
        return read_reserved(cpu, encoding, rt)
    check_access(cpu, register, encoding, rt, is_read=True)
    return register.read(cpu) if register.read else cpu.sys[register.name]


def write(cpu: Cpu, encoding: Encoding, rt: int, value: int) -> None:
    """MSR: write the bits that can be written. Raises what the access leads to where it is not allowed."""
    register = REGISTERS.get(encoding)
    if register is None:
        raise undefined()
    check_access(cpu, register, encoding, rt, is_read=False)
    if register.write:
        register.write(cpu, value)
        return
    old = cpu.sys[register.name]
    cpu.sys[register.name] = old & ~register.writable | value & register.writable
    if register.selects_regime:
        cpu.select_regime()
        cpu.attention = True


def read_reserved(cpu: Cpu, encoding: Encoding, rt: int) -> int:
    """The ID registers that are reserved for later versions of the architecture read as zero (D17.3)."""
    op0, op1, crn, crm, _ = encoding
    if (op0, op1, crn) != (3, 0, 0) or not 1 <= crm <= 7 or cpu.el == 0:
        raise undefined()
    if cpu.sys["HCR_EL2"] & HCR_TID3:
        raise trap(2, encoding, rt, is_read=True)
    return 0


def trap(target: int, encoding: Encoding, rt: int, is_read: bool) -> GuestException:
    """An access to a system register that EL1 or EL2 wants to see."""
    return GuestException(target, EC.SYSTEM_REGISTER, system_access_syndrome(encoding, rt, is_read))


def check_access(cpu: Cpu, register: SystemRegister, encoding: Encoding, rt: int, is_read: bool) -> None:
    """Whether this EL has the register at all; then traps to EL1; then traps to EL2."""
    allowed = register.el0 if cpu.el == 0 else register.el1
    if ("r" if is_read else "w") not in allowed:
        raise undefined()
    if register.exists and not register.exists(cpu):
        raise undefined()
    if cpu.el == 0 and register.el0_enabled and not register.el0_enabled(cpu):
        raise trap(1, encoding, rt, is_read)
    if register.is_fp:
        cpu.check_fp()
    traps = register.read_traps if is_read else register.write_traps
    if cpu.sys["HCR_EL2"] & traps or register.el2_trap and register.el2_trap(cpu):
        raise trap(2, encoding, rt, is_read)
