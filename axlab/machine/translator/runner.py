"""Run translated blocks, and hand to the stepper what they cannot do.

`execute` has the contract of `stepper.execute` and takes its place: it stops at an exact instruction count,
and every exception, interrupt and system instruction is the stepper's, which stays the definition of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import cache
from types import CellType, CodeType, FrameType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from axlab.machine import stepper, stops
from axlab.machine.exceptions import GuestException
from axlab.machine.isa.bits import M64
from axlab.machine.isa.semantics import LSE, SEMANTICS
from axlab.machine.isa.table import load_table
from axlab.machine.system_operations import may_zero
from axlab.machine.translator.blocks import GLOBALS, Block, Fetch, Left, translate
from axlab.machine.translator.flags import nzcv_of
from axlab.machine.translator.misaligned import OFTEN
from axlab.machine.translator.templates import RowTemplates
from axlab.machine.translator.writer import MAX_INSTRUCTIONS, Fetched
from axlab.machine.traps import Trap

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

Function = Callable[[], Any]

MEMORY_CELLS = tuple(f"{access}{size}" for access in "RW" for size in (1, 2, 4, 8))
X = tuple(f"x{n}" for n in range(31))
MAX_BLOCKS = 100_000
HOT = 16  # entries after which a block is translated
FEW = 4  # instructions for which entering a block is not worth while


class Stepped(Exception):
    """The instruction at `pc` does not fold."""

    def __init__(self, pc: int) -> None:
        self.pc = pc


@cache
def row_templates() -> dict[str, RowTemplates]:
    """The templates of all rows, which grow as instructions are met: a cache, the same for everybody."""
    return {name: RowTemplates(row, SEMANTICS[name]) for name, row in load_table().rows.items()}


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


class Page:
    """The blocks of one page of code: a virtual page that is a physical one, whatever else is mapped where.

    Blocks of a page find each other through cells; blocks of other pages are looked up in the targets of the
    current TLB, so that a change of the mapping needs to forget nothing but those.
    """

    __slots__ = ("frame", "cells", "functions", "entries")

    def __init__(self, frame: int) -> None:
        self.frame = frame
        self.cells: dict[str, CellType] = {}
        self.functions: dict[int, Function] = {}
        self.entries: dict[int, int] = {}  # how often what was not translated yet was entered

    def cell(self, name: str) -> CellType:
        """The cell of the block that begins at an address, `L<address>`; it is translated when it is called."""
        found = self.cells.get(name)
        if found is None:
            found = self.cells[name] = CellType(stub(int(name[1:], 16)))
        return found


def stub(pc: int) -> Function:
    """Stands for a block that was not needed yet, or for an instruction that does not fold."""

    def raise_stepped() -> Function:
        raise Stepped(pc)

    raise_stepped.length = 0  # type: ignore[attr-defined]
    raise_stepped.pc = pc  # type: ignore[attr-defined]
    return raise_stepped


class Translated:
    """The translated code of one CPU: the cells of its registers, and its pages of code. A cache, never state."""

    def __init__(self, cpu: Cpu) -> None:
        names = (*X, "sp", "b", "FA", "FB", "FK", "F", "E1", "RA", "WA", "Z", *MEMORY_CELLS)
        self.cells: dict[str, CellType] = {name: CellType(0) for name in names}
        self.cells["nzcv_of"] = CellType(nzcv_of)
        self.cells["call"] = CellType(self.call)
        self.cells["CPU"] = CellType(cpu)
        self.cells["X"] = CellType(cpu.x)
        self.cells["T"] = CellType(None if cpu.trace is None else cpu.trace.add_run)
        self.cpu = cpu
        self.stop = 0
        self.forgot = False  # whether code was forgotten since the blocks that run now were found
        made: dict[str, Any] = {}
        exec(SWITCH, made)
        parts = made["make"](nzcv_of, *[0] * 5, *[0] * 31)
        self.enter, self.leave, self.loop = [self.bind(part.__code__, self.cells) for part in parts]
        self.pages: dict[tuple[int, int], Page] = {}
        self.frames: dict[int, list[tuple[int, int]]] = {}
        self.blocks: dict[int, Block] = {}  # by id of their code
        self.misaligned: set[int] = set()  # instructions that were found to be so, often
        self.misses: dict[int, int] = {}  # how often others were
        self.tlb: object = None

    def bind(self, code: CodeType, cells: Mapping[str, CellType]) -> Any:
        """A function of the code, closed over cells."""
        return FunctionType(code, GLOBALS, "block", None, tuple([cells[name] for name in code.co_freevars]))

    def use_tlb(self, cpu: Cpu) -> None:
        """Look through the CPU's current TLB."""
        if cpu.tlb is self.tlb:
            return
        self.tlb = cpu.tlb
        self.cells["F"].cell_contents = cpu.tlb.targets
        self.cells["E1"].cell_contents = {1: cpu} if cpu.el else {}
        self.cells["RA"].cell_contents = cpu.tlb.read_bytes
        self.cells["WA"].cell_contents = cpu.tlb.write_bytes
        self.cells["Z"].cell_contents = cpu.tlb.write_bytes if may_zero(cpu) else {}
        for size in (1, 2, 4, 8):
            self.cells[f"R{size}"].cell_contents = cpu.readers[size]
            self.cells[f"W{size}"].cell_contents = cpu.writers[size]

    def function(self, cpu: Cpu, pc: int) -> Function:
        """The function of the block at `pc`, translated now if need be."""
        found = cpu.tlb.targets.get(pc)
        if found is None:
            page = self.page(cpu, pc)
            if page is None:
                return stub(pc)
            found = page.functions.get(pc) or self.translate(cpu, page, pc)
            cpu.tlb.targets[pc] = found
        return found

    def page(self, cpu: Cpu, pc: int) -> Page | None:
        """The page of code that `pc` is in; None where the stepper has to fetch first."""
        fetched = cpu.tlb.translations.get((pc >> 12, "x", cpu.el))
        if fetched is None or pc >> 12 not in cpu.code or pc & 3:
            return None
        key = (pc >> 12, fetched.pa >> 12)
        found = self.pages.get(key)
        if found is None:
            found = self.pages[key] = Page(key[1])
            self.frames.setdefault(key[1], []).append(key)
        return found

    def is_wanted(self, cpu: Cpu, pc: int) -> bool:
        """Whether there is a block at `pc`, or one is due."""
        if pc in cpu.tlb.targets:
            return True
        page = self.page(cpu, pc)
        return page is not None and (pc in page.functions or page.entries.get(pc, 0) >= HOT - 1)

    def is_cold(self, cpu: Cpu) -> bool:
        """Whether the code at pc ran so seldom that it is better stepped: much of a boot runs once."""
        pc = cpu.pc
        if pc in cpu.tlb.targets:
            return False
        page = self.page(cpu, pc)
        if page is None:
            return True
        if pc in page.functions:
            return False
        entries = page.entries[pc] = page.entries.get(pc, 0) + 1
        return entries < HOT and (entries > 1 or known(cpu, pc, self.misaligned) is None)

    def translate(self, cpu: Cpu, page: Page, pc: int) -> Function:
        """Translate the block at `pc`."""
        if len(self.blocks) >= MAX_BLOCKS:
            self.forget_all()
        block = compiled(cpu, pc, self.misaligned)
        if block is None:
            function = stub(pc)
        else:
            names = block.code.co_freevars
            links = {name: page.cell(name) for name in names if name[0] == "L"}
            function = self.bind(block.code, {**self.cells, **links})
            function.length = block.length
            function.pc = pc
            self.blocks[id(block.code)] = block
        for address in block.pcs if block else (pc,):
            cpu.memory.watch(page.frame << 12 | address & 4095, 4)
        page.functions[pc] = function
        page.cell(f"L{pc:x}").cell_contents = function
        return function

    def met_misaligned(self, block: Block, index: int) -> None:
        """Instruction `index` of a block had no index for its address. If it often does, the block is made anew."""
        pc = block.pcs[index]
        self.misses[pc] = self.misses.get(pc, 0) + 1
        if self.misses[pc] < OFTEN or pc in block.misaligned:
            return
        self.misaligned.add(pc)
        for (number, _), page in self.pages.items():
            if number == block.pc >> 12 and block.pc in page.functions:
                del page.functions[block.pc]
                page.cell(f"L{block.pc:x}").cell_contents = stub(block.pc)
        for tlb in self.cpu.tlbs.values():
            tlb.targets.pop(block.pc, None)

    def call(self, word: int, pc: int, budget: int) -> bool:
        """Execute an instruction that does not fold, at `pc`, by its semantics; `budget` is left before it.

        True where the block cannot go on after it. One that takes an exception has changed nothing yet.
        """
        cpu = self.cpu
        cpu.pc = pc
        cpu.next_pc = pc + 4
        cpu.executed = self.stop - budget
        operation = cpu.decoded.get(word)
        if operation is None:
            operation = cpu.decoded[word] = stepper.decode(cpu, word)
        operation()
        return cpu.attention or cpu.tlb is not self.tlb or self.forgot

    def store_flags(self, block: Block, index: int, frame: FrameType) -> None:
        """Let the cells say what the flags are where instruction `index` of a block raised an exception."""
        if index not in block.recipes:
            return
        kind, *operands = block.recipes[index]
        variables = frame.f_locals
        self.cells["FK"].cell_contents = kind
        for cell, text in zip(("FA", "FB"), operands, strict=True):
            if text.isdigit():
                value = int(text)
            else:
                value = self.cells[text].cell_contents if text in self.cells else variables[text]
            self.cells[cell].cell_contents = value

    def forget_all(self) -> None:
        """Begin anew, so that the cache does not grow without end."""
        self.pages.clear()
        self.frames.clear()
        self.blocks.clear()
        self.cpu.memory.compiled.clear()
        for tlb in self.cpu.tlbs.values():
            tlb.targets.clear()

    def forget_pages(self, numbers: set[int]) -> None:
        """Breakpoints on these virtual pages came or went: their blocks are no more."""
        for key in [known for known in self.pages if known[0] in numbers]:
            del self.pages[key]
            self.frames[key[1]].remove(key)

    def forget(self, frame: int) -> None:
        """The contents of a physical page changed: its blocks are no more."""
        self.forgot = True
        for key in self.frames.pop(frame, ()):
            del self.pages[key]


