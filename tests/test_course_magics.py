"""`%given`, `%check`, `%hint`, `%predict`, `%outcome`, `%predictions` in IPython."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from axlab.errors import AxError

CHECK = """\
OK_FORMAT = False
from otter.test_files import test_case
from axlab.course import expect, seed

name = "97.1"
HINTS = ["first", "second", "third"]


def given(student):
    return {"factor": seed(student, name).number("factor", 2, 9)}


@test_case()
def test_product(answer, student):
    expect("answer", answer, 10 * given(student)["factor"])


@test_case(hidden=True)
def test_hidden(answer):
    raise AssertionError("a student's own check runs no hidden case")
"""


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython in a folder that has the check of an exercise 97.1, with the extension loaded."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "97.1.py").write_text(CHECK, encoding="utf-8")
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.run_line_magic("load_ext", "axlab")
    yield shell
    atexit.unregister(shell.atexit_operations)


def value(ip: InteractiveShell, cell: str) -> Any:
    """Run a cell; its value. Raises what it raises."""
    result = ip.run_cell(cell)
    result.raise_error()
    return result.result


def text(ip: InteractiveShell, cell: str) -> list[str]:
    lines: list[str] = value(ip, cell).text().splitlines()
    return lines


def test_inputs_are_a_students_own_and_a_copied_constant_fails(ip: InteractiveShell) -> None:
    value(ip, "student = 'ada'")
    assert text(ip, "%given 97.1")[0] == "Exercise 97.1, for ada:"
    ada = value(ip, "factor")
    assert value(ip, f"answer = {10 * ada}\n%check 97.1").ok
    value(ip, "student = 'bob'\n%given 97.1")
    assert value(ip, "factor") != ada
    assert not value(ip, "%check 97.1").ok


def test_each_failed_try_gives_the_next_of_three_hints(ip: InteractiveShell) -> None:
    assert "Hint" not in "".join(text(ip, "answer = ...\n%check 97.1")), "nothing was tried yet"
    value(ip, "answer = 1")
    tries = [text(ip, "%check 97.1")[-1] for _ in range(4)]
    assert tries == [
        "ℹ Hint 1 of 3: first",
        "ℹ Hint 2 of 3: second",
        "ℹ Hint 3 of 3: third",
        "ℹ Hint 3 of 3: third",
    ]


def test_a_hint_can_be_asked_for(ip: InteractiveShell) -> None:
    assert text(ip, "%hint 97.1") == ["ℹ Hint 1 of 3: first"]
    assert text(ip, "answer = 1\n%check 97.1")[-1] == "ℹ Hint 2 of 3: second"


def test_predictions_are_kept_and_compared(ip: InteractiveShell) -> None:
    assert text(ip, "%predict sum ...") == ["ℹ sum: put your prediction in place of the ... before you go on"]
    assert text(ip, "%predict sum 4") == ["sum: you predict 4"]
    assert text(ip, "x = 2\n%outcome sum x + x") == ["✓ sum: 4, as you predicted"]
    with pytest.raises(AxError, match="the outcome of sum is known"):
        value(ip, "%predict sum 5")
    assert text(ip, "%predict double 5\n%outcome double {2: x * 2}[2]") == ["✗ double: you predicted 5, it was 4"]
    assert text(ip, "%predict half ...\n%outcome half x // 2") == ["ℹ half: it was 1; no prediction was made"]
    assert text(ip, "%predictions")[-1] == "1 of 3 as predicted"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%check 97.2", "there is no exercise 97.2; lab 97 has 97.1"),
        ("%check 77.1", "there is no exercise 77.1; there are no checks for lab 77"),
        ("%check one", "'one' is no exercise; its number is that of the lab and its own, such as 3.2"),
        ("%check", "%check takes the number of one exercise\nUsage: %check 3.2"),
        ("%check ../97.1", "'../97.1' is no exercise; its number is that of the lab and its own, such as 3.2"),
        ("%predict exits", "%predict takes a name and what belongs to it\nUsage: %predict exits 100"),
        ("%predictions now", "%predictions takes no words: 'now' is too many"),
    ],
)
def test_a_slip_is_said(ip: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises(AxError) as caught:
        value(ip, line)
    assert str(caught.value) == message


def test_unloading_takes_the_magics_away_and_loading_twice_keeps_what_was_predicted(ip: InteractiveShell) -> None:
    value(ip, "%predict sum 4")
    ip.run_line_magic("load_ext", "axlab")
    assert text(ip, "%predictions")[2].split() == ["sum", "4", "–"]
    ip.run_line_magic("unload_ext", "axlab")
    assert not {"check", "hint", "given", "predict", "outcome", "predictions"} & set(ip.magics_manager.magics["line"])
