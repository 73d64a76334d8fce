"""From the text of a filter to its syntax tree: `grammars/filter.lark` read, and errors with a caret."""

from __future__ import annotations

import functools
import re

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput

from axlab.errors import AxError
from axlab.languages import read_grammar

Syntax = Tree[Token]

WORD = re.compile(r"[\w.]+")
LONGEST = 2000  # characters
DEEPEST = 60  # levels of the tree

# What may come next, in a person's words; the others are read as they are written.
EXPECTED = {
    "NUMBER": "a number", "DURATION": "a duration", "STRING": "a text", "NAME": "a name", "COMPARISON": "a comparison",
}  # fmt: skip
OPERATORS = set("|^&+-*") | {"<<", ">>"}
SYNONYMS = {"||", "&&", "!"}
BEGINNINGS = {"NUMBER", "DURATION", "STRING", "NAME"}
USAGE = "A filter is written like: exit == mmio and gpa in 0x9000000..0x9000fff"


@functools.cache
def _parser() -> Lark:
    return Lark(read_grammar("filter.lark"), parser="lalr", propagate_positions=True, maybe_placeholders=False)


def wrong(text: str, message: str, start: int, end: int) -> AxError:
    """What is said of a place in a filter."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return AxError(message, text=shown, column=start, length=max(1, end - start))


def parse(text: str) -> Syntax:
    """The syntax tree of a filter. Raises `AxError`."""
    if not text.strip():
        raise AxError(f"the filter is empty. {USAGE}")
    if len(text) > LONGEST:
        raise AxError(f"the filter has {len(text)} characters; {LONGEST} are allowed")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    _check_depth(text, tree)
    return tree


def _check_depth(text: str, tree: Syntax) -> None:
    left: list[tuple[Syntax, int]] = [(tree, 1)]
    while left:
        node, depth = left.pop()
        if depth > DEEPEST:
            raise wrong(text, "the filter is nested too deeply", *place(node))
        left += [(child, depth + 1) for child in node.children if isinstance(child, Tree)]


def place(node: Syntax | Token) -> tuple[int, int]:
    """Where a node stands in the text: start, end."""
    if isinstance(node, Token):
        return node.start_pos or 0, node.end_pos or 0
    return getattr(node.meta, "start_pos", 0), getattr(node.meta, "end_pos", 1)


def _explained(text: str, error: UnexpectedInput) -> AxError:
    """A syntax error in a person's words."""
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        if text[start] in "\"'":
            return wrong(text, "this text has no end: a quote is missing", start, len(text))
        if text[start] == "=":
            return wrong(text, "a single = means nothing here; write == to compare", start, start + 1)
        if text[start].isdigit():
            end = start + len(WORD.match(text[start:])[0])  # type: ignore[index]
            what = f"{text[start:end]} is neither a number nor a duration; write 16, 0x10, 10ms"
            return wrong(text, what, start, end)
        return wrong(text, f"{text[start]!r} means nothing here", start, start + 1)
    token = getattr(error, "token", None)
    if token is None or token.type == "$END" or isinstance(error, UnexpectedEOF):
        return wrong(text, f"the filter ends too early: {_wanted(error)} is missing", len(text), len(text) + 1)
    start, end = place(token)
    return wrong(text, f"{str(token)!r} is not expected here: {_wanted(error)} could stand here", start, end)


def _wanted(error: UnexpectedInput) -> str:
    """What could stand at the place of an error."""
    expected = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or ())
    if expected >= BEGINNINGS:
        return "a name, a number or a text"
    words = [EXPECTED.get(name) or _literal(name) for name in sorted(expected) if name != "$END"]
    words = ["an operator" if word in OPERATORS else word for word in words if word not in SYNONYMS]
    return ", ".join(dict.fromkeys(words)) or "nothing"


def _literal(name: str) -> str:
    """How a token is written."""
    found = next((one for one in _parser().terminals if one.name == name), None)
    return found.pattern.value.replace("\\", "") if found else name.lower()
