"""`axlab sweep` and `axlab runs`: sweeps from the command line, and questions about their runs."""

from __future__ import annotations

import argparse
import sys

from axlab.errors import AxError
from axlab.scale.parameters import read_grid
from axlab.scale.runs import Runs, failures, runs
from axlab.scale.sweep import sweep
from axlab.shell.statuses import DONE, FAILED


def run_sweep(arguments: argparse.Namespace) -> int:
    """Make the runs, say what became of them, and return the exit status."""
    if arguments.workers is not None and arguments.workers < 1:
        raise AxError(f"--workers {arguments.workers} is wrong: 1 or more are wanted")
    try:
        found = sweep(
            arguments.targets,
            read_grid(arguments.param, arguments.seeds),
            arguments.dask,
            arguments.output,
            trace=arguments.trace_level,
            limit=arguments.limit,
            snapshot=arguments.from_snapshot or "",
            workers=arguments.workers,
            retry_failed=arguments.retry_failed,
        )
    except KeyboardInterrupt:
        print(f"axlab: {interrupted(arguments.output)}", file=sys.stderr)
        raise
    failed = failures(found)
    print("\n".join(told(found, failed)))
    return FAILED if failed else DONE


def interrupted(folder: str) -> str:
    """What is said at Ctrl-C."""
    try:
        found = runs(folder)
    except AxError:
        return "interrupted before the first run was done"
    whole = len(found.manifest.parameters)
    return f"{len(found)} of {whole} runs are done and kept; the same command goes on with the others"


def told(found: Runs, failed: list[tuple[int, str]], most: int = 5) -> list[str]:
    """What is said of a sweep that is done."""
    lines = [f"{len(found)} runs are in {found.folder}" + (f", {len(failed)} of them failed:" if failed else "")]
    lines += [f"  run {number}: {error}" for number, error in failed[:most]]
    return lines + ([f"  and {len(failed) - most} more"] if len(failed) > most else [])


def run_runs(arguments: argparse.Namespace) -> int:
    """Print the runs of a sweep, or the answer to a query."""
    found = runs(arguments.folder)
    frame = found.sql(arguments.sql) if arguments.sql else found.frame()
    print(frame.to_csv(index=False), end="") if arguments.csv else print(frame.to_string(index=False))
    return DONE
