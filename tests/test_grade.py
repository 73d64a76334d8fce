"""`axlab grade`: submissions in processes of their own, honest ones and hostile ones."""

from __future__ import annotations

import csv
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from axlab.cli import main
from axlab.course import grading, reports
from axlab.course.grading import Grade, Order, grade_all
from axlab.course.sandbox import Isolation, Limits, isolation
from axlab.errors import AxError

CHECK = """\
from otter.test_files import test_case
from axlab.course import expect

OK_FORMAT = False
name = "7.1"
points = 2
MISTAKES = [(lambda answer: answer == 24, "That is the sum.")]


@test_case()
def test_answer(answer):
    expect("answer", answer, 42)


@test_case()
def test_type(answer):
    expect("its type", type(answer).__name__, "int")
"""
HIDDEN = """\
from otter.test_files import test_case
from axlab.course import expect

OK_FORMAT = False
name = "7.1"


@test_case(name="not a bool", points=3)
def test_hidden(answer):
    expect("whether it is a bool", isinstance(answer, bool), False)
"""
RIGHT = "answer = 42"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder with the check of an exercise 7.1 in `checks`, and a hidden one beside it."""
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "7.1.py").write_text(CHECK, encoding="utf-8")
    (tmp_path / "hidden.py").write_text(HIDDEN, encoding="utf-8")
    return tmp_path


def submission(folder: Path, name: str, *cells: str, metadata: Any = None) -> Path:
    """A saved notebook with these code cells."""
    book = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"axlab": {"lab": 7}} if metadata is None else metadata,
        "cells": [{"cell_type": "code", "source": [cell], "outputs": [], "metadata": {}} for cell in cells],
    }
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


def graded(course: Path, *cells: str, seconds: int = 60, memory: int = 4 << 30) -> Grade:
    order = Order(checks=course / "checks", limits=Limits(seconds, memory))
    (grade,) = grade_all([submission(course, "one", *cells)], order, lambda grade: None)
    return grade


def test_a_class_is_graded_in_a_table_as_json_and_for_gradescope(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = submission(course, "ada", "student = 'ada'", RIGHT)
    bob = submission(course, "bob", "student = 'ada'\nanswer = 24", "1 / 0", "answer = float(answer)")
    status = main(
        ["grade", str(ada), str(bob), "--checks", str(course / "checks"), "--hidden", str(course / "hidden.py"),
         "-o", str(course / "out"), "-j", "2"]
    )  # fmt: skip
    table, said = capsys.readouterr()
    assert status == 0
    assert table.splitlines() == [
        "NOTEBOOK STUDENT 7.1 SCORE OF NOTE",
        "-------- ------- --- ----- -- --------------------------",
        "ada      ada     5   5     5  the same student as in bob",
        "bob      ada     3   3     5  the same student as in ada",
    ]
    assert said.startswith("Submissions run apart: ")
    with open(course / "out" / "grades.csv", encoding="utf-8", newline="") as file:
        assert [row[4] for row in csv.reader(file)] == ["OF", "5", "5"]
    everything = json.loads((course / "out" / "grades.json").read_text(encoding="utf-8"))
    assert [grade["score"] for grade in everything["grades"]] == [5, 3]
    assert everything["grades"][1]["errors"] == ["code cell 2: ZeroDivisionError: division by zero"]
    results = json.loads((course / "out" / "bob" / "results.json").read_text(encoding="utf-8"))
    assert results["score"] == 3
    assert results["output"] == "Failed while running: code cell 2: ZeroDivisionError: division by zero"
    assert results["tests"][0] == {
        "name": "7.1 - 1",
        "number": "7.1.1",
        "score": 0,
        "max_score": 1.0,
        "status": "failed",
        "output": "answer\n  expected  42\n  got       24.0\nThat is the sum.",
        "visibility": "visible",
    }
    assert [(one["status"], one["visibility"]) for one in results["tests"]] == [
        ("failed", "visible"),
        ("failed", "visible"),
        ("passed", "hidden"),
    ]


FORGED = """
import json, os
reply = {"word": "x", "verdicts": [{"cases": [{"passed": True}, {"passed": True}]}], "errors": [], "student": ""}
for descriptor in range(3, 30):
    try:
        os.write(descriptor, (json.dumps(reply) + "\\n").encode() * 2)
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("while True: pass", "it took longer than 2 s"),
        ("import os; os._exit(0)", "it ended before it was checked (status 0)"),
        (FORGED, "it wrote a verdict of its own"),
        ("import os; [os.close(n) for n in range(3, 30) if os.path.exists(f'/proc/self/fd/{n}')]", "it ended before"),
    ],
    ids=["endless", "exits", "forges", "closes"],
)
def test_a_hostile_submission_gets_nothing_and_the_reason_is_said(course: Path, cell: str, problem: str) -> None:
    grade = graded(course, RIGHT, cell, seconds=2 if "while" in cell else 60)
    assert grade.problem.startswith(problem), grade
    assert (grade.score, grade.possible) == (0, 2)


