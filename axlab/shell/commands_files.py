"""AxVisor's file commands, inside the lab's own folder: `/` is that folder, and nothing leads out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.shell.arguments import FilePath
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, command
from axlab.shell.files import READ_LIMIT, Entry
from axlab.shell.render import Block, Code, Lines
from axlab.shell.results import Result, TextResult

FILES = Argument("files", FilePath(), "Files of the lab", maximum=None)
SOURCE = Argument("source", FilePath(metavar="SOURCE"), "What is copied or moved")
TARGET = Argument("target", FilePath(metavar="TARGET"), "Where to; a folder takes it in")


def each(context: Context, name: str, files: list[str], work: Callable[[str], None]) -> Result:
    """Do `work` with each file; what goes wrong with one is said, and the others proceed."""
    ok = True
    for file in files:
        try:
            work(file)
        except AxError as error:
            ok = False
            context.say(f"✗ {name}: {error.message}")
        except OSError as error:
            ok = False
            context.say(f"✗ {name}: {file}: {context.shell.files.reason(error)}")
    return Result(ok=ok, transcript=context.transcript)


@dataclass(kw_only=True)
class ListingResult(Result):
    """What is in folders."""

    folders: dict[str, list[Entry]] = field(default_factory=dict)
    long: bool = False

    @property
    def tables(self) -> dict[str, list[Any]]:
        return {"entries": [entry for entries in self.folders.values() for entry in entries]}

    def blocks(self) -> list[Block]:
        lines: list[str] = []
        for name, entries in self.folders.items():
            if len(self.folders) > 1:
                lines += [*([""] if lines else []), f"{name}:"]
            lines += [self.line(entry) for entry in entries]
        return [*self.transcript, Lines(tuple(lines))] if lines else self.transcript

    def line(self, entry: Entry) -> str:
        name = entry.name.replace("\n", "\\n") + {"folder": "/", "link": "@"}.get(entry.kind, "")
        return f"{entry.kind:<6} {entry.size:>10}  {name}" if self.long else name


@command(
    "ls",
    "List files of the lab",
    Argument("files", FilePath(), "Folders or files", minimum=0, maximum=None),
    Flag("long", "With kind and size", short="l"),
    Flag("all", "Also names that begin with a dot", short="a"),
)
def ls(context: Context, files: list[str], long: bool, all: bool) -> Result:
    folders: dict[str, list[Entry]] = {}

    def show(name: str) -> None:
        entries = context.shell.files.list(name)
        folders[name] = [entry for entry in entries if all or not entry.name.startswith(".")]

    result = each(context, "ls", files or ["."], show)
    return ListingResult(ok=result.ok, folders=folders, long=long, transcript=context.transcript)


@dataclass(kw_only=True)
class FileResult(Result):
    """The content of files, one after the other."""

    content: bytes = field(repr=False)

    def blocks(self) -> list[Block]:
        return [Code(self.content.decode("utf-8", "replace")), *self.transcript] if self.content else self.transcript


@command("cat", "Show the content of files", FILES)
def cat(context: Context, files: list[str]) -> Result:
    parts: list[bytes] = []

    def read(name: str) -> None:
        content = context.shell.files.read(name, READ_LIMIT + 1)
        parts.append(content[:READ_LIMIT])
        if len(content) > READ_LIMIT:
            raise AxError(f"only the first {READ_LIMIT >> 20} MiB are shown")

    ok = each(context, "cat", files, read).ok
    return FileResult(ok=ok, content=b"".join(parts), transcript=context.transcript)


@command("mkdir", "Make folders", FILES, Flag("parents", "Also those above it; none need be new", short="p"))
def mkdir(context: Context, files: list[str], parents: bool) -> Result:
    return each(context, "mkdir", files, lambda name: context.shell.files.make_folder(name, parents))


@command(
    "rm",
    "Remove files",
    FILES,
    Flag("recursive", "Also folders, with all that is in them", short="r"),
    Flag("force", "A file that is not there is no failure", short="f"),
)
def rm(context: Context, files: list[str], recursive: bool, force: bool) -> Result:
    def remove(name: str) -> None:
        try:
            context.shell.files.remove(name, recursive)
        except FileNotFoundError:
            if not force:
                raise

    return each(context, "rm", files, remove)


@command("touch", "Make empty files, or set their times", FILES)
def touch(context: Context, files: list[str]) -> Result:
    return each(context, "touch", files, context.shell.files.touch)


@command("cp", "Copy a file", SOURCE, TARGET)
def cp(context: Context, source: str, target: str) -> Result:
    return each(context, "cp", [source], lambda name: context.shell.files.copy(name, target))


@command("mv", "Move or rename a file or a folder", SOURCE, TARGET)
def mv(context: Context, source: str, target: str) -> Result:
    return each(context, "mv", [source], lambda name: context.shell.files.move(name, target))


@command(
    "cd", "Change the current folder", Argument("folder", FilePath(), "By default the lab's", minimum=0, default="/")
)
def cd(context: Context, folder: str) -> Result:
    return each(context, "cd", [folder], context.shell.files.change)


@command("pwd", "Show the current folder; / is the lab's")
def pwd(context: Context) -> Result:
    return TextResult(lines=[context.shell.files.current])


@command("uname", "Show what system this is", Flag("all", "Everything", short="a"))
def uname(context: Context, all: bool) -> Result:
    return TextResult(lines=[f"AxLab axlab {__version__} aarch64 AxVisor-compatible" if all else "AxLab"])
