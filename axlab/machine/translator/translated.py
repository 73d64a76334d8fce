"""The translated code of one CPU: what was translated of which page, and when it is translated or forgotten."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from axlab.machine import stepper
from axlab.machine.translator.blocks import Block
from axlab.machine.translator.cells import Cells, bind
from axlab.machine.translator.hot import Hot
from axlab.machine.translator.library import compiled, known
from axlab.machine.translator.misaligned import OFTEN
from axlab.machine.translator.pages import Function, Page, stub
from axlab.machine.translator.promotion import look_at, plan_watched

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

MAX_BLOCKS = 100_000
HOT = 16  # entries after which a block is translated
ASKED = 3  # the entry at which it is looked for on disk: most of what is entered less often was never kept


class Translated:
    """The translated code of one CPU: the cells of its registers, and its pages of code. A cache, never state."""

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu
        self.cells = Cells(cpu)
        self.cells.set("call", self.call)
        self.stop = 0  # the instruction count at which the budget ends: a look at what is hot, or the limit
        self.limit = 0  # the one at which the slice ends
        self.hot = Hot()
        self.forgot = False  # whether code was forgotten since the blocks that run now were found
        self.pages: dict[tuple[int, int], Page] = {}
        self.frames: dict[int, list[tuple[int, int]]] = {}
        self.blocks: dict[int, Block] = {}  # by id of their code
        self.misaligned: set[int] = set()  # instructions that were found to be so, often
        self.misses: dict[int, int] = {}  # how often others were
        self.tlb: object = None

    def use_tlb(self, cpu: Cpu) -> None:
        """Look through the CPU's current TLB."""
        if cpu.tlb is not self.tlb:
            self.tlb = cpu.tlb
            self.cells.use_tlb(cpu)

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
        return entries < HOT and (entries != ASKED or known(cpu, pc, self.misaligned) is None)

    def translate(self, cpu: Cpu, page: Page, pc: int) -> Function:
        """Translate the block at `pc`."""
        if len(self.blocks) >= MAX_BLOCKS:
            self.forget_all()
        block = compiled(cpu, pc, self.misaligned)
        function = stub(pc) if block is None else self.bound(page, block)
        for address in block.pcs if block else (pc,):
            cpu.memory.watch(page.frame << 12 | address & 4095, 4)
        page.functions[pc] = function
        page.cell(f"L{pc:x}").cell_contents = function
        return function

    def bound(self, page: Page, block: Block, plain: Function | None = None) -> Function:
        """The function of a block of a page, or of a region that takes the place of the block `plain`."""
        links = {name: page.cell(name) for name in block.code.co_freevars if name[0] in "LN"}
        function: Function = bind(block.code, {**self.cells.by_name, **links})
        function.pc, function.length, function.plain = block.pc, block.length, plain
        self.blocks[id(block.code)] = block
        return function

    # What is hot

    def enter(self, cpu: Cpu) -> None:
        """The CPU is about to run blocks: let the cells have its state."""
        self.forgot = False
        self.stop = min(self.limit, self.hot.next_look(cpu.executed))
        self.cells.set("X", cpu.x)
        self.cells.enter(cpu.x, cpu.sp, cpu.nzcv, self.stop - cpu.executed)

    def run(self, cpu: Cpu, block: Function) -> Function:
        """Execute blocks as long as the budget is enough for the next one, which is returned."""
        budget = self.cells.by_name["b"]
        while True:
            if self.hot.page is None:
                block = self.cells.loop(block)
            else:
                block = self.hot.watch(block, budget)
                if self.hot.has_seen_enough:
                    plan_watched(self, cpu)
            if block.length <= budget.cell_contents:
                continue
            if self.stop < self.limit:
                look_at(self, cpu, block)
                stop, self.stop = self.stop, min(self.limit, self.hot.looked(self.stop))
                budget.cell_contents += self.stop - stop
            elif block.plain is None:
                return block
            else:
                block = block.plain

    def region_at(self, pc: int, frame: int) -> Block | None:
        """The region that is entered at `pc`, whose page is the physical page `frame`."""
        page = self.pages.get((pc >> 12, frame))
        function = page.functions.get(pc) if page else None
        return self.blocks[id(function.__code__)] if function and function.plain else None

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
                page.watched.discard(block.pc)
                page.plans.pop(block.pc, None)
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

    def store(self, block: Block, index: int, frame: FrameType) -> None:
        """Let the cells have the budget and the flags where instruction `index` of a block raised an exception."""
        if not block.is_region and index not in block.recipes:
            return
        cells, variables = self.cells.by_name, frame.f_locals
        if block.is_region:
            self.cells.set("b", variables["k"])
        if index not in block.recipes:
            return
        kind, *operands = block.recipes[index]
        self.cells.set("FK", kind)
        for cell, text in zip(("FA", "FB"), operands, strict=True):
            if text.isdigit():
                self.cells.set(cell, int(text))
            else:
                self.cells.set(cell, cells[text].cell_contents if text in cells else variables[text])

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
        for key in [key for key in self.pages if key[0] in numbers]:
            del self.pages[key]
            self.frames[key[1]].remove(key)

    def forget(self, frame: int) -> list[int]:
        """The contents of a physical page changed: its blocks are no more. Returns where they began."""
        self.forgot = True
        return [pc for key in self.frames.pop(frame, ()) for pc in self.pages.pop(key).functions]
