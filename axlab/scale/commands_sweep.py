"""`vm sweep`: many runs from the shell and from `%vm`, in labs of their own beside the one that is commanded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axlab.scale.options import LIMIT
from axlab.shell.arguments import Duration, FilePath, Number, Text
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, command, declared
from axlab.shell.render import plain
from axlab.shell.results import Result
from axlab.shell.tree import CommandTree


@dataclass(kw_only=True)
class SweepResult(Result):
    """A sweep that is done, or was interrupted: one row for each run, as `axlab.runs(DIR).records()` has it."""

    folder: str
    runs: list[dict[str, Any]] = field(default_factory=list)


@command(
    "vm sweep",
    "Make many runs of guests with different parameters",
    Argument("configs", FilePath("host", "CONFIG_FILE"), "TOML files, images or 'demo'", maximum=None,
             missing="Error: No VM configuration file specified"),
    Option("param", Text("NAME=VALUES"), "a parameter and its values: cpus=1,2,4", repeated=True),
    Option("seeds", Number(1, 1_000_000, "N"), "every run with the seeds 0 to N-1"),
    Option("output", FilePath("lab", "DIR"), "folder of the runs", short="o", default="runs"),
    Option("for", Duration(), f"virtual time of a run at most; {LIMIT} by default"),
    Option("workers", Number(1, 1024, "N"), "worker processes; by default one for each CPU"),
    Option("dask", Text("ADDRESS"), "let a Dask cluster make the runs"),
    Flag("retry-failed", "make the runs again that ended with an error"),
)  # fmt: skip
def vm_sweep(
    context: Context,
    configs: list[str],
    param: list[str],
    seeds: int | None,
    output: str,
    for_: int | None,
    workers: int | None,
    dask: str | None,
    retry_failed: bool,
) -> Result:
    """Make one run for every combination of parameters, each in a new lab in a worker process.

    A parameter is a setting of a lab (cpus, scheduler, ...), a key of the configuration (kernel.cmdline), or seed; a
    scheduler may be one of yours, made by %%sched. The same command goes on where it was interrupted. 'axlab runs DIR'
    shows the runs.
    """
    from axlab.scale.command import interrupted, told
    from axlab.scale.parameters import read_grid
    from axlab.scale.runs import failures
    from axlab.scale.sweep import sweep

    shell = context.shell
    folder = shell.files.host_path(output)
    limit = LIMIT if for_ is None else f"{for_}ns"
    targets = [path if (path := shell.host_path(name)).is_file() else name for name in configs]
    grid = read_grid(param or [], seeds)
    own = context.lab.schedulers
    mine = {name: own[name] for name in grid.get("scheduler", ()) if name in own}
    try:
        with hearing_interrupts():
            found = sweep(
                targets,
                grid,
                dask,
                folder,
                limit=limit,
                schedulers=mine,
                workers=workers,
                retry_failed=retry_failed,
            )
    except KeyboardInterrupt:
        context.say(f"⚠ {interrupted(str(folder))}")
        return SweepResult(ok=False, folder=output, transcript=context.transcript)
    failed = failures(found)
    first, *more = told(found, failed)
    context.say(f"{'✗' if failed else '✓'} {first}".replace(str(folder), output), *more)
    rows = [plain(record) for record in found.records()]
    return SweepResult(ok=not failed, folder=output, runs=rows, transcript=context.transcript)


@contextmanager
def hearing_interrupts() -> Iterator[None]:
    """While this is entered, Ctrl-C is a KeyboardInterrupt, though a command of the shell is running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def register(tree: CommandTree) -> None:
    """Add the commands of this package to a shell's."""
    tree.add_all(declared(globals()))
