"""The command tree: the one authority on which commands there are.

Parser, help, usage, completion, magics and the reference page all read it. It can grow at any time:
`lab.shell.tree.register("greet", "Say hello", handler)` is all that a third party needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError, nearest
from axlab.shell.declaration import Argument, Command, Flag, Handler, Option, declare
from axlab.shell.syntax import CommandLine, Word


@dataclass
class Node:
    """A word of the language: a command, a group of commands, or both."""

    path: tuple[str, ...] = ()
    summary: str = ""
    command: Command | None = None
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def usage(self) -> str:
        """The usage without the word `Usage:`."""
        if self.command:
            return self.command.usage
        return f"{self.name} <COMMAND> [OPTIONS] [ARGS]" if self.path else "<COMMAND> [OPTIONS] [ARGS]"


class CommandTree:
    """Commands by their words, nested to any depth."""

    def __init__(self, summary: str = "AxVisor Shell") -> None:
        self.root = Node(summary=summary)

    def register(
        self,
        path: str,
        summary: str,
        handler: Handler,
        *parts: Argument | Option | Flag,
        when: Callable[[Any], bool] | None = None,
    ) -> Command:
        """Declare a command and add it. Raises AxError where one of that name exists."""
        return self.add(declare(path, summary, handler, *parts, when=when))

    def add(self, command: Command) -> Command:
        """Add a declared command; groups on its way that are not there yet are made."""
        node = self.group(command.path)
        if node.command is not None:
            raise AxError(f"the command {command.name!r} exists already")
        node.command = command
        node.summary = node.summary or command.summary
        return command

    def add_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.add(command)

    def group(self, path: tuple[str, ...] | str, summary: str = "") -> Node:
        """The node of a path, made where it is not there; `summary` describes it in help."""
        words = tuple(path.split()) if isinstance(path, str) else path
        node = self.root
        for depth, word in enumerate(words, 1):
            node = node.children.setdefault(word, Node(words[:depth]))
        node.summary = summary or node.summary
        return node

    def remove(self, path: str) -> None:
        """Take a command away, and the groups that are empty then. Raises AxError where there is none."""
        words = path.split()
        nodes = [self.root]
        for word in words:
            if word not in nodes[-1].children:
                raise AxError(f"there is no command {path!r}")
            nodes.append(nodes[-1].children[word])
        nodes[-1].command = None
        for parent, node in reversed(list(zip(nodes, nodes[1:], strict=False))):
            if node.command is None and not node.children:
                del parent.children[node.path[-1]]

    def children(self, node: Node, lab: Any = None) -> dict[str, Node]:
        """The nodes below `node` that this lab has, in alphabetical order."""
        return {name: child for name, child in sorted(node.children.items()) if self._there(child, lab)}

    def _there(self, node: Node, lab: Any) -> bool:
        if node.command and (node.command.when is None or node.command.when(lab)):
            return True
        return any(self._there(child, lab) for child in node.children.values())

    def walk(self, lab: Any = None) -> Iterator[Command]:
        """Every command, in alphabetical order of its words."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node.command and (node.command.when is None or node.command.when(lab)):
                yield node.command
            waiting.extend(reversed(self.children(node, lab).values()))

    def find(self, words: Iterable[str], lab: Any = None) -> tuple[Node, int]:
        """The deepest node that the words lead to, and how many of them it took."""
        node, depth = self.root, 0
        for word in words:
            children = self.children(node, lab)
            if word not in children:
                break
            node, depth = children[word], depth + 1
        return node, depth

    def resolve(self, line: CommandLine, lab: Any = None) -> tuple[Node, tuple[Word, ...]]:
        """The node that a line names, and the words that are left. Raises AxError at an unknown word."""
        node, depth = self.find([word.text for word in line.words], lab)
        rest = line.words[depth:]
        if rest and node.command is None and not rest[0].text.startswith("-"):
            raise self.unknown(line, rest[0], node, lab)
        if not node.path and rest[0].text not in ("--help", "-h"):
            raise self.unknown(line, rest[0], node, lab)
        return node, rest

    def unknown(self, line: CommandLine, word: Word, node: Node, lab: Any) -> AxError:
        known = list(self.children(node, lab))
        close = nearest(word.text, known) or one_letter_off(word.text, known)
        what = f"unknown command {word.text!r} of {node.name}" if node.path else f"unknown command {word.text!r}"
        return line.error(
            what + (close or f"; 'help{' ' * bool(node.path)}{node.name}' lists them"), word, f"Usage: {node.usage}"
        )


def one_letter_off(word: str, known: list[str]) -> str:
    """`; did you mean X?` for a word of two or three letters, too short for a measure of likeness."""
    near = [name for name in known if len(name) == len(word) and sum(map(str.__ne__, name, word)) == 1]
    return f"; did you mean {near[0]}?" if near else ""
