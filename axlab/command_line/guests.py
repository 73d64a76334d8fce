"""`axlab run | replay | shell`: what runs guests."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from axlab.command_line.words import InOrder, count, duration, read_text
from axlab.errors import AxError


def declare_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="CONFIG|IMAGE|demo", help="TOML files, images, or the demo guest")
    parser.add_argument("--from-snapshot", metavar="FILE", help="go on from a snapshot instead of booting guests")
    parser.add_argument("--save-snapshot", metavar="FILE", help="keep the lab as it is at the end of the run")
    parser.add_argument("--expect", action=InOrder, metavar="TEXT", help="wait until TEXT (or NAME:TEXT) was printed")
    parser.add_argument("--send", action=InOrder, metavar="TEXT", help="type TEXT (or NAME:TEXT)")
    parser.add_argument(
        "--for", dest="limit", type=duration, metavar="DURATION", help="limit of virtual time: 50ms, 2s"
    )
    parser.add_argument("--max-instructions", type=count, metavar="N", help="limit of guest instructions")
    parser.add_argument("--stats", metavar="FILE", help="write what was used as JSON, however the run ends")
    parser.add_argument("--trace", metavar="FILE", help="write the trace; the extension chooses its form")
    parser.add_argument(
        "--trace-level",
        choices=("off", "events", "blocks", "instructions", "memory"),
        help="what is recorded (default: events); instructions by blocks or one by one; memory: loads and stores, too",
    )
    parser.add_argument(
        "--trace-addresses",
        action="append",
        metavar="RANGE",
        help="only instructions of, and accesses to, 0x40080000..0x40080fff; may be given several times",
    )
    parser.add_argument("--trace-window", metavar="WINDOW", help="only what happens in 10ms..20ms of virtual time")
    parser.add_argument("--trace-limit", type=count, metavar="N", help="keep about the last N rows")
    parser.add_argument("--trace-spill", action="store_true", help="put a long trace on disk while it grows")
    parser.add_argument(
        "--fingerprint", action="store_true", help="print the hash of the event stream to standard error"
    )
    parser.set_defaults(steps=[], wrong=parser.error)


def run_run(arguments: argparse.Namespace) -> int:
    from axlab.run import main

    if bool(arguments.targets) == bool(arguments.from_snapshot):
        arguments.wrong("name guests to boot, or a snapshot to go on from (--from-snapshot FILE)")
    return main(arguments)


def declare_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", metavar="FILE", help="what 'vm record save' or lab.record() has written")


def run_replay(arguments: argparse.Namespace) -> int:
    from axlab.run import replay

    return replay(arguments.recording)


def declare_shell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lab", metavar="DIR", default=".", help="the lab's folder; by default the current one")
    parser.add_argument("-c", dest="commands", metavar="COMMANDS", help="run these commands and end")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="a file of commands; - is standard input")


def run_shell(arguments: argparse.Namespace) -> int:
    from axlab.lab import Lab
    from axlab.run import say_without_cache
    from axlab.shell import repl

    folder = Path(arguments.lab)
    if not folder.is_dir():
        raise AxError(f"the lab's folder {folder} is not there; make it, or name another with --lab")
    if arguments.commands is not None and arguments.script is not None:
        raise AxError("-c and a script exclude each other")
    lab = Lab.open(folder)
    say_without_cache(lab)
    shell = lab.shell
    if arguments.commands is not None:
        return repl.run_text(shell, arguments.commands)
    if arguments.script not in (None, "-"):
        return repl.run_text(shell, read_text(arguments.script), arguments.script)
    if arguments.script is None and sys.stdin.isatty():
        return repl.interact(shell)
    return repl.run_lines(shell, sys.stdin)
