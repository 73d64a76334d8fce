"""How `pytest --nbval` runs these notebooks: as JupyterLab does, in a fixed environment, and no cell unseen."""

from __future__ import annotations

import os
from typing import Any

import pytest

from axlab.course.build import ENVIRONMENT
from axlab.shell.results import MIME

os.environ |= ENVIRONMENT


def keep_history() -> None:
    """nbval runs cells without history, where `_`, `Out` and displayed values differ from JupyterLab's."""
    from nbval.kernel import RunningKernel

    def execute_cell_input(self: Any, cell_input: str, allow_stdin: bool | None = None) -> Any:
        return self.kc.execute(
            cell_input, silent=False, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    RunningKernel.execute_cell_input = execute_cell_input


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("nbval"):
        keep_history()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A cell that was never run has no output to compare, and would pass whatever it does: it fails.

    Compared is what a reader sees; results as JSON are not saved.
    """
    for item in items:
        cell = getattr(item, "cell", None)
        if cell is not None and MIME not in item.parent.skip_compare:  # type: ignore[union-attr]
            item.parent.skip_compare += (MIME,)  # type: ignore[union-attr]
        if cell is not None and cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            item.runtest = lambda item=item: item.raise_cell_error("this cell was saved without having been run")  # type: ignore[method-assign]
