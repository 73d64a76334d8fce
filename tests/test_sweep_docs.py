"""The examples of docs/sweeps.md run, one after the other, as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parent.parent / "docs/sweeps.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # one worker for each of the sweeps is enough
    names: dict[str, Any] = {"__name__": "__main__"}
    assert len(EXAMPLES) == 5
    for example in EXAMPLES:
        exec(compile(example, "docs/sweeps.md", "exec"), names)
        assert set(names["found"].frame()["error"]) == {""}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["booted", "demo", "guests", "thread"]
