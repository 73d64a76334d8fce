"""How long runs go, in a notebook: one output below the cell, brought up to date while the machine runs."""

from __future__ import annotations

import html
import time
from typing import Any

from axlab.shell.progress import Progress, is_on
from axlab.shell.render import GREY

STYLE = f"color:{GREY};font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)"


class CellOutput:
    """An output of the running cell: made by the first line, changed by the others, and left with the last."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, text: str) -> None:
        self.put({"text/plain": text, "text/html": f'<div style="{STYLE}">{html.escape(text)}</div>'})

    def put(self, bundle: dict[str, Any]) -> None:
        """Show anything, by its MIME bundle."""
        from IPython.display import display

        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(bundle, raw=True)


def progress_in_cell(hypervisor: Any) -> Progress:
    """What `Lab.progress` is in a notebook."""
    output = CellOutput()

    def close() -> None:
        if output.handle is not None:  # what is left is how far the run came
            output.show(progress.total())

    progress = Progress(hypervisor, time.monotonic, output.show, close)
    return progress


def show_progress(lab: Any) -> None:
    """Let a lab show how its runs go, unless that is switched off."""
    lab.progress = progress_in_cell if is_on() else None
