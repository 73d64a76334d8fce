"""Grading submissions: each in a process of its own, by the course's checks and a lecturer's hidden ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from axlab.course.check_files import Check, parse_check
from axlab.course.checking import CaseVerdict, Verdict
from axlab.course.folders import exercises, shipped
from axlab.course.sandbox import Limits, Run, run
from axlab.course.session import read_notebook
from axlab.errors import AxError

LONGEST = 500  # characters of a text that comes from a submission's process


@dataclass(frozen=True)
class CheckText:
    """A check as it is sent to a submission's process, and as it is known here: whose points count."""

    text: str
    check: Check
    hidden: bool = False


@dataclass(frozen=True)
class Grade:
    """What a submission got. `note` says what a lecturer should look at; `verdicts` are those of all its checks."""

    name: str
    lab: int | None
    student: str = ""
    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""
    note: str = ""
    errors: tuple[str, ...] = ()
    log: str = field(default="", repr=False)

    @property
    def score(self) -> float:
        return sum(verdict.score for verdict in self.verdicts)

    @property
    def possible(self) -> float:
        return sum(verdict.possible for verdict in self.verdicts)


@dataclass(frozen=True)
class Order:
    """How to grade: folder of checks, files of hidden ones, the lab where notebooks do not say it, and limits."""

    checks: Path = field(default_factory=shipped)
    hidden: tuple[Path, ...] = ()
    lab: int | None = None
    limits: Limits = field(default_factory=Limits)
    jobs: int = 1


def grade_all(notebooks: Sequence[Path], order: Order, progress: Callable[[Grade], None]) -> list[Grade]:
    """The grades in the order of the notebooks; `progress` is told of each. Raises AxError for the lecturer's files."""
    hidden = [read_text(path, hidden=True) for path in order.hidden]
    names = labels(notebooks)

    def one(index: int) -> Grade:
        grade = grade_one(names[index], notebooks[index], order, hidden)
        progress(grade)
        return grade

    with ThreadPoolExecutor(order.jobs) as pool:
        return with_notes(list(pool.map(one, range(len(notebooks)))))


def grade_one(name: str, notebook: Path, order: Order, hidden: list[CheckText]) -> Grade:
    """The grade of one submission. What is wrong with it is part of the grade."""
    try:
        lab = lab_of(notebook, order)
    except AxError as error:
        return Grade(name, None, problem=error.message)
    asked = [read_text(order.checks / f"{exercise}.py") for exercise in exercises(order.checks, lab)]
    if not asked:
        raise AxError(f"there are no checks for lab {lab} in {order.checks}")
    asked += [one for one in hidden if one.check.name.split(".")[0] == str(lab)]
    public = {one.check.name: one.text for one in asked if not one.hidden}
    outcome = run(notebook, [one.text for one in asked], order.limits, public)
    return judged(Grade(name, lab), outcome, asked)


def judged(grade: Grade, outcome: Run, asked: list[CheckText]) -> Grade:
    """The grade of a run. Names and points are the lecturer's; of the process, passes and texts alone are taken."""
    if outcome.problem or len(outcome.verdicts) != len(asked):
        problem = outcome.problem or "it wrote a verdict of its own"
        verdicts = tuple(verdict_of(one, {}) for one in asked)
    else:
        problem = ""
        verdicts = tuple(verdict_of(one, said) for one, said in zip(asked, outcome.verdicts, strict=True))
    return replace(
        grade,
        student=outcome.student,
        verdicts=verdicts,
        problem=problem,
        errors=tuple(error[:LONGEST] for error in outcome.errors),
        log=outcome.log,
    )


def verdict_of(asked: CheckText, said: Any) -> Verdict:
    """A verdict from what a process said of a check; what it did not say has failed."""
    said = said if isinstance(said, dict) else {}
    cases = said.get("cases")
    cases = cases if isinstance(cases, list) and len(cases) == len(asked.check.cases) else [{}] * len(asked.check.cases)
    verdicts = []
    for case, one in zip(asked.check.cases, cases, strict=True):
        one = one if isinstance(one, dict) else {}
        texts = {key: str(one.get(key, ""))[:LONGEST] for key in ("what", "wanted", "got", "message")}
        passed = one.get("passed") is True
        verdicts.append(CaseVerdict(case.name, passed, case.points, asked.hidden or case.hidden, **texts))
    return Verdict(
        asked.check.name,
        tuple(verdicts),
        tuple(str(name)[:LONGEST] for name in said.get("open_answers") or ()),
        str(said.get("mistake", ""))[:LONGEST],
        asked.check.all_or_nothing,
    )


def lab_of(notebook: Path, order: Order) -> int:
    """The number of the lab that a notebook is. Raises AxError."""
    metadata, _ = read_notebook(notebook)
    said = metadata.get("axlab")
    lab = order.lab if order.lab is not None else said.get("lab") if isinstance(said, dict) else None
    if type(lab) is not int:
        raise AxError("it does not say which lab it is; give --lab N")
    return lab


def read_text(path: Path, hidden: bool = False) -> CheckText:
    """A lecturer's check. Raises AxError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AxError(f"the check cannot be read: {error}", source=str(path)) from None
    return CheckText(text, parse_check(text, str(path)), hidden)


def labels(notebooks: Sequence[Path]) -> list[str]:
    """Short names of the notebooks, each of them once: the stem, or as much of the path as is needed."""
    stems = [path.stem for path in notebooks]
    if len(set(stems)) == len(stems):
        return stems
    return ["-".join((*path.parts[-2:-1], path.stem)) for path in notebooks]


def with_notes(grades: list[Grade]) -> list[Grade]:
    """The grades with a note where two submissions give the same name, and so had the same inputs."""
    noted = []
    for grade in grades:
        twins = [other.name for other in grades if other.student == grade.student and other is not grade]
        note = grade.note
        if grade.student and twins:
            note = f"the same student as in {', '.join(twins)}"
        elif not grade.student and not grade.problem:
            note = "no name was given"
        noted.append(replace(grade, note=note))
    return noted
