"""Parts of a trace on disk: columns in files of the lab's folder, read when they are asked for.

A file belongs to the trace that wrote it, and to its copies; when the last of them is gone, so is the file.
"""

from __future__ import annotations

import os
import weakref
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.errors import AxError


@dataclass(eq=False)
class Part:
    """Columns in memory. `rows` is how many there are, as the recording counts them."""

    arrays: tuple[array[int], ...]
    rows: int

    def read(self) -> tuple[array[int], ...]:
        """The columns."""
        return self.arrays


class Spilled:
    """Columns in a file: `layout` is the type code and the length of each. It never changes."""

    def __init__(self, path: str, layout: tuple[tuple[str, int], ...], rows: int) -> None:
        self.path, self.layout, self.rows = path, layout, rows
        weakref.finalize(self, _remove, path)

    def __deepcopy__(self, memo: dict[int, Any]) -> Spilled:
        return self

    def read(self, first: int = 0, count: int | None = None) -> tuple[array[int], ...]:
        """The columns from `first` on, `count` of them. Raises `AxError` where the file is gone or another."""
        chosen = self.layout[first:] if count is None else self.layout[first : first + count]
        before = sum(array(code).itemsize * length for code, length in self.layout[:first])
        try:
            with open(self.path, "rb") as file:
                file.seek(before)
                return tuple(_read(file, code, length) for code, length in chosen)
        except (OSError, EOFError) as error:
            why = getattr(error, "strerror", None) or "it is shorter than it was written"
            raise AxError(f"a part of the trace that was put on disk cannot be read: {self.path}: {why}") from None


@dataclass
class Spill:
    """Where parts are put: a folder, made when it is needed. `problem` is why nothing more can be put there."""

    folder: str
    written: int = 0
    problem: str = ""

    def put(self, arrays: tuple[array[int], ...], rows: int) -> Spilled | None:
        """Write columns to a new file. None where that fails: `problem` says why, and no half-written file stays."""
        path = ""
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            path = self._new()
            with open(path, "wb") as file:
                for column in arrays:
                    column.tofile(file)
        except OSError as error:
            _remove(path)
            self.problem = f"it cannot be written to {self.folder}: {error.strerror or error}"
            return None
        return Spilled(path, tuple((column.typecode, len(column)) for column in arrays), rows)

    def _new(self) -> str:
        """An empty file that nobody else has."""
        while True:
            self.written += 1
            path = os.path.join(self.folder, f"part-{self.written:06}")
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                return path
            except FileExistsError:
                continue


def _read(file: Any, code: str, length: int) -> array[int]:
    values = array(code)
    values.fromfile(file, length)
    return values


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is gone already


@dataclass
class Bounds:
    """How much of a trace is kept: the last `limit` rows of a vCPU, or all, on disk where there is a `spill`."""

    limit: int | None = None
    spill: Spill | None = None

    @property
    def are_open(self) -> bool:
        """Whether all is kept in memory."""
        return self.limit is None and self.spill is None


def add_part(parts: list[Part | Spilled], arrays: tuple[array[int], ...], rows: int, bounds: Bounds) -> int:
    """Append a part as the bounds say; how many rows were dropped in return."""
    if not rows:
        return 0
    part = bounds.spill.put(arrays, rows) if bounds.spill is not None and not bounds.spill.problem else None
    parts.append(part or Part(arrays, rows))
    dropped = 0
    while bounds.limit is not None and sum(part.rows for part in parts[1:]) >= bounds.limit:
        dropped += parts.pop(0).rows
    return dropped
