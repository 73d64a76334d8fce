"""How hot blocks become regions: they are looked at, watched, planned, and made where that pays.

A region costs as much to translate as some thousands of executions of its instructions, of which it saves a part. So
the larger it is, the more often its block must have been found running before it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.translator.cells import X
from axlab.machine.translator.library import region
from axlab.machine.translator.pages import Function, Page
from axlab.machine.translator.plan import Plan, bounds_of, planned

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.machine.translator.translated import Translated

PER_LOOK = 4  # instructions of a region for which its block must have been found running once


def look_at(translated: Translated, cpu: Cpu, block: Function) -> None:
    """A block was found running: watch what follows it if that happens often, or make its region if it is due."""
    pc, page = block.pc, translated.page(cpu, block.pc)
    if page is None:
        return
    looks = page.samples[pc] = page.samples.get(pc, 0) + 1
    plan = page.plans.get(pc)
    if plan is not None:
        if looks * PER_LOOK >= plan.size:
            promote(translated, cpu, page, plan)
    elif translated.hot.watches(page, pc):
        cells = translated.cells.by_name
        translated.hot.bounds = bounds_of([cells[name].cell_contents for name in X], cells["sp"].cell_contents)


def plan_watched(translated: Translated, cpu: Cpu) -> None:
    """Enough was watched: plan a region, if there is a loop, and make it if it is due."""
    hot = translated.hot
    page, pc, hot.page = hot.page, hot.pc, None
    if page is None or translated.page(cpu, pc) is not page:
        return
    functions = [function.plain or function for function in page.functions.values()]
    blocks = [block for function in functions if (block := translated.blocks.get(id(function.__code__)))]
    lengths = {block.pc: block.length for block in blocks}
    loops = {block.pc for block in blocks if block.loops}
    if pc not in lengths:
        return
    plan = planned(pc, lengths, loops, hot.edges, hot.bounds)
    if len(plan.lengths) > 1 or pc in loops:
        page.plans[pc] = plan
        page.watched.update(plan.lengths)


def promote(translated: Translated, cpu: Cpu, page: Page, plan: Plan) -> None:
    """Make a region, and let it take the place of the block at its entry; not where there is a breakpoint."""
    pc = plan.heads[0]
    plain = page.functions.get(pc)
    if plain is None or plain.plain or any(address >> 12 == pc >> 12 for address in cpu.breakpoints):
        return
    function = page.functions[pc] = translated.bound(page, region(cpu, plan, translated.misaligned), plain)
    page.cell(f"N{pc:x}").cell_contents = plain
    page.cell(f"L{pc:x}").cell_contents = function
    for tlb in cpu.tlbs.values():
        if tlb.targets.get(pc) is plain:
            tlb.targets[pc] = function
