"""`axlab grade`: run submissions and say what they got."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.shell.statuses import DONE, FAILED

if TYPE_CHECKING:
    from axlab.course.grading import Order


def declare_grade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="submissions: saved notebooks")
    parser.add_argument(
        "-o", dest="folder", type=Path, metavar="DIR", help="write grades.csv, grades.json, results.json"
    )
    parser.add_argument(
        "--hidden", type=Path, action="append", default=[], metavar="FILE", help="a check that students do not have"
    )
    parser.add_argument("--checks", type=Path, metavar="DIR", help="a folder of checks (default: the course's)")
    parser.add_argument("--lab", type=int, metavar="N", help="the lab, where notebooks do not say which they are")
    parser.add_argument("--seconds", type=int, default=300, metavar="S", help="limit for each notebook (default 300)")
    parser.add_argument("--memory", default="4G", metavar="SIZE", help="limit for each notebook (default 4G)")
    parser.add_argument("-j", dest="jobs", type=int, default=1, metavar="N", help="how many at once (default 1)")


def run_grade(arguments: argparse.Namespace) -> int:
    """Grade; the table goes to standard output. Status 1 where a notebook could not be graded."""
    from axlab.course import grading, reports, sandbox

    order = order_of(arguments)
    print(f"Submissions run apart: {sandbox.isolation()}.", file=sys.stderr)
    grades = grading.grade_all(arguments.notebooks, order, lambda one: print(f"{one.name}: done", file=sys.stderr))
    print(reports.table_text(grades))
    if arguments.folder is not None:
        reports.write(grades, sandbox.isolation(), arguments.folder)
    return FAILED if any(grade.problem for grade in grades) else DONE


def order_of(arguments: argparse.Namespace) -> Order:
    """What was asked for, as a value. Raises AxError."""
    from axlab.course import grading, sandbox
    from axlab.units import parse_size

    for name in ("seconds", "jobs"):
        if getattr(arguments, name) < 1:
            raise AxError(f"--{name} {getattr(arguments, name)}: a number from 1 on is wanted")
    limits = sandbox.Limits(arguments.seconds, parse_size(arguments.memory))
    given = {} if arguments.checks is None else {"checks": arguments.checks}
    return grading.Order(hidden=tuple(arguments.hidden), lab=arguments.lab, limits=limits, jobs=arguments.jobs, **given)
