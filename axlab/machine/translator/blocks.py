"""A guest block as one Python function: what `Writer` wrote, compiled.

A block is a run of instructions within a page that is entered at its top and may be left at every branch. Its
function changes the shared cells (see `primitives`), takes what it executed from the budget `b`, and returns
the function of the next block: the content of a cell `L<address>`, or `F[address]` for a computed target.
"""

from __future__ import annotations

import marshal
from bisect import bisect_right
from collections.abc import Set
from dataclasses import dataclass
from types import CodeType

from axlab.machine import exclusives, system_registers
from axlab.machine.data_access import ZEROS
from axlab.machine.isa import bits
from axlab.machine.isa.condition_codes import HOLDS
from axlab.machine.tlb import INDEX
from axlab.machine.translator import flags
from axlab.machine.translator.misaligned import PACKED
from axlab.machine.translator.pages import Left
from axlab.machine.translator.plan import Plan
from axlab.machine.translator.runs import copy, fill
from axlab.machine.translator.statements import cells_of
from axlab.machine.translator.writer import Fetch, Recipe, Writer

# What the text of blocks may name besides cells: constants and the semantics' pure helpers.
GLOBALS: dict[str, object] = {
    **{name: value for name, value in vars(bits).items() if not name.startswith("_")},
    **{f"I{size}": INDEX[size] for size in (2, 4, 8)},
    "HOLDS": HOLDS,
    "from_bytes": int.from_bytes,
    "ZEROS": ZEROS,
    "copy": copy,
    "fill": fill,
    "crc32_of_byte": tuple(bits.crc32(byte, 0, 1) for byte in range(256)),
    "crc32c_of_byte": tuple(bits.crc32c(byte, 0, 1) for byte in range(256)),
    **PACKED,
    "load_exclusive": exclusives.load_exclusive,
    "store_exclusive": exclusives.store_exclusive,
    "read_register": system_registers.read,
    "Left": Left,
    "nzcv_of": flags.nzcv_of,
    "nzcv_of_add": flags.nzcv_of_add,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A translated block, or a region of several, that is entered at `pc`; `code` is the function's, its cells by
    name in `code.co_freevars`, and `source` its text.

    Line `lines[n]` is the first of instruction n, which is at `pcs[n]`. Where that begins, the budget does not know
    yet of `done[n]` instructions, and the run of neighbours that ends there begins at `runs[n]`. `jumps` are the
    lines that look up a computed target; `recipes` say what the flags are where an instruction faults, if the cells
    do not; those at addresses in `misaligned` access memory at any alignment. `loops`: it goes round by itself."""

    pc: int
    pcs: tuple[int, ...]
    words: tuple[int, ...]
    done: tuple[int, ...]
    runs: tuple[int, ...]
    code: CodeType
    lines: tuple[int, ...]
    jumps: frozenset[int]
    recipes: dict[int, Recipe]
    misaligned: frozenset[int]
    loops: bool
    is_region: bool
    source: str

    @property
    def length(self) -> int:
        """The most instructions that are executed before the budget is looked at."""
        return max(self.done) + 1

    def is_at(self, page: memoryview, misaligned: Set[int]) -> bool:
        """Whether the words of a page are those that the block was made of, and nothing else was found misaligned."""
        if not misaligned.isdisjoint(self.pcs) and not misaligned & set(self.pcs) <= self.misaligned:
            return False
        return all(page[address >> 2 & 1023] == word for address, word in zip(self.pcs, self.words, strict=True))

    def dumped(self) -> bytes:
        """The block for a private store: without its source, which can be made anew, unless it is a region."""
        parts = self.pc, self.pcs, self.words, self.done, self.runs, self.code, self.lines, self.jumps, self.recipes
        source = self.source if self.is_region else ""
        return marshal.dumps((*parts, self.misaligned, self.loops, self.is_region, source))

    @classmethod
    def loaded(cls, data: bytes) -> Block:
        """A block as `dumped` wrote it. Its code runs as it is: the store must be one that nobody else can write."""
        return cls(*marshal.loads(data))

    def instruction_at(self, line: int) -> int:
        """The index of the instruction whose text holds a line."""
        return bisect_right(self.lines, line) - 1


def translate(pc: int, fetch: Fetch, records_runs: bool = False, misaligned: Set[int] = frozenset()) -> Block | None:
    """The block at `pc`; None if it would have no instruction. `fetch` gives the instruction at an address of the
    same page, None for what means nothing. With `records_runs` the block adds what it executed to the CPU's trace.
    Instructions at addresses in `misaligned` are expected to access memory at any alignment."""
    writer = Writer(Plan((pc,)), fetch, records_runs, misaligned)
    writer.write_head(pc, "")
    return finished(writer, "while 1:" if writer.loops else "") if writer.pcs else None


def finished(writer: Writer, *above: str) -> Block:
    """Compile what was written, below other lines."""
    body = [line for line in above if line]
    body += [" " + line for line in writer.lines] if body else writer.lines
    inside = "\n  ".join(body)
    found = [cells_of(line) for line in body]
    cells, assigned = [sorted(set().union(*names)) for names in zip(*found, strict=True)]
    head = f"def make({','.join(cells)}):\n def block():\n"
    if assigned:
        head += f"  nonlocal {','.join(assigned)}\n"
    source = f"{head}  {inside}\n return block\n"
    skipped = head.count("\n") + len(body) - len(writer.lines) + 1
    pc = writer.plan.heads[0]
    outer = compile(source, f"<block {pc:#x}>", "exec")
    make = next(const for const in outer.co_consts if isinstance(const, CodeType))
    code = next(const for const in make.co_consts if isinstance(const, CodeType))
    lines = tuple(start + skipped for start in writer.starts)
    jumps = frozenset(n + skipped for n, line in enumerate(writer.lines) if "return F[" in line)
    pcs, words, done, runs = (tuple(found) for found in (writer.pcs, writer.words, writer.done, writer.runs))
    misaligned = frozenset(pcs) & writer.misaligned
    return Block(
        pc,
        pcs,
        words,
        done,
        runs,
        code,
        lines,
        jumps,
        writer.recipes,
        misaligned,
        writer.loops,
        writer.plan.is_region,
        source,
    )
