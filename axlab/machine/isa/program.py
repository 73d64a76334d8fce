"""A program while it is assembled: sections of chunks, symbols, pools of literals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from axlab.machine.isa.expressions import BadExpression, Expression, Item, Statement, evaluate, whole
from axlab.machine.isa.source_text import SourceLine

PROVISIONAL = 1 << 48
"""How far apart sections are while their sizes are not yet known."""


@dataclass(slots=True)
class Chunk:
    """Bytes to come: at `offset` of its section, `size` bytes, of a statement. `order` counts statements.

    `kind`: instruction, data (`items` of `width` bytes each) or fill (`width` bytes of `value`, repeated).
    """

    kind: str
    offset: int
    size: int
    order: int
    line: SourceLine
    statement: Statement
    items: tuple[Item, ...] = ()
    width: int = 1
    value: int = 0
    data: bytes = b""
    literal: Literal | None = None


@dataclass(slots=True)
class Literal:
    """A value of a pool: `ldr x0, =value` loads it from there."""

    expression: Expression
    width: int
    order: int
    here: int
    line: SourceLine
    statement: Statement
    offset: int = -1


@dataclass(slots=True)
class Section:
    """Chunks one after the other. `here` is the number of bytes so far."""

    name: str
    number: int
    chunks: list[Chunk] = field(default_factory=list)
    here: int = 0
    alignment: int = 4
    base: int = 0
    pool: dict[tuple[int, str], Literal] = field(default_factory=dict)
    labels_here: list[str | tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class Constant:
    """A symbol that `.equ` defined, and where, for the symbols in its expression."""

    expression: Expression
    order: int
    section: Section
    offset: int
    line: SourceLine


@dataclass(slots=True)
class Program:
    """What the first pass finds out."""

    origin: int
    sections: dict[str, Section] = field(default_factory=dict)
    current: Section = field(default_factory=lambda: Section(".text", 0))
    labels: dict[str, tuple[Section, int]] = field(default_factory=dict)
    numbered: dict[str, list[tuple[int, Section, int]]] = field(default_factory=dict)
    constants: dict[str, list[Constant]] = field(default_factory=dict)
    order: int = 0

    def __post_init__(self) -> None:
        self.current.base = self.origin
        self.sections[self.current.name] = self.current

    def enter(self, name: str) -> None:
        """Go on in a section."""
        if name not in self.sections:
            number = len(self.sections)
            self.sections[name] = Section(name, number, base=self.origin + number * PROVISIONAL)
        self.current = self.sections[name]

    def here(self) -> int:
        """The address of the next byte."""
        return self.current.base + self.current.here

    def scope(self) -> Scope:
        """What symbols mean at this statement."""
        return Scope(self, self.order, self.here())

    def is_constant(self, node: Expression, depth: int = 0) -> bool:
        """Whether an expression needs no addresses, only numbers that are known already."""
        return depth < 50 and all(
            symbol in self.constants and self.is_constant(self.constants[symbol][-1].expression, depth + 1)
            for symbol in node.symbols()
        )

    def define(self, name: str) -> None:
        """A label here."""
        section = self.current
        if name[0].isdigit():
            places = self.numbered.setdefault(name, [])
            places.append((self.order, section, section.here))
            section.labels_here.append((name, len(places) - 1))
        else:
            self.labels[name] = (section, section.here)
            section.labels_here.append(name)

    def add(self, chunk: Chunk) -> None:
        """Put bytes into the section."""
        section = self.current
        section.chunks.append(chunk)
        section.here = chunk.offset + chunk.size
        if chunk.size:
            section.labels_here.clear()

    def move_labels(self, offset: int) -> None:
        """Labels before an instruction that is moved up to alignment move with it."""
        section = self.current
        for label in section.labels_here:
            if isinstance(label, str):
                self.labels[label] = (section, offset)
            else:
                order, _, _ = self.numbered[label[0]][label[1]]
                self.numbered[label[0]][label[1]] = (order, section, offset)

    def place(self) -> int:
        """Give the sections their addresses, in the order in which they appeared; the size of all."""
        end = self.origin
        for section in self.sections.values():
            if section.here:
                end = -(-end // section.alignment) * section.alignment if section.number else end
            section.base = end
            end += section.here
        return end - self.origin


class Scope(Mapping[str, int]):
    """What symbols mean at one statement: `.`, `1b` and `1f`, labels, and constants as they are then."""

    def __init__(self, program: Program, order: int, here: int, depth: int = 0) -> None:
        self.program = program
        self.order = order
        self.here = here
        self.depth = depth

    def __getitem__(self, name: str) -> int:
        if name == ".":
            return self.here
        if name[0].isdigit():
            return self.numbered(name)
        found = self.program.labels.get(name)
        if found is not None:
            return found[0].base + found[1]
        return self.constant(name)

    def __iter__(self) -> Iterator[str]:
        yield from (*self.program.labels, *self.program.constants)

    def __len__(self) -> int:
        return len(self.program.labels) + len(self.program.constants)

    def numbered(self, name: str) -> int:
        """`1b` is the last label 1 before the statement's end, `1f` the first after it."""
        places = self.program.numbered.get(str(int(name[:-1])), [])
        index = bisect_right(places, self.order, key=lambda place: place[0]) - (name[-1] == "b")
        if not 0 <= index < len(places):
            raise KeyError(name)
        _, section, offset = places[index]
        return section.base + offset

    def constant(self, name: str) -> int:
        """The last definition before the statement, else the first one after it."""
        definitions = self.program.constants[name]
        before = [constant for constant in definitions if constant.order <= self.order]
        return self.value(before[-1] if before else definitions[0], name)

    def value(self, constant: Constant, name: str) -> int:
        """The value of a definition, whose symbols mean what they mean there. Raises `BadExpression`."""
        if self.depth > 50:
            raise BadExpression(f"{name} is defined by itself", constant.expression.column)
        here = constant.section.base + constant.offset
        value = evaluate(constant.expression, Scope(self.program, constant.order - 1, here, self.depth + 1))
        return whole(value, constant.expression)
