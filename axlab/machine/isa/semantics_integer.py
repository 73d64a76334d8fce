"""What the integer add, subtract, logic, move and conditional instructions do (Arm ARM C6.2), a function per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M64, extended, logical_immediate, shifted, sign_extend

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# Add and subtract


def ADR(cpu: Cpu, immlo: int, immhi: int, rd: int) -> None:
    """An address relative to this instruction."""
    cpu.set_x(rd, 1, cpu.pc + sign_extend(immhi << 2 | immlo, 21))


def ADRP(cpu: Cpu, immlo: int, immhi: int, rd: int) -> None:
    """The address of a 4 KB page relative to this one."""
    cpu.set_x(rd, 1, (cpu.pc & ~0xFFF) + (sign_extend(immhi << 2 | immlo, 21) << 12))


def ADD_imm(cpu: Cpu, sf: int, sh: int, imm12: int, rn: int, rd: int) -> None:
    """Add an immediate."""
    cpu.set_sp_or_x(rd, sf, cpu.get_sp_or_x(rn, sf) + (imm12 << 12 if sh else imm12))


def ADDS_imm(cpu: Cpu, sf: int, sh: int, imm12: int, rn: int, rd: int) -> None:
    """Add an immediate and set the flags."""
    augend = cpu.get_sp_or_x(rn, sf)
    addend = imm12 << 12 if sh else imm12
    cpu.flags_of_add(augend, addend, sf)
    cpu.set_x(rd, sf, augend + addend)


def SUB_imm(cpu: Cpu, sf: int, sh: int, imm12: int, rn: int, rd: int) -> None:
    """Subtract an immediate."""
    cpu.set_sp_or_x(rd, sf, cpu.get_sp_or_x(rn, sf) - (imm12 << 12 if sh else imm12))


def SUBS_imm(cpu: Cpu, sf: int, sh: int, imm12: int, rn: int, rd: int) -> None:
    """Subtract an immediate and set the flags."""
    minuend = cpu.get_sp_or_x(rn, sf)
    subtrahend = imm12 << 12 if sh else imm12
    cpu.flags_of_sub(minuend, subtrahend, sf)
    cpu.set_x(rd, sf, minuend - subtrahend)


def ADD_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Add a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) + shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def ADDS_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Add a shifted register and set the flags."""
    augend = cpu.get_x(rn, sf)
    addend = shifted(cpu.get_x(rm, sf), shift, imm6, sf)
    cpu.flags_of_add(augend, addend, sf)
    cpu.set_x(rd, sf, augend + addend)


def SUB_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Subtract a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) - shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def SUBS_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Subtract a shifted register and set the flags."""
    minuend = cpu.get_x(rn, sf)
    subtrahend = shifted(cpu.get_x(rm, sf), shift, imm6, sf)
    cpu.flags_of_sub(minuend, subtrahend, sf)
    cpu.set_x(rd, sf, minuend - subtrahend)


def ADD_extended(cpu: Cpu, sf: int, rm: int, option: int, imm3: int, rn: int, rd: int) -> None:
    """Add an extended register."""
    cpu.set_sp_or_x(rd, sf, cpu.get_sp_or_x(rn, sf) + extended(cpu.get_x(rm, 1), option, imm3, sf))


def ADDS_extended(cpu: Cpu, sf: int, rm: int, option: int, imm3: int, rn: int, rd: int) -> None:
    """Add an extended register and set the flags."""
    augend = cpu.get_sp_or_x(rn, sf)
    addend = extended(cpu.get_x(rm, 1), option, imm3, sf)
    cpu.flags_of_add(augend, addend, sf)
    cpu.set_x(rd, sf, augend + addend)


def SUB_extended(cpu: Cpu, sf: int, rm: int, option: int, imm3: int, rn: int, rd: int) -> None:
    """Subtract an extended register."""
    cpu.set_sp_or_x(rd, sf, cpu.get_sp_or_x(rn, sf) - extended(cpu.get_x(rm, 1), option, imm3, sf))


def SUBS_extended(cpu: Cpu, sf: int, rm: int, option: int, imm3: int, rn: int, rd: int) -> None:
    """Subtract an extended register and set the flags."""
    minuend = cpu.get_sp_or_x(rn, sf)
    subtrahend = extended(cpu.get_x(rm, 1), option, imm3, sf)
    cpu.flags_of_sub(minuend, subtrahend, sf)
    cpu.set_x(rd, sf, minuend - subtrahend)


def ADC(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Add with carry."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) + cpu.get_x(rm, sf) + cpu.carry())


def ADCS(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Add with carry and set the flags."""
    augend = cpu.get_x(rn, sf)
    addend = cpu.get_x(rm, sf)
    carry = cpu.carry()
    cpu.flags_of_add_carry(augend, addend, carry, sf)
    cpu.set_x(rd, sf, augend + addend + carry)


