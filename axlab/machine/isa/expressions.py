"""Assembly source as values: statements, their items, and the expressions in them. `asm.lark` is the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from axlab.errors import AxError

if TYPE_CHECKING:
    from lark import Lark, Token

Number = int | float
Scope = Mapping[str, int]

ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "b": 8, "f": 12, "a": 7, "v": 11}


class BadExpression(Exception):
    """An expression has no value; `column` is where. The assembler makes a message for the person of it."""

    def __init__(self, message: str, column: int, length: int = 1) -> None:
        super().__init__(message)
        self.column = column
        self.length = length


@dataclass(frozen=True, slots=True)
class Expression:
    """A node: a number, a symbol, or an operator (`+ - * / % << >> & | ^ ~`, or a relocation) with its parts."""

    kind: str
    column: int
    value: Number = 0
    name: str = ""
    parts: tuple[Expression, ...] = ()

    def symbols(self) -> set[str]:
        """The names that the expression needs."""
        mine = {self.name} if self.kind == "symbol" else set()
        return mine.union(*(part.symbols() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a statement: a value, `#` and an immediate, `=` and a literal, a string, or a mark such as `[`."""

    kind: str
    column: int
    text: str = ""
    expression: Expression | None = None

    @property
    def name(self) -> str:
        """The name that a value consists of, in lower case; empty if it is more than a name."""
        node = self.expression
        return node.name.lower() if node is not None and node.kind == "symbol" and self.kind == "value" else ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A mnemonic or directive with its items, and the labels before it (then `name` may be empty)."""

    name: str
    column: int
    labels: tuple[tuple[str, int], ...] = ()
    items: tuple[Item, ...] = field(default=())


def evaluate(node: Expression, scope: Scope) -> Number:
    """The value of an expression; symbols are looked up in `scope`. Raises `BadExpression`."""
    if node.kind == "number":
        return node.value
    if node.kind == "symbol":
        try:
            return scope[node.name]
        except KeyError:
            raise BadExpression(f"{node.name} is not defined", node.column, len(node.name)) from None
        except BadExpression as bad:
            raise BadExpression(str(bad), node.column, len(node.name)) from None
    values = [evaluate(part, scope) for part in node.parts]
    if node.kind in RELOCATIONS:
        return RELOCATIONS[node.kind](whole(values[0], node))
    if len(values) == 1:
        return -values[0] if node.kind == "-" else +values[0] if node.kind == "+" else ~whole(values[0], node)
    return binary(node, values[0], values[1])


def sixteen_bits(lsb: int) -> Callable[[int], int]:
    """What takes the sixteen bits of a value that begin at bit `lsb`."""
    return lambda value: value >> lsb & 0xFFFF


RELOCATIONS: dict[str, Callable[[int], int]] = {
    ":lo12:": lambda value: value & 0xFFF,
    ":pg_hi21:": lambda value: value,
    **{f":abs_g{n}{tail}:": sixteen_bits(16 * n) for n in range(4) for tail in ("", "_s", "_nc")},
}


def whole(value: Number, node: Expression) -> int:
    """A value that must be an integer."""
    if isinstance(value, float):
        raise BadExpression(f"{value} is no integer", node.column)
    return value


def binary(node: Expression, left: Number, right: Number) -> Number:
    """The value of an operator with two operands. Division truncates, as the GNU assembler's."""
    if node.kind == "+":
        return left + right
    if node.kind == "-":
        return left - right
    a, b = whole(left, node), whole(right, node)
    if node.kind in "/%" and b == 0:
        raise BadExpression("division by zero", node.column)
    if node.kind in ("<<", ">>") and not 0 <= b < 64:
        raise BadExpression(f"shift by {b}", node.column)
    if node.kind == "*":
        return a * b
    if node.kind in "/%":
        quotient = abs(a) // abs(b) if a * b >= 0 else -(abs(a) // abs(b))
        return quotient if node.kind == "/" else a - b * quotient
    if node.kind == "<<":
        return a << b
    if node.kind == ">>":
        return a >> b
    return a & b if node.kind == "&" else a | b if node.kind == "|" else a ^ b


