"""What loads and stores of general-purpose registers do (Arm ARM C6.2), a function per row of `a64.isa`.

`size` is the logarithm of the bytes in memory. Memory is accessed before any register is written, so that
an instruction that faults has done nothing. Where an instruction loads its own base register and writes
it back, which the manual leaves open, the written-back address wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M64, extended, sign_extend

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# One register, immediate offset


def STR_imm_uoffset(cpu: Cpu, size: int, imm12: int, rn: int, rt: int) -> None:
    """Store at a base and a scaled, unsigned offset."""
    cpu.store(cpu.base(rn) + (imm12 << size), 1 << size, cpu.get_x(rt, 1))


def LDR_imm_uoffset(cpu: Cpu, size: int, imm12: int, rn: int, rt: int) -> None:
    """Load from a base and a scaled, unsigned offset."""
    cpu.set_x(rt, 1, cpu.load(cpu.base(rn) + (imm12 << size), 1 << size))


def LDRS_imm_uoffset(cpu: Cpu, size: int, w: int, imm12: int, rn: int, rt: int) -> None:
    """Load from a base and a scaled, unsigned offset, and extend the sign."""
    cpu.set_x(rt, 1 - w, sign_extend(cpu.load(cpu.base(rn) + (imm12 << size), 1 << size), 8 << size))


def STUR(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Store at a base and an offset in bytes."""
    cpu.store(cpu.base(rn) + sign_extend(imm9, 9), 1 << size, cpu.get_x(rt, 1))


