"""Fold a semantics function into a template for one shape of an instruction.

The function's syntax tree is evaluated with `Value`s: what is known disappears, branches that are decided
disappear, and the primitives of `Cpu` become records (see `Record`). Where a path depends on a field, the
question asked of it (`rd==31`, `imms>=immr`) becomes part of the shape.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from axlab.machine.translator import primitives
from axlab.machine.translator.records import Record
from axlab.machine.translator.values import Unfoldable, Value, combine, masked, number, text, union

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.LShift: "<<", ast.RShift: ">>",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip
NEUTRAL_ZERO = ("+", "-", "|", "^")
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip

# What pure helpers give at most, where that is more than interval arithmetic finds: name -> bounds by argument.
HELPER_BOUNDS: dict[str, Callable[[list[Value]], tuple[int, int]]] = {
    "logical_immediate": lambda args: (0, (1 << (64 if args[3].number else 32)) - 1),
    "sign_extend": lambda args: (-(1 << (args[1].high or 64) - 1), (1 << (args[1].high or 64) - 1) - 1),
    "reverse_bytes": lambda args: (0, (1 << 8 * args[1].number) - 1),
    "reverse_bits": lambda args: (0, (1 << args[1].number) - 1),
    "count_leading_zeros": lambda args: (0, 64),
    "count_leading_sign_bits": lambda args: (0, 64),
    "crc32": lambda args: (0, (1 << 32) - 1),
    "crc32c": lambda args: (0, (1 << 32) - 1),
}


# Arguments of helpers that had better be known: without them masks stay in the text that it does not need.
KNOWN_ARGUMENTS = {"extended": (1,), "sign_extend": (1,), "shifted": (1, 3)}


def sign_extended(value: Value, width: int) -> Value:
    """Two's complement without a branch; a sign extension does not change the low `width` bits."""
    low = masked(value, (1 << width) - 1)
    sign = 1 << width - 1
    return Value("text", f"(({low.run}^{sign})-{sign})", -sign, sign - 1, value.effects, (low.run, width))


def bytes_reversed(value: Value, size: int) -> Value:
    """As `bits.reverse_bytes`, in place: a call more would cost as much again."""
    source = f"from_bytes(({value.run}).to_bytes({size},'little'),'big')"
    return Value("text", source, 0, (1 << 8 * size) - 1, value.effects)


@cache
def functions_of(module: ModuleType) -> dict[str, ast.FunctionDef]:
    """The syntax trees of a module's functions."""
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def parsed(function: Callable[..., Any]) -> ast.FunctionDef:
    """The syntax tree of a function."""
    return functions_of(sys.modules[function.__module__])[function.__name__]


