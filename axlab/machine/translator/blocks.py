"""A guest block as one Python function: templates filled one after the other, and compiled.

A block is a run of instructions within a page that is entered at its top and may be left at every branch. Its
function changes the shared cells (see `primitives`), takes what it executed from the budget `b`, and returns
the function of the next block: the content of a cell `L<address>`, or `F[address]` for a computed target.
"""

from __future__ import annotations

import marshal
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType

from axlab.machine import system_registers
from axlab.machine.instruction_trace import run_of
from axlab.machine.isa import bits
from axlab.machine.isa.condition_codes import HOLDS
from axlab.machine.tlb import INDEX
from axlab.machine.translator import flags
from axlab.machine.translator.facts import Facts
from axlab.machine.translator.records import Record
from axlab.machine.translator.templates import RowTemplates

MAX_INSTRUCTIONS = 48

CELL = re.compile(r"\b(?:call|CPU|T|X|x\d+|sp|b|FA|FB|FK|F|[RW][1248]|L[0-9a-f]+)\b")
ASSIGNED = re.compile(r"(?:^|[ ;])(x\d+|sp|b|FA|FB|FK)(?:=(?!=)|-=)")
QUESTION = re.compile(r"@(C|\d+)@")

class Left(Exception):
    """An instruction was executed after which its block cannot go on."""


# What the text of blocks may name besides cells: constants and the semantics' pure helpers.
GLOBALS: dict[str, object] = {
    **{name: value for name, value in vars(bits).items() if not name.startswith("_")},
    **{f"I{size}": INDEX[size] for size in (2, 4, 8)},
    "HOLDS": HOLDS,
    "from_bytes": int.from_bytes,
    "read_register": system_registers.read,
    "Left": Left,
    "nzcv_of": flags.nzcv_of,
    "nzcv_of_add": flags.nzcv_of_add,
}


@dataclass(frozen=True, slots=True)
class Block:
    """A translated block: its instructions are at `pcs`, the first at `pc`; `code` is the function's, its cells by
    name in `code.co_freevars`. `runs` are the instructions with which a run
    of neighbours begins. Line `lines[n]` is the first of instruction n, `jumps` are the lines that look up a
    computed target; `source` is the function's text."""

    pc: int
    pcs: tuple[int, ...]
    words: tuple[int, ...]
    runs: tuple[int, ...]
    code: CodeType
    lines: tuple[int, ...]
    jumps: frozenset[int]
    source: str

    @property
    def length(self) -> int:
        """Instructions, if it is not left before its end."""
        return len(self.pcs)

    def is_at(self, page: memoryview) -> bool:
        """Whether the words of a page are those that the block was made of."""
        return all(page[address >> 2 & 1023] == word for address, word in zip(self.pcs, self.words, strict=True))

    def dumped(self) -> bytes:
        """The block without its source, for a private store."""
        jumps = tuple(self.jumps)
        return marshal.dumps((self.pc, self.pcs, self.words, self.runs, self.code, self.lines, jumps))

    @classmethod
    def loaded(cls, data: bytes) -> Block:
        """A block as `dumped` wrote it. Its code runs as it is: the store must be one that nobody else can write."""
        pc, pcs, words, runs, code, lines, jumps = marshal.loads(data)
        return cls(pc, pcs, words, runs, code, lines, frozenset(jumps), "")

    def run_before(self, index: int) -> tuple[int, int]:
        """The run of instructions that ends before instruction `index`: its address and length, which may be 0."""
        first = self.runs[bisect_right(self.runs, index) - 1]
        return self.pcs[first], index - first

    def instruction_at(self, line: int) -> int:
        """The index of the instruction whose text holds a line."""
        return bisect_right(self.lines, line) - 1


@dataclass(frozen=True, slots=True)
class Fetched:
    """An instruction of a block: its word, its row's templates, and its fields."""

    word: int
    templates: RowTemplates
    fields: tuple[int, ...]


