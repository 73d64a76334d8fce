"""The assembler's directives, as the GNU assembler has them: what each adds to the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from axlab.machine.isa.expressions import BadExpression, Expression, Item, Statement, evaluate, unescape
from axlab.machine.isa.program import Chunk, Constant, Program
from axlab.machine.isa.source_text import SourceLine

NOP = 0xD503201F
CODE = (".text", ".init")
MOST = 1 << 28
"""The largest number of bytes that a directive may fill: a mistake, not a program, asks for more."""

RAW = re.compile(
    r"\s*\.(section|type|size|file|ident|arch|arch_extension|cpu|loc|cfi_\w+|globa?l|weak|local|hidden|protected"
    r"|internal|extern|syntax|variant_pcs|include|end)\b\s*([\w.$]*)"
)
"""Directives whose operands are not assembly: `.section`, `.include` and `.end` are obeyed, the others say nothing
about bytes."""

Directive = Callable[[Program, Statement, SourceLine], None]


def groups(statement: Statement, least: int = 0, most: int = 1000) -> list[Item]:
    """The operands of a directive, between commas."""
    operands: list[Item] = []
    expect_comma = False
    for item in statement.items:
        if (item.kind == "mark") != expect_comma or item.kind == "mark" and item.text != ",":
            raise BadExpression("expected a comma" if expect_comma else "expected an operand", item.column)
        if not expect_comma:
            operands.append(item)
        expect_comma = not expect_comma
    if statement.items and not expect_comma:
        raise BadExpression("an operand is missing behind the last comma", statement.items[-1].column)
    if not least <= len(operands) <= most:
        wanted = str(least) if least == most else f"{least} to {most}" if most < 100 else f"{least} or more"
        raise BadExpression(f"{statement.name} takes {wanted} operands", statement.column, len(statement.name))
    return operands


def expression(item: Item) -> Expression:
    """The expression of an operand."""
    if item.expression is None:
        raise BadExpression("expected a number", item.column)
    return item.expression


def constant(program: Program, item: Item, low: int = 0, high: int = MOST) -> int:
    """The value of an operand that must be known when it is read."""
    node = expression(item)
    value = evaluate(node, program.scope())
    if isinstance(value, float) or not low <= value <= high:
        raise BadExpression(f"{value} is not in {low} to {high}", node.column)
    return value


def data(width: int) -> Directive:
    """`.byte`, `.hword`, `.word`, `.quad`: numbers of `width` bytes."""

    def add(program: Program, statement: Statement, line: SourceLine) -> None:
        items = tuple(groups(statement))
        for item in items:
            expression(item)
        size = width * len(items)
        program.add(Chunk("data", program.current.here, size, program.order, line, statement, items, width))

    return add


def instruction_words(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.inst`: instruction words as numbers."""
    align_code(program, statement, line)
    data(4)(program, statement, line)


def text(terminator: bytes) -> Directive:
    """`.ascii`, `.asciz`: strings."""

    def add(program: Program, statement: Statement, line: SourceLine) -> None:
        whole = bytearray()
        for item in groups(statement):
            if item.kind != "string":
                raise BadExpression('expected a "string"', item.column)
            whole += unescape(item.text[1:-1]) + terminator
        add_bytes(program, statement, line, bytes(whole))

    return add


def add_bytes(program: Program, statement: Statement, line: SourceLine, content: bytes) -> None:
    """Bytes that are known."""
    chunk = Chunk("bytes", program.current.here, len(content), program.order, line, statement, data=content)
    program.add(chunk)


def fill(program: Program, statement: Statement, line: SourceLine, count: int, width: int, value: int) -> None:
    """`count` times a value of `width` bytes."""
    if count * width > MOST:
        raise BadExpression(f"{count * width} bytes are too many", statement.column, len(statement.name))
    chunk = Chunk("fill", program.current.here, count * width, program.order, line, statement, width=width, value=value)
    program.add(chunk)


