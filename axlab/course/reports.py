"""Grades for a lecturer's eyes, for programs, and for Gradescope."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from axlab.course.checking import CaseVerdict, Verdict
from axlab.course.displays import case_lines
from axlab.course.grading import Grade
from axlab.course.sandbox import Isolation
from axlab.errors import AxError
from axlab.shell.render import Table, table_lines


def columns(grades: list[Grade]) -> list[str]:
    """The exercises of all grades, in their order."""
    names = {verdict.exercise for grade in grades for verdict in grade.verdicts}
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def rows(grades: list[Grade]) -> list[tuple[str, ...]]:
    """A title and a row for each grade: name, student, points of each exercise, sum, of how many, what to look at."""
    names = columns(grades)
    table = [("NOTEBOOK", "STUDENT", *names, "SCORE", "OF", "NOTE")]
    for grade in grades:
        points = dict.fromkeys(names, "")
        for verdict in grade.verdicts:
            points[verdict.exercise] = f"{float(points[verdict.exercise] or 0) + verdict.score:g}"
        notes = "; ".join(filter(None, (grade.problem, grade.note)))
        table.append((grade.name, grade.student, *points.values(), f"{grade.score:g}", f"{grade.possible:g}", notes))
    return table


def table_text(grades: list[Grade]) -> str:
    """The table as a terminal shows it."""
    title, *others = rows(grades)
    return "\n".join(table_lines(Table(title, tuple(others))))


def table_csv(grades: list[Grade]) -> str:
    """The table for a spreadsheet. A text that it might take for a formula has an apostrophe before it."""
    file = io.StringIO()
    harmless = [
        ["'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text for text in row] for row in rows(grades)
    ]
    csv.writer(file, lineterminator="\n").writerows(harmless)
    return file.getvalue()


def grades_json(grades: list[Grade], isolation: Isolation) -> dict[str, Any]:
    """Everything that is known of the grades."""
    return {
        "isolation": str(isolation),
        "grades": [asdict(grade) | {"score": grade.score, "possible": grade.possible} for grade in grades],
    }


def gradescope(grade: Grade) -> dict[str, Any]:
    """A grade as Gradescope's `results.json`; hidden cases are visible to lecturers alone."""
    said = [f"The notebook could not be graded: {grade.problem}."] if grade.problem else []
    said += [f"Failed while running: {error}" for error in grade.errors]
    return {
        "score": grade.score,
        "output": "\n".join(said),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            gradescope_test(verdict, case, number)
            for verdict in grade.verdicts
            for number, case in enumerate(verdict.cases, 1)
        ],
    }


def gradescope_test(verdict: Verdict, case: CaseVerdict, number: int) -> dict[str, Any]:
    counts = case.passed and (verdict.passed or not verdict.all_or_nothing)
    lines = case_lines(case) if case.passed or case.what else [f"  {case.message}"]
    mistake = [verdict.mistake] if verdict.mistake and not case.passed else []
    return {
        "name": case.name,
        "number": f"{verdict.exercise}.{number}",
        "score": case.points if counts else 0,
        "max_score": case.points,
        "status": "passed" if case.passed else "failed",
        "output": "\n".join([line.removeprefix("  ") for line in lines if line.strip()] + mistake),
        "visibility": "hidden" if case.hidden else "visible",
    }


def write(grades: list[Grade], isolation: Isolation, folder: Path) -> list[Path]:
    """Write `grades.csv`, `grades.json` and `results.json` (of several, each in its folder). Raises AxError."""
    files = {"grades.csv": table_csv(grades), "grades.json": as_json(grades_json(grades, isolation))}
    for grade in grades:
        files["results.json" if len(grades) == 1 else f"{grade.name}/results.json"] = as_json(gradescope(grade))
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise AxError(f"the grades cannot be written to {folder}: {error.strerror or error}") from None
    return [folder / name for name in files]


def as_json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