def LDUR(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Load from a base and an offset in bytes."""
    cpu.set_x(rt, 1, cpu.load(cpu.base(rn) + sign_extend(imm9, 9), 1 << size))


def LDURS(cpu: Cpu, size: int, w: int, imm9: int, rn: int, rt: int) -> None:
    """Load from a base and an offset in bytes, and extend the sign."""
    cpu.set_x(rt, 1 - w, sign_extend(cpu.load(cpu.base(rn) + sign_extend(imm9, 9), 1 << size), 8 << size))


def STTR(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Store as EL0 may."""
    cpu.store_unprivileged(cpu.base(rn) + sign_extend(imm9, 9), 1 << size, cpu.get_x(rt, 1))


def LDTR(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Load as EL0 may."""
    cpu.set_x(rt, 1, cpu.load_unprivileged(cpu.base(rn) + sign_extend(imm9, 9), 1 << size))


def LDTRS(cpu: Cpu, size: int, w: int, imm9: int, rn: int, rt: int) -> None:
    """Load as EL0 may, and extend the sign."""
    value = cpu.load_unprivileged(cpu.base(rn) + sign_extend(imm9, 9), 1 << size)
    cpu.set_x(rt, 1 - w, sign_extend(value, 8 << size))


def STR_imm_post(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Store at the base, then add the offset to it."""
    address = cpu.base(rn)
    cpu.store(address, 1 << size, cpu.get_x(rt, 1))
    cpu.set_sp_or_x(rn, 1, address + sign_extend(imm9, 9))


def LDR_imm_post(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Load from the base, then add the offset to it."""
    address = cpu.base(rn)
    cpu.set_x(rt, 1, cpu.load(address, 1 << size))
    cpu.set_sp_or_x(rn, 1, address + sign_extend(imm9, 9))


def LDRS_imm_post(cpu: Cpu, size: int, w: int, imm9: int, rn: int, rt: int) -> None:
    """Load from the base and extend the sign, then add the offset to the base."""
    address = cpu.base(rn)
    cpu.set_x(rt, 1 - w, sign_extend(cpu.load(address, 1 << size), 8 << size))
    cpu.set_sp_or_x(rn, 1, address + sign_extend(imm9, 9))


def STR_imm_pre(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and store there."""
    address = cpu.base(rn) + sign_extend(imm9, 9)
    cpu.store(address, 1 << size, cpu.get_x(rt, 1))
    cpu.set_sp_or_x(rn, 1, address)


def LDR_imm_pre(cpu: Cpu, size: int, imm9: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and load from there."""
    address = cpu.base(rn) + sign_extend(imm9, 9)
    cpu.set_x(rt, 1, cpu.load(address, 1 << size))
    cpu.set_sp_or_x(rn, 1, address)


def LDRS_imm_pre(cpu: Cpu, size: int, w: int, imm9: int, rn: int, rt: int) -> None:
    """Add the offset to the base, load from there and extend the sign."""
    address = cpu.base(rn) + sign_extend(imm9, 9)
    cpu.set_x(rt, 1 - w, sign_extend(cpu.load(address, 1 << size), 8 << size))
    cpu.set_sp_or_x(rn, 1, address)


# One register, register offset or literal


def STR_reg(cpu: Cpu, size: int, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Store at a base and an extended register, scaled by the size if `s`."""
    address = cpu.base(rn) + extended(cpu.get_x(rm, 1), option, size if s else 0, 1)
    cpu.store(address & M64, 1 << size, cpu.get_x(rt, 1))


def LDR_reg(cpu: Cpu, size: int, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Load from a base and an extended register, scaled by the size if `s`."""
    address = cpu.base(rn) + extended(cpu.get_x(rm, 1), option, size if s else 0, 1)
    cpu.set_x(rt, 1, cpu.load(address & M64, 1 << size))


def LDRS_reg(cpu: Cpu, size: int, w: int, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Load from a base and an extended register, scaled by the size if `s`, and extend the sign."""
    address = cpu.base(rn) + extended(cpu.get_x(rm, 1), option, size if s else 0, 1)
    cpu.set_x(rt, 1 - w, sign_extend(cpu.load(address & M64, 1 << size), 8 << size))


def LDR_literal(cpu: Cpu, sf: int, imm19: int, rt: int) -> None:
    """Load from an address relative to this instruction."""
    cpu.set_x(rt, 1, cpu.load(cpu.pc + sign_extend(imm19, 19) * 4, 8 if sf else 4))


def LDRSW_literal(cpu: Cpu, imm19: int, rt: int) -> None:
    """Load a word from an address relative to this instruction, and extend the sign."""
    cpu.set_x(rt, 1, sign_extend(cpu.load(cpu.pc + sign_extend(imm19, 19) * 4, 4), 32))


# Prefetches are hints, and there is no cache to fill


def PRFM_imm(cpu: Cpu, imm12: int, rn: int, rt: int) -> None:
    """Prefetch: nothing to do."""


def PRFUM(cpu: Cpu, imm9: int, rn: int, rt: int) -> None:
    """Prefetch: nothing to do."""


def PRFM_reg(cpu: Cpu, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Prefetch: nothing to do."""


def PRFM_literal(cpu: Cpu, imm19: int, rt: int) -> None:
    """Prefetch: nothing to do."""


# Pairs


def STP_offset(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers at a base and a scaled offset."""
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf)
    cpu.store_pair(address, 8 if sf else 4, cpu.get_x(rt, 1), cpu.get_x(rt2, 1))


def STP_post(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers at the base, then add the offset to it."""
    address = cpu.base(rn)
    cpu.store_pair(address, 8 if sf else 4, cpu.get_x(rt, 1), cpu.get_x(rt2, 1))
    cpu.set_sp_or_x(rn, 1, address + (sign_extend(imm7, 7) << 2 + sf))


def STP_pre(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and store two registers there."""
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf)
    cpu.store_pair(address, 8 if sf else 4, cpu.get_x(rt, 1), cpu.get_x(rt2, 1))
    cpu.set_sp_or_x(rn, 1, address)


def LDP_offset(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from a base and a scaled offset."""
    first, second = cpu.load_pair(cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf), 8 if sf else 4)
    cpu.set_x(rt, 1, first)
    cpu.set_x(rt2, 1, second)


def LDP_post(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from the base, then add the offset to it."""
    address = cpu.base(rn)
    first, second = cpu.load_pair(address, 8 if sf else 4)
    cpu.set_x(rt, 1, first)
    cpu.set_x(rt2, 1, second)
    cpu.set_sp_or_x(rn, 1, address + (sign_extend(imm7, 7) << 2 + sf))


def LDP_pre(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and load two registers from there."""
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf)
    first, second = cpu.load_pair(address, 8 if sf else 4)
    cpu.set_x(rt, 1, first)
    cpu.set_x(rt2, 1, second)
    cpu.set_sp_or_x(rn, 1, address)


def LDPSW_offset(cpu: Cpu, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two words from a base and a scaled offset, and extend the signs."""
    first, second = cpu.load_pair(cpu.base(rn) + (sign_extend(imm7, 7) << 2), 4)
    cpu.set_x(rt, 1, sign_extend(first, 32))
    cpu.set_x(rt2, 1, sign_extend(second, 32))


def LDPSW_post(cpu: Cpu, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two words from the base and extend the signs, then add the offset to the base."""
    address = cpu.base(rn)
    first, second = cpu.load_pair(address, 4)
    cpu.set_x(rt, 1, sign_extend(first, 32))
    cpu.set_x(rt2, 1, sign_extend(second, 32))
    cpu.set_sp_or_x(rn, 1, address + (sign_extend(imm7, 7) << 2))


def LDPSW_pre(cpu: Cpu, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Add the offset to the base, load two words from there and extend the signs."""
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2)
    first, second = cpu.load_pair(address, 4)
    cpu.set_x(rt, 1, sign_extend(first, 32))
    cpu.set_x(rt2, 1, sign_extend(second, 32))
    cpu.set_sp_or_x(rn, 1, address)


def STNP(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers, which will not be needed soon."""
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf)
    cpu.store_pair(address, 8 if sf else 4, cpu.get_x(rt, 1), cpu.get_x(rt2, 1))


def LDNP(cpu: Cpu, sf: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from memory that will not be needed soon."""
    first, second = cpu.load_pair(cpu.base(rn) + (sign_extend(imm7, 7) << 2 + sf), 8 if sf else 4)
    cpu.set_x(rt, 1, first)
    cpu.set_x(rt2, 1, second)