def SBC(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Subtract with carry: a clear carry is a borrow."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) + ~cpu.get_x(rm, sf) + cpu.carry())


def SBCS(cpu: Cpu, sf: int, rm: int, rn: int, rd: int) -> None:
    """Subtract with carry and set the flags."""
    minuend = cpu.get_x(rn, sf)
    inverted = cpu.get_x(rm, sf) ^ (M64 if sf else 0xFFFF_FFFF)
    carry = cpu.carry()
    cpu.flags_of_add_carry(minuend, inverted, carry, sf)
    cpu.set_x(rd, sf, minuend + inverted + carry)


# Logic and moves


def MOVN(cpu: Cpu, sf: int, hw: int, imm16: int, rd: int) -> None:
    """Move the inverse of a shifted immediate."""
    cpu.set_x(rd, sf, ~(imm16 << 16 * hw))


def MOVZ(cpu: Cpu, sf: int, hw: int, imm16: int, rd: int) -> None:
    """Move a shifted immediate."""
    cpu.set_x(rd, sf, imm16 << 16 * hw)


def MOVK(cpu: Cpu, sf: int, hw: int, imm16: int, rd: int) -> None:
    """Replace 16 bits by an immediate and keep the rest."""
    cpu.set_x(rd, sf, cpu.get_x(rd, sf) & ~(0xFFFF << 16 * hw) | imm16 << 16 * hw)


def AND_imm(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Bitwise AND with an immediate."""
    cpu.set_sp_or_x(rd, sf, cpu.get_x(rn, sf) & logical_immediate(n, imms, immr, sf))


def ORR_imm(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Bitwise OR with an immediate."""
    cpu.set_sp_or_x(rd, sf, cpu.get_x(rn, sf) | logical_immediate(n, imms, immr, sf))


def EOR_imm(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Bitwise exclusive OR with an immediate."""
    cpu.set_sp_or_x(rd, sf, cpu.get_x(rn, sf) ^ logical_immediate(n, imms, immr, sf))


def ANDS_imm(cpu: Cpu, sf: int, n: int, immr: int, imms: int, rn: int, rd: int) -> None:
    """Bitwise AND with an immediate; set N and Z."""
    result = cpu.get_x(rn, sf) & logical_immediate(n, imms, immr, sf)
    cpu.flags_of_logic(result, sf)
    cpu.set_x(rd, sf, result)


def AND_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise AND with a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) & shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def BIC_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Clear the bits of a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) & ~shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def ORR_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise OR with a shifted register; MOV between registers."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) | shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def ORN_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise OR with the inverse of a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) | ~shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def EOR_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise exclusive OR with a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) ^ shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def EON_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise exclusive OR with the inverse of a shifted register."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) ^ ~shifted(cpu.get_x(rm, sf), shift, imm6, sf))


def ANDS_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Bitwise AND with a shifted register; set N and Z."""
    result = cpu.get_x(rn, sf) & shifted(cpu.get_x(rm, sf), shift, imm6, sf)
    cpu.flags_of_logic(result, sf)
    cpu.set_x(rd, sf, result)


def BICS_shifted(cpu: Cpu, sf: int, shift: int, rm: int, imm6: int, rn: int, rd: int) -> None:
    """Clear the bits of a shifted register; set N and Z."""
    result = cpu.get_x(rn, sf) & ~shifted(cpu.get_x(rm, sf), shift, imm6, sf)
    cpu.flags_of_logic(result, sf)
    cpu.set_x(rd, sf, result)


# Conditional


def CCMN_reg(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, nzcv: int) -> None:
    """Compare with the negative of a register if the condition holds, else set the flags given."""
    if cpu.holds(cond):
        cpu.flags_of_add(cpu.get_x(rn, sf), cpu.get_x(rm, sf), sf)
    else:
        cpu.set_nzcv(nzcv)


def CCMP_reg(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, nzcv: int) -> None:
    """Compare with a register if the condition holds, else set the flags given."""
    if cpu.holds(cond):
        cpu.flags_of_sub(cpu.get_x(rn, sf), cpu.get_x(rm, sf), sf)
    else:
        cpu.set_nzcv(nzcv)


def CCMN_imm(cpu: Cpu, sf: int, imm5: int, cond: int, rn: int, nzcv: int) -> None:
    """Compare with the negative of an immediate if the condition holds, else set the flags given."""
    if cpu.holds(cond):
        cpu.flags_of_add(cpu.get_x(rn, sf), imm5, sf)
    else:
        cpu.set_nzcv(nzcv)


def CCMP_imm(cpu: Cpu, sf: int, imm5: int, cond: int, rn: int, nzcv: int) -> None:
    """Compare with an immediate if the condition holds, else set the flags given."""
    if cpu.holds(cond):
        cpu.flags_of_sub(cpu.get_x(rn, sf), imm5, sf)
    else:
        cpu.set_nzcv(nzcv)


def CSEL(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, rd: int) -> None:
    """The first register if the condition holds, else the second."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) if cpu.holds(cond) else cpu.get_x(rm, sf))


def CSINC(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, rd: int) -> None:
    """The first register if the condition holds, else the second plus 1."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) if cpu.holds(cond) else cpu.get_x(rm, sf) + 1)


def CSINV(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, rd: int) -> None:
    """The first register if the condition holds, else the inverse of the second."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) if cpu.holds(cond) else ~cpu.get_x(rm, sf))


def CSNEG(cpu: Cpu, sf: int, rm: int, cond: int, rn: int, rd: int) -> None:
    """The first register if the condition holds, else the negative of the second."""
    cpu.set_x(rd, sf, cpu.get_x(rn, sf) if cpu.holds(cond) else -cpu.get_x(rm, sf))
