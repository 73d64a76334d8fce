"""Verdicts on answers."""

from __future__ import annotations

import pytest

from axlab.course import expect, expect_that, seed
from axlab.course.check_files import Check, parse_check
from axlab.course.checking import run_check
from axlab.course.displays import CheckResult


def check(body: str, *, head: str = "") -> Check:
    text = (
        "OK_FORMAT = False\nfrom otter.test_files import test_case\nfrom axlab.course import expect, expect_that\n"
        f"name = '1.1'\n{head}\n@test_case(points=2, failure_message='Look again.')\n{body}\n"
    )
    return parse_check(text, "1.1.py")


DOUBLE = check(
    "def test_it(double):\n    expect('double(3)', double(3), 6)",
    head="MISTAKES = [(lambda double: double(3) == 9, 'That is the square.')]\n"
    "@test_case(points=1)\ndef test_zero(double):\n    expect('double(0)', double(0), 0)\n",
)


def shown(answer: object) -> str:
    verdict = run_check(DOUBLE, {"double": answer})
    return CheckResult(ok=verdict.passed, verdict=verdict).text()


def test_a_right_answer_gets_all_points() -> None:
    verdict = run_check(DOUBLE, {"double": lambda n: 2 * n})
    assert (verdict.passed, verdict.score, verdict.possible) == (True, 3, 3)


def test_a_wrong_answer_is_shown_beside_what_was_expected() -> None:
    assert shown(lambda n: n + 1).splitlines() == [
        "✗ 1.1: 0 of 3 points",
        "  double(0)",
        "    expected  0",
        "    got       1",
        "  double(3)",
        "    expected  6",
        "    got       4",
        "  Look again.",
    ]


def test_a_typical_mistake_has_a_message_of_its_own() -> None:
    verdict = run_check(DOUBLE, {"double": lambda n: n * n})
    assert (verdict.score, verdict.mistake) == (1, "That is the square.")
    assert run_check(DOUBLE, {"double": lambda n: 1 / n}).mistake == ""


def unwritten(n: int) -> int:
    raise NotImplementedError


@pytest.mark.parametrize("answer", [None, ..., unwritten])
def test_an_open_answer_fails_and_is_not_judged(answer: object) -> None:
    verdict = run_check(DOUBLE, {"double": answer, "student": ""})
    assert (verdict.passed, verdict.score, verdict.open_answers) == (False, 0, ("double",))
    assert run_check(DOUBLE, {}).open_answers == ("double",)
    assert shown(answer).splitlines() == [
        "✗ 1.1: 0 of 3 points",
        "  double is not written yet: write your answer into its cell and run that cell",
    ]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0), RecursionError("deep")])
def test_what_a_students_code_raises_is_a_verdict(error: BaseException) -> None:
    def double(n: int) -> int:
        raise error

    verdict = run_check(DOUBLE, {"double": double})
    assert not verdict.passed
    assert verdict.cases[0].got == f"{type(error).__name__}: {error}"


def test_a_case_may_look_at_all_variables() -> None:
    one = check("def test_env(env):\n    expect('x + y', env['x'] + env['y'], 3)")
    assert run_check(one, {"x": 1, "y": 2}).passed


def test_all_or_nothing_is_all_or_nothing() -> None:
    verdict = run_check(DOUBLE, {"double": lambda n: 0})
    assert verdict.score == 1
    strict = check("def test_it(a):\n    expect('a', a, 1)", head="all_or_nothing = True\n@test_case()\ndef b(a): ...")
    assert run_check(strict, {"a": 2}).score == 0


def test_expectations_say_what_they_compared() -> None:
    with pytest.raises(AssertionError, match="^the state: expected Running, got Stopped$"):
        expect("the state", "Stopped", "Running")
    with pytest.raises(AssertionError, match="^exits: expected at most 4, got 9$"):
        expect_that("exits", 9 <= 4, 9, "at most 4")
    with pytest.raises(AssertionError) as caught:
        expect("it", "x" * 1000, "y")
    assert len(str(caught.value)) < 500


def test_inputs_follow_from_the_student_and_the_exercise() -> None:
    ada = seed("Ada  Lovelace", "1.1")
    assert ada == seed("ada lovelace", "1.1")
    assert ada.number("n", 10, 99) == 58
    assert ada.shuffled("order", "abcd") == ["b", "a", "d", "c"]
    assert ada.choice("which", [3]) == 3
    assert seed(None, "1.1") == seed("", "1.1")
    numbers = {seed(name, exercise).number("n", 0, 10**9) for name in ("a", "b", "") for exercise in ("1.1", "1.2")}
    assert len(numbers) == 6
