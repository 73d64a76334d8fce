"""Running a check over the variables of a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from axlab.course.check_files import Case, Check
from axlab.course.expectations import Mismatch, shown

ALWAYS = {"env", "student"}  # parameters of a check that are no answers


@dataclass(frozen=True)
class CaseVerdict:
    """What became of one case. `wanted` and `got` are empty where it passed, or failed otherwise than by a value."""

    name: str
    passed: bool
    points: float
    hidden: bool = False
    what: str = ""
    wanted: str = ""
    got: str = ""
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a check: its cases, the answers that are still open, and the mistake that was recognised."""

    exercise: str
    cases: tuple[CaseVerdict, ...]
    open_answers: tuple[str, ...] = ()
    mistake: str = ""
    all_or_nothing: bool = False

    @property
    def passed(self) -> bool:
        return all(case.passed for case in self.cases)

    @property
    def possible(self) -> float:
        """Points that there are."""
        return sum(case.points for case in self.cases)

    @property
    def score(self) -> float:
        """Points that were reached."""
        if self.all_or_nothing and not self.passed:
            return 0.0
        return sum(case.points for case in self.cases if case.passed)


def run_check(check: Check, variables: Mapping[str, Any]) -> Verdict:
    """The verdict on the answers among `variables`. Whatever a student's code raises is part of the verdict."""
    missing = open_answers(check, variables)
    if missing:
        return _open(check, missing)
    try:
        verdicts = tuple(_run_case(case, variables) for case in check.cases)
    except NotImplementedError as error:  # what stands in a function that is to be written
        return _open(check, (str(error),) if str(error) else answers(check))
    failed = not all(one.passed for one in verdicts)
    mistake = recognised(check, variables) if failed else ""
    return Verdict(check.name, verdicts, mistake=mistake, all_or_nothing=check.all_or_nothing)


def _open(check: Check, names: tuple[str, ...]) -> Verdict:
    """The verdict where there is nothing to judge yet."""
    waits = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not written yet"
    cases = [CaseVerdict(case.name, False, case.points, case.hidden, message=waits) for case in check.cases]
    return Verdict(check.name, tuple(cases), names, all_or_nothing=check.all_or_nothing)


def answers(check: Check) -> tuple[str, ...]:
    """Names of the variables that the check judges."""
    names = [name for case in check.cases for name in inspect.signature(case.function).parameters]
    return tuple(name for name in dict.fromkeys(names) if name not in ALWAYS)


def open_answers(check: Check, variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of answers that are missing, None or `...`."""
    return tuple(name for name in answers(check) if variables.get(name) is None or variables[name] is ...)


def recognised(check: Check, variables: Mapping[str, Any]) -> str:
    """What is said of the first typical mistake that was made; empty where none was."""
    return next((message for predicate, message in check.mistakes if _holds(predicate, variables)), "")


def _holds(predicate: Callable[..., Any], variables: Mapping[str, Any]) -> bool:
    try:
        return bool(_call(predicate, variables))
    except (Exception, SystemExit):  # a predicate that a strange answer breaks does not hold of it
        return False


def _call(function: Callable[..., Any], variables: Mapping[str, Any]) -> Any:
    """Call with otter-grader's rule: `env` is all variables, every other parameter the variable of its name."""
    parameters = inspect.signature(function).parameters
    return function(**{name: variables if name == "env" else variables.get(name) for name in parameters})


def _run_case(case: Case, variables: Mapping[str, Any]) -> CaseVerdict:
    try:
        _call(case.function, variables)
    except Mismatch as error:
        return CaseVerdict(
            case.name, False, case.points, case.hidden, error.what, error.wanted, error.got, case.failure_message
        )
    except NotImplementedError:
        raise
    except (Exception, SystemExit) as error:  # a student's code may raise anything, and is not to end the run
        raised = shown(f"{type(error).__name__}: {error}")
        return CaseVerdict(
            case.name, False, case.points, case.hidden, what="running it", got=raised, message=case.failure_message
        )
    return CaseVerdict(case.name, True, case.points, case.hidden, message=case.success_message)
