"""The snapshot with which a recording begins where it does not begin with a new lab.

A small one stands in the recording itself, a large one in a file beside it; both are known by their hash.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.time import on_disk, snapshot_file
from axlab.time.branches import Place
from axlab.time.checkpoints import Checkpoint
from axlab.time.digests import of_trace
from axlab.time.history import History, Return
from axlab.time.journey import never
from axlab.time.snapshot_file import SUFFIX

SMALL = 2 << 20  # bytes of a snapshot that is put into the recording


@dataclass(frozen=True)
class Start:
    """Where a recording begins: the snapshot file's hash, and its bytes if they are known.

    `done` commands had been given before, and `events` were the digests of what had happened.
    """

    place: Place
    sha256: str
    data: bytes | None
    done: int = 0
    events: bytes | None = None

    @property
    def is_small(self) -> bool:
        """Whether the snapshot is a part of the recording's file."""
        return self.data is not None and len(self.data) <= SMALL

    def line(self) -> dict[str, Any]:
        """What stands in the recording beside the place."""
        packed = {"bytes": base64.b64encode(self.data).decode("ascii")} if self.data and self.is_small else {}
        return {"snapshot": self.sha256, **packed}

    def save_beside(self, path: Path) -> None:
        """Write a snapshot that is no part of the recording beside it. Raises `AxError`."""
        if self.data is None or self.is_small:
            return
        try:
            path.with_suffix(SUFFIX).write_bytes(self.data)
        except OSError as error:
            raise AxError(f"{path.with_suffix(SUFFIX)}: {snapshot_file.reason(error)}") from None


def start_at(history: History, begin: Checkpoint | int) -> Start:
    """The lab at a checkpoint, or at a virtual time, of its past; it stays where it is. Raises `AxError`."""
    lab, stream, found = history.lab, BytesIO(), []
    if isinstance(begin, int):
        history.check_time(begin, history.place.now)
    with history.travel(never) as journey:
        journey.jump(history.before(begin) if isinstance(begin, int) else begin)
        if isinstance(begin, int):
            journey.run_to_time(begin)
        snapshot_file.write_to(stream, on_disk.contents_of(lab, "the beginning of a recording"))
        found = [history.place, history.done, of_trace(lab.trace.recorder)]
        raise Return
    data = stream.getvalue()
    place, done, events = found
    return Start(place, sha256(data).hexdigest(), data, done, events)


def put_start(lab: Any, start: Start, beside: Path) -> None:
    """Make a new lab what it is at the beginning of a recording. Raises `AxError`."""
    path = beside.with_suffix(SUFFIX)
    if start.data is not None:
        path = Path(lab.folder) / f"beginning{SUFFIX}"
        path.write_bytes(start.data)
    elif not path.is_file() or sha256(path.read_bytes()).hexdigest() != start.sha256:
        raise AxError(f"the recording begins with a snapshot that has to be beside it: {path} (sha256 {start.sha256})")
    lab.snapshots.load(path)
    if lab.history.place != start.place:
        raise AxError(f"{beside}: its snapshot is of another moment than the recording begins at")
