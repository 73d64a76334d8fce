"""What loads and stores of SIMD&FP registers do (Arm ARM C7.2), a function per row of `a64.isa`.

`size | q << 2` is the logarithm of the bytes in memory: B, H, S, D and Q registers. A load zeroes the rest of
its register. LD1 to LD4 and ST1 to ST4 move structures: element by element, de-interleaved into registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M64, extended, replicate, sign_extend
from axlab.machine.isa.vectors import insert, join, lanes

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# One register


def STR_imm_uoffset_fp(cpu: Cpu, size: int, q: int, imm12: int, rn: int, rt: int) -> None:
    """Store at a base and a scaled, unsigned offset."""
    cpu.check_fp()
    scale = size | q << 2
    cpu.store(cpu.base(rn) + (imm12 << scale), 1 << scale, cpu.get_v(rt))


def LDR_imm_uoffset_fp(cpu: Cpu, size: int, q: int, imm12: int, rn: int, rt: int) -> None:
    """Load from a base and a scaled, unsigned offset."""
    cpu.check_fp()
    scale = size | q << 2
    cpu.set_v(rt, cpu.load(cpu.base(rn) + (imm12 << scale), 1 << scale))


def STUR_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Store at a base and an offset in bytes."""
    cpu.check_fp()
    cpu.store(cpu.base(rn) + sign_extend(imm9, 9), 1 << (size | q << 2), cpu.get_v(rt))


def LDUR_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Load from a base and an offset in bytes."""
    cpu.check_fp()
    cpu.set_v(rt, cpu.load(cpu.base(rn) + sign_extend(imm9, 9), 1 << (size | q << 2)))


def STR_imm_post_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Store at the base, then add the offset to it."""
    cpu.check_fp()
    address = cpu.base(rn)
    cpu.store(address, 1 << (size | q << 2), cpu.get_v(rt))
    cpu.set_sp_or_x(rn, 1, address + sign_extend(imm9, 9))


def LDR_imm_post_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Load from the base, then add the offset to it."""
    cpu.check_fp()
    address = cpu.base(rn)
    cpu.set_v(rt, cpu.load(address, 1 << (size | q << 2)))
    cpu.set_sp_or_x(rn, 1, address + sign_extend(imm9, 9))


def STR_imm_pre_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and store there."""
    cpu.check_fp()
    address = cpu.base(rn) + sign_extend(imm9, 9)
    cpu.store(address, 1 << (size | q << 2), cpu.get_v(rt))
    cpu.set_sp_or_x(rn, 1, address)


def LDR_imm_pre_fp(cpu: Cpu, size: int, q: int, imm9: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and load from there."""
    cpu.check_fp()
    address = cpu.base(rn) + sign_extend(imm9, 9)
    cpu.set_v(rt, cpu.load(address, 1 << (size | q << 2)))
    cpu.set_sp_or_x(rn, 1, address)


def STR_reg_fp(cpu: Cpu, size: int, q: int, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Store at a base and an extended register, scaled by the size if `s`."""
    cpu.check_fp()
    scale = size | q << 2
    address = cpu.base(rn) + extended(cpu.get_x(rm, 1), option, scale if s else 0, 1)
    cpu.store(address & M64, 1 << scale, cpu.get_v(rt))


def LDR_reg_fp(cpu: Cpu, size: int, q: int, rm: int, option: int, s: int, rn: int, rt: int) -> None:
    """Load from a base and an extended register, scaled by the size if `s`."""
    cpu.check_fp()
    scale = size | q << 2
    address = cpu.base(rn) + extended(cpu.get_x(rm, 1), option, scale if s else 0, 1)
    cpu.set_v(rt, cpu.load(address & M64, 1 << scale))


def LDR_literal_fp(cpu: Cpu, opc: int, imm19: int, rt: int) -> None:
    """Load from an address relative to this instruction."""
    cpu.check_fp()
    cpu.set_v(rt, cpu.load(cpu.pc + sign_extend(imm19, 19) * 4, 4 << opc))


# Pairs


def STP_offset_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers at a base and a scaled offset."""
    cpu.check_fp()
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc)
    cpu.store_pair(address, 4 << opc, cpu.get_v(rt), cpu.get_v(rt2))


def STP_post_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers at the base, then add the offset to it."""
    cpu.check_fp()
    address = cpu.base(rn)
    cpu.store_pair(address, 4 << opc, cpu.get_v(rt), cpu.get_v(rt2))
    cpu.set_sp_or_x(rn, 1, address + (sign_extend(imm7, 7) << 2 + opc))


def STP_pre_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and store two registers there."""
    cpu.check_fp()
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc)
    cpu.store_pair(address, 4 << opc, cpu.get_v(rt), cpu.get_v(rt2))
    cpu.set_sp_or_x(rn, 1, address)


def LDP_offset_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from a base and a scaled offset."""
    cpu.check_fp()
    first, second = cpu.load_pair(cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc), 4 << opc)
    cpu.set_v(rt, first)
    cpu.set_v(rt2, second)


