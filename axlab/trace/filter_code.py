"""From a checked filter to Python code: syntax trees are built and compiled, and no text of a person is.

Two readers share this: the rows of a recorded trace, where a column is a variable of a loop over all rows, and a lab
that stands still, where a value is asked of `Facts`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol

from axlab.trace import filter_tree as tree
from axlab.trace.filter_check import calculated
from axlab.trace.filter_names import Name

COMPARE: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE,
}  # fmt: skip


class Source(Protocol):
    """Where values come from."""

    def column(self, name: Name) -> ast.expr | None:
        """The value of a column; None where it is not there."""

    def happened(self, kinds: tuple[str, ...]) -> ast.expr:
        """Whether it is something of one of these kinds."""

    def leaf(self, test: ast.expr, names: list[Name]) -> ast.expr:
        """A test, guarded against values that are not there."""


class Missing(Exception):
    """A column that this source does not have: the test that wants it is false."""


def expression(node: tree.Test, source: Source) -> ast.expr:
    """A test as a Python expression."""
    if isinstance(node, tree.All | tree.Some):
        operator = ast.And() if isinstance(node, tree.All) else ast.Or()
        return ast.BoolOp(operator, [expression(test, source) for test in node.tests])
    names = [inner.name for inner in tree.everything(node) if isinstance(inner, tree.Field)]
    try:
        if isinstance(node, tree.Happened):
            return _negated(source.happened(node.kinds), node.negated)
        return source.leaf(_leaf(node, source), names)
    except Missing:
        return ast.Constant(False)


def _leaf(node: tree.Test, source: Source) -> ast.expr:
    match node:
        case tree.Compare(operator, left, right):
            return ast.Compare(value(left, source), [COMPARE[operator]()], [value(right, source)])
        case tree.Between(inner, low, high, negated):
            ends: list[ast.cmpop] = [ast.LtE(), ast.LtE()]
            made = ast.Compare(value(low, source), ends, [value(inner, source), value(high, source)])
            return _negated(made, negated)
        case tree.OneOf(inner, choices, negated):
            found = value(inner, source)
            if isinstance(inner, tree.Field) and inner.name.type == "word" and not inner.name.words:
                choices = tuple(_lower(choice) for choice in choices)
                found = ast.Call(ast.Attribute(found, "lower", ast.Load()), [], [])
            listed = ast.Tuple([value(choice, source) for choice in choices], ast.Load())
            return ast.Compare(found, [ast.NotIn() if negated else ast.In()], [listed])
        case tree.Contains(inner, part, negated):
            operator_ = ast.NotIn() if negated else ast.In()
            return ast.Compare(value(part, source), [operator_], [value(inner, source)])
        case tree.Flag(field, negated):
            return _negated(value(field, source), negated)
    raise AssertionError(node)


def value(node: tree.Value, source: Source) -> ast.expr:
    """A value as a Python expression. Raises `Missing`."""
    match node:
        case tree.Constant(constant):
            return ast.Constant(constant)
        case tree.Field(name):
            found = source.column(name)
            if found is None:
                raise Missing
            return found
        case tree.Register(name):
            return _asked("register", ast.Constant(name))
        case tree.MemoryAt(address, size):
            return _asked("memory", value(address, source), ast.Constant(size))
        case tree.Arithmetic(operator, left, right):
            arguments = [ast.Constant(operator), value(left, source), value(right, source)]
            return ast.Call(ast.Name("calculated", ast.Load()), arguments, [])


def _lower(choice: tree.Value) -> tree.Value:
    return tree.Constant(choice.value.lower()) if isinstance(choice, tree.Constant) and isinstance(
        choice.value, str
    ) else choice  # fmt: skip


def _words(words: tuple[str, ...]) -> ast.expr:
    return ast.Tuple([ast.Constant(word) for word in words], ast.Load())


def _negated(test: ast.expr, negated: bool) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test) if negated else test


def _asked(question: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(ast.Name("facts", ast.Load()), question, ast.Load()), list(arguments), [])


def function(arguments: list[str], body: ast.expr) -> Callable[..., Any]:
    """A function of these arguments that returns a value."""
    parameters = ast.arguments([], [ast.arg(name) for name in arguments], None, [], [], None, [])
    whole = ast.fix_missing_locations(ast.Expression(ast.Lambda(parameters, body)))
    names = {"calculated": calculated, "known": known, "enumerate": enumerate, "zip": zip, "__builtins__": {}}
    return FunctionType(_code(whole), names)


def _code(whole: ast.Expression) -> Any:
    outer = compile(whole, "<filter>", "eval")
    return next(const for const in outer.co_consts if hasattr(const, "co_code"))


def known(test: Callable[[], Any]) -> bool:
    """Whether a test holds; one that asks for what is not there does not."""
    try:
        return bool(test())
    except LookupError:
        return False


# A lab that stands still


class Live:
    """Values are asked of `facts`: whether they are there is known when they are asked for."""

    def column(self, name: Name) -> ast.expr:
        return _asked("column", ast.Constant(name.column), _words(name.kinds), _words(name.guard))

    def happened(self, kinds: tuple[str, ...]) -> ast.expr:
        return _asked("happened", _words(kinds))

    def leaf(self, test: ast.expr, names: list[Name]) -> ast.expr:
        nothing = ast.arguments([], [], None, [], [], None, [])
        return ast.Call(ast.Name("known", ast.Load()), [ast.Lambda(nothing, test)], [])


def live_code(node: tree.Test) -> Callable[[Any], bool]:
    """A function of `Facts`."""
    return function(["facts"], expression(node, Live()))


# The rows of one kind


class Rows:
    """Values are variables of a loop; what a kind does not have is known before."""

    def __init__(self, kind: str, columns: list[str]) -> None:
        self.kind = kind
        self.columns = columns
        self.used: list[str] = []

    def column(self, name: Name) -> ast.expr | None:
        if self.kind not in name.kinds or name.column not in self.columns:
            return None
        if name.column not in self.used:
            self.used.append(name.column)
        return ast.Name(name.column, ast.Load())

    def happened(self, kinds: tuple[str, ...]) -> ast.expr:
        return ast.Constant(self.kind in kinds)

    def leaf(self, test: ast.expr, names: list[Name]) -> ast.expr:
        guards = [name.guard for name in names if name.guard and "reason" in self.columns]
        for guard in guards:
            if "reason" not in self.used:
                self.used.append("reason")
            allowed = ast.Compare(ast.Name("reason", ast.Load()), [ast.In()], [_words(guard)])
            test = ast.BoolOp(ast.And(), [allowed, test])
        return test


def row_code(node: tree.Test, kind: str, columns: list[str]) -> tuple[Callable[..., list[int]], list[str]]:
    """A function of columns, all of them iterables, that gives the numbers of the rows; and which columns it takes."""
    source = Rows(kind, columns)
    test = expression(node, source)
    used = source.used or columns[:1]
    row = ast.Tuple([ast.Name(name, ast.Store()) for name in used], ast.Store())
    numbered = ast.Tuple([ast.Name("row_number", ast.Store()), row], ast.Store())
    zipped = ast.Call(ast.Name("zip", ast.Load()), [ast.Name(f"all_{name}", ast.Load()) for name in used], [])
    pairs = ast.Call(ast.Name("enumerate", ast.Load()), [zipped], [])
    loop = ast.comprehension(numbered, pairs, [test], 0)
    body = ast.ListComp(ast.Name("row_number", ast.Load()), [loop])
    return function([f"all_{name}" for name in used], body), used
