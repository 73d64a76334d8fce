"""Help, usage and the command reference, all read from the tree.

The layout of a usage text is AxVisor's: `Usage:`, the description, `Options:`, `Flags:`.
"""

from __future__ import annotations

from typing import Any

from axlab.shell.declaration import Argument, Command, Flag, Option
from axlab.shell.tree import CommandTree, Node


def columns(rows: list[tuple[str, str]]) -> list[str]:
    """Two columns, indented by two."""
    width = max((len(left) for left, _ in rows), default=0)
    return [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]


def _names(part: Option | Flag) -> str:
    return f"--{part.name}" + (f", -{part.short}" if part.short else "")


def _option(option: Option) -> tuple[str, str]:
    notes = ["required"] if option.required else []
    if option.default not in (None, []):
        notes.append(f"default: {option.default}")
    if choices := getattr(option.type, "choices", ()):
        notes.insert(0, "|".join(choices))
    return f"{_names(option)} <{option.type.metavar}>", option.summary + (f" ({', '.join(notes)})" if notes else "")


def command_help(command: Command) -> list[str]:
    """The usage text of one command."""
    lines = [f"Usage: {command.usage}", command.summary]
    if command.details:
        lines += ["", *(line.strip() for line in command.details.strip().splitlines())]
    described = [(argument.usage, argument.summary) for argument in command.arguments if argument.summary]
    sections = (
        ("Arguments:", described),
        ("Options:", [_option(option) for option in command.options]),
        ("Flags:", [(_names(flag), flag.summary) for flag in command.flags]),
    )
    for title, rows in sections:
        if rows:
            lines += ["", title, *columns(rows)]
    return lines


def node_help(tree: CommandTree, node: Node, lab: Any = None) -> list[str]:
    """The help of a command, of a group, or (for the root) of the whole language."""
    lines = command_help(node.command) if node.command else [f"Usage: {node.usage}", node.summary]
    children = tree.children(node, lab)
    if children:
        below = [(child.name, child.summary) for child in children.values()]
        lines += ["", "Commands:", *columns(below)]
        lines += ["", f"Use '{node.name + ' ' if node.path else ''}<COMMAND> --help' for more about one of them."]
    return lines


def missing_lines(command: Command, argument: Argument) -> list[str]:
    """What a person reads who gave no argument: `Error: No VM specified` and the usage."""
    lines = [argument.missing, f"Usage: {command.usage.replace('...', '')}"]
    if argument.lists_flags:
        rows = [(f"-{flag.short}, --{flag.name}", flag.summary) for flag in command.flags]
        lines += ["", "Options:", *columns(rows)]
    return lines


def reference(tree: CommandTree, lab: Any = None) -> str:
    """The command reference as Markdown: every command with its usage text."""
    parts = ["# Commands\n\nWritten by `axlab.shell.help.reference` from the command tree.\n"]
    for command in tree.walk(lab):
        text = "\n".join(command_help(command))
        parts.append(f"## {command.name}\n\n```\n{text}\n```\n")
    return "\n".join(parts)
