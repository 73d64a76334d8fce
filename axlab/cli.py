"""The command line: `axlab run | replay | shell | sweep | asm | disasm | config | doctor | bench | notebook | ...`.

Exit status: 0 done, 1 it ran and something failed, 2 wrong usage or files, 70 a defect of AxLab, 130
interrupted. What is imported is imported by the subcommand that needs it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from axlab import __version__
from axlab.command_line import assembly, configuration, grading, guests, installation
from axlab.errors import AxError
from axlab.shell.statuses import DEFECT, FAILED, INTERRUPTED, WRONG


@dataclass(frozen=True)
class Subcommand:
    """A word of the command line: what it declares, and what it does. `run` returns the exit status."""

    name: str
    summary: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def declare_bench(parser: argparse.ArgumentParser) -> None:
    from axlab.bench.command import declare

    declare(parser)


def run_bench(arguments: argparse.Namespace) -> int:
    from axlab.bench.command import main as bench

    return bench(arguments)


def declare_sweep(parser: argparse.ArgumentParser) -> None:
    from axlab.scale.options import declare_sweep as declare

    declare(parser)


def run_sweep(arguments: argparse.Namespace) -> int:
    from axlab.scale.command import run_sweep as run

    return run(arguments)


def declare_runs(parser: argparse.ArgumentParser) -> None:
    from axlab.scale.options import declare_runs as declare

    declare(parser)


def run_runs(arguments: argparse.Namespace) -> int:
    from axlab.scale.command import run_runs as run

    return run(arguments)


SUBCOMMANDS = (
    Subcommand("run", "boot guests and stream their consoles", guests.declare_run, guests.run_run),
    Subcommand("replay", "run a recording again, and say where it differs", guests.declare_replay, guests.run_replay),
    Subcommand("shell", "the interactive shell, or a script for it", guests.declare_shell, guests.run_shell),
    Subcommand("sweep", "many runs with different parameters, at once", declare_sweep, run_sweep),
    Subcommand("runs", "the runs of a sweep, or a question about them in SQL", declare_runs, run_runs),
    Subcommand("asm", "assemble AArch64 source to a flat binary", assembly.declare_asm, assembly.run_asm),
    Subcommand(
        "disasm", "disassemble a flat binary or instruction words", assembly.declare_disasm, assembly.run_disasm
    ),
    Subcommand(
        "config",
        "check configuration files, or write a new one",
        configuration.declare_config,
        configuration.run_config,
    ),
    Subcommand("fetch", "get a real guest to run", configuration.declare_fetch, configuration.run_fetch),
    Subcommand(
        "doctor",
        "what is installed, what is missing for which feature",
        installation.declare_doctor,
        installation.run_doctor,
    ),
    Subcommand("cache", "the translated code that is kept on disk", installation.declare_cache, installation.run_cache),
    Subcommand("bench", "measure how fast guests run here", declare_bench, run_bench),
    Subcommand("grade", "run a class's notebooks, and say what they got", grading.declare_grade, grading.run_grade),
    Subcommand(
        "notebook", "open the notebooks in JupyterLab", installation.declare_notebook, installation.run_notebook
    ),
)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line, made from `SUBCOMMANDS`."""
    top = argparse.ArgumentParser(prog="axlab", description="AxLab: a hypervisor laboratory.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"axlab {__version__}")
    inner = top.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for subcommand in SUBCOMMANDS:
        sentence = subcommand.summary[0].upper() + subcommand.summary[1:] + "."
        one = inner.add_parser(subcommand.name, help=subcommand.summary, description=sentence, allow_abbrev=False)
        subcommand.declare(one)
        one.set_defaults(run=subcommand.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default the process's) and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = parser().parse_args(argv)
        status = int(arguments.run(arguments))
        sys.stdout.flush()
        return status
    except AxError as error:
        print(f"axlab: {error}" if not error.text else error, file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at exit
        return FAILED
    except KeyboardInterrupt:
        print("axlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        import traceback

        print("axlab: this is a defect of AxLab, not a mistake of yours; please report it:", file=sys.stderr)
        traceback.print_exc()
        return DEFECT