@dataclass(slots=True)
class Writer:
    """The text of a block while it grows. `kind` is the operation that set the flags last, if that is known."""

    pc: int
    records_runs: bool = False
    pcs: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=lambda: [0])
    following: int = 0  # where the block goes on
    lines: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    kind: str = ""
    right: str = "FB"  # its second operand: a number, or FB
    unread: int = -1  # where the flags were set last, while nothing can have seen them
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

    def instruction(self, records: list[Record], texts: tuple[str, ...]) -> bool:
        """Add an instruction's records; whether the block may go on after it."""
        return all(self.record(record, texts, "") for record in records)

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
            self.unread = -1
            line = QUESTION.sub(self.answer, line)
        self.lines.append(indent + line)

    def answer(self, match: re.Match[str]) -> str:
        if match[1] == "C":
            return flags.carry(self.kind)
        return f"({flags.condition(int(match[1]), self.kind, self.right)})"

    def record(self, record: Record, texts: tuple[str, ...], indent: str) -> bool:
        """Add a record; False where it ends the block."""
        mine = [self.facts.improve(texts[place]) for place in record.places]
        if record.kind in ("line", "memory"):
            if record.kind == "memory":
                self.unread = -1
            self.put(indent, mine[0])
            if indent:
                self.facts.forget(mine[0].partition("=")[0])
            else:
                self.facts.learn(mine[0], record.name == "narrow")
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

    def call(self, found: Fetched, address: int) -> None:
        """Add an instruction that does not fold: its semantics function is called, with the registers it names."""
        self.unread = -1
        self.facts.forget_all()
        fields = dict(zip(found.templates.row.fields, found.fields, strict=True))
        numbers = sorted({value for name, value in fields.items() if name in REGISTER_FIELDS})
        before = "".join(f"X[{n}]=x{n};" for n in numbers if n < 31)
        after = "".join(f";x{n}=X[{n}]" for n in numbers if n < 31)
        if 31 in numbers or found.templates.row.name.startswith("MSR"):
            before, after = "CPU.sp=sp;" + before, after + ";sp=CPU.sp"
        self.put("", f"{before}c=call({found.word},{address},b-{self.count - 1}){after}")
        self.put("", "if c:raise Left")

    def set_flags(self, kind: str, operands: list[str], indent: str) -> None:
        self.right = operands[1] if operands[1].isdigit() else "FB"
        line = f"FA={operands[0]};FB={operands[1]};FK={flags.KINDS[kind]}"
        if kind == "nzcv" or kind.startswith("logic"):
            line = f"FA={operands[0]};FK={flags.KINDS[kind]}"
        if self.unread >= 0 and not indent:
            self.lines[self.unread] = "pass"
        self.put(indent, line)
        self.unread = -1 if indent else len(self.lines) - 1
        self.kind = "" if indent else kind

    def choice(self, record: Record, texts: tuple[str, ...], test: str, indent: str) -> None:
        kind = self.kind
        self.put(indent, f"if {test}:")
        self.half(record.body, texts, indent)
        if record.orelse:
            self.kind = kind
            self.put(indent, "else:")
            self.half(record.orelse, texts, indent)
        sets_flags = any(inner.kind == "flags" for inner in record.body + record.orelse)
        self.kind = "" if sets_flags else kind

    def half(self, records: list[Record], texts: tuple[str, ...], indent: str) -> None:
        """One side of a choice, which must have a line."""
        before = len(self.lines)
        for record in records:
            self.record(record, texts, indent + " ")
        if len(self.lines) == before:
            self.put(indent, " pass")

    def check_sp(self, indent: str) -> None:
        if "sp" not in self.facts.aligned:
            self.unread = -1
            self.put(indent, "if sp&15:raise KeyError")
            if not indent:
                self.facts.aligned.add("sp")

    def leave(self, target: str, indent: str) -> None:
        """Leave the block for another, or for its own beginning."""
        self.unread = -1
        run = self.recorded_run() if self.records_runs and self.runs[-1] < self.count else ""
        self.put(indent, f"b-={self.count}" + (f";{run}" if run else ""))
        if not target.isdigit():
            self.put(indent, f"return F[{target}]")
        elif int(target) == self.pc:
            self.loops = True
            self.put(indent, f"if b>={MAX_INSTRUCTIONS}:continue")
            self.put(indent, f"return L{self.pc:x}")
        else:
            near = int(target) >> 12 == self.pc >> 12
            self.put(indent, f"return L{int(target):x}" if near else f"return F[{target}]")

    def finish(self) -> Block:
        """Compile what was written."""
        body = self.lines
        depth = " "
        if self.loops:
            body = ["while 1:", *[" " + line for line in body]]
        inside = "\n".join(depth * 2 + line for line in body)
        cells = sorted(set(CELL.findall(inside)))
        assigned = sorted(set(ASSIGNED.findall(inside)))
        head = f"def make({','.join(cells)}):\n def block():\n"
        if assigned:
            head += f"  nonlocal {','.join(assigned)}\n"
        source = f"{head}{inside}\n return block\n"
        skipped = head.count("\n") + self.loops + 1
        outer = compile(source, f"<block {self.pc:#x}>", "exec")
        make = next(const for const in outer.co_consts if isinstance(const, CodeType))
        code = next(const for const in make.co_consts if isinstance(const, CodeType))
        lines = tuple(start + skipped for start in self.starts)
        jumps = frozenset(n + skipped for n, line in enumerate(self.lines) if "return F[" in line)
        return Block(self.pc, tuple(self.pcs), tuple(self.words), tuple(self.runs), code, lines, jumps, source)


# What leaves its block anyway, or needs registers that it does not name, is better left to the stepper.
STEPPED = {
    "ERET", "SVC", "HVC", "SMC", "BRK", "HLT", "UDF", "WFI", "WFE", "DRPS", "DCPS1", "DCPS2", "DCPS3", "CASP",
}  # fmt: skip
NZCV = (1, 3, 4, 2, 0)  # o0, op1, CRn, CRm, op2: the flags as a system register

REGISTER_FIELDS = {"rd", "rn", "rm", "ra", "rt", "rt2", "rs"}


def is_stepped(found: Fetched) -> bool:
    return found.templates.row.name in STEPPED or (
        found.templates.row.name in ("MRS", "MSR_reg") and found.fields[:5] == NZCV
    )


Fetch = Callable[[int], Fetched | None]


def translate(pc: int, fetch: Fetch, records_runs: bool = False) -> Block | None:
    """The block at `pc`; None if it would have no instruction. `fetch` gives the instruction at an address of the
    same page, None for what means nothing. With `records_runs` the block adds what it executed to the CPU's trace."""
    writer = Writer(pc, records_runs, following=pc)
    while writer.count < MAX_INSTRUCTIONS and writer.following >> 12 == pc >> 12:
        address = writer.following
        found = fetch(address)
        if found is None or is_stepped(found):
            break
        writer.begin(address, found.word)
        template = found.templates.template(found.fields, address)
        if template is None:
            writer.call(found, address)
        elif not writer.instruction(template.records, template.fill(*found.fields, address)):
            return writer.finish()
    if not writer.count:
        return None
    writer.leave(str(writer.following), "")
    return writer.finish()
