"""What branches do (Arm ARM C6.2), a function per row of `a64.isa`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import sign_extend

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


def B(cpu: Cpu, imm26: int) -> None:
    """Branch."""
    cpu.branch(cpu.pc + sign_extend(imm26, 26) * 4)


def BL(cpu: Cpu, imm26: int) -> None:
    """Branch with link: call a subroutine."""
    cpu.set_x(30, 1, cpu.pc + 4)
    cpu.branch(cpu.pc + sign_extend(imm26, 26) * 4)


def B_cond(cpu: Cpu, imm19: int, cond: int) -> None:
    """Branch if the condition holds."""
    if cpu.holds(cond):
        cpu.branch(cpu.pc + sign_extend(imm19, 19) * 4)


def CBZ(cpu: Cpu, sf: int, imm19: int, rt: int) -> None:
    """Branch if the register is zero."""
    if cpu.get_x(rt, sf) == 0:
        cpu.branch(cpu.pc + sign_extend(imm19, 19) * 4)


def CBNZ(cpu: Cpu, sf: int, imm19: int, rt: int) -> None:
    """Branch if the register is not zero."""
    if cpu.get_x(rt, sf) != 0:
        cpu.branch(cpu.pc + sign_extend(imm19, 19) * 4)


def TBZ(cpu: Cpu, b5: int, b40: int, imm14: int, rt: int) -> None:
    """Branch if the bit is zero."""
    if cpu.get_x(rt, 1) >> (b5 << 5 | b40) & 1 == 0:
        cpu.branch(cpu.pc + sign_extend(imm14, 14) * 4)


def TBNZ(cpu: Cpu, b5: int, b40: int, imm14: int, rt: int) -> None:
    """Branch if the bit is one."""
    if cpu.get_x(rt, 1) >> (b5 << 5 | b40) & 1 != 0:
        cpu.branch(cpu.pc + sign_extend(imm14, 14) * 4)


def BR(cpu: Cpu, rn: int) -> None:
    """Branch to a register."""
    cpu.branch(cpu.get_x(rn, 1))


def BLR(cpu: Cpu, rn: int) -> None:
    """Branch with link to a register."""
    target = cpu.get_x(rn, 1)
    cpu.set_x(30, 1, cpu.pc + 4)
    cpu.branch(target)


def RET(cpu: Cpu, rn: int) -> None:
    """Return from a subroutine."""
    cpu.branch(cpu.get_x(rn, 1))
