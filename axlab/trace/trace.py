"""Trace: what happened in a lab, as rows, frames, sums and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from axlab.trace.columns import Column
from axlab.trace.recorder import Recorder

if TYPE_CHECKING:
    import pandas

    from axlab.trace.summary import ExitSummary


class Trace:
    """A lab's trace. `recorder` is the observer; add it to a lab's events.

    >>> lab.trace.frame("exits")        # a DataFrame; kinds: axlab.trace.columns.KINDS
    >>> print(lab.trace.summary(vm=0))  # exits by reason
    >>> lab.trace.save("run.csv")
    """

    def __init__(self, level: str = "events", limit: int | None = None) -> None:
        self.recorder = Recorder(level, limit)

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self.recorder)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events>"

    def frame(self, kind: str = "exits", vm: int | None = None) -> pandas.DataFrame:
        """All rows of a kind (of one VM) as a typed DataFrame, oldest first. Raises `AxError`.

        The columns of each kind are described in `axlab.trace.columns`.
        """
        from axlab.trace.frames import frame_of

        return frame_of(self.recorder.table(kind), vm)

    def exits(self, vm: int | None = None) -> pandas.DataFrame:
        """Every exit from a guest: when, where, why, and what it cost."""
        return self.frame("exits", vm)

    def summary(self, vm: int | None = None) -> ExitSummary:
        """Exits by reason: how many, and how long the hypervisor took. Needs no pandas."""
        from axlab.trace.summary import summarise

        return summarise(self.recorder.table("exits"), vm)

    def fingerprint(self) -> str:
        """A hash of all that has happened; equal runs have equal fingerprints."""
        return self.recorder.fingerprint()

    def save(self, path: str | Path, kind: str | None = None) -> None:
        """Write the trace, or one kind of it, in the form that the extension names. Raises `AxError`.

        `.csv`, `.jsonl`, `.json`, `.parquet`, `.arrow`; none: AxLab's own columns, which `load` reads.
        """
        from axlab.trace.export import save

        save(self.recorder, Path(path), kind)

    def columns(self, kind: str = "exits") -> tuple[Column, ...]:
        """The columns of a kind: name, form, unit and meaning of each. Raises `AxError`."""
        return self.recorder.table(kind).columns

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """A trace that was saved as AxLab's own columns. Raises `AxError`."""
        from axlab.trace.own_format import load

        trace = cls()
        load(trace.recorder, Path(path))
        return trace
