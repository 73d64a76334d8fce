"""Check files: otter-grader's exception form, read without otter-grader."""

from __future__ import annotations

import pytest

from axlab.course.check_files import only_public, parse_check
from axlab.errors import AxError

HEAD = "OK_FORMAT = False\nfrom otter.test_files import test_case\nname = '1.1'\n"


def cases(points: str, *own: str) -> list[float]:
    functions = "".join(f"@test_case({text})\ndef test_{n}(): ...\n" for n, text in enumerate(own))
    return [case.points for case in parse_check(HEAD + points + functions, "1.1.py").cases]


def test_a_check_has_what_its_file_declares() -> None:
    text = (
        HEAD
        + "points = 2\nHINTS = ['look', 'closer']\nMISTAKES = [(lambda answer: True, 'well')]\n"
        + "@test_case(name='it works', success_message='good', failure_message='bad')\ndef test_it(answer): ...\n"
        + "@test_case(hidden=True)\ndef test_more(answer): ...\n"
    )
    check = parse_check(text, "1.1.py")
    first, second = check.cases
    assert (check.name, check.hints, check.given) == ("1.1", ("look", "closer"), None)
    assert (first.name, first.points, first.hidden) == ("it works", 1, False)
    assert (first.success_message, first.failure_message) == ("good", "bad")
    assert (second.name, second.points, second.hidden) == ("1.1 - 2", 1, True)
    assert [case.name for case in only_public(check).cases] == ["it works"]


def test_points_are_shared_as_otter_grader_shares_them() -> None:
    assert cases("", "", "") == [0.5, 0.5]
    assert cases("points = 3\n", "points=1", "", "") == [1, 1, 1]
    assert cases("points = [1, 2]\n", "", "") == [1, 2]
    assert cases("", "points=2", "") == [2, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = '1.1'", "1.1.py: OK_FORMAT = False is missing: this is the form of check that is read"),
        ("OK_FORMAT = False", '1.1.py: the name of the exercise is missing, such as name = "1.2"'),
        (HEAD, "1.1.py: a check needs at least one function with @test_case(...)"),
        (HEAD + "def (", "1.1.py:4: no Python: invalid syntax"),
        (HEAD + "nothing", "1.1.py: the check cannot be loaded: NameError: name 'nothing' is not defined"),
        (
            HEAD + "points = [1]\n@test_case()\ndef a(): ...\n@test_case()\ndef b(): ...",
            "1.1.py: points has 1 items for 2 test cases",
        ),
        (
            HEAD + "points = 1\n@test_case(points=2)\ndef a(): ...",
            "1.1.py: the test cases have 2 points, more than the 1 of the check",
        ),
    ],
)
def test_a_file_that_is_no_check_is_said_to_be_none(text: str, message: str) -> None:
    with pytest.raises(AxError) as caught:
        parse_check(text, "1.1.py")
    assert str(caught.value) == message
