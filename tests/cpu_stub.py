"""What the MMU sees of a CPU: system registers, memory, and nothing else."""

from __future__ import annotations

from axlab.machine.memory import Memory
from axlab.machine.mmu import Stage2Page

REGISTERS = (
    "HCR_EL2", "VTCR_EL2", "VTTBR_EL2", "SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1",
)  # fmt: skip


class MmuState:
    def __init__(self, memory: Memory, registers: dict[str, int]) -> None:
        self.memory = memory
        self.sys = dict.fromkeys(REGISTERS, 0) | registers
        self.stage2_pages: dict[int, Stage2Page] = {}
