"""From the syntax of a filter to a checked tree: names looked up, types compared, negation moved to the leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lark import Token, Tree

from axlab.errors import AxError, nearest
from axlab.trace import filter_tree as tree
from axlab.trace.filter_names import CHANGES, Name, Scope, exit_words, known_names
from axlab.trace.filter_syntax import Syntax, parse, place, wrong
from axlab.units import parse_duration

M64 = (1 << 64) - 1
SIZES = (1, 2, 4, 8)
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
ARITHMETIC = {
    "bit_or": "|", "bit_xor": "^", "bit_and": "&", "shift_left": "<<", "shift_right": ">>", "add": "+",
    "subtract": "-", "multiply": "*",
}  # fmt: skip
A = {"number": "a number", "time": "a time", "text": "a text", "word": "a word", "flag": "true or false"}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
REGISTER = re.compile(r"[xw]\d+|sp|lr|[a-z0-9_]+_el[012]")


@dataclass(frozen=True)
class Typed:
    """A value, its type, and its place in the text. A word whose meaning its neighbour decides has no value yet."""

    value: tree.Value | None
    type: str
    start: int
    end: int
    text: str

    @property
    def name(self) -> Name | None:
        """The name that it is."""
        return self.value.name if isinstance(self.value, tree.Field) else None


@dataclass
class Checker:
    """Checks one filter."""

    text: str
    scope: Scope
    names: dict[str, Name] = field(default_factory=known_names)

    def wrong(self, message: str, node: Any) -> AxError:
        start, end = (node.start, node.end) if isinstance(node, Typed) else place(node)
        return wrong(self.text, message, start, end)

    def said(self, node: Syntax | Token) -> str:
        start, end = place(node)
        return self.text[start:end]

    # Conditions

    def condition(self, node: Syntax, negated: bool = False) -> tree.Test:
        """The test that a part of a filter stands for, or its opposite."""
        made = CONDITIONS.get(node.data)
        if made is not None:
            return made(self, node, negated)
        value = self.value(node)
        name = value.name
        if name is not None and value.type == "flag":
            return tree.Flag(tree.Field(name), negated)
        if name is not None and name.alone:
            return tree.Happened(name.kinds, negated)
        if value.value is None and self.scope.address_of(value.text) is None:
            raise self.unknown(value, value.text)
        kind = A.get(value.type, "an address")
        raise self.wrong(f"{value.text} is {kind}; a condition is wanted here, such as {value.text} == ...", value)

    def joined(self, node: Syntax, negated: bool) -> tree.Test:
        """and, or; under a negation each is the other (De Morgan)."""
        tests = tuple([self.condition(_inner(child), negated) for child in node.children])
        return tree.All(tests) if (node.data == "both") != negated else tree.Some(tests)

    def negation(self, node: Syntax, negated: bool) -> tree.Test:
        return self.condition(_inner(node.children[-1]), not negated)

    def group(self, node: Syntax, negated: bool) -> tree.Test:
        return self.condition(_inner(node.children[0]), negated)

    def comparison(self, node: Syntax, negated: bool) -> tree.Test:
        first, sign, second = node.children
        left, right = self.pair(self.value(_inner(first)), self.value(_inner(second)))
        operator = OPPOSITE[str(sign)] if negated else str(sign)
        if left.type == "word" or right.type == "word":
            word, other = (left, right) if left.type == "word" else (right, left)
            if left.type == "" and nearest(left.text, list(self.names)):
                raise self.unknown(left, left.text)  # exti == mmio: no device of that name, but a slip
            if operator not in ("==", "!="):
                raise self.wrong(f"words are equal or not; {operator} orders nothing", sign)
            return tree.OneOf(_value(word), self.words(word, other), operator == "!=")
        if left.type == "text" and operator not in ("==", "!="):
            raise self.wrong(f"texts are equal or not; {operator} orders nothing", sign)
        low, high = (left, right) if sign == "<" else (right, left)
        if sign in ("<", ">") and high.value == tree.Constant(0):
            raise self.wrong(f"nothing is below 0: numbers are unsigned; a negative one is {low.text} >= 1 << 63", high)
        return tree.Compare(operator, _value(left), _value(right))

    def between(self, node: Syntax, negated: bool) -> tree.Test:
        value, low, high = [self.value(_inner(child)) for child in node.children]
        value, low = self.pair(value, low)
        value, high = self.pair(value, high)
        if value.type not in ("number", "time"):
            raise self.wrong(f"{value.text} is {A[value.type]}; a range needs a number or a time", value)
        first, last = _value(low), _value(high)
        constants = isinstance(first, tree.Constant) and isinstance(last, tree.Constant)
        if constants and first.value > last.value:  # type: ignore[operator,union-attr]
            raise self.wrong(f"the range {low.text}..{high.text} ends before it begins", high)
        return tree.Between(_value(value), first, last, negated != (node.data == "not_between"))

    def one_of(self, node: Syntax, negated: bool) -> tree.Test:
        first, *others = [self.value(_inner(child)) for child in node.children]
        choices: list[tree.Value] = []
        for other in others:
            first, other = self.pair(first, other)
            choices += self.words(first, other) if first.type == "word" else [_value(other)]
        return tree.OneOf(_value(first), tuple(choices), negated != (node.data == "none_of"))

    def inside(self, node: Syntax, negated: bool) -> tree.Test:
        value, where = [self.value(_inner(child)) for child in node.children]
        extent = self.scope.extent(where.text)
        if extent is None:
            close = nearest(where.text, self.scope.symbol_names()) if where.value is None else ""
            message = f"after in comes a range a..b, a set {{a, b}}, or a function; {where.text} is none{close}"
            raise self.wrong(message, where)
        if value.type != "number":
            raise self.wrong(f"{value.text} is {A[value.type]}, which cannot lie in a function", value)
        low, high = tree.Constant(extent.start), tree.Constant(extent.stop - 1)
        return tree.Between(_value(value), low, high, negated != (node.data == "outside"))

    def containing(self, node: Syntax, negated: bool) -> tree.Test:
        value, part = [self.value(_inner(child)) for child in node.children]
        for one in (value, part):
            if one.type != "text":
                raise self.wrong(f"contains compares texts; {one.text} is {A.get(one.type, 'none')}", one)
        return tree.Contains(_value(value), _value(part), negated)

    def changed(self, node: Syntax, negated: bool) -> tree.Test:
        word = str(node.children[0])
        if word not in CHANGES:
            close = nearest(word, list(CHANGES)) or "; to see memory change use 'vm watch'"
            raise self.wrong(f"only state and vcpu_state tell that they change{close}", node.children[0])
        return tree.Happened((CHANGES[word],), negated)

    def call(self, node: Syntax, negated: bool) -> tree.Test:
        """`hypercall(3)` is short for hypercall == 3."""
        token, argument = node.children
        name = self.names.get(str(token))
        if name is None or not name.alone and name.name != "intid":
            known = [one.name for one in self.names.values() if one.alone] + ["intid"]
            raise self.wrong(f"{token} takes nothing in brackets{nearest(str(token), known)}", token)
        start, end = place(token)
        left, right = self.pair(Typed(tree.Field(name), name.type, start, end, name.name), self.value(_inner(argument)))
        if left.type == "word":
            return tree.OneOf(_value(left), self.words(left, right), negated)
        return tree.Compare("!=" if negated else "==", _value(left), _value(right))

    # Values

    def value(self, node: Syntax) -> Typed:
        """The value that a part of a filter stands for."""
        start, end = place(node)
        kind = str(node.data)
        token = str(node.children[0]) if node.children else ""
        if kind == "number":
            return self.number(node, token)
        if kind == "duration":
            return Typed(tree.Constant(parse_duration(token)), "time", start, end, token)
        if kind == "text":
            return Typed(tree.Constant(_unescaped(token[1:-1])), "text", start, end, token)
        if kind == "name":
            return self.name(node, token)
        if kind == "group":
            return self.value(_inner(node.children[0]))
        if kind == "memory":
            return self.memory(node)
        if kind in ARITHMETIC:
            return self.arithmetic(ARITHMETIC[kind], node)
        if kind in ("negative", "inverse"):
            return self.signed(kind, node)
        raise self.wrong(f"{self.said(node)} is a condition; a value is wanted here", node)

    def number(self, node: Syntax, token: str) -> Typed:
        digits = token.replace("_", "")
        base = {"0x": 16, "0b": 2}.get(token[:2].lower(), 10)
        try:
            value = int(digits, base) if len(digits) < 70 else M64 + 1
        except ValueError:
            raise self.wrong(f"{token} is no number; write it as 16 or 0x10", node) from None
        if value > M64:
            raise self.wrong(f"{token} has more than 64 bits", node)
        return Typed(tree.Constant(value), "number", *place(node), token)

    def name(self, node: Syntax, word: str) -> Typed:
        start, end = place(node)
        if word.lower() in self.scope.registers:
            return Typed(tree.Register(word.lower()), "number", start, end, word)
        name = self.names.get(word)
        if name is not None:
            return Typed(tree.Field(name), name.type, start, end, word)
        return Typed(None, "", start, end, word)

    def memory(self, node: Syntax) -> Typed:
        address = self.as_number(self.value(_inner(node.children[0])))
        size = 8
        if len(node.children) > 1:
            size = int(str(node.children[1]), 0) if str(node.children[1]).isdigit() else 0
            if size not in SIZES:
                raise self.wrong("memory is read in 1, 2, 4 or 8 bytes", node.children[1])
        return Typed(tree.MemoryAt(_value(address), size), "number", *place(node), self.said(node))

    def arithmetic(self, operator: str, node: Syntax) -> Typed:
        left, right = [self.value(_inner(child)) for child in node.children]
        if "time" in (left.type, right.type) and operator in "+-":
            for one in (left, right):
                if one.type != "time":
                    raise self.wrong(f"{one.text} is no time; write one with its unit, such as 10ms", one)
            kind = "time"
        else:
            left, right, kind = self.as_number(left), self.as_number(right), "number"
        made = tree.Arithmetic(operator, _value(left), _value(right))
        return Typed(_folded(made), kind, *place(node), self.said(node))

    def signed(self, kind: str, node: Syntax) -> Typed:
        inner = self.as_number(self.value(_inner(node.children[-1])))
        made = (
            tree.Arithmetic("-", tree.Constant(0), _value(inner))
            if kind == "negative"
            else tree.Arithmetic("^", _value(inner), tree.Constant(M64))
        )
        return Typed(_folded(made), "number", *place(node), self.said(node))

    def as_number(self, value: Typed) -> Typed:
        """A value that has to be a number: a word or a text is the name of a symbol then."""
        if value.type == "number":
            return value
        if value.value is None or isinstance(value.value, tree.Constant) and value.type == "text":
            word = value.text.strip("\"'")
            address = self.scope.address_of(word)
            if address is None:
                raise self.unknown(value, word)
            return replace(value, value=tree.Constant(address), type="number")
        raise self.wrong(f"{value.text} is {A[value.type]}; a number is wanted here", value)

    def unknown(self, value: Typed, word: str) -> AxError:
        if not self.scope.registers and REGISTER.fullmatch(word.lower()):
            return self.wrong(f"{word} is a register, and a recorded trace has none", value)
        known = [*self.names, *self.scope.registers, *self.scope.symbol_names()]
        return self.wrong(f"there is no column, register or symbol {word}{nearest(word, known)}", value)

    # Two values beside each other

    def pair(self, left: Typed, right: Typed) -> tuple[Typed, Typed]:
        """Two values that are compared; each tells what a bare word on the other side means."""
        left, right = self.met(left, right), self.met(right, left)
        if left.type == right.type or "word" in (left.type, right.type):
            return left, right
        for one, other in ((left, right), (right, left)):
            if one.type == "time" and isinstance(other.value, tree.Constant) and other.type == "number":
                raise self.wrong(f"{other.text} has no unit; write {other.text}ns, {other.text}us, ...", other)
        message = f"{left.text} is {A[left.type]}, {right.text} is {A[right.type]}: they cannot be compared"
        raise self.wrong(message, right)

    def met(self, value: Typed, other: Typed) -> Typed:
        """A bare word, or a text, in the meaning that its neighbour gives it."""
        if other.name is not None and other.name.name == "vm" and value.text.strip("\"'") in self.scope.vms:
            return replace(value, value=tree.Constant(self.scope.vms[value.text.strip("\"'")]), type="number")
        if other.type == "word" and value.type in ("", "text"):
            return value
        if value.value is None or value.type == "text" and other.type == "number":
            return self.as_number(value)
        return value

    def words(self, word: Typed, other: Typed) -> tuple[tree.Value, ...]:
        """What a word is compared with: its values that the other side names."""
        name = word.name
        said = other.text.strip("\"'")
        is_exit = name is not None and name.column == "reason" and said.lower() in exit_words()
        if other.type in ("number", "time", "flag") and not is_exit or name is None:
            raise self.wrong(f"{word.text} is a word, {other.text} is {A[other.type]}: they cannot be compared", other)
        if other.name is not None and not is_exit and said not in name.words:
            raise self.wrong(f"{word.text} is compared with a word, not with the column {said}", other)
        if name.column == "reason" and said.lower() in exit_words():
            return tuple(tree.Constant(one) for one in exit_words()[said.lower()])
        if not name.words:
            return (tree.Constant(said.lower()),)
        found = next((known for known in name.words if known.lower() == said.lower()), None)
        if found is None:
            known = [one.lower() for one in name.words]
            if name.name == "exit":
                known = list(exit_words())
            listed = "" if len(known) > 9 else f" ({', '.join(known)})"
            raise self.wrong(f"{name.name} is never {said}{nearest(said.lower(), known)}{listed}", other)
        return (tree.Constant(found),)


Made = Callable[[Checker, Syntax, bool], tree.Test]
CONDITIONS: dict[str, Made] = {
    "either": Checker.joined,
    "both": Checker.joined,
    "negation": Checker.negation,
    "group": Checker.group,
    "comparison": Checker.comparison,
    "between": Checker.between,
    "not_between": Checker.between,
    "one_of": Checker.one_of,
    "none_of": Checker.one_of,
    "inside": Checker.inside,
    "outside": Checker.inside,
    "containing": Checker.containing,
    "changed": Checker.changed,
    "call": Checker.call,
}


def check(text: str, scope: Scope) -> tree.Test:
    """The checked tree of a filter. Raises `AxError` with a caret."""
    return Checker(text, scope).condition(parse(text))


def address(text: str, scope: Scope) -> int | None:
    """The address that a text is, such as main+0x10; None where it is a condition. Raises `AxError`."""
    checker, syntax = Checker(text, scope), parse(text)
    if syntax.data in CONDITIONS and syntax.data != "group":
        return None
    value = checker.value(syntax)
    if value.name is not None and (value.name.alone or value.type == "flag"):
        return None
    found = checker.as_number(value).value
    if not isinstance(found, tree.Constant) or not isinstance(found.value, int):
        raise checker.wrong(f"{text.strip()} is no fixed address; a condition is wanted, such as pc == main", value)
    return found.value


def _inner(node: Any) -> Syntax:
    assert isinstance(node, Tree)
    return node


def _value(typed: Typed) -> tree.Value:
    assert typed.value is not None
    return typed.value


def _folded(made: tree.Arithmetic) -> tree.Value:
    """Arithmetic with constants is done at once."""
    left, right = made.left, made.right
    if isinstance(left, tree.Constant) and isinstance(right, tree.Constant):
        return tree.Constant(calculated(made.operator, int(left.value), int(right.value)))
    return made


def calculated(operator: str, left: int, right: int) -> int:
    """The result in 64 bits; shifts by 64 and more leave nothing."""
    if operator in ("<<", ">>"):
        shifted = left << right if operator == "<<" else left >> right
        return shifted & M64 if right < 64 else 0
    results = {"+": left + right, "-": left - right, "*": left * right}
    bits = {"&": left & right, "|": left | right, "^": left ^ right}
    return (results | bits)[operator] & M64


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)
