"""Names of snapshots and recordings: each is a file name in the lab's folder, on any system."""

from __future__ import annotations

import re

from axlab.errors import AxError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> str:
    """The name, if it is one. Raises `AxError`."""
    if NAME.fullmatch(name) is None or name.endswith("."):
        raise AxError(
            f"{name!r} is no name: letters, digits, '_', '-' and '.' are wanted, at most 64 of them, "
            "a letter, a digit or '_' first and no '.' last"
        )
    return name
