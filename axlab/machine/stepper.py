"""Execution, one instruction after the other: fetch, decode once, call the semantics.

This is the definition of when things happen: interrupts are taken and timers fire between two instructions,
exceptions belong to exactly one. An instruction that takes an exception counts as executed, so that a guest
which only faults still uses up its slice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from axlab.machine import data_access, stops
from axlab.machine.exceptions import FIQ, IRQ, GuestException, deliver, take_exception_to_el1, undefined
from axlab.machine.isa.bits import M64
from axlab.machine.memory_map import PPI_CNTP, PPI_CNTV, PPI_MAINTENANCE
from axlab.machine.tlb import WORD_INDEX
from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import Trap

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

HCR_VF, HCR_VI = 1 << 6, 1 << 7  # HCR_EL2: a virtual FIQ or IRQ without any list register
PSTATE_I, PSTATE_F = 1 << 1, 1 << 0


def run(cpu: Cpu, instructions: int, execute: Callable[[Cpu, int], Trap | None]) -> Trap | None:
    """Execute up to that many instructions; the Trap that ended it earlier, if any.

    `execute` is this module's, or the translator's, which does the same faster.
    """
    cpu.slice_end = cpu.executed + instructions
    cpu.hit = None
    cpu.select_regime()
    trap = None
    while trap is None and cpu.executed < cpu.slice_end and cpu.hit is None:
        trap = look_for_interrupts(cpu)
        if trap is None and not (cpu.breakpoints and stops.reached(cpu)):
            trap = execute(cpu, next_stop(cpu))
    cpu.pc &= M64
    return trap


def look_for_interrupts(cpu: Cpu) -> Trap | None:
    """Between two instructions: private interrupts go to EL2, virtual ones to EL1 unless PSTATE masks them."""
    cpu.attention = False
    now = cpu.now
    for intid, asserted in (
        (PPI_CNTV, cpu.timer.virtual_line(now)),
        (PPI_CNTP, cpu.timer.physical_line(now)),
        (PPI_MAINTENANCE, cpu.gic.maintenance_pending()),
    ):
        if asserted and intid not in cpu.active_ppis:
            cpu.active_ppis.add(intid)
            return Trap("irq", intid=intid)
    hcr = cpu.sys["HCR_EL2"]
    if not cpu.daif & PSTATE_F and (cpu.gic.fiq_pending() or hcr & HCR_VF):
        take_exception_to_el1(cpu, FIQ)
    elif not cpu.daif & PSTATE_I and (cpu.gic.irq_pending() or hcr & HCR_VI):
        take_exception_to_el1(cpu, IRQ)
    return None


def interrupt_pending(cpu: Cpu) -> bool:
    """Whether WFI has nothing to wait for: an interrupt is pending, masked or not."""
    return cpu.gic.irq_pending() or cpu.gic.fiq_pending() or bool(cpu.sys["HCR_EL2"] & (HCR_VI | HCR_VF))


def next_stop(cpu: Cpu) -> int:
    """The instruction count at which to look around again: the end of the slice, or a timer's deadline."""
    stop = cpu.slice_end
    for intid, deadline in (
        (PPI_CNTV, cpu.timer.virtual_deadline()),
        (PPI_CNTP, cpu.timer.physical_deadline()),
    ):
        if deadline is not None and intid not in cpu.active_ppis:
            instructions = -(-(deadline - cpu.entry_time) // cpu.ns_per_instruction)
            stop = min(stop, max(cpu.entry_executed + instructions, cpu.executed))
    return stop


def execute(cpu: Cpu, stop: int, straight: bool = False) -> Trap | None:
    """Execute until `stop` instructions are done, something asks for attention, or an exception was taken.

    `straight`: only until a branch is taken, too.
    """
    decoded = cpu.decoded
    try:
        if cpu.il:
            data_access.fetch(cpu)
            raise GuestException(1, EC.ILLEGAL_STATE)
        for executed in range(cpu.executed + 1, stop + 1):
            pc = cpu.pc
            try:
                word = cpu.code[pc >> 12][WORD_INDEX[pc & 4095]]  # type: ignore[index]
            except (KeyError, TypeError):
                word = data_access.fetch(cpu)
                pc = cpu.pc
            try:
                operation = decoded[word]
            except KeyError:
                operation = decoded[word] = decode(cpu, word)
            cpu.next_pc = pc + 4
            operation()
            cpu.pc = cpu.next_pc
            cpu.executed = executed
            if cpu.attention or straight and cpu.next_pc != pc + 4:
                break
    except GuestException as exception:
        stops.refused(cpu)
        cpu.executed += 1
        return deliver(cpu, exception)
    return None


def decode(cpu: Cpu, word: int) -> Callable[[], None]:
    """The semantics of a word with its fields filled in. What is not allocated, or not there, is UNDEFINED.

    All semantics are imported for the first word of a process: a lab's first command needs none.
    """
    from axlab.machine.isa.semantics import LSE, SEMANTICS
    from axlab.machine.isa.table import load_table

    found = load_table().decode(word)
    if found is None:
        return unallocated
    row, values = found
    if row.name in LSE and not cpu.features.lse:
        return unallocated
    return partial(SEMANTICS[row.name], cpu, *values)


def unallocated() -> None:
    """The semantics of all words that mean nothing."""
    raise undefined()
