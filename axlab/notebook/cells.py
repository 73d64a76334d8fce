"""Magics that take a whole cell, declared as the shell's commands are: one declaration for words, help and completion.

A handler gets the magics, the magic's own line, the cell's text, and the values of what was declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.notebook.guest_cell import guest
from axlab.notebook.sched_cell import sched
from axlab.notebook.sweep_cell import sweep
from axlab.shell import help as usage
from axlab.shell.binding import bind
from axlab.shell.declaration import Command
from axlab.shell.results import HelpResult, Result
from axlab.shell.syntax import parse
from axlab.shell.tree import CommandTree

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

COMMANDS: tuple[Command, ...] = (guest, sched, sweep)


def cell_tree() -> CommandTree:
    """The cell magics as a language of their own."""
    tree = CommandTree("Cells")
    tree.add_all(COMMANDS)
    return tree


def run_cell(magics: AxLabMagics, command: Command, line: str, cell: str) -> Result:
    """Obey `%%NAME line` over a cell. Raises AxError, with a caret where the line is wrong."""
    tree = cell_tree()
    whole = f"{command.name} {line}".strip()
    invocation = bind(tree, parse(whole)[0], magics.lab)
    if invocation.wants_help:
        return HelpResult(lines=usage.node_help(tree, invocation.node, magics.lab))
    return command.handler(magics, whole, cell, **invocation.values)
