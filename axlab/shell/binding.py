"""From words to values: what a command line means by the declaration of its command.

Options, flags and arguments mix in any order, because a declared flag never takes a value:
`vm start --force 0 1 --detach` and `vm start 0 --force 1 --detach` are the same invocation.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError, nearest
from axlab.shell.arguments import ArgumentType, converted
from axlab.shell.declaration import Argument, Command, Flag, Option
from axlab.shell.syntax import CommandLine, Word
from axlab.shell.tree import CommandTree, Node


@dataclass(frozen=True)
class Role:
    """What a word of a line is: `kind` "command", "flag", "option", "value", "argument" or "end"; `of` is its
    declaration's name, `--force` or `vms`. A word such as `-fn5` has several."""

    word: Word
    kind: str
    of: str = ""


@dataclass(frozen=True)
class Invocation:
    """A command and the values of its parameters, ready to run.

    `wants_help`: `--help` was there. `missing`: the argument that none was given for, where its
    declaration has words for that. In both cases the handler is not called. `roles` say how the words were
    understood, in their order.
    """

    line: CommandLine
    node: Node
    values: dict[str, Any] = field(default_factory=dict)
    wants_help: bool = False
    missing: Argument | None = None
    roles: tuple[Role, ...] = ()


def parameter(name: str) -> str:
    """The Python parameter for a declared name: `keep-data` -> `keep_data`, `for` -> `for_`."""
    plain = name.replace("-", "_")
    return plain + "_" if keyword.iskeyword(plain) else plain


def bind(tree: CommandTree, line: CommandLine, lab: Any = None) -> Invocation:
    """Read a command line by the tree. Raises AxError with the line, a caret and the usage."""
    node, words = tree.resolve(line, lab)
    if node.command is None:
        unknown = next((word for word in words if word.text not in ("--help", "-h")), None)
        if unknown:
            where = f" of {node.name}" if node.path else ""
            raise line.error(f"unknown option {unknown.text}{where}", unknown, f"Usage: {node.usage}")
        return Invocation(line, node, wants_help=True)
    return _Reader(line, node, node.command).read(words)


