"""What is written behind `%vm` and in `%%vm`, as commands of the shell.

Two things are added to the shell's language: the group's name may be left out (`%vm list` is
`vm list`), and `name << command` keeps a command's result in a variable.
"""

from __future__ import annotations

from dataclasses import dataclass

from axlab.shell.binding import Invocation
from axlab.shell.shell import Shell
from axlab.shell.syntax import CommandLine, parse


@dataclass(frozen=True, slots=True)
class Step:
    """A command that is ready to run, and the variable that gets its result ("": none)."""

    invocation: Invocation
    variable: str = ""


def read(shell: Shell, text: str, group: str) -> list[Step]:
    """All commands of a text. Raises AxError, before anything has run, where one is wrong."""
    lines = parse(text)
    names = [variable_of(line) for line in lines]
    whole = text
    for line, name in reversed(list(zip(lines, names, strict=True))):
        first = line.words[2 if name else 0]
        whole = whole[: line.words[0].start] + prefix(shell, first.text, group) + whole[first.start :]
    return [Step(invocation, name) for invocation, name in zip(shell.parse(whole), names, strict=True)]


def prefix(shell: Shell, first: str, group: str) -> str:
    """What a command lacks that begins with the word `first`: the group's name, or nothing.

    Where a word is a command of the group and of the shell, the group's is meant: `%vm log 0` is `vm log 0`.
    """
    root = shell.tree.root.children
    own = group in root and first in root[group].children
    return f"{group} " if group and (own or first not in root) else ""


def variable_of(line: CommandLine) -> str:
    """The name before `<<`, or "". Raises AxError for a name that is none, or a command that is missing."""
    words = line.words
    if len(words) < 2 or words[1].text != "<<" or not words[1].plain:
        return ""
    if not words[0].text.isidentifier():
        raise line.error(f"{words[0].text!r} is no name of a variable", words[0], "Usage: NAME << COMMAND")
    if len(words) == 2:
        raise line.error("a command is missing behind <<", None, "Usage: NAME << COMMAND")
    return words[0].text
