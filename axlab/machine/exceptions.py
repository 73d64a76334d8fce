"""How a CPU takes an exception and returns from one (Arm ARM D1.10 to D1.14).

An instruction that cannot complete raises `GuestException`. That is a value on its way to the stepper,
which delivers it: to EL1, by changing the CPU's state, or to EL2, by leaving `Cpu.run` with a `Trap`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import Trap, load_store_syndrome, syndrome

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.machine.mmu import TranslationFault

# Offsets into a vector table, within the group that the state of origin selects.
SYNCHRONOUS = 0x000
IRQ = 0x080
FIQ = 0x100
SERROR = 0x180

EXTERNAL_ABORT = 0x10  # fault status codes that no table walk gives
ALIGNMENT_FAULT = 0x21

# SPSR_EL1 holds PSTATE: NZCV 31-28, SS 21, IL 20, DAIF 9-6, and M 4-0 (EL0t, EL1t or EL1h).
EL1H = 0x5


class GuestException(Exception):
    """An instruction's synchronous exception. The registers are as they were before the instruction.

    `target` is the EL that takes it, 1 or 2. `completed`: the preferred return address is the next
    instruction (SVC, HVC), not this one. `semihosting` marks the HLT that calls the host.
    """

    def __init__(
        self,
        target: int,
        ec: int,
        iss: int = 0,
        far: int | None = None,
        hpfar: int = 0,
        completed: bool = False,
        semihosting: bool = False,
    ) -> None:
        super().__init__(target, ec, iss)
        self.target = target
        self.ec = ec
        self.iss = iss
        self.far = far
        self.hpfar = hpfar
        self.completed = completed
        self.semihosting = semihosting


def undefined() -> GuestException:
    """What an unallocated encoding, or one that this EL may not use, leads to."""
    return GuestException(1, EC.UNKNOWN)


def abort(cpu: Cpu, target: int, access: str, iss: int, far: int, hpfar: int = 0) -> GuestException:
    """A data abort, or an instruction abort where `access` is "x". `iss` lacks only WnR (a store)."""
    ec = EC.INSTRUCTION_ABORT_LOWER if access == "x" else EC.DATA_ABORT_LOWER
    same = target == 1 and cpu.el == 1
    return GuestException(target, ec + same, iss | (access == "w") << 6, far, hpfar)


def external_abort(cpu: Cpu, va: int, access: str) -> GuestException:
    """Nothing answers at the physical address behind `va`."""
    return abort(cpu, 1, access, EXTERNAL_ABORT, va)


def alignment_fault(cpu: Cpu, va: int, access: str) -> GuestException:
    """The access needs an aligned address and has none."""
    return abort(cpu, 1, access, ALIGNMENT_FAULT, va)


def translation_abort(cpu: Cpu, fault: TranslationFault) -> GuestException:
    """The abort that a failed translation leads to: stage 1 faults go to EL1, stage 2 faults to EL2."""
    if fault.stage == 1:
        return abort(cpu, 1, fault.access, fault.fsc, fault.va)
    return stage2_abort(cpu, fault.access, fault.va, fault.fsc, fault.ipa, fault.s1ptw)


def stage2_abort(cpu: Cpu, access: str, va: int, fsc: int, ipa: int, on_walk: bool = False) -> GuestException:
    """The abort to EL2 where stage 2 refuses `ipa`. `on_walk`: a descriptor of stage 1 is there."""
    iss = fsc | on_walk << 7
    if access != "x" and not on_walk:
        iss |= load_store_syndrome(cpu.current_word())
    return abort(cpu, 2, access, iss, va, ipa >> 12 << 4)


def deliver(cpu: Cpu, exception: GuestException) -> Trap | None:
    """Take a synchronous exception; the Trap if it went to EL2."""
    if exception.completed:
        cpu.pc = cpu.pc + 4 & (1 << 64) - 1
    if exception.semihosting:
        return Trap("semihosting")
    esr = syndrome(exception.ec, exception.iss)
    if exception.target == 2:
        return trap_to_el2(cpu, esr, exception.far, exception.hpfar)
    take_exception_to_el1(cpu, SYNCHRONOUS, esr, exception.far)
    return None


def trap_to_el2(cpu: Cpu, esr: int, far: int | None, hpfar: int) -> Trap:
    """Fill EL2's registers. EL2 itself is the hypervisor, in Python: the CPU's own state stays the guest's."""
    sys = cpu.sys
    sys["ESR_EL2"] = esr
    if far is not None:
        sys["FAR_EL2"] = far
        sys["HPFAR_EL2"] = hpfar
    sys["ELR_EL2"] = cpu.pc
    sys["SPSR_EL2"] = saved_pstate(cpu)
    return Trap("sync", esr, far or 0, hpfar)


def take_exception_to_el1(cpu: Cpu, vector: int, esr: int | None = None, far: int | None = None) -> None:
    """Enter EL1's vector table (the manual's AArch64.TakeException). `cpu.pc` is the preferred return address."""
    sys = cpu.sys
    if esr is not None:
        sys["ESR_EL1"] = esr
    if far is not None:
        sys["FAR_EL1"] = far
    sys["ELR_EL1"] = cpu.pc
    sys["SPSR_EL1"] = saved_pstate(cpu)
    group = 0x400 if cpu.el == 0 else 0x200 if cpu.sp_sel else 0x000
    cpu.el = 1
    cpu.sp_sel = 1
    cpu.daif = 0xF
    cpu.il = 0
    cpu.ss = 0
    cpu.pc = (sys["VBAR_EL1"] & ~0x7FF) + group + vector & (1 << 64) - 1
    cpu.select_regime()
    cpu.attention = True


def saved_pstate(cpu: Cpu) -> int:
    """PSTATE as SPSR_ELx holds it."""
    mode = cpu.el << 2 | (cpu.sp_sel if cpu.el else 0)
    return cpu.nzcv << 28 | cpu.ss << 21 | cpu.il << 20 | cpu.daif << 6 | mode


def return_from_exception(cpu: Cpu) -> int:
    """ERET from EL1: PSTATE comes from SPSR_EL1; the address to go on at is returned.

    A mode that this CPU has not (AArch32, EL2, EL3, EL0h) is an illegal return: the EL stays, and
    PSTATE.IL makes the next instruction fail (Arm ARM D1.11.3).
    """
    spsr = cpu.sys["SPSR_EL1"]
    mode = spsr & 0x1F
    cpu.nzcv = spsr >> 28 & 0xF
    cpu.daif = spsr >> 6 & 0xF
    cpu.ss = 0
    if mode in (0b00000, 0b00100, 0b00101):
        cpu.il = spsr >> 20 & 1
        cpu.el = mode >> 2
        cpu.sp_sel = mode & 1
        cpu.select_regime()
    else:
        cpu.il = 1
    cpu.clear_exclusive()
    cpu.attention = True
    return cpu.sys["ELR_EL1"]


def inject_abort(cpu: Cpu, va: int, write: bool, external: bool = True, fetch: bool = False) -> None:
    """EL2 makes the guest take an abort for the instruction at pc: external by default, else a level 0 fault."""
    access = "x" if fetch else "w" if write else "r"
    deliver(cpu, abort(cpu, 1, access, EXTERNAL_ABORT if external else 0x04, va))


def inject_undefined(cpu: Cpu) -> None:
    """EL2 makes the guest take an Undefined Instruction exception for the instruction at pc."""
    deliver(cpu, undefined())
