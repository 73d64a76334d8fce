"""Every lab is solved and failed here: blank, right, wrong in typical ways, and the same each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from axlab.course.check_files import Check
from axlab.course.checking import Verdict, run_check
from axlab.course.displays import CheckResult
from axlab.course.folders import find_check
from axlab.course.session import Session
from axlab.course.sources import Cell
from tests.labs import NOTEBOOKS, TestedLab, all_labs

STUDENTS = ("ada", "bob", "李雷", "s1234567", "eve", "mallory")


LONG = {10}
"""Labs whose experiments take long, and whose exercises use nothing of them: the run of all notebooks runs them."""


def exercises_alone(lab: TestedLab) -> list[Cell]:
    """The cell that sets a lab up, and those of its exercises."""
    setup = next(cell for cell in lab.cells if cell.kind == "code")
    return [setup, *lab.section("Exercises")]


class Solved:
    """A lab whose notebook was run as it is, cell by cell."""

    def __init__(self, lab: TestedLab, folder: Path) -> None:
        self.lab = lab
        self.session = Session(folder)
        self.blank: dict[str, CheckResult] = {}
        self.first: dict[tuple[str, str, str], Verdict] = {}
        self.left: dict[str, set[str]] = {}  # by exercise: names that its blank cell makes
        for cell in exercises_alone(lab) if lab.number in LONG else lab.cells:
            if cell.kind == "code":
                before = set(self.session.variables)
                value = self.session.run(cell.text)
                if isinstance(value, CheckResult):
                    self.blank[value.verdict.exercise] = value
                for tag in cell.tags:
                    self.left[tag.removeprefix("exercise-")] = set(self.session.variables) - before

    def check(self, exercise: str) -> Check:
        """The check as it is read anew for every verdict: it may remember what one answer did."""
        return find_check(exercise, NOTEBOOKS)

    def answer(self, exercise: str, cell: str, student: str = "") -> None:
        """Write an answer into its cell, as this student, and run it: what the blank cell did is not there."""
        self.session.variables["student"] = student
        for name in self.left[exercise]:
            self.session.variables.pop(name, None)
        if self.check(exercise).given is not None:
            self.session.run(f"%given {exercise}")
        self.session.run(cell)

    def verdict(self, exercise: str) -> Verdict:
        return run_check(self.check(exercise), self.session.variables)

    def first_verdict(self, exercise: str, cell: str, student: str = "") -> Verdict:
        """The verdict on an answer when it was written for the first time."""
        key = exercise, cell, student
        if key not in self.first:
            self.answer(*key)
            self.first[key] = self.verdict(exercise)
        return self.first[key]


@pytest.fixture(scope="module", params=all_labs(), ids=lambda lab: lab.path.stem)
def solved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOKS)
        yield Solved(request.param, tmp_path_factory.mktemp("session"))


def test_the_blank_notebook_fails_every_check(solved: Solved) -> None:
    assert list(solved.blank) == solved.lab.exercises
    for exercise, result in solved.blank.items():
        assert not result.ok and result.verdict.score == 0
        assert result.verdict.open_answers, f"exercise {exercise} is seen to be open, and no hint is spent on it"


def test_the_solution_passes_every_check_for_every_student(solved: Solved, volume: Callable[[int], int]) -> None:
    solution = solved.lab.answers["solution"]
    assert list(solution) == solved.lab.exercises
    for student in ("", *STUDENTS[: max(1, volume(len(STUDENTS)))]):
        for exercise, cell in solution.items():
            verdict = solved.first_verdict(exercise, cell, student)
            assert verdict.passed, CheckResult(ok=False, verdict=verdict).text()


def test_the_answer_of_one_student_fails_for_another(solved: Solved) -> None:
    for exercise, cell in solved.lab.answers["solution"].items():
        check = solved.check(exercise)
        if check.given is None:
            continue
        solved.answer(exercise, cell)
        other = next(name for name in STUDENTS if check.given(name) != check.given(""))
        inputs = check.given(other)
        solved.session.variables.update(inputs, student=other)
        answers = [value for name, value in solved.session.variables.items() if name in names_of(check)]
        if not any(callable(value) for value in answers):
            assert not solved.verdict(exercise).passed, f"{exercise}: what was copied from another student passes"


def names_of(check: Check) -> tuple[str, ...]:
    from axlab.course.checking import answers

    return answers(check)


def test_typical_wrong_answers_have_messages_of_their_own(solved: Solved) -> None:
    wrong = solved.lab.answers["wrong"]
    said = []
    for one in wrong:
        verdict = solved.first_verdict(one["exercise"], one["cell"])
        assert not verdict.passed, one["says"]
        assert one["says"] in verdict.mistake, f"{one['says']!r} is not in {verdict.mistake!r}"
        said.append(verdict.mistake)
    assert len(set(said)) == len(said) >= 5
    messages = [message for name in solved.lab.exercises for _, message in solved.check(name).mistakes]
    assert len(set(messages)) == len(messages)


def test_a_check_gives_the_same_verdict_every_time(solved: Solved, volume: Callable[[int], int]) -> None:
    times = 100 if volume(100) == 100 else 2
    wrong = [(one["exercise"], one["cell"]) for one in solved.lab.answers["wrong"][:: 1 if times == 100 else 10]]
    for exercise, cell in [*solved.lab.answers["solution"].items(), *wrong]:
        first = solved.first_verdict(exercise, cell)
        assert first.passed is ((exercise, cell) not in wrong)
        solved.answer(exercise, cell)
        for _ in range(times - 1):
            assert solved.verdict(exercise) == first