class _Reader:
    """One pass over the words of one command."""

    def __init__(self, line: CommandLine, node: Node, command: Command) -> None:
        self.line, self.node, self.command = line, node, command
        self.given: dict[str, list[Any]] = {}
        self.positional: list[Word] = []
        self.roles = [Role(word, "command") for word in line.words[: len(node.path)]]
        self.wants_help = False

    def read(self, words: tuple[Word, ...]) -> Invocation:
        queue = list(words)
        while queue:
            word = queue.pop(0)
            if word.text == "--" and word.plain:
                self.roles.append(Role(word, "end"))
                self.positional += queue
                break
            if word.text.startswith("--") and len(word.text) > 2:
                self.long(word, queue)
            elif word.text.startswith("-") and len(word.text) > 1 and not self.is_negative_number(word):
                self.short(word, queue)
            else:
                self.positional.append(word)
        if self.wants_help:
            return Invocation(self.line, self.node, wants_help=True, roles=self.in_order())
        return self.finish()

    def is_negative_number(self, word: Word) -> bool:
        return word.text[1:].isdecimal() and not any(self.command.lettered(letter) for letter in word.text[1:])

    def wrong(self, message: str, word: Word | None = None) -> AxError:
        return self.line.error(message, word, f"Usage: {self.command.usage}")

    def long(self, word: Word, queue: list[Word]) -> None:
        name, equals, _ = word.text[2:].partition("=")
        value = word.part(len(name) + 3) if equals else None
        known = self.command.named(name)
        if known is None and name == "help" and not equals:
            self.wants_help = True
        elif known is None:
            names = [part.name for part in self.command.parts]
            close = nearest(name, [*names, "help"]).replace("mean ", "mean --")
            place = Word(word.text[: len(name) + 2], word.start, word.end - len(word.text) + len(name) + 2)
            raise self.wrong(f"unknown option --{name} of {self.command.name}{close}", place if word.plain else word)
        elif isinstance(known, Flag):
            if value is not None:
                raise self.wrong(f"--{name} takes no value", word)
            self.flag(known, word)
        else:
            self.take(known, word, value, queue)

    def short(self, word: Word, queue: list[Word]) -> None:
        """`-f`, `-cs` (flags in a cluster), `-n VALUE`, `-nVALUE`."""
        for place, letter in enumerate(word.text[1:], 1):
            known = self.command.lettered(letter)
            if known is None and word.text == "-h":
                self.wants_help = True
            elif known is None:
                inside = word.plain and len(word.text) > 2
                at = Word(letter, word.start + place, word.start + place + 1) if inside else word
                raise self.wrong(f"unknown option -{letter} of {self.command.name}", at)
            elif isinstance(known, Flag):
                self.flag(known, word)
            else:
                rest = word.part(place + 1) if len(word.text) > place + 1 else None
                self.take(known, word, rest, queue)
                return

    def flag(self, flag: Flag, word: Word) -> None:
        self.given[flag.name] = [True]
        self.roles.append(Role(word, "flag", f"--{flag.name}"))

    def take(self, option: Option, word: Word, value: Word | None, queue: list[Word]) -> None:
        if value is None:
            if not queue:
                raise self.wrong(f"{word.text} needs a value: {option.type.metavar}", word)
            value = queue.pop(0)
        self.roles += [Role(word, "option", f"--{option.name}"), Role(value, "value", f"--{option.name}")]
        if option.name in self.given and not option.repeated:
            raise self.wrong(f"--{option.name} is given twice", word)
        result = self.convert(option.type, value, f"--{option.name}")
        self.given.setdefault(option.name, []).extend(result if isinstance(result, list) else [result])

    def convert(self, kind: ArgumentType, word: Word, what: str) -> Any:
        try:
            return converted(kind, word.text)
        except ValueError as error:
            raise self.wrong(f"{what}: {error}" if what.startswith("-") else str(error), word) from None

    def finish(self) -> Invocation:
        values: dict[str, Any] = {parameter(flag.name): flag.name in self.given for flag in self.command.flags}
        for option in self.command.options:
            if option.required and option.name not in self.given:
                raise self.wrong(f"--{option.name} <{option.type.metavar}> is missing")
            gathered = self.given.get(option.name)
            several = option.repeated or isinstance(option.default, list)
            values[parameter(option.name)] = (
                option.default if gathered is None else gathered if several or len(gathered) > 1 else gathered[0]
            )
        left = list(self.positional)
        for argument in self.command.arguments:
            if not left and argument.minimum:
                if argument.missing:
                    return Invocation(self.line, self.node, missing=argument, roles=self.in_order())
                raise self.wrong(f"{argument.usage} is missing: {argument.summary.lower() or argument.name}")
            if argument.type.kind == "filter" and self.line.redirection is not None:
                message = "a filter with > in it needs quotes around it"
                raise self.line.error(message, self.line.redirection.target, f"Usage: {self.command.usage}")
            values[parameter(argument.name)] = self.arguments(argument, left)
        if left:
            raise self.wrong(self.too_many(left[0]), left[0])
        return Invocation(self.line, self.node, values, roles=self.in_order())

    def in_order(self) -> tuple[Role, ...]:
        return tuple(sorted(self.roles, key=lambda role: role.word.start))

    def arguments(self, argument: Argument, left: list[Word]) -> Any:
        count = len(left) if argument.maximum is None else min(argument.maximum, len(left))
        taken, left[:] = left[:count], left[count:]
        if argument.maximum is not None and count < argument.minimum:
            raise self.wrong(f"{argument.usage} takes {argument.minimum} words, and {count} are there")
        self.roles += [Role(word, "argument", argument.name) for word in taken]
        read = [self.convert(argument.type, word, argument.name) for word in taken]
        if argument.maximum == 1:
            return read[0] if read else argument.default
        return read

    def too_many(self, word: Word) -> str:
        takes = " ".join(argument.usage for argument in self.command.arguments)
        return f"{word.text!r} is one word too many: {self.command.name} takes {takes or 'no arguments'}"
