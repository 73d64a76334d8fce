"""The commands of time: what a lab adds to its shell."""

from __future__ import annotations

from axlab.shell.declaration import declared
from axlab.shell.tree import CommandTree
from axlab.time import commands_back, commands_gdb, commands_record, commands_snapshot

MODULES = (commands_back, commands_gdb, commands_record, commands_snapshot)


def register(tree: CommandTree) -> None:
    """Add the commands to a shell's tree."""
    tree.group("vm snapshot", "Keep the state of the lab, and go back to it")
    tree.group("vm record", "Keep what came from outside, to replay it elsewhere")
    for module in MODULES:
        tree.add_all(declared(vars(module)))
