"""Where every run of a sweep begins: in a new lab or in that of a snapshot, with schedulers of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from axlab.errors import AxError
from axlab.lab import SETTINGS, Lab
from axlab.scale.parameters import Parameters
from axlab.scale.source import source_of

LAB_SETTINGS = SETTINGS - {"code_cache", "history"}
CHANGEABLE = {"scheduler", "seed"}
"""The settings that a lab from a snapshot can still change."""
RESERVED = ("run", "error", "fingerprint", "virtual_ns", "instructions", "exits", "cpu_seconds")
"""Columns of every run; no parameter can have such a name."""


@dataclass(frozen=True)
class Start:
    """`snapshot` is a file, empty for a new lab; `schedulers` are classes by the names that parameters give them."""

    snapshot: str = ""
    schedulers: Mapping[str, type] = field(default_factory=dict)

    def lab(self, parameters: Parameters, defaults: Parameters) -> Lab:
        """The lab of the snapshot, with a trace that begins there, or a new one with its settings among the parameters.

        Raises `AxError`.
        """
        given = {name: value for name, value in parameters.items() if name in LAB_SETTINGS}
        if "scheduler" in given:
            given["scheduler"] = self.schedulers.get(str(given["scheduler"]), given["scheduler"])
        if not self.snapshot:
            return Lab(**{"history": False} | defaults | given)  # nobody steps back in a run
        lab = Lab.restore(self.snapshot, history=False)
        lab.trace.clear()
        scheduler = lab.hypervisor.scheduler
        scheduler.seed = given.get("seed", scheduler.seed)
        if "scheduler" in given:
            lab.hypervisor.use_scheduler(given["scheduler"])
        return lab

    def check(self, parameters: Parameters) -> None:
        """Refuse names that columns have, and settings that a lab which is there already cannot change."""
        for name in parameters:
            if name in RESERVED:
                raise AxError(f"no parameter can be called {name}: every run has a column of that name; choose another")
            if self.snapshot and name in LAB_SETTINGS - CHANGEABLE:
                raise AxError(
                    f"{name} cannot be a parameter of runs from a snapshot: the lab in it has been made already"
                )

    def text(self) -> str:
        """A text that changes with the snapshot's contents and the schedulers' source."""
        own = "".join(f"\n{name}: {source_of(kind)}" for name, kind in sorted(self.schedulers.items()))
        return image(self.snapshot) + own


def image(path: str) -> str:
    """A text that changes with the contents of a file; nothing for no file. Raises `AxError`."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            return f"\n{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None
