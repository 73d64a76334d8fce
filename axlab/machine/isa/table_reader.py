"""From the text of an instruction table to its rows. `isa.lark` says how the text is formed."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from axlab.errors import AxError
from axlab.languages import read_grammar
from axlab.machine.isa.conditions import PREDICATES, Condition
from axlab.machine.isa.table import OPERAND, Alias, Row

Node = Tree[Token]


def read_rows(text: str, source: str) -> list[Row]:
    """The rows of a table. Raises `AxError` with file and line."""
    parser = Lark(read_grammar("isa.lark"), parser="lalr")
    try:
        tree = parser.parse(text)
    except UnexpectedInput as error:
        raise AxError(
            "this is no row of an instruction table",
            source=source,
            line=error.line,
            text=text.splitlines()[error.line - 1] if error.line > 0 else "",
            column=max(error.column - 1, 0),
        ) from None
    return [read_row(node, source) for node in trees(tree.children)]


def trees(children: Iterable[Token | Node | None]) -> list[Node]:
    """The children that are no tokens."""
    return [child for child in children if isinstance(child, Tree)]


def number(token: Token) -> int | str:
    """A number, or the name of a field."""
    return int(token, 0) if token.type == "NUMBER" else str(token)


def read_row(node: Node, source: str) -> Row:
    """One row, with its bits counted and its fields accounted for."""
    name, bits, chapter, syntax, *clauses = node.children
    assert isinstance(name, Token) and isinstance(bits, Tree) and isinstance(chapter, Tree) and isinstance(syntax, Tree)
    line = name.line or 0
    mask, value, should, fields = read_bits(bits, f"{name}", source, line)
    constraint = None
    aliases = []
    for clause in trees(clauses):
        if clause.data == "where":
            constraint = read_condition(clause.children[0])
        else:
            aliases.append(read_alias(clause, printed=clause.data == "alias"))
    row = Row(
        name=str(name),
        mask=mask,
        value=value,
        should=should,
        fields=fields,
        chapter=str(chapter.children[0]),
        section=str(chapter.children[1]).strip('"'),
        syntax=str(syntax.children[0]).strip('"'),
        pins=tuple(read_pin(pin) for pin in trees(syntax.children)),
        constraint=constraint,
        aliases=tuple(aliases),
        line=line,
        extracts=tuple((lsb, (1 << width) - 1) for lsb, width in fields.values()),
    )
    check_fields(row, source)
    return row


def read_bits(bits: Node, name: str, source: str, line: int) -> tuple[int, int, int, dict[str, tuple[int, int]]]:
    """Mask, value, should-be-one bits and fields of a row's bits, which are 32."""
    mask = value = should = 0
    position = 32
    fields: dict[str, tuple[int, int]] = {}
    for token in bits.children:
        assert isinstance(token, Token)
        if token.type == "FIELD":
            field, _, digits = token.partition(":")
            position -= int(digits)
            if field in fields:
                raise AxError(f"{name} has two fields {field}", source=source, line=line)
            fields[field] = (position, int(digits))
        else:
            ones = token.strip("()")
            position -= len(ones)
            if position >= 0 and token.type == "FIXED":
                mask |= ((1 << len(ones)) - 1) << position
                value |= int(ones, 2) << position
            elif position >= 0:
                should |= int(ones, 2) << position
    if position:
        raise AxError(f"{name} has {32 - position} bits, not 32", source=source, line=line)
    return mask, value, should, fields


def read_alias(clause: Node, printed: bool) -> Alias:
    """An alias: syntax, pinned fields, condition."""
    syntax, *rest = clause.children
    pins: list[tuple[str, str | int]] = []
    condition = None
    for child in rest:
        if isinstance(child, Tree) and child.data == "pin":
            pins.append(read_pin(child))
        elif child is not None:
            condition = read_condition(child)
    assert isinstance(syntax, Token)
    return Alias(syntax.strip('"'), tuple(pins), condition, printed, syntax.line or 0)


def read_pin(node: Node) -> tuple[str, str | int]:
    """A field that the syntax does not show, and the number or field that it is equal to."""
    left, right = node.children
    assert isinstance(left, Token) and isinstance(right, Token)
    return str(left), number(right)


def read_condition(node: Token | Node | None) -> Condition:
    """A condition on fields."""
    assert isinstance(node, Tree)
    if node.data in ("any_of", "all_of"):
        parts = tuple(read_condition(child) for child in node.children)
        return Condition("or" if node.data == "any_of" else "and", parts=parts)
    tokens = [child for child in node.children if isinstance(child, Token)]
    name = str(tokens[0])
    if node.data == "compare":
        return Condition(str(tokens[1]), name, number(tokens[2]))
    if node.data == "equal":
        return Condition("=", name, number(tokens[1]))
    if node.data == "member":
        return Condition("in", name, tuple(int(token, 0) for token in tokens[1:]))
    return Condition(name, right=tuple(str(token) for token in tokens[1:]))


def check_fields(row: Row, source: str) -> None:
    """Every field is printed, and every name in a syntax, a pin or a condition is a field."""
    printed = fields_of(row.syntax) | {name for name, _ in row.pins}
    for name in row.fields:
        if name not in printed:
            raise AxError(f"{row.name}: the field {name} is not in its syntax", source=source, line=row.line)
    check_names(row, printed, source, row.line)
    check_condition(row, row.constraint, source, row.line)
    for alias in row.aliases:
        named = fields_of(alias.syntax) | {name for name, _ in alias.pins}
        for name in row.fields:
            if name not in named:
                raise AxError(f"{row.name}: an alias leaves {name} open", source=source, line=alias.line)
        values = {value for _, value in alias.pins if isinstance(value, str)}
        check_names(row, named | values, source, alias.line)
        check_condition(row, alias.condition, source, alias.line)


def fields_of(syntax: str) -> set[str]:
    """The fields that a syntax string prints."""
    return {name for match in OPERAND.finditer(syntax) for name in match.group(1).split(",")}


def check_condition(row: Row, condition: Condition | None, source: str, line: int) -> None:
    """A condition names fields of the row and predicates that exist."""
    if condition is None:
        return
    check_names(row, condition.fields, source, line)
    for part in (condition, *condition.parts):
        if part.kind.isidentifier() and part.kind not in (*PREDICATES, "and", "or", "in"):
            raise AxError(f"{row.name}: there is no predicate {part.kind}", source=source, line=line)


def check_names(row: Row, names: Iterable[str], source: str, line: int) -> None:
    """Names are fields of the row."""
    for name in sorted(names):
        if name not in row.fields:
            raise AxError(f"{row.name} has no field {name}", source=source, line=line)
