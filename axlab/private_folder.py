"""Folders whose contents only we can have written: what is read from them may be executed.

Each function returns a reason in words, "" where all is well, and raises nothing for what it finds. On Windows
a profile is private by its access list, which the standard library cannot read: only links are refused there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: a link or a junction


def make_private(folder: Path) -> str:
    """Make a folder with mode 0700 where it is missing, and its parents too; why it cannot be trusted, or ""."""
    try:
        for place in reversed((folder, *folder.parents)):
            if not os.path.lexists(place):
                make_folder(place)
        return objection(folder, stat.S_ISDIR) or objection_to_parents(folder)
    except OSError as error:
        return f"{folder}: {(error.strerror or str(error)).lower()}"


def make_folder(place: Path) -> None:
    """`mkdir` with mode 0700 from its first moment on, also where another process is faster."""
    try:
        os.mkdir(place, 0o700)
    except FileExistsError:
        return
    if os.name == "posix":
        os.chmod(place, 0o700)  # whatever the umask took away


def make_private_file(path: Path) -> str:
    """Make an empty file with mode 0600 where it is missing; why it cannot be trusted, or ""."""
    try:
        if not os.path.lexists(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}"
    return objection(path, stat.S_ISREG)


def objection(path: Path, is_kind: Callable[[int], bool]) -> str:
    """Why a file or folder (`stat.S_ISREG`, `stat.S_ISDIR`) cannot be trusted, or ""; one that is missing can."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: {(error.strerror or str(error)).lower()}"
    if stat.S_ISLNK(found.st_mode) or getattr(found, "st_file_attributes", 0) & REPARSE_POINT:
        return f"{path} is a symbolic link"
    if not is_kind(found.st_mode):
        return f"{path} is no {'folder' if is_kind is stat.S_ISDIR else 'regular file'}"
    if os.name != "posix":
        return ""
    if found.st_uid != os.geteuid():
        return f"{path} belongs to someone else (user {found.st_uid})"
    if found.st_mode & OTHERS_WRITE:
        return f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def objection_to_parents(folder: Path) -> str:
    """A parent that everybody may write, without the sticky bit, lets everybody exchange the folder."""
    if os.name != "posix":
        return ""
    for parent in folder.resolve().parents:
        mode = os.stat(parent).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"{parent} can be written by everybody (mode {stat.S_IMODE(mode):04o})"
    return ""