def space(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.space size, fill`."""
    operands = groups(statement, 1, 2)
    value = constant(program, operands[1], -128, 255) if len(operands) > 1 else 0
    fill(program, statement, line, constant(program, operands[0]), 1, value)


def repeat(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.fill repeat, size, value`."""
    operands = groups(statement, 1, 3)
    width = constant(program, operands[1], 0, 8) if len(operands) > 1 else 1
    value = constant(program, operands[2], -(1 << 63), (1 << 64) - 1) if len(operands) > 2 else 0
    fill(program, statement, line, constant(program, operands[0]), width, value)


def align(powers: bool) -> Directive:
    """`.balign bytes, fill, most` and `.p2align power, fill, most`. Code is filled with NOPs unless told otherwise."""

    def add(program: Program, statement: Statement, line: SourceLine) -> None:
        no_fill = [item.text for item in statement.items[1:3]] == [",", ","]
        items = statement.items[:1] + statement.items[2:] if no_fill else statement.items
        item, *rest = groups(replace(statement, items=items), 1, 2 if no_fill else 3)
        number = constant(program, item, 0, 16 if powers else 1 << 16)
        alignment = 1 << number if powers else max(number, 1)
        if alignment & alignment - 1:
            raise BadExpression(f"{alignment} is no power of 2", item.column)
        value = constant(program, rest[0], -128, 255) if rest and not no_fill else None
        most = constant(program, rest[-1]) if len(rest) > 1 or no_fill and rest else MOST
        pad(program, statement, line, alignment, value, most)

    return add


def pad(
    program: Program, statement: Statement, line: SourceLine, alignment: int, value: int | None, most: int = MOST
) -> None:
    """Bytes up to the alignment, unless they are more than `most`."""
    section = program.current
    section.alignment = max(section.alignment, alignment)
    missing = -section.here % alignment
    if not 0 < missing <= most:
        return
    if value is None and section.name.startswith(CODE):
        odd = missing % 4
        add_bytes(program, statement, line, bytes(odd) + NOP.to_bytes(4, "little") * (missing // 4))
    else:
        fill(program, statement, line, missing, 1, value or 0)


def align_code(program: Program, statement: Statement, line: SourceLine) -> None:
    """Instructions stand at multiples of 4: zeros are put before one that would not, and after its labels."""
    missing = -program.current.here % 4
    if missing:
        program.move_labels(program.current.here + missing)
        add_bytes(program, statement, line, bytes(missing))


def organise(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.org address, fill`: go on at an address further on."""
    operands = groups(statement, 1, 2)
    value = constant(program, operands[1], -128, 255) if len(operands) > 1 else 0
    target = constant(program, operands[0], -(1 << 63), 1 << 64)
    offset = target - program.current.base if target >= program.current.base else target
    if not 0 <= offset - program.current.here <= MOST:
        raise BadExpression(f".org cannot go from {program.here():#x} to {target:#x}", operands[0].column)
    fill(program, statement, line, offset - program.current.here, 1, value)


def equate(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.equ name, expression`: a name for a value, which `.set` may change."""
    name, value = groups(statement, 2, 2)
    node = name.expression
    if node is None or node.kind != "symbol" or name.kind != "value":
        raise BadExpression("expected a name", name.column)
    set_constant(program, node.name, expression(value), node.column, line)


def set_constant(program: Program, name: str, node: Expression, column: int, line: SourceLine) -> None:
    """Give a name a value: an expression, evaluated later with `.` being here."""
    if name in program.labels:
        raise BadExpression(f"{name} is a label", column, len(name))
    if name == ".":
        raise BadExpression("use .org to move on", column)
    program.constants.setdefault(name, []).append(
        Constant(node, program.order, program.current, program.current.here, line)
    )


def literals(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.ltorg`: the literals so far, 4 bytes, 8 bytes, 16 bytes."""
    section = program.current
    for width in (4, 8, 16):
        pool = [literal for literal in section.pool.values() if literal.width == width]
        if pool:
            section.alignment = max(section.alignment, width)
            missing = -section.here % width
            add_bytes(program, statement, line, bytes(missing))
        for literal in pool:
            literal.offset = section.here
            item = Item("value", literal.expression.column, expression=literal.expression)
            program.add(
                Chunk("data", section.here, width, literal.order, literal.line, literal.statement, (item,), width)
            )
    section.pool.clear()


def common(program: Program, statement: Statement, line: SourceLine) -> None:
    """`.comm name, size, alignment`: zeros in `.bss`, under a name."""
    name, *operands = groups(statement, 2, 3)
    node = expression(name)
    if node.kind != "symbol" or node.name in program.labels:
        raise BadExpression("expected a new name", name.column)
    size = constant(program, operands[0])
    alignment = constant(program, operands[1], 1, 1 << 16) if len(operands) > 1 else 8
    back = program.current.name
    program.enter(".bss")
    pad(program, statement, line, alignment, 0)
    program.define(node.name)
    fill(program, statement, line, size, 1, 0)
    program.enter(back)


def section(name: str) -> Directive:
    """`.text`, `.data`, `.bss`: go on in a section."""

    def enter(program: Program, statement: Statement, line: SourceLine) -> None:
        program.enter(name)

    return enter


DIRECTIVES: dict[str, Directive] = {
    **dict.fromkeys((".byte", ".1byte"), data(1)),
    **dict.fromkeys((".hword", ".short", ".half", ".2byte"), data(2)),
    **dict.fromkeys((".word", ".int", ".long", ".4byte"), data(4)),
    **dict.fromkeys((".quad", ".xword", ".dword", ".8byte"), data(8)),
    ".octa": data(16),
    ".inst": instruction_words,
    ".ascii": text(b""),
    **dict.fromkeys((".asciz", ".string"), text(b"\0")),
    **dict.fromkeys((".space", ".skip", ".zero"), space),
    ".fill": repeat,
    ".balign": align(powers=False),
    **dict.fromkeys((".align", ".p2align"), align(powers=True)),
    ".org": organise,
    **dict.fromkeys((".comm", ".lcomm"), common),
    **dict.fromkeys((".equ", ".set", ".equiv"), equate),
    **dict.fromkeys((".ltorg", ".pool"), literals),
    ".text": section(".text"),
    ".data": section(".data"),
    ".bss": section(".bss"),
    ".rodata": section(".rodata"),
}
