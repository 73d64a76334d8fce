"""The magics of a lab: `%given`, `%check`, `%hint`, `%predict`, `%outcome`, `%predictions`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from axlab.course.check_files import Check, only_public
from axlab.course.checking import run_check
from axlab.course.displays import (
    CheckResult,
    GivenResult,
    HintResult,
    PredictionResult,
    PredictionsResult,
    hint_line,
)
from axlab.course.folders import find_check
from axlab.course.predictions import Prediction, Predictions
from axlab.errors import AxError


@magics_class
class CourseMagics(Magics):
    """What a notebook remembers of a student's work: predictions, and how many hints were shown."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.kept = Predictions()
        self.hints: dict[str, int] = {}

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the user; `student` among them is the name that inputs are made from."""
        names: dict[str, Any] = self.shell.user_ns  # type: ignore[union-attr]
        return names

    @no_var_expand
    @line_magic
    def given(self, line: str) -> GivenResult:
        """`%given 3.2`: the inputs of an exercise, made from your name, as variables of the notebook."""
        check = _check(line, "given")
        if check.given is None:
            raise AxError(f"exercise {check.name} has no inputs; read its text and go on")
        inputs = dict(check.given(self.variables.get("student")))
        self.variables.update(inputs)
        return GivenResult(exercise=check.name, student=str(self.variables.get("student") or ""), inputs=inputs)

    @no_var_expand
    @line_magic
    def check(self, line: str) -> CheckResult:
        """`%check 3.2`: look whether the answer to an exercise does what it should; the next hint where it does not."""
        check = only_public(_check(line, "check"))
        verdict = run_check(check, self.variables)
        hint = "" if verdict.passed or verdict.open_answers else self._next_hint(check)
        return CheckResult(ok=verdict.passed, verdict=verdict, hint=hint)

    @no_var_expand
    @line_magic
    def hint(self, line: str) -> HintResult:
        """`%hint 3.2`: the next hint for an exercise; after the last one, the last again."""
        check = _check(line, "hint")
        if not check.hints:
            raise AxError(f"exercise {check.name} has no hints")
        self._next_hint(check)
        level = self.hints[check.name]
        return HintResult(exercise=check.name, level=level, levels=len(check.hints), hint=check.hints[level - 1])

    def _next_hint(self, check: Check) -> str:
        if not check.hints:
            return ""
        level = min(self.hints.get(check.name, 0) + 1, len(check.hints))
        self.hints[check.name] = level
        return hint_line(level, len(check.hints), check.hints[level - 1])

    @no_var_expand
    @line_magic
    def predict(self, line: str) -> PredictionResult:
        """`%predict NAME VALUE`: keep what you expect, before the run that answers it."""
        name, value = _two(line, "predict", "%predict exits 100")
        return _shown(name, self.kept.predict(name, value))

    @no_var_expand
    @line_magic
    def outcome(self, line: str) -> PredictionResult:
        """`%outcome NAME EXPRESSION`: compare a prediction with what came."""
        name, expression = _two(line, "outcome", "%outcome exits len(lab.trace.exits())")
        return _shown(name, self.kept.compare(name, self.shell.ev(expression)))  # type: ignore[union-attr]

    @no_var_expand
    @line_magic
    def predictions(self, line: str) -> PredictionsResult:
        """`%predictions`: all predictions of this notebook beside what came."""
        if line.strip():
            raise AxError(f"%predictions takes no words: {line.strip()!r} is too many")
        return PredictionsResult(predictions=self.kept)


def _check(line: str, magic: str) -> Check:
    words = line.split()
    if len(words) != 1:
        raise AxError(f"%{magic} takes the number of one exercise", usage=f"Usage: %{magic} 3.2")
    return find_check(words[0], Path.cwd())


def _two(line: str, magic: str, example: str) -> tuple[str, str]:
    name, _, rest = line.strip().partition(" ")
    if not name.isidentifier() or not rest.strip():
        raise AxError(f"%{magic} takes a name and what belongs to it", usage=f"Usage: {example}")
    return name, rest.strip()


def _shown(name: str, prediction: Prediction) -> PredictionResult:
    return PredictionResult(name=name, value=prediction.value, outcome=prediction.outcome, right=prediction.right)


def load(shell: InteractiveShell) -> None:
    """Add the course's magics, unless they are there."""
    if CourseMagics.__name__ not in shell.magics_manager.registry:
        shell.register_magics(CourseMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Take them away, and with them what they remember."""
    magics = shell.magics_manager.registry.pop(CourseMagics.__name__, None)
    if magics is not None:
        for kind, names in magics.magics.items():
            for name in names:
                shell.magics_manager.magics[kind].pop(name, None)
