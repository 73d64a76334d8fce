"""What SIMD pairwise and across-lanes operations, and shifts, do (Arm ARM C7.2), a function per row of `a64.isa`.

A shift by an immediate has `immh:immb`: the highest one bit of immh gives the size of a lane, the rest the amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.isa.bits import M64, mask
from axlab.machine.isa.semantics_simd_integer import signed, unsigned
from axlab.machine.isa.vectors import join, lanes, signed_lanes

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


# Pairwise: neighbours in the two vectors side by side


def ADDP_vector(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Add neighbours."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size) + unsigned(cpu, rm, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([a + b for a, b in pairs], 8 << size))


def SMAXP(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The greater signed number of neighbours."""
    cpu.check_fp()
    operands = signed(cpu, rn, q, 0, size) + signed(cpu, rm, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([max(a, b) for a, b in pairs], 8 << size))


def UMAXP(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The greater unsigned number of neighbours."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size) + unsigned(cpu, rm, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([max(a, b) for a, b in pairs], 8 << size))


def SMINP(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The lesser signed number of neighbours."""
    cpu.check_fp()
    operands = signed(cpu, rn, q, 0, size) + signed(cpu, rm, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([min(a, b) for a, b in pairs], 8 << size))


def UMINP(cpu: Cpu, q: int, size: int, rm: int, rn: int, rd: int) -> None:
    """The lesser unsigned number of neighbours."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size) + unsigned(cpu, rm, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([min(a, b) for a, b in pairs], 8 << size))


def ADDP_scalar(cpu: Cpu, rn: int, rd: int) -> None:
    """Add the two halves of a vector."""
    cpu.check_fp()
    cpu.set_v(rd, (cpu.get_v(rn) + (cpu.get_v(rn) >> 64)) & M64)


def SADDLP(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Add neighbours into signed lanes of twice the width."""
    cpu.check_fp()
    operands = signed(cpu, rn, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([a + b for a, b in pairs], 16 << size))


def UADDLP(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """Add neighbours into unsigned lanes of twice the width."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, 0, size)
    pairs = zip(operands[0::2], operands[1::2], strict=True)
    cpu.set_v(rd, join([a + b for a, b in pairs], 16 << size))


# Across all lanes


def ADDV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The sum of all lanes."""
    cpu.check_fp()
    cpu.set_v(rd, sum(unsigned(cpu, rn, q, 0, size)) & mask(8 << size))


def SADDLV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The sum of all signed lanes, in twice the width."""
    cpu.check_fp()
    cpu.set_v(rd, sum(signed(cpu, rn, q, 0, size)) & mask(16 << size))


def UADDLV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The sum of all unsigned lanes, in twice the width."""
    cpu.check_fp()
    cpu.set_v(rd, sum(unsigned(cpu, rn, q, 0, size)) & mask(16 << size))


def SMAXV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The greatest signed lane."""
    cpu.check_fp()
    cpu.set_v(rd, max(signed(cpu, rn, q, 0, size)) & mask(8 << size))


def UMAXV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The greatest unsigned lane."""
    cpu.check_fp()
    cpu.set_v(rd, max(unsigned(cpu, rn, q, 0, size)) & mask(8 << size))


def SMINV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The least signed lane."""
    cpu.check_fp()
    cpu.set_v(rd, min(signed(cpu, rn, q, 0, size)) & mask(8 << size))


def UMINV(cpu: Cpu, q: int, size: int, rn: int, rd: int) -> None:
    """The least unsigned lane."""
    cpu.check_fp()
    cpu.set_v(rd, min(unsigned(cpu, rn, q, 0, size)) & mask(8 << size))


# Shifts by a register: the lowest byte of a lane of Vm, signed; negative is to the right


def shift_by(value: int, amount: int) -> int:
    """`value` shifted left, or right where `amount` is negative. A signed number keeps its sign."""
    return value << amount if amount >= 0 else value >> -amount


def SSHL(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Shift signed lanes."""
    cpu.check_fp()
    operands = signed(cpu, rn, q, scalar, size)
    amounts = [signed_lanes(a, 8, 1)[0] for a in unsigned(cpu, rm, q, scalar, size)]
    pairs = zip(operands, amounts, strict=True)
    cpu.set_v(rd, join([shift_by(a, amount) for a, amount in pairs], 8 << size))


def USHL(cpu: Cpu, q: int, scalar: int, size: int, rm: int, rn: int, rd: int) -> None:
    """Shift unsigned lanes."""
    cpu.check_fp()
    operands = unsigned(cpu, rn, q, scalar, size)
    amounts = [signed_lanes(a, 8, 1)[0] for a in unsigned(cpu, rm, q, scalar, size)]
    pairs = zip(operands, amounts, strict=True)
    cpu.set_v(rd, join([shift_by(a, amount) for a, amount in pairs], 8 << size))


# Shifts by an immediate


def lane_size(immh: int) -> int:
    """The logarithm of a lane's bytes."""
    return immh.bit_length() - 1


def right_amount(immh: int, immb: int) -> int:
    """How far to shift right: 1 to the width of a lane."""
    return (16 << lane_size(immh)) - (immh << 3 | immb)


def left_amount(immh: int, immb: int) -> int:
    """How far to shift left: 0 to the width of a lane less 1."""
    return (immh << 3 | immb) - (8 << lane_size(immh))


def SSHR(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift signed lanes right."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = right_amount(immh, immb)
    operands = signed(cpu, rn, q, scalar, size)
    cpu.set_v(rd, join([a >> amount for a in operands], 8 << size))


def USHR(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift unsigned lanes right."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = right_amount(immh, immb)
    operands = unsigned(cpu, rn, q, scalar, size)
    cpu.set_v(rd, join([a >> amount for a in operands], 8 << size))


def SHL(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift left."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = left_amount(immh, immb)
    operands = unsigned(cpu, rn, q, scalar, size)
    cpu.set_v(rd, join([a << amount for a in operands], 8 << size))


def SSRA(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift signed lanes right and add to Vd."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = right_amount(immh, immb)
    operands = signed(cpu, rn, q, scalar, size)
    olds = unsigned(cpu, rd, q, scalar, size)
    cpu.set_v(rd, join([old + (a >> amount) for old, a in zip(olds, operands, strict=True)], 8 << size))


def USRA(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift unsigned lanes right and add to Vd."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = right_amount(immh, immb)
    operands = unsigned(cpu, rn, q, scalar, size)
    olds = unsigned(cpu, rd, q, scalar, size)
    cpu.set_v(rd, join([old + (a >> amount) for old, a in zip(olds, operands, strict=True)], 8 << size))


def SRI(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift right and insert: the highest bits of Vd stay."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = right_amount(immh, immb)
    operands = unsigned(cpu, rn, q, scalar, size)
    olds = unsigned(cpu, rd, q, scalar, size)
    cpu.set_v(
        rd,
        join(
            [old & ~(mask(8 << size) >> amount) | a >> amount for old, a in zip(olds, operands, strict=True)], 8 << size
        ),
    )


def SLI(cpu: Cpu, q: int, scalar: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift left and insert: the lowest bits of Vd stay."""
    cpu.check_fp()
    size = lane_size(immh)
    amount = left_amount(immh, immb)
    operands = unsigned(cpu, rn, q, scalar, size)
    olds = unsigned(cpu, rd, q, scalar, size)
    cpu.set_v(rd, join([old & mask(amount) | a << amount for old, a in zip(olds, operands, strict=True)], 8 << size))


def SHRN(cpu: Cpu, q: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift right and keep the lower half of every lane; SHRN2 writes the upper half of the register."""
    cpu.check_fp()
    size = lane_size(immh)
    wide = lanes(cpu.get_v(rn), 16 << size, 8 >> size)
    narrow = join([a >> right_amount(immh, immb) for a in wide], 8 << size)
    cpu.set_v(rd, cpu.get_v(rd) & M64 | narrow << 64 if q else narrow)


def SSHLL(cpu: Cpu, q: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift signed lanes left into lanes of twice the width; SSHLL2 reads the upper half of the register."""
    cpu.check_fp()
    size = lane_size(immh)
    narrow = signed_lanes(cpu.get_v(rn) >> (64 if q else 0), 8 << size, 8 >> size)
    cpu.set_v(rd, join([a << left_amount(immh, immb) for a in narrow], 16 << size))


def USHLL(cpu: Cpu, q: int, immh: int, immb: int, rn: int, rd: int) -> None:
    """Shift unsigned lanes left into lanes of twice the width; USHLL2 reads the upper half of the register."""
    cpu.check_fp()
    size = lane_size(immh)
    narrow = lanes(cpu.get_v(rn) >> (64 if q else 0), 8 << size, 8 >> size)
    cpu.set_v(rd, join([a << left_amount(immh, immb) for a in narrow], 16 << size))
