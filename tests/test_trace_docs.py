"""The pages on traces: the columns are those that are declared, and the examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from axlab.lab import Lab
from axlab.trace.columns import FORMS, ROWS, columns_of, reference

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_of_columns_is_that_of_the_declarations() -> None:
    written = (DOCS / "columns.md").read_text(encoding="utf-8")
    assert written == reference(), "write docs/columns.md anew: it is axlab.trace.columns.reference()"


@pytest.mark.parametrize("kind", ROWS)
def test_a_frame_of_nothing_has_the_documented_types(kind: str) -> None:
    frame = Lab().trace.frame(kind)
    assert len(frame) == 0
    expected: dict[str, str] = {}
    for column in columns_of(ROWS[kind]):
        expected[column.name] = FORMS[column.form].dtype
        if column.name == "time":
            expected["at"] = "timedelta64[ns]"
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", (DOCS / "trace.md").read_text(encoding="utf-8"), re.S):
        exec(compile(code, "docs/trace.md", "exec"), names)
    said = capsys.readouterr().out
    assert "MmioWrite" in said
    assert "They differ in time, pc" in said or "They differ in time" in said


def test_the_commands_of_the_page_run() -> None:
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0")
    block = re.search(r"```\n(vm trace 0 .*?)```", (DOCS / "trace.md").read_text(encoding="utf-8"), re.S)
    assert block is not None
    for line in block[1].splitlines():
        assert lab.shell(re.split(r" {3,}", line)[0]).ok, line