def LDP_post_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from the base, then add the offset to it."""
    cpu.check_fp()
    address = cpu.base(rn)
    first, second = cpu.load_pair(address, 4 << opc)
    cpu.set_v(rt, first)
    cpu.set_v(rt2, second)
    cpu.set_sp_or_x(rn, 1, address + (sign_extend(imm7, 7) << 2 + opc))


def LDP_pre_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Add the offset to the base, and load two registers from there."""
    cpu.check_fp()
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc)
    first, second = cpu.load_pair(address, 4 << opc)
    cpu.set_v(rt, first)
    cpu.set_v(rt2, second)
    cpu.set_sp_or_x(rn, 1, address)


def STNP_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Store two registers, which will not be needed soon."""
    cpu.check_fp()
    address = cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc)
    cpu.store_pair(address, 4 << opc, cpu.get_v(rt), cpu.get_v(rt2))


def LDNP_fp(cpu: Cpu, opc: int, imm7: int, rt2: int, rn: int, rt: int) -> None:
    """Load two registers from memory that will not be needed soon."""
    cpu.check_fp()
    first, second = cpu.load_pair(cpu.base(rn) + (sign_extend(imm7, 7) << 2 + opc), 4 << opc)
    cpu.set_v(rt, first)
    cpu.set_v(rt2, second)


# Multiple structures. By opcode: registers one after the other (rpt), registers interleaved (selem)

STRUCTURES = {0: (1, 4), 2: (4, 1), 4: (1, 3), 6: (3, 1), 7: (1, 1), 8: (1, 2), 10: (2, 1)}


def structures_size(q: int, opcode: int) -> int:
    """Bytes in memory of a load or store of multiple structures."""
    repeat, interleaved = STRUCTURES[opcode]
    return repeat * interleaved * (8 << q)


def load_structures(cpu: Cpu, address: int, q: int, opcode: int, size: int, rt: int) -> None:
    """All elements are read before the first register is written."""
    _, interleaved = STRUCTURES[opcode]
    total = structures_size(q, opcode)
    elements = [cpu.load(address + offset, 1 << size) for offset in range(0, total, 1 << size)]
    per_register = 8 << q >> size
    for register in range(total // (8 << q)):
        first = register if interleaved > 1 else register * per_register
        taken = elements[first : first + per_register * interleaved : interleaved]
        cpu.set_v((rt + register) % 32, join(taken, 8 << size))


def store_structures(cpu: Cpu, address: int, q: int, opcode: int, size: int, rt: int) -> None:
    """Element by element, as they lie in memory."""
    _, interleaved = STRUCTURES[opcode]
    total = structures_size(q, opcode)
    per_register = 8 << q >> size
    registers = [lanes(cpu.get_v((rt + n) % 32), 8 << size, per_register) for n in range(total // (8 << q))]
    if interleaved > 1:
        elements = [lane for structure in zip(*registers, strict=True) for lane in structure]
    else:
        elements = [lane for register in registers for lane in register]
    for index, element in enumerate(elements):
        cpu.store(address + (index << size), 1 << size, element)


def LDn_multiple(cpu: Cpu, q: int, opcode: int, size: int, rn: int, rt: int) -> None:
    """Load up to four registers of structures."""
    cpu.check_fp()
    load_structures(cpu, cpu.base(rn), q, opcode, size, rt)


def LDn_multiple_post(cpu: Cpu, q: int, rm: int, opcode: int, size: int, rn: int, rt: int) -> None:
    """Load up to four registers of structures, then add their size, or a register, to the base."""
    cpu.check_fp()
    address = cpu.base(rn)
    load_structures(cpu, address, q, opcode, size, rt)
    cpu.set_sp_or_x(rn, 1, address + (structures_size(q, opcode) if rm == 31 else cpu.get_x(rm, 1)))


def STn_multiple(cpu: Cpu, q: int, opcode: int, size: int, rn: int, rt: int) -> None:
    """Store up to four registers of structures."""
    cpu.check_fp()
    store_structures(cpu, cpu.base(rn), q, opcode, size, rt)


def STn_multiple_post(cpu: Cpu, q: int, rm: int, opcode: int, size: int, rn: int, rt: int) -> None:
    """Store up to four registers of structures, then add their size, or a register, to the base."""
    cpu.check_fp()
    address = cpu.base(rn)
    store_structures(cpu, address, q, opcode, size, rt)
    cpu.set_sp_or_x(rn, 1, address + (structures_size(q, opcode) if rm == 31 else cpu.get_x(rm, 1)))


# A single structure: one lane of up to four registers, or all lanes the same


def single_lane(q: int, opcode: int, s: int, size: int) -> tuple[int, int]:
    """The logarithm of the lane's bytes, and its index."""
    scale = opcode >> 1
    if scale == 2 and size & 1:
        return 3, q
    return scale, (q << 3 | s << 2 | size) >> scale


