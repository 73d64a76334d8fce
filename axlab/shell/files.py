"""The lab's own folder, as the shell's file commands see it: a file system whose root is that folder.

Nothing leads outside. A name is first normalised (`..` above the root is refused), then resolved with
all symbolic links, and the result has to lie inside. The file itself is then opened step by step from
the root without following any link, so that a link put there in between is refused too.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from axlab.errors import AxError

BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
READ_LIMIT = 1 << 20


def name_problem(name: str) -> str:
    """Why no file can have this name; nothing where one can."""
    if "\0" in name:
        return "a file name has no NUL character"
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        return f"{name[error.start]!a} cannot stand in a file name"
    return ""


@dataclass(frozen=True)
class Entry:
    """One name in a folder. `size` in bytes; `kind` is file, folder, link or other."""

    name: str
    kind: str
    size: int


class LabFolder:
    """Files below `root`. `here` is the current folder, as parts below the root."""

    def __init__(self, root: Path | str) -> None:
        self.root = os.path.realpath(root)
        self.here: tuple[str, ...] = ()

    @property
    def current(self) -> str:
        """The current folder as people see it: `/` is the lab's folder."""
        return "/" + "/".join(self.here)

    @property
    def current_path(self) -> Path:
        """The current folder on the host."""
        return Path(self.root, *self.here)

    def parts(self, name: str) -> tuple[str, ...]:
        """The parts of a name below the root, without `.` and `..`. Raises AxError above the root."""
        if problem := name_problem(name):
            raise AxError(problem)
        parts = [] if name.startswith("/") else list(self.here)
        for part in name.replace(os.sep, "/").split("/"):
            if part == "..":
                if not parts:
                    raise self._outside(name)
                parts.pop()
            elif part not in ("", "."):
                if os.sep != "/" and ":" in part:
                    raise self._outside(name)
                parts.append(part)
        return tuple(parts)

    def _outside(self, name: str) -> AxError:
        return AxError(f"{name} is outside of the lab's folder")

    def _real(self, name: str, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The parts with all symbolic links resolved. Raises AxError where they lead outside."""
        real = os.path.realpath(os.path.join(self.root, *parts))
        if real == self.root:
            return ()
        prefix = self.root.rstrip(os.sep) + os.sep
        if not real.startswith(prefix):
            raise self._outside(name)
        return tuple(real[len(prefix) :].split(os.sep))

    def host_path(self, name: str) -> Path:
        """Where a file or folder of the lab is, or would be, on the host. Raises AxError for one that is outside."""
        return Path(self.root, *self._real(name, self.parts(name)))

    def inside(self, name: str) -> Path:
        """The path on the host of a name in the folder, all links resolved. Raises AxError where it leads outside."""
        return Path(self.root, *self._real(name, self.parts(name)))

    @contextmanager
    def _folder(self, parts: tuple[str, ...]) -> Iterator[int | str]:
        """A folder of resolved parts, as a descriptor that no link can divert (or its path, on Windows)."""
        if not BY_DESCRIPTOR:
            yield os.path.join(self.root, *parts)
            return
        flags = os.O_RDONLY | os.O_DIRECTORY
        descriptor = os.open(self.root, flags)
        try:
            for part in parts:
                inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _place(self, name: str, follow: bool = True) -> Iterator[tuple[str, int | None]]:
        """`(name, dir_fd)` for functions of `os`. Without `follow` a link at the end stays a link."""
        parts = self.parts(name)
        if not parts:
            raise AxError(f"{name} is the lab's folder itself")
        real = self._real(name, parts) if follow else (*self._real(name, parts[:-1]), parts[-1])
        if not real:
            raise AxError(f"{name} is the lab's folder itself")
        with self._folder(real[:-1]) as folder:
            if isinstance(folder, int):
                yield real[-1], folder
            else:
                yield os.path.join(folder, real[-1]), None

    def _open(self, name: str, flags: int) -> int:
        """A descriptor of a regular file."""
        more = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with self._place(name) as (last, folder):
            descriptor = os.open(last, flags | more, 0o666, dir_fd=folder)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise AxError(f"{name} is a folder" if stat.S_ISDIR(mode) else f"{name} is no ordinary file")
        return descriptor

    def list(self, name: str = ".") -> list[Entry]:
        """What is in a folder, sorted by name; for a file, that file."""
        parts = self.parts(name)
        if parts and not self.is_folder(name):
            with self._place(name) as (last, folder):
                return [self._entry(parts[-1], os.stat(last, dir_fd=folder, follow_symlinks=False))]
        with self._folder(self._real(name, parts)) as opened, os.scandir(opened) as found:
            return sorted(
                (self._entry(item.name, item.stat(follow_symlinks=False)) for item in found), key=lambda e: e.name
            )

    def _entry(self, name: str, status: os.stat_result) -> Entry:
        kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link"))
        kind = next((kind for test, kind in kinds if test(status.st_mode)), "other")
        return Entry(name, kind, status.st_size if kind == "file" else 0)

    def is_folder(self, name: str) -> bool:
        parts = self.parts(name)
        if not parts:
            return True
        try:
            with self._place(name) as (last, folder):
                return stat.S_ISDIR(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode)
        except OSError:
            return False

    def read(self, name: str, limit: int = READ_LIMIT) -> bytes:
        """The first `limit` bytes of a file."""
        with os.fdopen(self._open(name, os.O_RDONLY), "rb") as file:
            return file.read(limit)

    def check_writable(self, name: str) -> None:
        """Raise AxError or OSError where `write` could not even begin."""
        if self.is_folder(name):
            raise AxError(f"{name} is a folder")
        with self._place(name):
            pass

    def write(self, name: str, text: str, append: bool = False) -> int:
        """Write or append text; returns how many bytes."""
        data = text.encode("utf-8", "backslashreplace")
        flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0)
        with os.fdopen(self._open(name, flags), "ab" if append else "wb") as file:
            if not append:
                file.truncate(0)
            file.write(data)
        return len(data)

    def touch(self, name: str) -> None:
        """Make an empty file, or set the times of what is there."""
        with self._place(name) as (last, folder):
            if self._exists(last, folder):
                os.utime(last, dir_fd=folder, follow_symlinks=not BY_DESCRIPTOR)
                return
        os.close(self._open(name, os.O_WRONLY | os.O_CREAT))

    def _exists(self, last: str, folder: int | None) -> bool:
        try:
            os.stat(last, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def make_folder(self, name: str, parents: bool = False) -> None:
        """Make a folder; with `parents` also those above it, and none need be new."""
        parts = self.parts(name)
        first = 1 if parents else len(parts)
        for depth in range(first, len(parts) + 1):
            step = "/" + "/".join(parts[:depth])
            if not (parents and self.is_folder(step)):
                with self._place(step) as (last, folder):
                    os.mkdir(last, dir_fd=folder)
        if not parts:
            raise AxError(f"{name} is the lab's folder itself")

    def remove(self, name: str, recursive: bool = False) -> None:
        """Remove a file or a link (never what it leads to); with `recursive` also a folder with all in it."""
        with self._place(name, follow=False) as (last, folder):
            mode = os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                os.unlink(last, dir_fd=folder)
            elif recursive:
                shutil.rmtree(last, dir_fd=folder)
            else:
                raise AxError(f"{name} is a folder; 'rm -r' removes it with all that is in it")
        self._step_back()

    def _step_back(self) -> None:
        """Leave the current folder where it is no more."""
        while self.here and not self.is_folder(self.current):
            self.here = self.here[:-1]

    def into(self, source: str, target: str) -> str:
        """Where a copy of `source` goes: into `target` where that is a folder."""
        if self.is_folder(target) and (last := self.parts(source)[-1:]):
            return "/" + "/".join((*self.parts(target), last[0]))
        return target

    def copy(self, source: str, target: str) -> None:
        """Copy a file."""
        target = self.into(source, target)
        with os.fdopen(self._open(source, os.O_RDONLY), "rb") as read:
            written = self._open(target, os.O_WRONLY | os.O_CREAT)
            with os.fdopen(written, "wb") as write:
                if os.path.samestat(os.fstat(read.fileno()), os.fstat(write.fileno())):
                    raise AxError(f"{source} and {target} are the same file")
                write.truncate(0)
                shutil.copyfileobj(read, write)

    def move(self, source: str, target: str) -> None:
        """Rename a file or a folder, or move it into a folder."""
        target = self.into(source, target)
        old, new = self.parts(source), self.parts(target)
        if new[: len(old)] == old and new != old:
            raise AxError(f"{source} cannot be moved into itself")
        with (
            self._place(source, follow=False) as (old_last, old_folder),
            self._place(target, follow=False) as (new_last, new_folder),
        ):
            os.replace(old_last, new_last, src_dir_fd=old_folder, dst_dir_fd=new_folder)
        self._step_back()

    def change(self, name: str) -> None:
        """Make a folder the current one."""
        parts = self.parts(name)
        with self._folder(self._real(name, parts)):
            self.here = parts

    def reason(self, error: AxError | OSError) -> str:
        """Why something failed, in words, without a path of the host."""
        if isinstance(error, AxError):
            return error.message
        if error.errno in (errno.ELOOP, errno.EMLINK):
            return "a symbolic link is in the way"
        return os.strerror(error.errno).lower() if error.errno else str(error)
