"""An IPython of a test's own, and what tests do with it."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def notebook(folder: Path, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """An IPython in a folder, as a kernel has it, with the extension loaded."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.chdir(folder)
    config = Config()
    config.HistoryManager.enabled = False
    config.IPCompleter.use_jedi = False
    shell = InteractiveShell(config=config)
    shell.run_line_magic("load_ext", "axlab")
    return shell


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython of the test's own."""
    shell = notebook(tmp_path, monkeypatch)
    yield shell
    atexit.unregister(shell.atexit_operations)


def value(ip: InteractiveShell, cell: str) -> Any:
    """Run a cell; its value. Raises what it raises."""
    result = ip.run_cell(cell)
    result.raise_error()
    return result.result


def complete(ip: InteractiveShell, cell: str) -> list[str]:
    """The cells that completion at the end of a cell would give."""
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        found = list(ip.Completer.completions(cell, len(cell)))
    return [cell[: one.start] + one.text + cell[one.end :] for one in found]