def single_registers(r: int, opcode: int) -> int:
    """How many registers a single structure has."""
    return ((opcode & 1) << 1 | r) + 1


def LDn_single(cpu: Cpu, q: int, r: int, opcode: int, s: int, size: int, rn: int, rt: int) -> None:
    """Load a structure into one lane of each register."""
    cpu.check_fp()
    load_lane(cpu, cpu.base(rn), single_lane(q, opcode, s, size), single_registers(r, opcode), rt)


def LDn_single_post(cpu: Cpu, q: int, r: int, rm: int, opcode: int, s: int, size: int, rn: int, rt: int) -> None:
    """Load a structure into one lane of each register, then add its size, or a register, to the base."""
    cpu.check_fp()
    address = cpu.base(rn)
    lane = single_lane(q, opcode, s, size)
    registers = single_registers(r, opcode)
    load_lane(cpu, address, lane, registers, rt)
    cpu.set_sp_or_x(rn, 1, address + (registers << lane[0] if rm == 31 else cpu.get_x(rm, 1)))


def STn_single(cpu: Cpu, q: int, r: int, opcode: int, s: int, size: int, rn: int, rt: int) -> None:
    """Store one lane of each register as a structure."""
    cpu.check_fp()
    store_lane(cpu, cpu.base(rn), single_lane(q, opcode, s, size), single_registers(r, opcode), rt)


def STn_single_post(cpu: Cpu, q: int, r: int, rm: int, opcode: int, s: int, size: int, rn: int, rt: int) -> None:
    """Store one lane of each register as a structure, then add its size, or a register, to the base."""
    cpu.check_fp()
    address = cpu.base(rn)
    lane = single_lane(q, opcode, s, size)
    registers = single_registers(r, opcode)
    store_lane(cpu, address, lane, registers, rt)
    cpu.set_sp_or_x(rn, 1, address + (registers << lane[0] if rm == 31 else cpu.get_x(rm, 1)))


def load_lane(cpu: Cpu, address: int, lane: tuple[int, int], registers: int, rt: int) -> None:
    """All elements are read before the first register is written."""
    scale, index = lane
    elements = [cpu.load(address + (n << scale), 1 << scale) for n in range(registers)]
    for n, element in enumerate(elements):
        register = (rt + n) % 32
        cpu.set_v(register, insert(cpu.get_v(register), index, 8 << scale, element))


def store_lane(cpu: Cpu, address: int, lane: tuple[int, int], registers: int, rt: int) -> None:
    """One element of each register, side by side."""
    scale, index = lane
    for n in range(registers):
        cpu.store(address + (n << scale), 1 << scale, cpu.get_v((rt + n) % 32) >> (index << 3 + scale))


def LDn_replicate(cpu: Cpu, q: int, r: int, o: int, size: int, rn: int, rt: int) -> None:
    """Load a structure into all lanes of each register."""
    cpu.check_fp()
    load_replicated(cpu, cpu.base(rn), q, single_registers(r, o), size, rt)


def LDn_replicate_post(cpu: Cpu, q: int, r: int, rm: int, o: int, size: int, rn: int, rt: int) -> None:
    """Load a structure into all lanes of each register, then add its size, or a register, to the base."""
    cpu.check_fp()
    address = cpu.base(rn)
    registers = single_registers(r, o)
    load_replicated(cpu, address, q, registers, size, rt)
    cpu.set_sp_or_x(rn, 1, address + (registers << size if rm == 31 else cpu.get_x(rm, 1)))


def load_replicated(cpu: Cpu, address: int, q: int, registers: int, size: int, rt: int) -> None:
    """All elements are read before the first register is written."""
    elements = [cpu.load(address + (n << size), 1 << size) for n in range(registers)]
    for n, element in enumerate(elements):
        cpu.set_v((rt + n) % 32, replicate(element, 8 << size, 64 << q))
