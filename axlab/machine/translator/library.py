"""Where blocks come from: this memory's other CPUs, an earlier session, or the translator."""

from __future__ import annotations

from collections.abc import Set
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from axlab.machine.isa.semantics import LSE, SEMANTICS
from axlab.machine.isa.table import load_table
from axlab.machine.translator.blocks import Block, translate
from axlab.machine.translator.plan import MAX_INSTRUCTIONS, Plan
from axlab.machine.translator.regions import translate_region
from axlab.machine.translator.templates import RowTemplates
from axlab.machine.translator.writer import Fetch, Fetched

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu


@cache
def row_templates() -> dict[str, RowTemplates]:
    """The templates of all rows, which grow as instructions are met: a cache, the same for everybody."""
    return {name: RowTemplates(row, SEMANTICS[name]) for name, row in load_table().rows.items()}


@lru_cache(1 << 14)
def fetched(word: int) -> Fetched | None:
    """What a word means, kept for a while: three of four words of a boot's blocks were met before."""
    found = load_table().decode(word)
    if found is None:
        return None
    row, fields = found
    return Fetched(word, row, fields, row_templates()[row.name].template(fields))


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


def region(cpu: Cpu, plan: Plan, misaligned: Set[int]) -> Block:
    """The region of a plan, known or made now."""
    pc = plan.heads[0]
    page = cpu.code[pc >> 12]
    key = (*variant(cpu, pc), plan.key())
    found: Block | None = cpu.memory.compiled.get(key)
    store = cpu.memory.code_store
    if found is None and store is not None:
        value = store.get(region_key(cpu, plan))
        found = None if value is None else Block.loaded(value)
    if found is None or not found.is_at(page, misaligned):
        found = translate_region(plan, instructions(cpu, page), cpu.trace is not None, misaligned)
        if store is not None:
            store.put(region_key(cpu, plan), found.dumped())
    cpu.memory.compiled[key] = found
    return found


def region_key(cpu: Cpu, plan: Plan) -> bytes:
    """The key of a region: its plan, and the words of its page."""
    return store_key(cpu, plan.heads[0]) + plan.key().encode()


def variant(cpu: Cpu, pc: int) -> tuple[int, bool, bool]:
    """What decides how a block is translated, beside its words."""
    return pc, cpu.features.lse, cpu.trace is not None


def store_key(cpu: Cpu, pc: int) -> bytes:
    """The key of the block at `pc`: its variant, and the words from there on."""
    place = pc >> 2 & 1023
    return b"%d %d %d " % variant(cpu, pc) + bytes(cpu.code[pc >> 12][place : place + MAX_INSTRUCTIONS])


def instructions(cpu: Cpu, page: memoryview) -> Fetch:
    """How a block finds the instructions of its page."""

    def fetch(address: int) -> Fetched | None:
        if address in cpu.breakpoints:
            return None
        found = fetched(page[address >> 2 & 1023])
        return None if found and found.row.name in LSE and not cpu.features.lse else found

    return fetch
