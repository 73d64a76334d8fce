"""What takes a CPU out of its guest, as a value; and the syndromes that say why (Arm ARM D17.2.37, ESR_ELx)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExceptionClass(IntEnum):
    """ESR_ELx.EC: what kind of exception it was. The `*_LOWER` ones have a `*_SAME` one at the next number."""

    UNKNOWN = 0x00
    WFX = 0x01
    FP_ACCESS = 0x07
    ILLEGAL_STATE = 0x0E
    SVC = 0x15
    HVC = 0x16
    SMC = 0x17
    SYSTEM_REGISTER = 0x18
    INSTRUCTION_ABORT_LOWER = 0x20
    INSTRUCTION_ABORT_SAME = 0x21
    PC_ALIGNMENT = 0x22
    DATA_ABORT_LOWER = 0x24
    DATA_ABORT_SAME = 0x25
    SP_ALIGNMENT = 0x26
    BRK = 0x3C


@dataclass(frozen=True, slots=True)
class Trap:
    """Why `Cpu.run` came back to the hypervisor.

    `kind` "sync": an exception to EL2, with what the hardware puts into ESR_EL2, FAR_EL2 and HPFAR_EL2.
    After an HVC the CPU's pc is the next instruction; otherwise it is the one that trapped.
    `kind` "irq": a private interrupt of this CPU asserts, `intid` says which.
    `kind` "semihosting": the guest executed HLT 0xF000 (pc is the next instruction).
    """

    kind: str
    esr: int = 0
    far: int = 0
    hpfar: int = 0
    intid: int = 0

    @property
    def ec(self) -> int:
        """The exception class, ESR_EL2.EC."""
        return self.esr >> 26

    @property
    def iss(self) -> int:
        """The instruction-specific syndrome, ESR_EL2.ISS."""
        return self.esr & 0x1FF_FFFF


def syndrome(ec: int, iss: int) -> int:
    """An ESR value. All A64 instructions are 32 bits long: IL is 1."""
    return ec << 26 | 1 << 25 | iss


def system_access_syndrome(encoding: tuple[int, int, int, int, int], rt: int, is_read: bool) -> int:
    """The ISS of a trapped MRS, MSR or SYS: `encoding` is (op0, op1, CRn, CRm, op2)."""
    op0, op1, crn, crm, op2 = encoding
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | is_read


def load_store_syndrome(word: int) -> int:
    """ISV, SAS, SSE, SRT, SF and AR of a data abort to EL2, for the instruction that made the access.

    The manual gives a valid syndrome (ISV = 1) for loads and stores of one general-purpose register,
    acquire and release included, exclusives and forms that write the base register back excluded;
    0 for all others.
    """
    form = word >> 24 & 0x3F
    rt = word & 31
    if form == 0b111001 or form == 0b111000 and _is_plain_single(word):
        return _register_syndrome(word >> 30, word >> 22 & 3, rt)
    if word & 0x3FA0_0000 == 0x0880_0000:  # LDAR, STLR and their LORegion forms: o2 = 1, o1 = 0
        return _register_syndrome(word >> 30, 0, rt) | 1 << 14
    if word >> 24 & 0x3F == 0b011000 and word >> 30 < 3:  # a load from a literal
        return _literal_syndrome(word >> 30, rt)
    return 0


def _is_plain_single(word: int) -> bool:
    """Of the loads and stores with bits 29-24 = 111000: unscaled, unprivileged or register offset."""
    if word >> 21 & 1:
        return word >> 10 & 3 == 0b10
    return word >> 10 & 1 == 0


def _register_syndrome(size: int, opc: int, rt: int) -> int:
    """`opc` 2 and 3 are the sign-extending loads, to 64 and 32 bits."""
    signed = opc >> 1
    is_64_bit = opc == 2 or not signed and size == 3
    return 1 << 24 | size << 22 | signed << 21 | rt << 16 | is_64_bit << 15


def _literal_syndrome(opc: int, rt: int) -> int:
    """LDR Wt, LDR Xt and LDRSW Xt from a literal."""
    size, signed, is_64_bit = ((2, 0, 0), (3, 0, 1), (2, 1, 1))[opc]
    return 1 << 24 | size << 22 | signed << 21 | rt << 16 | is_64_bit << 15
