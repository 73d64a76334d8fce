"""The checks under the real otter-grader: the same points as `%check` and `axlab grade` give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from axlab.course.build import ENVIRONMENT
from axlab.course.grading import Order, grade_all
from tests.labs import NOTEBOOKS, TestedLab, all_labs

PROGRAM = """\
import json, sys
from otter.execute import grade_notebook
path, folder, *checks = sys.argv[1:]
results = grade_notebook(path, tests_glob=checks, test_dir=folder, cwd=folder)
print(json.dumps({"total": results.total, "possible": results.possible}))
"""


def points(lab: TestedLab, folder: Path, solved: list[str]) -> dict[str, float]:
    """What otter-grader gives for the notebook of a lab in which these exercises are solved, and the others blank."""
    import nbformat

    path = folder / "submission.ipynb"
    nbformat.write(lab.solved(solved), path)
    checks = [str(NOTEBOOKS / "checks" / f"{exercise}.py") for exercise in lab.exercises]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(NOTEBOOKS / "checks"), *checks],
        cwd=folder,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(NOTEBOOKS.parent)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    points: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return points


@pytest.mark.slow
def test_otter_grader_and_axlab_grade_give_the_same_points(tmp_path: Path) -> None:
    lab = all_labs()[0]
    assert points(lab, tmp_path, solved=["1.1", "1.2"]) == {"total": 4, "possible": 7}
    (grade,) = grade_all([tmp_path / "submission.ipynb"], Order(), lambda grade: None)
    assert (grade.score, grade.possible, grade.errors) == (4, 7, ())
