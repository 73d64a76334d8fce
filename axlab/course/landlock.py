"""Confining this process to folders, by Linux's Landlock (Documentation/userspace-api/landlock.rst).

The kernel then refuses this process, and all that it starts, to read outside of some folders, to write outside of
others, and to use TCP. It needs no privileges, and cannot be taken back.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # numbers of system calls, the same on every architecture
GET_VERSION = 1
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_AND_MAKE = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
BIND_AND_CONNECT_TCP = 0b11


@cache
def version() -> int:
    """The version of Landlock that this kernel has; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, GET_VERSION)))


def rights_of(abi: int) -> int:
    """All rights on files that a version of Landlock can refuse."""
    return READ | WRITE_FILE | REMOVE_AND_MAKE | REFER * (abi >= 2) | TRUNCATE * (abi >= 3)


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """From here on this process reads only below `readable` and `writable`, writes only below `writable`, and uses no
    TCP where the kernel can refuse that. Paths that are not there are passed over. Raises OSError.
    """
    abi = version()
    every = rights_of(abi)
    attributes = struct.pack("=QQ", every, BIND_AND_CONNECT_TCP) if abi >= 4 else struct.pack("=Q", every)
    ruleset = call(CREATE_RULESET, attributes, len(attributes), 0)
    for paths, rights in ((readable, READ), (writable, every)):
        for path in paths:
            if path.exists():
                allow(ruleset, path, rights & every)
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def allow(ruleset: int, path: Path, rights: int) -> None:
    """Allow rights on a folder and all below it, or on a file."""
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights if path.is_dir() else rights & ON_FILES, descriptor)
        call(ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def call(number: int, *arguments: int | bytes) -> int:
    """A system call. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
