"""Run translated blocks, and hand to the stepper what they cannot do.

`execute` has the contract of `stepper.execute` and takes its place: it stops at an exact instruction count,
and every exception, interrupt and system instruction is the stepper's, which stays the definition of all of them.
"""

from __future__ import annotations

from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from axlab.machine import stepper, stops
from axlab.machine.exceptions import GuestException
from axlab.machine.isa.bits import M64
from axlab.machine.translator.blocks import Block, Left
from axlab.machine.translator.pages import Stepped
from axlab.machine.translator.plan import MAX_INSTRUCTIONS
from axlab.machine.translator.translated import Translated
from axlab.machine.traps import Trap

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

FEW = 4  # instructions for which entering a block is not worth while


def execute(cpu: Cpu, stop: int) -> Trap | None:
    """Execute until `stop` instructions are done, something asks for attention, or an exception was taken."""
    if cpu.il or stop - cpu.executed < FEW:
        return step(cpu, stop)
    translated = cpu.translated
    if translated is None:
        translated = cpu.translated = Translated(cpu)
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


def run_blocks(cpu: Cpu, translated: Translated) -> int:
    """Run blocks as far as they can; the CPU's state is exact then. The number of instructions to step."""
    translated.forgot = False
    translated.cells.set("X", cpu.x)
    translated.begin(cpu.executed)
    translated.cells.enter(cpu.x, cpu.sp, cpu.nzcv, translated.stop - cpu.executed)
    block = translated.function(cpu, cpu.pc)
    while True:
        try:
            block = translated.run(cpu, block)
            pc, done, steps = block.pc, 0, MAX_INSTRUCTIONS
            break
        except Stepped as stepped:
            pc, done, steps = stepped.pc, 0, 1
            if translated.is_wanted(cpu, pc):
                block = translated.function(cpu, pc)
                if block.length:
                    continue
            else:
                steps = 0
            break
        except Left as left:
            found, line, frame = place_of(translated, left.__traceback__)
            index = found.instruction_at(line)
            pc, done, steps = found.pcs[index] + 4, found.done[index] + 1, 0
            run = found.runs[index]
            translated.store_flags(found, index, frame)
            break
        except (KeyError, TypeError, IndexError, GuestException) as error:
            found, line, frame = place_of(translated, error.__traceback__)
            if line in found.jumps:
                if translated.is_wanted(cpu, error.args[0]):
                    block = translated.function(cpu, error.args[0])
                    continue
                pc, done, steps = error.args[0], 0, 0
                break
            index = found.instruction_at(line)
            pc, done, steps = found.pcs[index], found.done[index], 1
            run = found.runs[index]
            translated.store_flags(found, index, frame)
            if isinstance(error, TypeError):
                translated.met_misaligned(found, index)
            break
    if done and cpu.trace is not None and run != pc:
        cpu.trace.add(run, (pc - run) // 4)
    cpu.sp, cpu.nzcv, budget = translated.cells.leave(cpu.x)
    cpu.pc = pc & M64
    cpu.executed = translated.stop - budget + done
    return steps


def place_of(translated: Translated, traceback: TracebackType | None) -> tuple[Block, int, FrameType]:
    """The block in which an exception was raised, the line of its text, and what its function had computed."""
    while traceback is not None:
        frame = traceback.tb_frame
        block = translated.blocks.get(id(frame.f_code))
        if block is not None:
            return block, traceback.tb_lineno, frame
        traceback = traceback.tb_next
    raise AssertionError("an exception that no block raised")
