"""Every numbered correction of AxVisor's design has a row in docs/corrections.md and a test that names it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "corrections.md"
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| `(\S+)::(\S+)` \|$", re.MULTILINE)
NUMBERS = range(1, 30)


@cache
def docstrings(file: str) -> dict[str, str]:
    """The docstring of each test function of a file."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name: ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def rows() -> dict[int, tuple[str, str]]:
    """Of every fix the file and the name of the test that the page points at."""
    return {int(row[1]): (row[4], row[5]) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_the_page_has_a_row_for_every_fix() -> None:
    assert list(rows()) == list(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_test_of_a_fix_is_there_and_names_it(number: int) -> None:
    file, name = rows()[number]
    assert re.search(rf"\bFix {number}\b", docstrings(file)[name]), f"{file}::{name} does not name fix {number}"
