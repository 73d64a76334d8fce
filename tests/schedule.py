"""The order of the tests, and which of several processes runs which.

A process takes whole files, so that what a file's tests share (a booted guest) is made once. Files with slow tests are
taken first: then all processes end at about the same time.
"""

from __future__ import annotations

from typing import Any

import pytest

APART = "tests/test_course_answers.py"
"""The file that takes longest. What its tests share is made for each lab, so that each lab can be taken alone."""

TOGETHER = "tests/browser/"
"""The folder whose files share a JupyterLab."""


def longest_first(items: list[pytest.Item]) -> None:
    """Sort the files: those that take long, those with slow tests, all others."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(APART), item.path not in slow))


def made(config: pytest.Config, log: Any) -> Any:
    """The scheduler for `-n`, where no `--dist` asks for another."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return taken_together(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log) if config.option.dist == "load" else None


def taken_together(nodeid: str) -> str:
    """A name for those tests that one process runs: the file, and of the one that is apart also the lab.

    >>> taken_together("tests/test_course_answers.py::test_a[01-states]")
    'tests/test_course_answers.py[01-states]'
    >>> taken_together("tests/browser/test_console.py::test_a")
    'tests/browser/'
    """
    file, _, test = nodeid.partition("::")
    if file.startswith(TOGETHER):
        return TOGETHER
    return file + test[test.find("[") :] if file == APART and "[" in test else file
