"""What exception-generating, hint, barrier and system instructions do (Arm ARM C6.2), a function per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine import system_operations, system_registers
from axlab.machine.exceptions import GuestException, return_from_exception, undefined
from axlab.machine.traps import ExceptionClass as EC

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

SEMIHOSTING = 0xF000

# HCR_EL2
HCR_TSC = 1 << 19
HCR_HCD = 1 << 29


# Exceptions


def UDF(cpu: Cpu, imm16: int) -> None:
    """Permanently undefined."""
    raise undefined()


def SVC(cpu: Cpu, imm16: int) -> None:
    """Supervisor call: to EL1."""
    raise GuestException(1, EC.SVC, imm16, completed=True)


def HVC(cpu: Cpu, imm16: int) -> None:
    """Hypervisor call: to EL2. EL0 has none, and EL2 may disable it."""
    if cpu.el == 0 or cpu.sys["HCR_EL2"] & HCR_HCD:
        raise undefined()
    raise GuestException(2, EC.HVC, imm16, completed=True)


def SMC(cpu: Cpu, imm16: int) -> None:
    """Secure monitor call. There is no EL3: it is undefined unless EL2 traps it."""
    if cpu.el == 0 or not cpu.sys["HCR_EL2"] & HCR_TSC:
        raise undefined()
    raise GuestException(2, EC.SMC, imm16)


def BRK(cpu: Cpu, imm16: int) -> None:
    """Breakpoint."""
    raise GuestException(1, EC.BRK, imm16)


def HLT(cpu: Cpu, imm16: int) -> None:
    """Halt for an external debugger. There is none; 0xF000 can be a call of the host."""
    if imm16 == SEMIHOSTING and cpu.features.semihosting:
        raise GuestException(2, EC.UNKNOWN, completed=True, semihosting=True)
    raise undefined()


def DCPS1(cpu: Cpu, imm16: int) -> None:
    """Only in Debug state."""
    raise undefined()


def DCPS2(cpu: Cpu, imm16: int) -> None:
    """Only in Debug state."""
    raise undefined()


def DCPS3(cpu: Cpu, imm16: int) -> None:
    """Only in Debug state."""
    raise undefined()


def DRPS(cpu: Cpu) -> None:
    """Only in Debug state."""
    raise undefined()


def ERET(cpu: Cpu) -> None:
    """Return from an exception."""
    if cpu.el == 0:
        raise undefined()
    cpu.branch(return_from_exception(cpu))


# Hints and barriers


def NOP(cpu: Cpu) -> None:
    """Nothing."""


def HINT(cpu: Cpu, crm: int, op2: int) -> None:
    """Hints of later versions of the architecture, pointer authentication among them: nothing."""


def YIELD(cpu: Cpu) -> None:
    """Another thread might run: nothing to do here."""


def WFE(cpu: Cpu) -> None:
    """Wait for an event: SEV, an interrupt, or the end of a reservation. It may also just go on, and does so."""
    if cpu.event:
        cpu.event = False
    else:
        cpu.check_wait(1)


def WFI(cpu: Cpu) -> None:
    """Wait for an interrupt, unless one is pending. Who waits is EL2's to say; without a trap it goes on."""
    if not cpu.interrupt_pending():
        cpu.check_wait(0)


def SEV(cpu: Cpu) -> None:
    """Send an event to all CPUs."""
    for peer in cpu.peers:
        peer.event = True


def SEVL(cpu: Cpu) -> None:
    """Send an event to this CPU."""
    cpu.event = True


def CLREX(cpu: Cpu, crm: int) -> None:
    """End the reservation of a load-exclusive."""
    cpu.clear_exclusive()


def DSB(cpu: Cpu, crm: int) -> None:
    """Data synchronization: memory is always in order."""


def DMB(cpu: Cpu, crm: int) -> None:
    """Data memory barrier: memory is always in order."""


def ISB(cpu: Cpu, crm: int) -> None:
    """Instruction synchronization: system registers take effect at once."""


# System registers and operations


def MSR_imm(cpu: Cpu, op1: int, crm: int, op2: int) -> None:
    """Write a field of PSTATE: SPSel, DAIFSet or DAIFClr."""
    if op1 == 0:
        cpu.check_el1()
        cpu.sp_sel = crm & 1
    else:
        cpu.check_daif_access(crm, op2)
        cpu.set_daif(cpu.daif | crm if op2 == 6 else cpu.daif & ~crm)


def MSR_reg(cpu: Cpu, o0: int, op1: int, crn: int, crm: int, op2: int, rt: int) -> None:
    """Write a system register."""
    system_registers.write(cpu, (2 + o0, op1, crn, crm, op2), rt, cpu.get_x(rt, 1))


def MRS(cpu: Cpu, o0: int, op1: int, crn: int, crm: int, op2: int, rt: int) -> None:
    """Read a system register."""
    cpu.set_x(rt, 1, system_registers.read(cpu, (2 + o0, op1, crn, crm, op2), rt))


def SYS(cpu: Cpu, op1: int, crn: int, crm: int, op2: int, rt: int) -> None:
    """A system operation: cache and TLB maintenance, address translation."""
    system_operations.execute(cpu, (1, op1, crn, crm, op2), rt, cpu.get_x(rt, 1))


def SYSL(cpu: Cpu, op1: int, crn: int, crm: int, op2: int, rt: int) -> None:
    """A system operation with a result: there is none."""
    raise undefined()
