"""What could stand at the cursor: commands from the tree, VMs from the live list, files, choices, options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.shell.arguments import ArgumentType, Many, Vm
from axlab.shell.declaration import Argument, Command, Option
from axlab.shell.syntax import CommandLine, Word, parse
from axlab.vmm.lifecycle import ADMITS

if TYPE_CHECKING:
    from axlab.shell.shell import Shell
    from axlab.shell.tree import CommandTree

LAST_NAME = re.compile(r"[A-Za-z0-9_$.]*$")
SPECIAL = set(" \t;>#'\"\\")


@dataclass(frozen=True)
class Completion:
    """`text` replaces the line from `start` to the cursor; `display` is what a menu shows, `meta` explains it."""

    text: str
    start: int
    display: str
    meta: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Candidate:
    """A word that fits, before it is quoted; an `open` one may go on (a folder, an option with `=`)."""

    word: str
    meta: str = ""
    kind: str = ""
    open: bool = False


def complete(shell: Shell, line: str, cursor: int, tree: CommandTree | None = None) -> list[Completion]:
    """The words that fit at `cursor`, by the shell's commands or those of `tree`. Never raises for a line that is
    wrong elsewhere."""
    words, current = _split(line[:cursor])
    if current is None:
        return []
    candidates = _candidates(shell, tree or shell.tree, words, current.text)
    found = [one for one in candidates if one.word.startswith(current.text)]
    return [
        Completion(quoted(one.word), current.start, one.word, one.meta, one.kind)
        for one in found
        if one.word != current.text or len(found) > 1 or not one.open
    ]


def quoted(word: str) -> str:
    """The word as it has to be written, with quotes where it needs them."""
    if word and not SPECIAL & set(word) and not any(ord(character) < 32 for character in word):
        return word
    return f"'{word}'" if "'" not in word else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _split(text: str) -> tuple[list[str], Word | None]:
    """The words of the command at the end of `text`, and the one that is being written there."""
    for closing in ("", "'", '"', "\\"):
        try:
            lines = parse(text + closing + "\x01")
        except AxError:
            continue
        if not lines or not _holds(lines[-1]):
            return [], None
        line = lines[-1]
        last = line.redirection.target if line.redirection else line.words[-1]
        word = Word(last.text.removesuffix("\x01").removesuffix("\\"), last.start, len(text))
        if line.redirection:
            return [">"], word
        return [known.text for known in line.words[:-1]], word
    return [], None


def _holds(line: CommandLine) -> bool:
    last = line.redirection.target if line.redirection else line.words[-1]
    return last.text.endswith("\x01")


def _candidates(shell: Shell, tree: CommandTree, words: list[str], current: str) -> Iterable[Candidate]:
    if words == [">"]:
        return _files(shell, current, host=False)
    lab = shell.lab
    node, depth = tree.find(words, lab)
    rest = words[depth:]
    found: list[Candidate] = []
    if not rest:
        found += [Candidate(child.path[-1], child.summary, "command") for child in tree.children(node, lab).values()]
    if node.path == ("help",) or words[:1] == ["help"]:
        inner, taken = tree.find(words[1:], lab)
        below = tree.children(inner, lab).values() if taken == len(words) - 1 else ()
        return [Candidate(child.path[-1], child.summary, "command") for child in below]
    if node.command is None:
        return found
    return found + _parameters(shell, node.command, rest, current)


def _parameters(shell: Shell, command: Command, rest: list[str], current: str) -> list[Candidate]:
    ended = "--" in rest
    before = None if ended or not rest else _awaits_value(command, rest[-1])
    if before is not None:
        return _values(shell, before.type, current)
    if current.startswith("--") and "=" in current and not ended:
        name, _, value = current[2:].partition("=")
        option = command.named(name)
        if not isinstance(option, Option):
            return []
        return [Candidate(f"--{name}={one.word}", one.meta, one.kind) for one in _values(shell, option.type, value)]
    if current.startswith("-") and not ended:
        return _options(command, rest)
    argument = _argument(command, _positional(command, rest))
    return _values(shell, argument.type, current, rest) if argument else []


def _awaits_value(command: Command, word: str) -> Option | None:
    """The option that `word` is and whose value has to follow."""
    known = None
    if word.startswith("--") and "=" not in word:
        known = command.named(word[2:])
    elif word.startswith("-") and len(word) == 2:
        known = command.lettered(word[1])
    return known if isinstance(known, Option) else None


def _positional(command: Command, rest: list[str]) -> int:
    """How many of the words are arguments."""
    count, ended, skip = 0, False, False
    for word in rest:
        if skip:
            skip = False
        elif ended or not word.startswith("-") or len(word) == 1:
            count += 1
        elif word == "--":
            ended = True
        else:
            skip = _awaits_value(command, word) is not None
    return count


def _argument(command: Command, place: int) -> Argument | None:
    for argument in command.arguments:
        if argument.maximum is None or place < argument.maximum:
            return argument
        place -= argument.maximum
    return None


def _options(command: Command, rest: list[str]) -> list[Candidate]:
    given = {word.partition("=")[0] for word in rest}
    names = [
        Candidate(f"--{part.name}", part.summary, "option")
        for part in command.parts
        if f"--{part.name}" not in given or getattr(part, "repeated", False)
    ]
    return [*names, Candidate("--help", "Show how it is used", "option")]


def _values(shell: Shell, kind: ArgumentType, current: str, rest: list[str] | None = None) -> list[Candidate]:
    if isinstance(kind, Many):
        done, comma, last = current.rpartition(",")
        return [Candidate(done + comma + one.word, one.meta, one.kind) for one in _values(shell, kind.of, last)]
    if isinstance(kind, Vm):
        return _vms(shell.lab.hypervisor, kind, rest or [])
    if kind.kind == "vcpu":
        vcpus = ((vm, vcpu) for vm in shell.lab.hypervisor.vms for vcpu in vm.vcpus)
        return [Candidate(f"{vm.id}.{vcpu.id}", f"{vm.name}: {vcpu.state}", "vcpu") for vm, vcpu in vcpus]
    if words := getattr(kind, "words", None):  # a type that knows what there is: snapshots, ...
        return [Candidate(word, "", kind.kind) for word in words(shell.lab)]
    if kind.kind == "filter":
        return _filter_words(shell, current)
    if kind.kind == "path":
        return _files(shell, current, getattr(kind, "where", "lab") == "host")
    return [Candidate(choice, "", "choice") for choice in getattr(kind, "choices", ())]


def _filter_words(shell: Shell, current: str) -> list[Candidate]:
    """The names of the filter language that could end what is written of a filter."""
    before = current[: len(current) - len(LAST_NAME.search(current)[0])]  # type: ignore[index]
    return [Candidate(before + name, meaning, "filter") for name, meaning in shell.lab.filter_words().items()]


def _vms(hypervisor: Any, kind: Vm, rest: list[str]) -> list[Candidate]:
    """Ids, then names, of the VMs that admit the command's operation; none twice."""
    fitting = [
        vm
        for vm in hypervisor.vms
        if (not kind.operation or ADMITS[vm.state][kind.operation].admitted) and not {str(vm.id), vm.name} & set(rest)
    ]
    found = [Candidate(str(vm.id), f"{vm.name}: {vm.state}", "vm") for vm in fitting]
    found += [Candidate(vm.name, f"VM[{vm.id}]: {vm.state}", "vm") for vm in fitting]
    if kind.several and len(fitting) > 1 and not rest:
        found.append(Candidate("all", "every VM", "vm"))
    return found


def _files(shell: Shell, current: str, host: bool) -> list[Candidate]:
    folder, slash, _ = current.rpartition("/")
    prefix = folder + slash
    try:
        entries = shell.files.list(prefix or ".")
    except (AxError, OSError):
        entries = []
    found = {entry.name: entry.kind == "folder" for entry in entries}
    if host:
        found |= _host_files(prefix)
    return [
        Candidate(prefix + name + ("/" if is_folder else ""), "folder" if is_folder else "file", "path", is_folder)
        for name, is_folder in sorted(found.items())
        if not name.startswith(".") or current[len(prefix) :].startswith(".")
    ]


def _host_files(prefix: str) -> dict[str, bool]:
    try:
        with os.scandir(Path(prefix or ".").expanduser()) as entries:
            return {entry.name: entry.is_dir() for entry in entries}
    except (OSError, ValueError):
        return {}