def test_a_submission_reaches_nothing_but_itself(course: Path) -> None:
    """One process: no network, a home of its own, bounded memory and output, and nothing of it lives on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        grade = graded(
            course,
            "import os, socket, subprocess",
            "connected = True",
            f"try: socket.create_connection(('127.0.0.1', {port}), 5)\nexcept OSError: connected = False",
            "home = os.environ['HOME'] == os.environ['TMPDIR'] == os.getcwd()",
            "try: huge = bytearray(8 << 30)\nexcept MemoryError: huge = None",
            "subprocess.Popen(['setsid', 'sleep', '98765'], start_new_session=True)",
            "print('x' * 3_000_000)",
            f"secret, outside = {str(course / 'hidden.py')!r}, {str(course / 'written')!r}",
            "try: open(secret).read(); reads = True\nexcept PermissionError: reads = False",
            "try: open(outside, 'w'); writes = True\nexcept PermissionError: writes = False",
            "open('own', 'w').write('x')",
            f"confined = (reads, writes) == ({not isolation().landlock}, {not isolation().landlock})",
            f"answer = 42 if home and confined and huge is None and connected is {not isolation().namespaces} else 0",
            memory=3 << 30,
        )
    assert grade.score == 2, grade
    assert len(grade.log) <= 4000
    if isolation().namespaces:
        assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"98765" in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a process that has ended meanwhile
        return b""


def test_where_submissions_cannot_be_kept_apart_it_is_said() -> None:
    assert str(Isolation(True, True)).startswith("no network")
    assert str(Isolation(False, True)).startswith("THE NETWORK CAN BE REACHED")
    assert str(Isolation(True, False)).endswith("IT CAN READ AND WRITE WHAT YOU CAN: this system has no Landlock")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "this is no notebook"),
        ("[]", "this is no notebook"),
        ('{"cells": [{"cell_type": "code"}]}', "this is no notebook"),
        ("[" * 100_000, "this is no notebook"),
        ('{"cells": []}', "it does not say which lab it is; give --lab N"),
        ('{"cells": [], "metadata": {"axlab": {"lab": "7"}}}', "it does not say which lab it is; give --lab N"),
    ],
)
def test_a_file_that_is_no_submission_is_part_of_the_result(course: Path, text: str, problem: str) -> None:
    path = course / "odd.ipynb"
    path.write_text(text, encoding="utf-8")
    (grade,) = grade_all([path], Order(checks=course / "checks"), lambda grade: None)
    assert (grade.problem, grade.score) == (problem, 0)


def test_a_mistake_of_the_lecturer_is_an_error(course: Path) -> None:
    path = submission(course, "one", RIGHT, metadata={})
    for order, message in (
        (Order(checks=course / "checks", lab=8), "there are no checks for lab 8"),
        (Order(checks=course / "checks", lab=7, hidden=(course / "none.py",)), "the check cannot be read"),
    ):
        with pytest.raises(AxError, match=message):
            grade_all([path], order, lambda grade: None)


def test_what_a_process_says_counts_only_where_it_is_a_verdict(course: Path) -> None:
    asked = grading.read_text(course / "checks" / "7.1.py")
    for said in ({}, [], None, {"cases": 5}, {"cases": [{"passed": 1}, {"passed": "True"}]}, {"cases": [{}] * 9}):
        assert grading.verdict_of(asked, said).score == 0
    assert grading.verdict_of(asked, {"cases": [{"passed": True, "points": 99}, {}]}).score == 1


def test_a_cell_of_the_table_is_no_formula() -> None:
    grades = [Grade("one", 1, student="=HYPERLINK(1)")]
    assert reports.table_csv(grades).splitlines()[1].startswith("one,'=HYPERLINK(1),")


def test_notebooks_of_the_same_name_are_told_apart() -> None:
    assert grading.labels([Path("a/01.ipynb"), Path("b/01.ipynb")]) == ["a-01", "b-01"]
    assert grading.labels([Path("a/01.ipynb"), Path("b/02.ipynb")]) == ["01", "02"]
