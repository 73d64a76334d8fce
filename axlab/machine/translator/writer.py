"""The text of a block or region while it grows: templates filled one after the other.

What one instruction leaves for the next is kept in its `Position`: facts about values, and the flags. Flags are not
stored where they are set: the names of their operands are, and where the block is left, or calls a function, the cells
are written. An instruction that may fault has a *recipe* for them, so that the state is exact there, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from axlab.machine.instruction_trace import run_of
from axlab.machine.isa.table import Row
from axlab.machine.translator import exits
from axlab.machine.translator.flags import CARRY, KINDS, Flags, condition
from axlab.machine.translator.misaligned import at_any_alignment
from axlab.machine.translator.plan import ALIGNED, MAX_INSTRUCTIONS, Plan
from axlab.machine.translator.position import Position
from axlab.machine.translator.records import Record
from axlab.machine.translator.statements import compact
from axlab.machine.translator.templates import Template

QUESTION = re.compile(r"@(C|\d+)@")
REGISTER_FIELDS = {"rd", "rn", "rm", "ra", "rt", "rt2", "rs"}

Recipe = tuple[int, str, str]  # FK, and the text of FA and FB: a number, or a name of the block


class Fetched(NamedTuple):
    """What a word means: its row, its fields, and the template for those, if the row folds."""

    word: int
    row: Row
    fields: tuple[int, ...]
    template: Template | None


# What leaves its block anyway, or needs registers that it does not name, is better left to the stepper.
STEPPED = {
    "ERET", "SVC", "HVC", "SMC", "BRK", "HLT", "UDF", "WFI", "WFE", "DRPS", "DCPS1", "DCPS2", "DCPS3", "CASP",
}  # fmt: skip
LOADED = ";q=p[i];r=p[i+1]"  # the end of a line that loads a pair into variables
NZCV = (1, 3, 4, 2, 0)  # o0, op1, CRn, CRm, op2: the flags as a system register


def is_stepped(found: Fetched) -> bool:
    name = found.row.name
    return name in STEPPED or (name in ("MRS", "MSR_reg") and found.fields[:5] == NZCV)


Fetch = Callable[[int], Fetched | None]


@dataclass(slots=True)
class Writer:
    """The text of what `plan` says. Line `starts[n]` is the first of instruction n, which is at `pcs[n]`; `done[n]`
    instructions before it the budget does not know of yet, and the run of neighbours that it belongs to begins at
    `runs[n]`. `assumed` are bounds of registers by head, `refuted` those that do not hold, with what does."""

    plan: Plan
    fetch: Fetch
    records_runs: bool = False
    misaligned: Set[int] = frozenset()
    assumed: dict[int, dict[str, int]] = field(default_factory=dict)
    refuted: list[tuple[int, str, int | None]] = field(default_factory=list)
    pcs: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    recipes: dict[int, Recipe] = field(default_factory=dict)  # by instruction
    lines: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)  # the same, before masks were made cheaper
    starts: list[int] = field(default_factory=list)
    used: set[str] = field(default_factory=set)  # assumptions on which the text depends
    held: int = 0  # values that were kept for flags
    loops: bool = False
    head: int = 0  # of which the text is being written
    begun: int = 0  # the line of `plain` with which that begins
    at: Position = field(default_factory=lambda: Position(0, 0, 0))

    def write_head(self, head: int, margin: str) -> None:
        """Add the text that is executed from a head of the plan on."""
        self.head, self.begun = head, len(self.plain)
        self.at = Position(head, head, head, margin=margin)
        self.at.facts.assume(self.assumed.setdefault(head, {}), self.used)
        self.write_block()

    def write_block(self) -> None:
        """Add the instructions of the block that begins here, up to one after which there are none in it."""
        while len(self.at.path) < MAX_INSTRUCTIONS and self.at.following >> 12 == self.at.pc >> 12:
            address = self.at.following
            found = self.fetch(address)
            if found is None or is_stepped(found):
                break
            self.begin(address, found.word)
            template = found.template
            if template is None:
                self.call(found, address)
            elif not self.instruction(template, template.fill(*found.fields, address)):
                return
        if self.pcs:
            exits.leave(self, str(self.at.following), "")

    def begin(self, address: int, word: int) -> None:
        """What follows is the text of the instruction at `address`."""
        self.starts.append(len(self.lines))
        self.pcs.append(address)
        self.words.append(word)
        self.done.append(self.at.count)
        self.runs.append(self.at.run)
        self.at.path.append(address)
        self.at.following = address + 4

    def instruction(self, template: Template, texts: tuple[str, ...]) -> bool:
        """Add an instruction's records; whether the block may go on after it."""
        at = self.at
        if at.unstored and template.hides_flags:
            at.flags, at.unstored = (), False
        if at.unstored and template.may_fault:
            flags = at.flags[0]
            self.recipes[len(self.pcs) - 1] = KINDS[flags.kind], flags.left, flags.right
        return all(self.record(record, texts, "") for record in template.records)

    def follow(self, target: str, computed: bool) -> bool:
        """Whether the block goes on at the target of a branch that it surely takes: a call, or its return.

        In a region a computed target may be known that the block by itself did not know: where it was seen to be a
        block of the region, it stays one.
        """
        at = self.at
        if not target.isdigit() or int(target) >> 12 != at.pc >> 12 or len(at.path) == MAX_INSTRUCTIONS:
            return False
        if int(target) in at.path or int(target) & 3:
            return False
        if computed and self.plan.goes_on_at(at.pc, int(target)):
            return False
        run = self.recorded_run()
        if run:
            self.put("", run)
        at.run = at.following = int(target)
        return True

    def recorded_run(self) -> str:
        """The statement that records the run up to here; nothing if nobody records, or nothing was executed in it."""
        count = (self.at.following - self.at.run) >> 2
        return f"T({run_of(self.at.run, count)})" if self.records_runs and count else ""

    def put(self, indent: str, line: str) -> None:
        if "@" in line:
            line = QUESTION.sub(self.answer, line)
        self.plain.append(indent + line)
        lines = self.at.facts.cheaper(line)
        if self.misaligned and self.pcs[-1] in self.misaligned:
            lines = [at_any_alignment(line) for line in lines]
        self.add_lines(indent, [compact(line) for line in lines])
        if line.endswith("=r") and len(self.lines) > 2:
            load_at_once(self.lines)

    def add_lines(self, indent: str, lines: list[str]) -> None:
        """Add lines as they are."""
        self.lines += [self.at.margin + indent + line for line in lines]

    def answer(self, match: re.Match[str]) -> str:
        if match[1] != "C":
            return f"({condition(int(match[1]), self.at.flags)})"
        return f"int({condition(CARRY, self.at.flags)})"

    def record(self, record: Record, texts: tuple[str, ...], indent: str) -> bool:
        """Add a record; False where it ends the block."""
        mine = [self.at.facts.improve(texts[place]) for place in record.places]
        if record.kind in ("line", "memory"):
            self.line(record, mine[0], indent)
        elif record.kind == "flags":
            self.set_flags(record.name, mine, indent)
        elif record.kind == "if":
            self.choice(record, texts, mine[0], indent)
        elif record.kind == "check_sp":
            self.check_sp(indent)
        elif indent:
            exits.leave(self, mine[0], indent)
        elif not self.follow(mine[0], record.kind == "jump"):
            exits.leave(self, mine[0], indent)
            return False
        return True

    def line(self, record: Record, line: str, indent: str) -> None:
        target = line.partition("=")[0]
        if indent:
            self.put(indent, line)
            self.at.facts.forget(target)
        else:
            self.hold(target)
            self.put(indent, line)
            self.at.facts.learn(line, record.high)

    def call(self, found: Fetched, address: int) -> None:
        """Add an instruction that does not fold: its semantics function is called, with the registers it names."""
        self.store_flags("")
        fields = dict(zip(found.row.fields, found.fields, strict=True))
        numbers = sorted({value for name, value in fields.items() if name in REGISTER_FIELDS})
        before = "".join(f"X[{n}]=x{n};" for n in numbers if n < 31)
        after = "".join(f";x{n}=X[{n}]" for n in numbers if n < 31)
        if 31 in numbers or found.row.name.startswith("MSR"):
            before, after = "CPU.sp=sp;" + before, after + ";sp=CPU.sp"
        budget = "k" if self.plan.is_region else "b"
        self.put("", f"{before}c=call({found.word},{address},{budget}-{self.at.count - 1}){after}")
        self.put("", "if c:raise Left")
        for name in ["sp" if n == 31 else f"x{n}" for n in (*numbers, 31)]:
            self.at.facts.forget(name)

    # Flags

    def set_flags(self, kind: str, operands: list[str], indent: str) -> None:
        """The flags are those of an operation from here on."""
        if indent:
            flags = Flags(kind, *operands)
            self.put(indent, flags.store())
            self.at.flags = (flags.in_cells,)
            return
        names = [text if text.isidentifier() or text.isdigit() else self.kept(text) for text in operands]
        self.at.flags = (Flags(kind, *names),)
        self.at.unstored = True

    def kept(self, source: str) -> str:
        """The name of a new variable with a value."""
        self.held += 1
        self.put("", f"held_{self.held}={source}")
        return f"held_{self.held}"

    def hold(self, target: str) -> None:
        """A name is about to be assigned: flags that follow from what it says now keep that."""
        for flags in self.at.flags:
            if target in flags.names:
                self.at.flags = (flags.renamed(target, self.kept(target)),)

    def store_flags(self, indent: str) -> None:
        """Let the cells say what the flags are."""
        if self.at.unstored:
            self.put(indent, self.at.flags[0].store())
            self.at.flags, self.at.unstored = (self.at.flags[0].in_cells,), False

    # Choices

    def choice(self, record: Record, texts: tuple[str, ...], test: str, indent: str) -> None:
        """Two sides of which one is executed; flags that one of them sets are in the cells afterwards."""
        sides = record.body, record.orelse
        setting = [any(inner.kind == "flags" for inner in side) for side in sides]
        if setting in ([True, False], [False, True]):
            self.store_flags(indent)
        for inner in (*record.body, *record.orelse):
            if inner.kind in ("line", "memory"):
                self.hold(texts[inner.places[0]].partition("=")[0])
        self.put(indent, f"if {test}:")
        before, found = self.at.flags, []
        for side in sides:
            if side or side is record.body:
                if side is record.orelse:
                    self.put(indent, "else:")
                self.at.flags = before
                self.side(side, texts, indent)
                found.append(self.at.flags)
        self.at.flags = before
        if any(setting):
            self.at.flags, self.at.unstored = either(found), False

    def side(self, records: list[Record], texts: tuple[str, ...], indent: str) -> None:
        """One side of a choice, which must have a line."""
        before = len(self.lines)
        for record in records:
            self.record(record, texts, indent + " ")
        if len(self.lines) == before:
            self.put(indent, " pass")

    def check_sp(self, indent: str) -> None:
        facts = self.at.facts
        if "sp" not in facts.aligned:
            self.put(indent, "if sp&15:raise KeyError")
            if not indent:
                facts.aligned.add("sp")
        elif ALIGNED in facts.assumed:
            self.used.add(ALIGNED)


def load_at_once(lines: list[str]) -> None:
    """Of a pair that was loaded into variables, and from there into two registers, leave out the variables. The second
    is loaded first: it may be outside the page, and nothing may be changed then."""
    pair, first, second = lines[-3:]
    if pair.endswith(LOADED) and first.endswith("=q") and first[:-1] != second[:-1]:
        loads = f"{second[:-1].strip()}p[i+1];{first[:-1].strip()}p[i]"
        lines[-3:] = [f"{pair.removesuffix(LOADED)};{loads}"]


def either(found: list[tuple[Flags, ...]]) -> tuple[Flags, ...]:
    """Of two sides' operations the one that FK names; nothing is known if it cannot tell them apart."""
    flags = tuple(flags for side in found for flags in side)
    return flags if len(found) == len(flags) == 2 and flags[0].kind != flags[1].kind else ()
