"""What `%check`, `%hint`, `%given`, `%predict` and `%predictions` show: results as the shell's commands have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.course.checking import CaseVerdict, Verdict
from axlab.course.predictions import OPEN, Predictions
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result


@dataclass(kw_only=True)
class CheckResult(Result):
    """The verdict on an exercise, with at most one hint."""

    verdict: Verdict
    hint: str = ""

    def blocks(self) -> list[Block]:
        verdict = self.verdict
        points = f"{verdict.score:g} of {verdict.possible:g} points"
        lines = [f"{'✓' if verdict.passed else '✗'} {verdict.exercise}: {points}"]
        if verdict.open_answers:
            lines.append(f"  {verdict.cases[0].message}: write your answer into its cell and run that cell")
        else:
            lines += [line for case in verdict.cases for line in case_lines(case)]
        lines += [f"  {line}" for line in verdict.mistake.splitlines()]
        lines += [self.hint] if self.hint else []
        return [Lines(tuple(lines))]


def case_lines(case: CaseVerdict) -> list[str]:
    """What is said of one case: nothing where it passed without a message."""
    if case.passed:
        return [f"  {case.message}"] if case.message else []
    lines = [f"  {case.what}"]
    lines += [f"    expected  {case.wanted}"] if case.wanted else []
    lines += [f"    got       {case.got}"]
    return lines + ([f"  {case.message}"] if case.message else [])


@dataclass(kw_only=True)
class HintResult(Result):
    """One hint of an exercise: `level` from 1."""

    exercise: str
    level: int
    levels: int
    hint: str

    def blocks(self) -> list[Block]:
        return [Lines((hint_line(self.level, self.levels, self.hint),))]


def hint_line(level: int, levels: int, hint: str) -> str:
    return f"ℹ Hint {level} of {levels}: {hint}"


@dataclass(kw_only=True)
class GivenResult(Result):
    """The inputs of an exercise, which are variables of the notebook now."""

    exercise: str
    student: str
    inputs: dict[str, Any] = field(default_factory=dict)

    def blocks(self) -> list[Block]:
        whose = f"for {self.student}" if self.student else "without a name"
        rows = tuple((name, written(value)) for name, value in self.inputs.items())
        return [Lines((f"Exercise {self.exercise}, {whose}:",)), Table(("VARIABLE", "VALUE"), rows)]


def written(value: Any) -> str:
    """A value as a person would write it: text as it is, addresses in hexadecimal."""
    if type(value) is int and value > 0xFFFF:
        return hex(value)
    return value if isinstance(value, str) else repr(value)


@dataclass(kw_only=True)
class PredictionResult(Result):
    """A prediction that was kept, or compared with its outcome."""

    name: str
    value: str
    outcome: str | None = None
    right: bool | None = None

    def blocks(self) -> list[Block]:
        return [Lines((self.line(),))]

    def line(self) -> str:
        if self.outcome is None:
            asked = f"ℹ {self.name}: put your prediction in place of the ... before you go on"
            return asked if self.value == OPEN else f"{self.name}: you predict {self.value}"
        if self.right is None:
            return f"ℹ {self.name}: it was {self.outcome}; no prediction was made"
        if self.right:
            return f"✓ {self.name}: {self.outcome}, as you predicted"
        return f"✗ {self.name}: you predicted {self.value}, it was {self.outcome}"


@dataclass(kw_only=True)
class PredictionsResult(Result):
    """All predictions of a notebook beside what came."""

    predictions: Predictions

    SIGNS = {None: "–", True: "✓", False: "✗"}

    def blocks(self) -> list[Block]:
        made = self.predictions.made
        rows = tuple((name, one.value, one.outcome or "", self.SIGNS[one.right]) for name, one in made.items())
        judged = [one.right for one in made.values() if one.right is not None]
        count = f"{sum(judged)} of {len(made)} as predicted" if judged else "No prediction was made."
        return [Table(("QUESTION", "PREDICTED", "OUTCOME", ""), rows), Lines((count,))]
