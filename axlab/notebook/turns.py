"""Doing what a person does to a live view when it is its turn.

JupyterLab sends what widgets say over a subshell (`commsOverSubshells` of its kernel settings), a thread of its own
beside the one that runs the cells. A lab is used by one thread at a time, so it all waits for its turn in the loop
that runs the cells. There, too, the kernel's interrupt reaches the live machine: while it handles a message, the
kernel keeps an interrupt for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Turns:
    """Calls that wait until the loop that runs the cells is free; made on the thread of that loop.

    Where there is no loop, outside of a kernel, they are done at once.
    """

    def __init__(self) -> None:
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def __call__(self, work: Callable[..., object], *args: Any) -> None:
        """Do this after all that came before. From any thread."""
        if self.loop is None:
            work(*args)
        else:
            self.loop.call_soon_threadsafe(work, *args)
