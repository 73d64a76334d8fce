"""System operations, the SYS instruction's: cache maintenance, address translation, TLB maintenance (C5.3 to C5.5).

There are no caches: maintaining them only has to be allowed, and to find its address. TLB maintenance drops
more translations than was asked for, whatever their ASID, which is always right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine import data_access
from axlab.machine.exceptions import translation_abort, undefined
from axlab.machine.mmu import TranslationFault
from axlab.machine.system_registers import Encoding, trap

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

# HCR_EL2
HCR_FB = 1 << 9
HCR_TSW = 1 << 22
HCR_TPC = 1 << 23
HCR_TPU = 1 << 24
HCR_TTLB = 1 << 25
HCR_TDZ = 1 << 28
# SCTLR_EL1
SCTLR_DZE = 1 << 14
SCTLR_UCI = 1 << 26

VA_MASK = (1 << 44) - 1

Effect = Callable[["Cpu", int], None]
Flush = Callable[["Cpu", int], bool]


@dataclass(frozen=True, slots=True)
class Operation:
    """A system operation: its effect, the bit of SCTLR_EL1 that gives it to EL0 (0: never), its traps in HCR_EL2."""

    name: str
    effect: Effect
    el0: int = 0
    traps: int = 0


def nothing(cpu: Cpu, value: int) -> None:
    """There is no cache to maintain."""


def to_coherency(cpu: Cpu, address: int) -> None:
    """Cache maintenance by address: the address must be readable."""
    data_access.maintain(cpu, address, "r")


def invalidate(cpu: Cpu, address: int) -> None:
    """DC IVAC discards data, which needs the right to write it."""
    data_access.maintain(cpu, address, "w")


def zero(cpu: Cpu, address: int) -> None:
    """DC ZVA."""
    data_access.zero_block(cpu, address)


def flush_all(cpu: Cpu, value: int) -> bool:
    """Forget all translations."""
    cpu.flush_tlb()
    return True


def flush_page(cpu: Cpu, value: int) -> bool:
    """Forget the translations of a page: `value` has bits 55 to 12 of its address. Whether it had code."""
    return cpu.flush_tlb_page(value & VA_MASK)


def on_this_cpu(flush: Flush) -> Effect:
    """TLB maintenance of this CPU; HCR_EL2.FB makes it one of all."""

    def effect(cpu: Cpu, value: int) -> None:
        for peer in cpu.peers if cpu.sys["HCR_EL2"] & HCR_FB else [cpu]:
            peer.attention |= flush(peer, value)

    return effect


def on_all_cpus(flush: Flush) -> Effect:
    """TLB maintenance of all CPUs of the inner shareable domain."""

    def effect(cpu: Cpu, value: int) -> None:
        for peer in cpu.peers:
            peer.attention |= flush(peer, value)

    return effect


def translating(write: bool, el: int) -> Effect:
    """AT S1E<el>R or W: PAR_EL1 says where the address leads, through stage 1."""

    def effect(cpu: Cpu, address: int) -> None:
        from axlab.machine import walks  # only few guests ask

        try:
            cpu.sys["PAR_EL1"] = walks.address_translate(cpu, address, "1", write, el)
        except TranslationFault as fault:
            raise translation_abort(cpu, fault) from None

    return effect


TLB_MAINTENANCE: tuple[tuple[int, str, Flush], ...] = (
    (0, "VMALLE1", flush_all),
    (1, "VAE1", flush_page),
    (2, "ASIDE1", flush_all),
    (3, "VAAE1", flush_page),
    (5, "VALE1", flush_page),
    (7, "VAALE1", flush_page),
)

DC_ZVA: Encoding = (1, 3, 7, 4, 1)

OPERATIONS: dict[Encoding, Operation] = {
    (1, 0, 7, 1, 0): Operation("IC IALLUIS", nothing, traps=HCR_TPU),
    (1, 0, 7, 5, 0): Operation("IC IALLU", nothing, traps=HCR_TPU),
    (1, 3, 7, 5, 1): Operation("IC IVAU", to_coherency, SCTLR_UCI, HCR_TPU),
    (1, 0, 7, 6, 1): Operation("DC IVAC", invalidate, traps=HCR_TPC),
    (1, 0, 7, 6, 2): Operation("DC ISW", nothing, traps=HCR_TSW),
    (1, 0, 7, 10, 2): Operation("DC CSW", nothing, traps=HCR_TSW),
    (1, 0, 7, 14, 2): Operation("DC CISW", nothing, traps=HCR_TSW),
    DC_ZVA: Operation("DC ZVA", zero, SCTLR_DZE, HCR_TDZ),
    (1, 3, 7, 10, 1): Operation("DC CVAC", to_coherency, SCTLR_UCI, HCR_TPC),
    (1, 3, 7, 11, 1): Operation("DC CVAU", to_coherency, SCTLR_UCI, HCR_TPU),
    (1, 3, 7, 14, 1): Operation("DC CIVAC", to_coherency, SCTLR_UCI, HCR_TPC),
    (1, 0, 7, 8, 0): Operation("AT S1E1R", translating(False, 1)),
    (1, 0, 7, 8, 1): Operation("AT S1E1W", translating(True, 1)),
    (1, 0, 7, 8, 2): Operation("AT S1E0R", translating(False, 0)),
    (1, 0, 7, 8, 3): Operation("AT S1E0W", translating(True, 0)),
    **{
        (1, 0, 8, crm, op2): Operation(f"TLBI {name}{suffix}", where(flush), traps=HCR_TTLB)
        for crm, suffix, where in ((3, "IS", on_all_cpus), (7, "", on_this_cpu))
        for op2, name, flush in TLB_MAINTENANCE
    },
}


def execute(cpu: Cpu, encoding: Encoding, rt: int, value: int) -> None:
    """SYS. What is not in the table is UNDEFINED at this EL: operations of EL2, and of later versions."""
    operation = OPERATIONS.get(encoding)
    if operation is None or cpu.el == 0 and not operation.el0:
        raise undefined()
    if cpu.el == 0 and not cpu.sys["SCTLR_EL1"] & operation.el0:
        raise trap(1, encoding, rt, is_read=False)
    if cpu.sys["HCR_EL2"] & operation.traps:
        raise trap(2, encoding, rt, is_read=False)
    operation.effect(cpu, value)


def may_zero(cpu: Cpu) -> bool:
    """Whether DC ZVA is neither trapped nor refused: the same for a whole translation regime."""
    operation = OPERATIONS[DC_ZVA]
    allowed = cpu.el or cpu.sys["SCTLR_EL1"] & operation.el0
    return bool(allowed) and not cpu.sys["HCR_EL2"] & operation.traps