def compiled(cpu: Cpu, pc: int, misaligned: Set[int] = frozenset()) -> Block | None:
    """The block at `pc`, known or made now; None if it would have no instruction.

    Blocks of a page with breakpoints end before those, and are nobody else's.
    """
    if any(address >> 12 == pc >> 12 for address in cpu.breakpoints):
        return translate(pc, instructions(cpu, cpu.code[pc >> 12]), cpu.trace is not None)
    found = known(cpu, pc, misaligned)
    if found is None:
        found = translate(pc, instructions(cpu, cpu.code[pc >> 12]), cpu.trace is not None, misaligned)
        if found is not None:
            cpu.memory.compiled.setdefault(variant(cpu, pc), []).append(found)
            if cpu.memory.code_store is not None:
                cpu.memory.code_store.put(store_key(cpu, pc), found.dumped())
    return found


def known(cpu: Cpu, pc: int, misaligned: Set[int]) -> Block | None:
    """The block at `pc` if a CPU of this memory made it, or an earlier session, of the words that are there now."""
    page = cpu.code[pc >> 12]
    blocks: list[Block] = cpu.memory.compiled.setdefault(variant(cpu, pc), [])
    for block in blocks:
        if block.is_at(page, misaligned):
            return block
    value = None if cpu.memory.code_store is None else cpu.memory.code_store.get(store_key(cpu, pc))
    if value is None:
        return None
    block = Block.loaded(value)
    if not block.is_at(page, misaligned):
        return None
    blocks.append(block)
    return block


