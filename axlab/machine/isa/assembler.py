"""From assembly source to bytes, in two passes: sizes and labels, then values.

The language is the GNU assembler's for AArch64. Sections follow each other in the order in which they
first appear, `.text` first, so that the result is one flat image.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from axlab.errors import AxError, SourceErrors, nearest
from axlab.machine.isa.codec import Undefined, load_codec
from axlab.machine.isa.directives import DIRECTIVES, RAW, align_code, literals, set_constant
from axlab.machine.isa.expressions import BadExpression, Expression, Item, Statement, evaluate, parse_line
from axlab.machine.isa.operands import Mismatch
from axlab.machine.isa.program import Chunk, Literal, Program, Scope, Section
from axlab.machine.isa.source_text import SourceLine, source_lines

LITERAL_WIDTHS = {"w": 4, "s": 4, "x": 8, "d": 8, "q": 16}


@dataclass(frozen=True, slots=True)
class Assembled:
    """The result: an image to be loaded at `origin`, the addresses of its labels, the values of its constants, and
    the source line of the address of every instruction and datum (of what was included, none). `code_labels` stand
    before an instruction."""

    code: bytes
    symbols: dict[str, int]
    origin: int
    lines: dict[int, int] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    code_labels: frozenset[str] = frozenset()


def assemble(
    source: str, origin: int = 0, name: str = "<source>", includes: Mapping[str, str] | None = None
) -> Assembled:
    """Assemble a source for the address `origin`. Raises `SourceErrors`, an `AxError`, with all that is wrong.

    `includes` are the sources that `.include` may name: no file is read. The last few results are remembered, since
    the same guest is made again and again; nobody changes what is in one.
    """
    return _assemble(source, origin, name, tuple((includes or {}).items()))


@lru_cache(maxsize=64)
def _assemble(source: str, origin: int, name: str, includes: tuple[tuple[str, str], ...]) -> Assembled:
    if origin % 4 or not 0 <= origin < 1 << 64:
        raise AxError(f"the origin {origin:#x} is no address that is aligned to 4 bytes")
    assembly = Assembly(name, Program(origin), dict(includes))
    assembly.read(source_lines(source))
    assembly.end()
    size = assembly.program.place()
    code = assembly.write(size)
    if assembly.errors:
        raise SourceErrors(sorted(assembly.errors, key=lambda error: (error.source != name, error.line)))
    return assembly.result(code)


def assemble_file(path: str | Path, origin: int = 0) -> Assembled:
    """Assemble a file. Raises `AxError` where it cannot be read or is no UTF-8."""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise AxError(f"cannot read {path}: {reason}") from None
    return assemble(source, origin, str(path))


class Assembly:
    """One run of the assembler: the program so far, and what was wrong."""

    def __init__(self, name: str, program: Program, includes: Mapping[str, str]) -> None:
        self.name = name
        self.includes = includes
        self.included: set[str] = set()
        self.program = program
        self.errors: list[AxError] = []

    # ---- First pass

    def read(self, lines: list[SourceLine]) -> None:
        """Go through the lines; a wrong one is noted and skipped."""
        for line in lines:
            raw = RAW.match(line.code)
            if raw and raw.group(1) == "end":
                break
            if raw:
                if raw.group(1) == "section":
                    self.program.enter(raw.group(2) or ".text")
                elif raw.group(1) == "include":
                    self.include(line)
                continue
            if line.code.isspace() or not line.code:
                continue
            try:
                for statement in parse_line(line.code, self.name, line.number):
                    self.program.order += 1
                    self.guarded(line, statement, self.read_statement)
            except AxError as error:
                self.errors.append(self.error(error.message, line, error.column, error.length))
            except RecursionError:
                self.errors.append(self.error("the expression is too deep", line, 0))

    def end(self) -> None:
        """Behind the last line: what was left for the end of each section."""
        for section in self.program.sections.values():
            self.program.current = section
            literals(self.program, Statement("", 0), SourceLine(0, "", ""))

    def include(self, line: SourceLine) -> None:
        """Go on with a source of `includes`; one that was read already adds nothing."""
        name = line.code.partition(".include")[2].strip().strip('"')
        if name in self.includes:
            if name not in self.included:
                self.included.add(name)
                self.read(source_lines(self.includes[name], name))
            return
        known = f"; there is {', '.join(self.includes)}" if self.includes else ""
        column = line.code.index(".include")
        length = len(line.code[column:].rstrip())
        self.errors.append(self.error(f"{name!r} cannot be included{known}", line, column, length))

    def guarded(self, line: SourceLine, statement: Statement, step: Callable[[SourceLine, Statement], None]) -> None:
        """Do a step; what is wrong becomes an error with the line and a caret."""
        try:
            step(line, statement)
        except BadExpression as bad:
            self.errors.append(self.error(str(bad), line, bad.column, bad.length))
        except RecursionError:
            self.errors.append(self.error("the expression is too deep", line, statement.column))

    def error(self, message: str, line: SourceLine, column: int, length: int = 1, usage: str = "") -> AxError:
        """An error at a place. Tabs are shown as spaces, so that the caret stands where it should."""
        before = len(line.text[:column].expandtabs())
        text = line.text.expandtabs()
        source = line.file or self.name
        return AxError(message, source=source, line=line.number, text=text, column=before, length=length, usage=usage)

    def read_statement(self, line: SourceLine, statement: Statement) -> None:
        """Labels, then a directive, an assignment or an instruction."""
        for label, column in statement.labels:
            self.define(label, column)
        name = statement.name.lower()
        if not name:
            return
        if name in DIRECTIVES:
            DIRECTIVES[name](self.program, statement, line)
        elif len(statement.items) == 1 and statement.items[0].kind == "literal":
            node = statement.items[0].expression
            assert node is not None
            set_constant(self.program, statement.name, node, statement.column, line)
        elif load_codec().forms_of(name):
            self.read_instruction(line, statement)
        else:
            what = "directive" if name.startswith(".") else "instruction"
            known = [*DIRECTIVES] if name.startswith(".") else load_codec().mnemonics()
            message = f"there is no {what} {statement.name}{nearest(name, known)}"
            raise BadExpression(message, statement.column, len(statement.name))

    def define(self, label: str, column: int) -> None:
        """A label; numbers may come again."""
        if label[0].isdigit():
            if not label.isdigit():
                raise BadExpression(f"{label} is no label", column, len(label))
            self.program.define(str(int(label)))
        elif label in self.program.labels or label in self.program.constants:
            raise BadExpression(f"{label} is defined already", column, len(label))
        else:
            self.program.define(label)

    def read_instruction(self, line: SourceLine, statement: Statement) -> None:
        """Four bytes, and for `ldr x0, =value` a literal."""
        program = self.program
        align_code(program, statement, line)
        chunk = Chunk("instruction", program.current.here, 4, program.order, line, statement)
        if any(item.kind == "literal" for item in statement.items):
            chunk.literal = self.literal(line, statement)
        program.add(chunk)

    def literal(self, line: SourceLine, statement: Statement) -> Literal:
        """The literal of `ldr register, =value`: equal ones are shared."""
        items = statement.items
        name = statement.name.lower()
        register = items[0].name
        form = [item.kind for item in items] == ["value", "mark", "literal"] and register[:1] in LITERAL_WIDTHS
        node = items[-1].expression
        if name not in ("ldr", "ldrsw") or not form or node is None:
            raise BadExpression("=value is only for ldr and ldrsw of a register", items[-1].column)
        width = 4 if name == "ldrsw" else LITERAL_WIDTHS[register[0]]
        program = self.program
        new = Literal(node, width, program.order, program.here(), line, statement)
        if program.is_constant(node):
            key = str(evaluate(node, program.scope()))
        else:
            changing = {s for s in node.symbols() if s == "." or s[0].isdigit() or s in program.constants}
            key = f"{written(node)} {program.order if changing else ''}"
        return program.current.pool.setdefault((width, key), new)

    # ---- Second pass

    def write(self, size: int) -> bytes:
        """The image, of `size` bytes."""
        self.check_constants()
        image = bytearray(size)
        for section in self.program.sections.values():
            for chunk in section.chunks:
                self.write_chunk(image, section, chunk)
        return bytes(image)

    def check_constants(self) -> None:
        """Every constant has a value, used or not."""
        scope = Scope(self.program, self.program.order, 0)
        for name, definitions in self.program.constants.items():
            for constant in definitions:
                try:
                    scope.value(constant, name)
                except BadExpression as bad:
                    self.errors.append(self.error(str(bad), constant.line, bad.column, bad.length))
                except RecursionError:
                    self.errors.append(self.error("the expression is too deep", constant.line, 0))

    def write_chunk(self, image: bytearray, section: Section, chunk: Chunk) -> None:
        """The bytes of a chunk."""
        address = section.base + chunk.offset
        scope = Scope(self.program, chunk.order, address)
        try:
            content = self.content(chunk, section, scope)
        except BadExpression as bad:
            self.errors.append(self.error(str(bad), chunk.line, bad.column, bad.length))
        except RecursionError:
            self.errors.append(self.error("the expression is too deep", chunk.line, chunk.statement.column))
        except Mismatch as mismatch:
            self.errors.append(self.mismatch(chunk, mismatch))
        else:
            start = address - self.program.origin
            image[start : start + len(content)] = content

    def content(self, chunk: Chunk, section: Section, scope: Scope) -> bytes:
        """The bytes of a chunk. Raises `BadExpression` or `Mismatch`."""
        if chunk.kind == "instruction":
            statement = chunk.statement
            if chunk.literal is not None:
                statement = with_target(statement, section.base + chunk.literal.offset)
            return load_codec().encode(statement, scope, scope.here).to_bytes(4, "little")
        if chunk.kind == "fill":
            return (chunk.value & (1 << 8 * chunk.width) - 1).to_bytes(chunk.width, "little") * (
                chunk.size // chunk.width if chunk.width else 0
            )
        if chunk.kind == "bytes":
            return chunk.data
        return b"".join(datum(item, chunk.width, Scope(self.program, chunk.order, scope.here + n * chunk.width))
                        for n, item in enumerate(chunk.items))  # fmt: skip

    def mismatch(self, chunk: Chunk, mismatch: Mismatch) -> AxError:
        """Why an instruction cannot be read, with the forms that its mnemonic has."""
        statement = chunk.statement
        items = statement.items
        if isinstance(mismatch, Undefined):
            return self.error(str(mismatch), chunk.line, mismatch.column, mismatch.length)
        if mismatch.position < len(items):
            item = items[mismatch.position]
            column, length = item.column, max(1, len(item.name))
        else:
            column, length = len(chunk.line.code.rstrip()), 1
            if not items:
                column = statement.column + len(statement.name)
        forms = list(dict.fromkeys(form.usage() for form in load_codec().forms_of(statement.name.lower())))
        shown = forms[:6] + ([f"... and {len(forms) - 6} more forms"] if len(forms) > 6 else [])
        return self.error(str(mismatch), chunk.line, column, length, "Expected: " + "\n      or: ".join(shown))

    def result(self, code: bytes) -> Assembled:
        """What the person gets."""
        program = self.program
        end = Scope(program, program.order, program.origin + len(code))
        lines = {
            section.base + chunk.offset: chunk.line.number
            for section in program.sections.values()
            for chunk in section.chunks
            if chunk.kind != "fill" and not chunk.line.file
        }
        instructions = {
            section.base + chunk.offset
            for section in program.sections.values()
            for chunk in section.chunks
            if chunk.kind == "instruction"
        }
        symbols = {name: end[name] for name in program.labels}
        return Assembled(
            code=code,
            symbols=symbols,
            origin=program.origin,
            lines=lines,
            constants={name: end[name] for name in program.constants},
            code_labels=frozenset(name for name, address in symbols.items() if address in instructions),
        )


def with_target(statement: Statement, address: int) -> Statement:
    """The load whose literal stands at `address`."""
    last = statement.items[-1]
    target = Item("value", last.column, expression=Expression("number", last.column, address))
    return Statement(statement.name, statement.column, statement.labels, (*statement.items[:-1], target))


def written(node: Expression) -> str:
    """An expression as text, to find equal ones."""
    parts = " ".join(written(part) for part in node.parts)
    return f"({node.kind} {node.name or node.value} {parts})"


def datum(item: Item, width: int, scope: Scope) -> bytes:
    """A number of a data directive, signed or unsigned."""
    node = item.expression
    assert node is not None
    value = evaluate(node, scope)
    bits = 8 * width
    if isinstance(value, float):
        if width not in (4, 8):
            raise BadExpression(f"{value} is no integer", node.column)
        try:
            return struct.pack("<f" if width == 4 else "<d", value)
        except OverflowError:
            raise BadExpression(f"{value} does not fit {width} bytes", node.column) from None
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise BadExpression(f"{value:#x} does not fit {width} bytes", node.column)
    return (value & (1 << bits) - 1).to_bytes(width, "little")