class Folder:
    """Evaluates one function for the shape of one instruction, of which `answer` answers questions: what was asked
    is part of the shape, and `known`."""

    def __init__(self, function: Callable[..., Any], widths: dict[str, int], answer: Callable[[str], int]) -> None:
        self.function = function
        self.widths = widths
        self.answer = answer
        self.known: dict[str, int] = {}
        self.records: list[Record] = []
        self.temporaries = 0

    def fold(self) -> list[Record]:
        """The records of the function. Raises `Unfoldable`."""
        tree = parsed(self.function)
        env = {name: Value("hole", name, 0, (1 << width) - 1) for name, width in self.widths.items()}
        self.block(tree.body, env, self.function.__globals__)
        return self.records

    def ask(self, value: Value) -> Value:
        """A hole that the shape answers is a number."""
        known = self.known.get(value.text) if value.kind == "hole" else None
        return value if known is None else number(known)

    def decide(self, value: Value) -> int:
        """The value of a hole that decides a path: a part of the shape from now on."""
        if value.kind == "hole" and value.text not in self.known:
            if "pc" in re.findall(r"\w+", value.text):
                raise Unfoldable("a path that depends on where the instruction is")
            self.known[value.text] = self.answer(value.text)
        return self.ask(value).number

    # Statements

    def block(self, body: list[ast.stmt], env: dict[str, Value], names: dict[str, Any]) -> Value | None:
        """Evaluate statements in order; the value of a `return` ends them."""
        for position, statement in enumerate(body):
            result = self.statement(statement, body[position + 1 :], env, names)
            if result is not None:
                return result
        return None

    def statement(
        self, node: ast.stmt, rest: list[ast.stmt], env: dict[str, Value], names: dict[str, Any]
    ) -> Value | None:
        if isinstance(node, ast.Expr):
            if not isinstance(node.value, ast.Constant):
                self.keep_aliases(rest, env, self.effect(node.value, env, names))
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self.assign(node.targets[0], self.expression(node.value, env, names), rest, env)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.assign(node.target, self.expression(node.value, env, names), rest, env)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            value = self.combine(OPERATORS[type(node.op)], env[node.target.id], self.expression(node.value, env, names))
            self.assign(node.target, value, rest, env)
        elif isinstance(node, ast.If):
            return self.branch_on(node, env, names)
        elif isinstance(node, ast.Return):
            return number(0) if node.value is None else self.expression(node.value, env, names)
        elif not isinstance(node, ast.Pass):
            raise Unfoldable(ast.dump(node))
        return None

    def assign(self, target: ast.expr, value: Value, rest: list[ast.stmt], env: dict[str, Value]) -> None:
        """Bind a local name; text goes into a variable unless it is used once, at once, or is a name already."""
        if isinstance(target, ast.Tuple):
            if value.kind != "tuple":
                raise Unfoldable("unpacking")
            for element, source in zip(target.elts, value.text.split("|"), strict=True):
                assert isinstance(element, ast.Name)
                env[element.id] = text(source, value.low, value.high)
            return
        if not isinstance(target, ast.Name):
            raise Unfoldable(ast.dump(target))
        if value.kind == "text" and not value.simple and uses(rest, target.id) != (1, 0):
            value = self.temporary(value, target.id)
        env[target.id] = value

    def temporary(self, value: Value, name: str = "t") -> Value:
        """Put text into a local variable of the block's function."""
        self.temporaries += 1
        variable = f"{name}_{self.temporaries}"
        kind = "memory" if value.effects == "memory" else "line"
        self.records.append(Record(kind, [f"{variable}={value.text}"], high=value.most))
        return text(variable, value.low, value.high)

    def keep_aliases(self, rest: list[ast.stmt], env: dict[str, Value], written: str) -> None:
        """A register was written by the last record: locals that name it and are still needed keep its old value."""
        if not written:
            return
        for name, value in env.items():
            if value.kind != "text" or not uses(rest, name)[0]:
                continue
            if value.text == written or self.same_register(value.text, written):
                record = self.records.pop()
                env[name] = self.temporary(value, name)
                self.records.append(record)

    def same_register(self, alias: str, written: str) -> bool:
        """Whether two register names, which may be holes, are the same for this shape."""
        if alias[0] != "x" or written[0] != "x" or not {"{"} & {alias[1], written[1]}:
            return False
        a, b = (name[1:].strip("{}") for name in (alias, written))
        return bool(self.decide(Value("hole", f"{a}=={b}")))

    def branch_on(self, node: ast.If, env: dict[str, Value], names: dict[str, Any]) -> Value | None:
        test = self.ask(self.expression(node.test, env, names))
        if test.kind != "text":
            return self.block(node.body if self.decide(test) else node.orelse, env, names)
        outer = self.records
        halves = []
        for body in (node.body, node.orelse):
            self.records = []
            if self.block(body, dict(env), names) is not None:
                raise Unfoldable("a return that depends on a register")
            halves.append(self.records)
        self.records = outer
        self.records.append(Record("if", [test.text], body=halves[0], orelse=halves[1]))
        return None

    def effect(self, node: ast.expr, env: dict[str, Value], names: dict[str, Any]) -> str:
        """A primitive called for what it does; the register that it wrote, if it did."""
        if not isinstance(node, ast.Call):
            raise Unfoldable(ast.dump(node))
        args = [self.expression(arg, env, names) for arg in node.args]
        if isinstance(node.func, ast.Attribute):
            primitive = primitives.EFFECTS.get(qualified(node.func))
            if primitive is not None:
                return primitive(self, *args)
        self.call(node, args, names)
        return ""

    # Expressions

    def expression(self, node: ast.expr, env: dict[str, Value], names: dict[str, Any]) -> Value:
        """The value of an expression."""
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, int):
                raise Unfoldable(repr(node.value))
            return number(node.value)
        if isinstance(node, ast.Name):
            return self.name(node.id, env, names)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            left, right = self.expression(node.left, env, names), self.expression(node.right, env, names)
            return self.combine(OPERATORS[type(node.op)], left, right)
        if isinstance(node, ast.UnaryOp):
            return self.unary(node, self.expression(node.operand, env, names))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.expression(node.left, env, names), self.expression(node.comparators[0], env, names)
            return self.compare(COMPARISONS[type(node.ops[0])], left, right)
        if isinstance(node, ast.IfExp):
            return self.choose(node, env, names)
        if isinstance(node, ast.Tuple):
            numbers = [str(self.decide(self.expression(element, env, names))) for element in node.elts]
            return Value("tuple", "|".join(numbers))
        if isinstance(node, ast.Attribute) and node.attr == "pc":
            return Value("hole", "pc", 0, (1 << 64) - 1)
        if isinstance(node, ast.Attribute) and node.attr == "daif":
            return text("CPU.daif", 0, 15)
        if isinstance(node, ast.Call):
            return self.call(node, [self.expression(arg, env, names) for arg in node.args], names)
        raise Unfoldable(ast.dump(node))

    def name(self, name: str, env: dict[str, Value], names: dict[str, Any]) -> Value:
        if name in env:
            return self.ask(env[name])
        if isinstance(names.get(name), int):
            return number(names[name])
        if name == "cpu":
            return Value("cpu", name)
        raise Unfoldable(f"the name {name}")

    def combine(self, operator: str, a: Value, b: Value) -> Value:
        """As `values.combine`. How far something is shifted is a part of the shape, because it bounds the result;
        so is whether an operand is a zero that does nothing."""
        if b.kind == "hole" and operator in ("<<", ">>"):
            b = number(self.decide(b))
        if b.kind == "hole" and a.kind == "text" and operator in NEUTRAL_ZERO:
            b = number(0) if self.decide(Value("hole", f"({b.text})==0")) else b
        return self.ask(combine(operator, a, b))

    def unary(self, node: ast.UnaryOp, value: Value) -> Value:
        operator = {ast.Invert: "~", ast.USub: "-", ast.Not: "not "}[type(node.op)]
        if value.kind == "number":
            return number(eval(f"{operator}({value.text})", {"__builtins__": {}}))
        low = high = None
        if value.low is not None and value.high is not None:
            low, high = {"~": (~value.high, ~value.low), "-": (-value.high, -value.low), "not ": (0, 1)}[operator]
        return self.ask(Value(value.kind, f"({operator}{value.text})", low, high, value.effects))

    def compare(self, operator: str, a: Value, b: Value) -> Value:
        if a.kind == b.kind == "number":
            return number(eval(f"{a.text}{operator}{b.text}", {"__builtins__": {}}))
        if "text" not in (a.kind, b.kind):
            return self.ask(Value("hole", f"{a.text}{operator}{b.text}", 0, 1))
        return text(f"({a.run}{operator}{b.run})", 0, 1, a.effects or b.effects)

    def choose(self, node: ast.IfExp, env: dict[str, Value], names: dict[str, Any]) -> Value:
        test = self.expression(node.test, env, names)
        if test.kind != "text":
            return self.expression(node.body if self.decide(test) else node.orelse, env, names)
        before = len(self.records)
        a, b = self.expression(node.body, env, names), self.expression(node.orelse, env, names)
        if len(self.records) != before:
            raise Unfoldable("a choice between values that need variables")
        return text(f"({a.run} if {test.text} else {b.run})", *union(a, b), effects=a.effects or b.effects)

    def call(self, node: ast.Call, args: list[Value], names: dict[str, Any]) -> Value:
        """A primitive, a pure helper, or a function that is read in turn."""
        if isinstance(node.func, ast.Attribute):
            primitive = primitives.VALUES.get(qualified(node.func))
            if primitive is None:
                raise Unfoldable(f"the primitive {qualified(node.func)}")
            return primitive(self, *args)
        if not isinstance(node.func, ast.Name) or not callable(names.get(node.func.id)) or node.keywords:
            raise Unfoldable(ast.dump(node.func))
        return self.helper(node.func.id, names[node.func.id], args)

    def helper(self, name: str, function: Callable[..., Any], args: list[Value]) -> Value:
        """A helper of fields alone is computed; one of registers is read in place, or else called."""
        if all(value.kind == "number" for value in args):
            result = function(*[value.number for value in args])
            if isinstance(result, int):
                return number(result)
            raise Unfoldable(f"{name} gives no number")
        if name == "logical_immediate":
            args[3] = number(self.decide(args[3]))
        if all(value.kind in ("number", "hole") for value in args):
            return self.ask(self.called(name, args, "hole"))
        for index in KNOWN_ARGUMENTS.get(name, ()):
            args[index] = number(self.decide(args[index]))
        if name == "sign_extend":
            return sign_extended(args[0], args[1].number)
        if name in ("crc32", "crc32c") and self.decide(args[2]) == 1:
            return self.crc_of_byte(name, args[0], args[1])
        if name == "reverse_bytes":
            return bytes_reversed(args[0], args[1].number)
        saved = len(self.records)
        try:
            return self.inline(function, args)
        except Unfoldable:
            if any(value.kind == "cpu" for value in args):
                raise
            del self.records[saved:]
            return self.called(name, args, "text")

    def crc_of_byte(self, name: str, accumulator: Value, value: Value) -> Value:
        """As `bits.crc32` and `bits.crc32c` for one byte, by a table of what they give."""
        if not accumulator.simple:
            accumulator = self.temporary(accumulator)
        source = f"({name}_of_byte[({accumulator.run}^{value.run})&255]^{accumulator.run}>>8)"
        return text(source, 0, (1 << 32) - 1, accumulator.effects or value.effects)

    def called(self, name: str, args: list[Value], kind: str) -> Value:
        low, high = HELPER_BOUNDS[name](args) if name in HELPER_BOUNDS else (None, None)
        inside = ",".join(value.text if kind == "hole" else value.run for value in args)
        effects = next((value.effects for value in args if value.effects), "")
        return Value(kind, f"{name}({inside})", low, high, effects)

    def inline(self, function: Callable[..., Any], args: list[Value]) -> Value:
        """The value of a helper whose body is read with these arguments; those that it repeats go into variables."""
        start = len(self.records)
        result = self.body_of(function, args)
        written = result.text + "".join(record.texts[0] for record in self.records[start:])
        repeated = [i for i, value in enumerate(args) if not value.simple and written.count(value.text) > 1]
        if not repeated:
            return result
        del self.records[start:]
        return self.body_of(function, [self.temporary(v) if i in repeated else v for i, v in enumerate(args)])

    def body_of(self, function: Callable[..., Any], args: list[Value]) -> Value:
        """What a function returns."""
        tree = parsed(function)
        env = {parameter.arg: value for parameter, value in zip(tree.args.args, args, strict=True)}
        result = self.block(tree.body, env, function.__globals__)
        if result is None:
            raise Unfoldable(f"{function.__name__} returns nothing")
        return result


def qualified(node: ast.Attribute) -> str:
    """The name of a primitive: a method of `cpu`, or a function of a module."""
    return node.attr if isinstance(node.value, ast.Name) and node.value.id == "cpu" else ast.unparse(node)


def uses(body: list[ast.stmt], name: str) -> tuple[int, int]:
    """How often statements read a name, and how often those after the first statement do."""
    counts = [reads(statement)[name] for statement in body]
    return sum(counts), sum(counts[1:])


@cache
def reads(statement: ast.stmt) -> Counter[str]:
    """How often a statement reads each name."""
    return Counter(n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