def variant(cpu: Cpu, pc: int) -> tuple[int, bool, bool]:
    """What decides how a block is translated, beside its words."""
    return pc, cpu.features.lse, cpu.trace is not None


def store_key(cpu: Cpu, pc: int) -> bytes:
    """The key of the block at `pc`: its variant, and the words from there on."""
    place = pc >> 2 & 1023
    return b"%d %d %d " % variant(cpu, pc) + bytes(cpu.code[pc >> 12][place : place + MAX_INSTRUCTIONS])


def instructions(cpu: Cpu, page: memoryview) -> Fetch:
    """How a block finds the instructions of its page."""
    templates = row_templates()

    def fetch(address: int) -> Fetched | None:
        if address in cpu.breakpoints:
            return None
        word = page[address >> 2 & 1023]
        found = load_table().decode(word)
        if found is None or found[0].name in LSE and not cpu.features.lse:
            return None
        return Fetched(word, templates[found[0].name], found[1])

    return fetch


def execute(cpu: Cpu, stop: int) -> Trap | None:
    """Execute until `stop` instructions are done, something asks for attention, or an exception was taken."""
    if cpu.il or stop - cpu.executed < FEW:
        return step(cpu, stop)
    translated = cpu.translated
    if translated is None:
        translated = cpu.translated = Translated(cpu)
    translated.stop = stop
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
    translated.cells["X"].cell_contents = cpu.x
    translated.enter(cpu.x, cpu.sp, cpu.nzcv, translated.stop - cpu.executed)
    block = translated.function(cpu, cpu.pc)
    while True:
        try:
            block = translated.loop(block)
            pc, done, steps = block.pc, 0, MAX_INSTRUCTIONS
            break
        except Stepped as stepped:
            pc, done, steps = stepped.pc, 0, 1
            if translated.is_wanted(cpu, pc):
                block = translated.function(cpu, pc)
                if block.length:  # type: ignore[attr-defined]
                    continue
            else:
                steps = 0
            break
        except Left as left:
            found, line, frame = place_of(translated, left.__traceback__)
            done = found.instruction_at(line) + 1
            translated.store_flags(found, done - 1, frame)
            pc, steps = found.pcs[done - 1] + 4, 0
            break
        except (KeyError, TypeError, IndexError, GuestException) as error:
            found, line, frame = place_of(translated, error.__traceback__)
            if line in found.jumps:
                if translated.is_wanted(cpu, error.args[0]):
                    block = translated.function(cpu, error.args[0])
                    continue
                pc, done, steps = error.args[0], 0, 0
                break
            done = found.instruction_at(line)
            pc, steps = found.pcs[done], 1
            translated.store_flags(found, done, frame)
            if isinstance(error, TypeError):
                translated.met_misaligned(found, done)
            break
    if done and cpu.trace is not None:
        pc_of_run, count = found.run_before(done)
        if count:
            cpu.trace.add(pc_of_run, count)
    cpu.sp, cpu.nzcv, budget = translated.leave(cpu.x)
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
