"""Run translated blocks, and hand to the stepper what they cannot do.

`execute` has the contract of `stepper.execute` and takes its place: it stops at an exact instruction count,
and every exception, interrupt and system instruction is the stepper's, which stays the definition of all of them.
"""

from __future__ import annotations

import struct
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NamedTuple

from axlab.machine import stepper, stops
from axlab.machine.exceptions import GuestException
from axlab.machine.isa.bits import M64
from axlab.machine.translator.pages import Function, Left, Stepped
from axlab.machine.translator.plan import MAX_INSTRUCTIONS
from axlab.machine.traps import Trap

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.machine.translator.blocks import Block
    from axlab.machine.translator.translated import Translated

FEW = 4  # instructions for which entering a block is not worth while


def execute(cpu: Cpu, stop: int) -> Trap | None:
    """Execute until `stop` instructions are done, something asks for attention, or an exception was taken."""
    if cpu.il or stop - cpu.executed < FEW:
        return step(cpu, stop)
    translated = cpu.translated
    if translated is None:
        translated = cpu.translated = new_translated(cpu)
    translated.limit = stop
    while cpu.executed < stop:
        translated.use_tlb(cpu)
        if translated.is_cold(cpu):
            trap = step(cpu, min(stop, cpu.executed + MAX_INSTRUCTIONS), straight=True)
        else:
            steps = run_blocks(cpu, translated)
            if steps and not (cpu.breakpoints and stops.due(cpu)):
                trap = step(cpu, min(stop, cpu.executed + steps))
            else:
                trap = None
        if trap is not None or cpu.attention or cpu.breakpoints and stops.due(cpu):
            return trap
    return None


def new_translated(cpu: Cpu) -> Translated:
    """The translator, imported for the first guest that runs: much of a lab's first command is its import."""
    from axlab.machine.translator.translated import Translated

    return Translated(cpu)


def step(cpu: Cpu, stop: int, straight: bool = False) -> Trap | None:
    """As `stepper.execute`, up to the next breakpoint; every instruction goes into the CPU's trace if it has one."""
    trace = cpu.trace
    if trace is None and not cpu.breakpoints:
        return stepper.execute(cpu, stop, straight)
    while cpu.executed < stop:
        pc, executed = cpu.pc, cpu.executed
        trap = stepper.execute(cpu, executed + 1)
        if trace is not None:
            trace.add(pc, cpu.executed - executed)
        if trap is not None or cpu.attention or stops.due(cpu) or straight and cpu.pc != pc + 4:
            return trap
    return None


class Stop(NamedTuple):
    """Where blocks cannot go on: before the instruction at `pc`. The budget does not know yet of `done` instructions,
    and nobody recorded those from `run` on. `steps` are to be executed by the stepper before there are blocks again."""

    pc: int
    done: int = 0
    run: int = 0
    steps: int = 0


def run_blocks(cpu: Cpu, translated: Translated) -> int:
    """Run blocks as far as they can; the CPU's state is exact then. The number of instructions to step."""
    translated.enter(cpu)
    going_on: Function | Stop = translated.function(cpu, cpu.pc)
    while not isinstance(going_on, Stop):
        try:
            block = translated.run(cpu, going_on)
            going_on = Stop(block.pc, steps=MAX_INSTRUCTIONS)
        except Stepped as stepped:
            going_on = after_stub(cpu, translated, stepped.pc)
        except Left as left:
            found, line, frame = place_of(translated, left.__traceback__)
            index = found.instruction_at(line)
            translated.store(found, index, frame)
            going_on = Stop(found.pcs[index] + 4, found.done[index] + 1, found.runs[index])
        except (KeyError, TypeError, IndexError, struct.error, GuestException) as error:
            going_on = after_error(cpu, translated, error)
    if going_on.done and cpu.trace is not None and going_on.run != going_on.pc:
        cpu.trace.add(going_on.run, (going_on.pc - going_on.run) // 4)
    cpu.sp, cpu.nzcv, budget = translated.cells.leave(cpu.x)
    cpu.pc = going_on.pc & M64
    cpu.executed = translated.stop - budget + going_on.done
    return going_on.steps


def after_stub(cpu: Cpu, translated: Translated, pc: int) -> Function | Stop:
    """What follows where there was no block."""
    if not translated.is_wanted(cpu, pc):
        return Stop(pc)
    block = translated.function(cpu, pc)
    return block if block.length else Stop(pc, steps=1)


def after_error(cpu: Cpu, translated: Translated, error: Exception) -> Function | Stop:
    """What follows where a target was not known, or an instruction cannot be done by a block."""
    found, line, frame = place_of(translated, error.__traceback__)
    if line in found.jumps:
        target = error.args[0]
        return translated.function(cpu, target) if translated.is_wanted(cpu, target) else Stop(target)
    index = found.instruction_at(line)
    translated.store(found, index, frame)
    if isinstance(error, TypeError):
        translated.met_misaligned(found, index)
    return Stop(found.pcs[index], found.done[index], found.runs[index], steps=1)


def place_of(translated: Translated, traceback: TracebackType | None) -> tuple[Block, int, FrameType]:
    """The block in which an exception was raised, the line of its text, and what its function had computed."""
    while traceback is not None:
        frame = traceback.tb_frame
        block = translated.blocks.get(id(frame.f_code))
        if block is not None:
            return block, traceback.tb_lineno, frame
        traceback = traceback.tb_next
    raise AssertionError("an exception that no block raised")
