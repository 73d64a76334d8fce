"""The text of a block while it grows: templates filled one after the other.

What one instruction leaves for the next is kept here: facts about values, and the flags. Flags are not stored
where they are set: the names of their operands are, and where the block is left, or calls a function, the cells are
written. An instruction that may fault has a *recipe* for them, so that the state is exact there, too.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field

from axlab.machine.instruction_trace import run_of
from axlab.machine.translator import runs
from axlab.machine.translator.facts import Facts
from axlab.machine.translator.flags import CARRY, KINDS, Flags, condition
from axlab.machine.translator.misaligned import at_any_alignment
from axlab.machine.translator.records import Record
from axlab.machine.translator.templates import RowTemplates, Template

MAX_INSTRUCTIONS = 48
QUESTION = re.compile(r"@(C|\d+)@")
REGISTER_FIELDS = {"rd", "rn", "rm", "ra", "rt", "rt2", "rs"}

Recipe = tuple[int, str, str]  # FK, and the text of FA and FB: a number, or a name of the block


@dataclass(frozen=True, slots=True)
class Fetched:
    """An instruction of a block: its word, its row's templates, and its fields."""

    word: int
    templates: RowTemplates
    fields: tuple[int, ...]


@dataclass(slots=True)
class Writer:
    """The text of a block. `flags` are the operations of which one set the flags last, none if that is not known;
    `unstored`: the cells do not say so yet. Line `starts[n]` is the first of instruction n."""

    pc: int
    records_runs: bool = False
    misaligned: Set[int] = frozenset()
    pcs: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=lambda: [0])
    recipes: dict[int, Recipe] = field(default_factory=dict)  # by instruction
    following: int = 0  # where the block goes on
    lines: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)  # the same, before masks were made cheaper
    starts: list[int] = field(default_factory=list)
    flags: tuple[Flags, ...] = ()
    unstored: bool = False
    held: int = 0  # values that were kept for flags
    facts: Facts = field(default_factory=Facts)
    loops: bool = False

    @property
    def count(self) -> int:
        return len(self.pcs)

    def begin(self, address: int, word: int) -> None:
        """What follows is the text of the instruction at `address`."""
        self.following = address + 4
        self.starts.append(len(self.lines))
        self.pcs.append(address)
        self.words.append(word)

    def instruction(self, template: Template, texts: tuple[str, ...]) -> bool:
        """Add an instruction's records; whether the block may go on after it."""
        if self.unstored and template.hides_flags:
            self.flags, self.unstored = (), False
        if self.unstored and template.may_fault:
            flags = self.flags[0]
            self.recipes[self.count - 1] = KINDS[flags.kind], flags.left, flags.right
        return all(self.record(record, texts, "") for record in template.records)

    def follow(self, target: str) -> bool:
        """Whether the block goes on at the target of a branch that it surely takes: a call, or its return."""
        if not target.isdigit() or int(target) >> 12 != self.pc >> 12 or self.count == MAX_INSTRUCTIONS:
            return False
        if int(target) in self.pcs or int(target) & 3:
            return False
        if self.records_runs:
            self.put("", self.recorded_run())
        self.runs.append(self.count)
        self.following = int(target)
        return True

    def recorded_run(self) -> str:
        first = self.runs[-1]
        return f"T({run_of(self.pcs[first], self.count - first)})"

    def put(self, indent: str, line: str) -> None:
        if "@" in line:
            line = QUESTION.sub(self.answer, line)
        self.plain.append(indent + line)
        line = self.facts.cheaper(line)
        if self.pcs[-1] in self.misaligned:
            line = at_any_alignment(line)
        self.lines.append(indent + line)

    def answer(self, match: re.Match[str]) -> str:
        if match[1] != "C":
            return f"({condition(int(match[1]), self.flags)})"
        return f"int({condition(CARRY, self.flags)})"

    def record(self, record: Record, texts: tuple[str, ...], indent: str) -> bool:
        """Add a record; False where it ends the block."""
        mine = [self.facts.improve(texts[place]) for place in record.places]
        if record.kind in ("line", "memory"):
            self.line(record, mine[0], indent)
        elif record.kind == "flags":
            self.set_flags(record.name, mine, indent)
        elif record.kind == "if":
            self.choice(record, texts, mine[0], indent)
        elif record.kind == "check_sp":
            self.check_sp(indent)
        elif indent:
            self.leave(mine[0], indent)
        elif not self.follow(mine[0]):
            self.leave(mine[0], indent)
            return False
        return True

    def line(self, record: Record, line: str, indent: str) -> None:
        target = line.partition("=")[0]
        if indent:
            self.put(indent, line)
            self.facts.forget(target)
        else:
            self.hold(target)
            self.put(indent, line)
            self.facts.learn(line, record.high)

    def call(self, found: Fetched, address: int) -> None:
        """Add an instruction that does not fold: its semantics function is called, with the registers it names."""
        self.store_flags("")
        self.facts.forget_all()
        fields = dict(zip(found.templates.row.fields, found.fields, strict=True))
        numbers = sorted({value for name, value in fields.items() if name in REGISTER_FIELDS})
        before = "".join(f"X[{n}]=x{n};" for n in numbers if n < 31)
        after = "".join(f";x{n}=X[{n}]" for n in numbers if n < 31)
        if 31 in numbers or found.templates.row.name.startswith("MSR"):
            before, after = "CPU.sp=sp;" + before, after + ";sp=CPU.sp"
        self.put("", f"{before}c=call({found.word},{address},b-{self.count - 1}){after}")
        self.put("", "if c:raise Left")

    # Flags

    def set_flags(self, kind: str, operands: list[str], indent: str) -> None:
        """The flags are those of an operation from here on."""
        if indent:
            flags = Flags(kind, *operands)
            self.put(indent, flags.store())
            self.flags = (flags.in_cells,)
            return
        names = [text if text.isidentifier() or text.isdigit() else self.kept(text) for text in operands]
        self.flags = (Flags(kind, *names),)
        self.unstored = True

    def kept(self, source: str) -> str:
        """The name of a new variable with a value."""
        self.held += 1
        self.put("", f"held_{self.held}={source}")
        return f"held_{self.held}"

    def hold(self, target: str) -> None:
        """A name is about to be assigned: flags that follow from what it says now keep that."""
        for flags in self.flags:
            if target in flags.names:
                self.flags = (flags.renamed(target, self.kept(target)),)

    def store_flags(self, indent: str) -> None:
        """Let the cells say what the flags are."""
        if self.unstored:
            self.put(indent, self.flags[0].store())
            self.flags, self.unstored = (self.flags[0].in_cells,), False

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
        before, found = self.flags, []
        for side in sides:
            if side or side is record.body:
                if side is record.orelse:
                    self.put(indent, "else:")
                self.flags = before
                self.side(side, texts, indent)
                found.append(self.flags)
        self.flags = before
        if any(setting):
            self.flags, self.unstored = either(found), False

    def side(self, records: list[Record], texts: tuple[str, ...], indent: str) -> None:
        """One side of a choice, which must have a line."""
        before = len(self.lines)
        for record in records:
            self.record(record, texts, indent + " ")
        if len(self.lines) == before:
            self.put(indent, " pass")

    def check_sp(self, indent: str) -> None:
        if "sp" not in self.facts.aligned:
            self.put(indent, "if sp&15:raise KeyError")
            if not indent:
                self.facts.aligned.add("sp")

    def leave(self, target: str, indent: str) -> None:
        """Leave the block for another, or for its own beginning."""
        run = self.recorded_run() if self.records_runs and self.runs[-1] < self.count else ""
        stored = self.flags[0].store() if self.unstored else ""
        before = self.plain[:]
        self.put(indent, ";".join(filter(None, (stored, f"b-={self.count}", run))))
        if not target.isdigit():
            self.put(indent, f"return F[{target}]")
        elif int(target) == self.pc:
            self.loops = True
            if not self.records_runs:
                many = runs.run(before, self.count, MAX_INSTRUCTIONS)
                self.lines += [indent + line for line in many]
            self.put(indent, f"if b>={MAX_INSTRUCTIONS}:continue")
            self.put(indent, f"return L{self.pc:x}")
        else:
            near = int(target) >> 12 == self.pc >> 12
            self.put(indent, f"return L{int(target):x}" if near else f"return F[{target}]")


def either(found: list[tuple[Flags, ...]]) -> tuple[Flags, ...]:
    """Of two sides' operations the one that FK names; nothing is known if it cannot tell them apart."""
    flags = tuple(flags for side in found for flags in side)
    return flags if len(found) == len(flags) == 2 and flags[0].kind != flags[1].kind else ()
