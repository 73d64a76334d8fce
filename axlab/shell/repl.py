"""The shell at a terminal, and for scripts: whoever reads lines and prints results.

At a terminal it is live: while a person types, the machine runs, never ahead of the wall clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from axlab.errors import AxError
from axlab.shell import render
from axlab.shell.progress import StatusLine, has_status_line, on_status_line
from axlab.shell.render import Block
from axlab.shell.results import ending
from axlab.shell.running import InterruptibleScript
from axlab.shell.shell import PROMPT
from axlab.shell.statuses import DONE, FAILED, INTERRUPTED, WRONG

if TYPE_CHECKING:
    from axlab.shell.shell import Shell

__all__ = ["PROMPT", "Printer", "interact", "run_lines", "run_text"]


class Printer:
    """Prints blocks as they come. Pieces of a console are continued where they left off.

    `colour` draws lines in the colour of their sign. `status` is a line on the same terminal that gives way.
    """

    def __init__(self, stream: TextIO, colour: bool = False, status: StatusLine | None = None) -> None:
        self.stream = stream
        self.colour = colour
        self.status = status
        self.column_open = False  # the last console piece did not end its line

    def __call__(self, block: Block) -> None:
        if self.status is not None:
            self.status.hide()
        if isinstance(block, render.Console):
            self._console(block)
            return
        self.end_line()
        text = render.block_text(block)
        print(render.coloured(text) if self.colour else text, file=self.stream, flush=True)

    def _console(self, block: render.Console) -> None:
        text = render.harmless_console(block.data, self.colour)
        if block.name:  # whole lines of one of several
            self.end_line()
            text = render.prefixed(block.name, text.rstrip("\r\n")) + "\n"
        self.stream.write(text)
        self.column_open = not text.endswith("\n") if text else self.column_open
        self.stream.flush()

    def end_line(self) -> None:
        """End a line that a console left open."""
        if self.column_open:
            print(file=self.stream)
        self.column_open = False


def say_error(error: AxError, printer: Printer) -> None:
    printer.end_line()
    text = render.harmless(str(error))
    print(f"\x1b[31m{text}\x1b[0m" if printer.colour else text, file=sys.stderr, flush=True)


def printer_of(shell: Shell) -> Printer:
    """A printer to standard output; how long runs go is told on standard error, if that is a terminal."""
    status = StatusLine(sys.stderr) if has_status_line(sys.stderr) else None
    if status is not None:
        shell.lab.progress = on_status_line(status, time.monotonic)
    return Printer(sys.stdout, sys.stdout.isatty(), status)


def run_text(shell: Shell, text: str, name: str = "") -> int:
    """Run a script: all of it, also after a failed command. Returns the exit status; 2 and nothing run if wrong."""
    printer = printer_of(shell)
    try:
        result = shell.run_script(text, name, printer)
    except AxError as error:
        say_error(error, printer)
        return WRONG
    printer.end_line()
    return result.status


def run_lines(shell: Shell, lines: Iterable[str]) -> int:
    """Run lines as they come, from a pipe. Returns the worst status, or that of `exit`."""
    printer = printer_of(shell)
    status = DONE
    for line in lines:
        try:
            with InterruptibleScript() as interrupt:
                result = shell.execute(line, printer)
        except AxError as error:
            say_error(error, printer)
            status = WRONG
            continue
        printer.end_line()
        if interrupt.requested:
            return INTERRUPTED
        status = status or (DONE if result.ok else FAILED)
        if last := ending(result):
            return status if last.status is None else last.status
    return status


def interact(shell: Shell) -> int:
    """Read lines at the terminal, with editing, history, completion and live guests, until exit or end of input."""
    from axlab.shell.terminal import Terminal

    return Terminal(shell).run()
