"""All kinds of operands by the names that `a64.isa` uses."""

from __future__ import annotations

from axlab.machine.isa import (
    operands_immediates,
    operands_lists,
    operands_memory,
    operands_registers,
    operands_system,
    operands_vectors,
)
from axlab.machine.isa.operands import Kind, Spelling

KINDS: dict[str, Kind | Spelling] = {
    **operands_registers.KINDS,
    **operands_immediates.KINDS,
    **operands_memory.KINDS,
    **operands_system.KINDS,
    **operands_vectors.KINDS,
    **operands_lists.KINDS,
}
