"""Reading checks: Python files in the exception form of otter-grader's test files.

A file checks one exercise. It is a lecturer's code and is executed, as a module is; nothing of a submission is
read here. `from otter.test_files import test_case` stands in it as otter-grader wants it, and gives the decorator
below when AxLab reads the file, so that otter-grader need not be there. Beyond otter-grader's names a file may have
`HINTS`, `MISTAKES` and `given`, which otter-grader passes over.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axlab.errors import AxError

OTTER = "otter.test_files"


@dataclass(frozen=True)
class Case:
    """One test function of a check, and what otter-grader's decorator says of it."""

    name: str
    points: float
    hidden: bool
    success_message: str
    failure_message: str
    function: Callable[..., None]


@dataclass(frozen=True)
class Check:
    """The check of an exercise.

    `hints` are shown one after the other. `mistakes` are pairs of a predicate over the student's variables and
    what is said to a student for whom it holds. `given` makes a student's inputs.
    """

    name: str
    cases: tuple[Case, ...]
    hints: tuple[str, ...] = ()
    mistakes: tuple[tuple[Callable[..., Any], str], ...] = ()
    given: Callable[[str | None], Mapping[str, Any]] | None = None
    all_or_nothing: bool = False


@dataclass(frozen=True)
class Declared:
    """What `@test_case(...)` leaves in a file: a case that may have no name and no points of its own yet."""

    function: Callable[..., None]
    name: str | None
    points: float | None
    hidden: bool
    success_message: str | None
    failure_message: str | None


def test_case(
    name: str | None = None,
    points: float | None = None,
    hidden: bool = False,
    success_message: str | None = None,
    failure_message: str | None = None,
) -> Callable[[Callable[..., None]], Declared]:
    """otter-grader's decorator, with its parameters in its order."""
    return lambda function: Declared(function, name, points, hidden, success_message, failure_message)


def read_check(path: Path) -> Check:
    """The check in a file. Raises AxError."""
    try:
        return parse_check(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise AxError(f"the check cannot be read: {error}", source=str(path)) from None


def parse_check(text: str, source: str) -> Check:
    """The check in a text; `source` names it in messages. Raises AxError."""
    names = _executed(text, source)
    if names.get("OK_FORMAT") is not False:
        raise AxError("OK_FORMAT = False is missing: this is the form of check that is read", source=source)
    if not isinstance(names.get("name"), str):
        raise AxError('the name of the exercise is missing, such as name = "1.2"', source=source)
    declared = [value for value in names.values() if isinstance(value, Declared)]
    if not declared:
        raise AxError("a check needs at least one function with @test_case(...)", source=source)
    return Check(
        name=names["name"],
        cases=_cases(names["name"], names.get("points"), declared, source),
        hints=tuple(names.get("HINTS", ())),
        mistakes=tuple(names.get("MISTAKES", ())),
        given=names.get("given"),
        all_or_nothing=bool(names.get("all_or_nothing", False)),
    )


def _executed(text: str, source: str) -> dict[str, Any]:
    """The names that a check file defines."""
    names: dict[str, Any] = {"__name__": "check", "test_case": test_case}
    try:
        tree = ast.parse(text, source)
        tree.body = [node for node in tree.body if not (isinstance(node, ast.ImportFrom) and node.module == OTTER)]
        exec(compile(tree, source, "exec"), names)
    except SyntaxError as error:
        raise AxError(f"no Python: {error.msg}", source=source, line=error.lineno or 0) from None
    except Exception as error:
        raise AxError(f"the check cannot be loaded: {type(error).__name__}: {error}", source=source) from None
    return names


def _cases(name: str, total: Any, declared: Sequence[Declared], source: str) -> tuple[Case, ...]:
    points = _points(total, [one.points for one in declared], source)
    return tuple(
        Case(
            one.name or f"{name} - {number}",
            worth,
            one.hidden,
            one.success_message or "",
            one.failure_message or "",
            one.function,
        )
        for number, (one, worth) in enumerate(zip(declared, points, strict=True), 1)
    )


def _points(total: Any, own: list[float | None], source: str) -> list[float]:
    """otter-grader's rules: a list gives each case its points; of a total, cases without points share the rest;
    without a total they count nothing, unless none of the cases has points: then they share one."""
    if isinstance(total, list):
        if len(total) != len(own):
            raise AxError(f"points has {len(total)} items for {len(own)} test cases", source=source)
        own, total = list(total), None
    known = sum(worth for worth in own if worth is not None)
    if total is None:
        total = known or 1
    if known > total:
        raise AxError(f"the test cases have {known:g} points, more than the {total:g} of the check", source=source)
    open_ones = own.count(None)
    return [(total - known) / open_ones if worth is None else float(worth) for worth in own]


def only_public(check: Check) -> Check:
    """The check without its hidden cases: what a student's own `%check` runs."""
    return replace(check, cases=tuple(case for case in check.cases if not case.hidden))
