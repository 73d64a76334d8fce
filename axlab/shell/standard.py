"""The commands that every shell has."""

from __future__ import annotations

from axlab.shell import (
    commands_console,
    commands_create,
    commands_delete,
    commands_files,
    commands_inspect,
    commands_lifecycle,
    commands_list,
    commands_machine,
    commands_run,
    commands_shell,
    commands_show,
    commands_stops,
    commands_symbols,
    commands_translate,
    commands_why,
)
from axlab.shell.declaration import declared
from axlab.shell.tree import CommandTree

MODULES = (
    commands_console,
    commands_create,
    commands_delete,
    commands_files,
    commands_inspect,
    commands_lifecycle,
    commands_list,
    commands_machine,
    commands_run,
    commands_shell,
    commands_show,
    commands_stops,
    commands_symbols,
    commands_translate,
    commands_why,
)


def standard_tree() -> CommandTree:
    """A new tree with all standard commands."""
    tree = CommandTree()
    tree.group("vm", "Virtual machine management")
    tree.group("vcpu", "Virtual CPUs and their tasks")
    tree.group("machine", "The board under the hypervisor")
    for module in MODULES:
        tree.add_all(declared(vars(module)))
    return tree
