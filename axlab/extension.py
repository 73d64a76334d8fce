"""`%load_ext axlab`: the magics of the lab and those of the course."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.course import magics as course
from axlab.notebook import magics as notebook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load both. Loading twice is harmless: the lab and what was predicted stay."""
    notebook.load_ipython_extension(shell)
    course.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext axlab`: everything that loading added goes, the lab too."""
    course.unload(shell)
    notebook.unload_ipython_extension(shell)
