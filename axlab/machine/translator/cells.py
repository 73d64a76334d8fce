"""The cells that blocks share, and the way into and out of them.

A vCPU's registers are closure cells while its blocks run: a block names them as it names any variable of a function
around it. Every vCPU has cells of its own; the code objects are the same.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from axlab.machine.system_operations import may_zero
from axlab.machine.translator.blocks import GLOBALS
from axlab.machine.translator.flags import nzcv_of
from axlab.machine.translator.plan import MAX_INSTRUCTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from axlab.machine.cpu import Cpu

MEMORY_CELLS = tuple(f"{access}{size}" for access in "RW" for size in (1, 2, 4, 8))
X = tuple(f"x{n}" for n in range(31))
NAMES = (*X, "sp", "b", "FA", "FB", "FK", "F", "E1", "RA", "WA", "Z", *MEMORY_CELLS)

# The way into and out of the cells, as blocks have it: closures over them.
SWITCH = f"""
def make(nzcv_of, b, sp, FA, FB, FK, {", ".join(X)}):
    def enter(x, stack, nzcv, budget):
        nonlocal b, sp, FA, FK, {", ".join(X)}
        {", ".join(X)} = x
        sp = stack; FA = nzcv; FK = 0; b = budget
    def leave(x):
        x[:] = {", ".join(X)}
        return sp, nzcv_of(FK, FA, FB), b
    def loop(block):
        while b >= {MAX_INSTRUCTIONS}:
            block = block()
        while block.length <= b:
            block = block()
        return block
    return enter, leave, loop
"""


def bind(code: CodeType, cells: Mapping[str, CellType]) -> Any:
    """A function of the code, closed over cells."""
    return FunctionType(code, GLOBALS, "block", None, tuple([cells[name] for name in code.co_freevars]))


class Cells:
    """The cells of one CPU by name; `enter`, `leave` and `loop` as `SWITCH` says."""

    def __init__(self, cpu: Cpu) -> None:
        self.by_name: dict[str, CellType] = {name: CellType(0) for name in NAMES}
        self.set("nzcv_of", nzcv_of)
        self.set("CPU", cpu)
        self.set("X", cpu.x)
        self.set("T", None if cpu.trace is None else cpu.trace.add_run)
        made: dict[str, Any] = {}
        exec(SWITCH, made)
        parts = made["make"](nzcv_of, *[0] * 5, *[0] * 31)
        self.enter, self.leave, self.loop = [bind(part.__code__, self.by_name) for part in parts]

    def set(self, name: str, value: object) -> None:
        self.by_name.setdefault(name, CellType()).cell_contents = value

    def use_tlb(self, cpu: Cpu) -> None:
        """Look through the CPU's current TLB."""
        self.set("F", cpu.tlb.targets)
        self.set("E1", {1: cpu} if cpu.el else {})
        self.set("RA", cpu.tlb.read_bytes)
        self.set("WA", cpu.tlb.write_bytes)
        self.set("Z", cpu.tlb.write_bytes if may_zero(cpu) else {})
        for size in (1, 2, 4, 8):
            self.set(f"R{size}", cpu.readers[size])
            self.set(f"W{size}", cpu.writers[size])