def unescape(text: str) -> bytes:
    """The bytes of a string's or character's body: escapes as in C, other characters as UTF-8."""
    data = bytearray()
    for match in re.finditer(r"\\x([0-9A-Fa-f]+)|\\([0-7]{1,3})|\\(.)|([^\\])", text, re.DOTALL):
        hexadecimal, octal, escaped, plain = match.groups()
        if hexadecimal is not None:
            data.append(int(hexadecimal, 16) & 0xFF)
        elif octal is not None:
            data.append(int(octal, 8) & 0xFF)
        elif escaped is not None:
            data += bytes([ESCAPES[escaped]]) if escaped in ESCAPES else escaped.encode()
        else:
            data += plain.encode()
    return bytes(data)


def number(text: str) -> Number:
    """A number as the GNU assembler reads it: 0x, 0b, a leading 0 for octal, or a floating-point one."""
    lower = text.lower()
    if not lower.startswith(("0x", "0b")) and ("." in lower or "e" in lower):
        return float(lower)
    try:
        return int(lower, 8 if lower.startswith("0") and lower.isdigit() else 0)
    except ValueError:
        raise BadExpression(f"{text[:20]} is no number", 0, len(text)) from None


@cache
def parser() -> Lark:
    """The parser of a line, whose result is a list of statements."""
    from lark import Lark, Transformer, v_args

    from axlab.languages import read_grammar

    def start(token: Token) -> int:
        return (token.column or 1) - 1

    @v_args(inline=True)
    class Build(Transformer):  # type: ignore[type-arg]
        """From the grammar's rules to values."""

        def symbol(self, token: Token) -> Expression:
            return Expression("symbol", start(token), name=str(token))

        local = symbol

        def number(self, token: Token) -> Expression:
            try:
                return Expression("number", start(token), number(token))
            except BadExpression as bad:
                raise BadExpression(str(bad), start(token), bad.length) from None

        def character(self, token: Token) -> Expression:
            body = token[1:-1] if len(token) > 2 and token.endswith("'") else token[1:]
            return Expression("number", start(token), int.from_bytes(unescape(body), "big"))

        def unary(self, operator: Token, operand: Expression) -> Expression:
            return Expression(str(operator), start(operator), parts=(operand,))

        relocation = unary

        def binary(self, left: Expression, operator: Token, right: Expression) -> Expression:
            return Expression(str(operator), left.column, parts=(left, right))

        def value(self, node: Expression) -> Item:
            return Item("value", node.column, expression=node)

        def immediate(self, node: Expression) -> Item:
            return Item("immediate", node.column, expression=node)

        def literal(self, node: Expression) -> Item:
            return Item("literal", node.column, expression=node)

        def mark(self, token: Token) -> Item:
            return Item("mark", start(token), str(token))

        def string(self, token: Token) -> Item:
            return Item("string", start(token), str(token))

        def label(self, token: Token) -> Token:
            return token

        def statement(self, name: Token, *items: Item) -> Statement:
            return Statement(str(name), start(name), (), items)

        def part(self, *children: Token | Statement | None) -> Statement:
            statement = children[-1] if isinstance(children[-1], Statement) else Statement("", 0)
            tokens = [child for child in children if child is not None and not isinstance(child, Statement)]
            labels = tuple((str(token), start(token)) for token in tokens)
            return Statement(statement.name, statement.column, labels, statement.items)

        def line(self, *parts: Statement) -> list[Statement]:
            return list(parts)

    return Lark(read_grammar("asm.lark"), parser="lalr", start="line", transformer=Build(), maybe_placeholders=True)


def parse_line(text: str, source: str = "", line: int = 0) -> list[Statement]:
    """The statements of a line without comments. Raises `AxError` with a caret."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

    try:
        statements: list[Statement] = parser().parse(text)  # type: ignore[assignment]
        return statements
    except BadExpression as bad:
        raise AxError(str(bad), source=source, line=line, text=text, column=bad.column, length=bad.length) from None
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        column = error.column - 1 if error.column > 0 and not ended else len(text.rstrip())
        if column >= len(text.rstrip()):
            message = "the line ends too early"
        elif isinstance(error, UnexpectedCharacters):
            message = f"{text[column]!r} is no assembly"
        else:
            message = "this does not belong here"
        raise AxError(message, source=source, line=line, text=text, column=column) from None
