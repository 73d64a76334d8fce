"""The command line: `axlab run | replay | shell | sweep | asm | disasm | config | doctor | bench | notebook | ...`.

Exit status: 0 done, 1 it ran and something failed, 2 wrong usage or files, 70 a defect of AxLab, 130
interrupted. What is imported is imported by the subcommand that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.shell.statuses import DEFECT, DONE, FAILED, INTERRUPTED, WRONG


@dataclass(frozen=True)
class Subcommand:
    """A word of the command line: what it declares, and what it does. `run` returns the exit status."""

    name: str
    summary: str
    declare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class InOrder(argparse.Action):
    """`--expect A --send B`: steps of one script, kept in the order in which they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        steps = [*getattr(namespace, "steps", []), (str(option_string).removeprefix("--"), str(values))]
        namespace.steps = steps


def duration(text: str) -> int:
    """An argparse type for spans of virtual time."""
    from axlab.units import parse_duration

    try:
        return parse_duration(text)
    except AxError as error:
        raise argparse.ArgumentTypeError(error.message) from None


def count(text: str) -> int:
    """An argparse type for a number of instructions: `2000000`, `2_000_000`, `2e6`."""
    try:
        number = float(text) if "e" in text.lower() else int(text.replace("_", ""))
        if number < 1 or number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of instructions; write it as 2000000 or 2e6") from None
    return int(number)


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


def read_text(name: str) -> str:
    """A text file, or standard input for `-`. Raises AxError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise AxError(f"{name}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise AxError(f"{name}: no UTF-8 text (byte {error.start})") from None


def declare_asm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="AArch64 assembly; - is standard input")
    parser.add_argument("-o", dest="output", metavar="OUT", required=True, help="the flat binary; - is standard output")
    parser.add_argument("--origin", default="0", metavar="ADDRESS", help="address of the first byte (default 0)")


def run_asm(arguments: argparse.Namespace) -> int:
    from axlab.machine.isa.assembler import assemble

    name = "<stdin>" if arguments.source == "-" else arguments.source
    code = bytes(assemble(read_text(arguments.source), origin=address(arguments.origin), name=name).code)
    if arguments.output == "-":
        sys.stdout.buffer.write(code)
    else:
        try:
            Path(arguments.output).write_bytes(code)
        except OSError as error:
            raise AxError(f"{arguments.output}: {(error.strerror or str(error)).lower()}") from None
    return DONE


def address(text: str) -> int:
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        raise AxError(f"{text!r} is no address; write it as 0x40080000") from None


def declare_disasm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="a flat binary; - is standard input")
    parser.add_argument("--hex", nargs="+", metavar="WORD", help="instruction words; - reads them from standard input")
    parser.add_argument("--origin", default="0", metavar="ADDRESS", help="address of the first byte (default 0)")


def run_disasm(arguments: argparse.Namespace) -> int:
    """A file as a listing; words as one line of text for each, as if it stood at address 0."""
    from axlab.machine.isa.disassembler import disassemble_bytes, disassemble_words

    if (arguments.file is None) == (arguments.hex is None):
        raise AxError("name one file, or give words with --hex", usage="Usage: axlab disasm FILE | --hex WORD...")
    if arguments.hex is not None:
        piped = arguments.hex == ["-"]
        texts = disassemble_words(sys.stdin if piped else arguments.hex, "<stdin>" if piped else "")
        sys.stdout.writelines(f"{text}\n" for text in texts)
        return DONE
    for place, word, text in disassemble_bytes(read_binary(arguments.file), address(arguments.origin)):
        print(f"{place:#010x}: {word:08x}  {text}")
    return DONE


def read_binary(name: str) -> bytes:
    """A file's bytes, or standard input's for `-`. Raises AxError."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise AxError(f"{name}: {(error.strerror or str(error)).lower()}") from None


def declare_config(parser: argparse.ArgumentParser) -> None:
    inner = parser.add_subparsers(dest="what", required=True, metavar="check|new")
    check = inner.add_parser("check", help="check configuration files", description="Check configuration files.")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--json", action="store_true", help="findings as a JSON list")
    check.add_argument("--images", action="store_true", help="also look whether the files that are named exist")
    new = inner.add_parser(
        "new", help="write a commented configuration", description="Write a commented configuration."
    )
    new.add_argument("--kind", help="demo, bare-metal, rtos, linux, ...")
    for name, text in (("name", "name of the VM"), ("image", "kernel image"), ("cmdline", "kernel command line")):
        new.add_argument(f"--{name}", help=text)
    new.add_argument("--id", type=int, help="id of the VM")
    new.add_argument("--cpus", type=int, help="number of vCPUs")
    new.add_argument("--memory", help="RAM, such as 256M")
    new.add_argument("-o", dest="output", metavar="FILE", help="where to (default: standard output)")
    new.add_argument("--yes", action="store_true", help="ask nothing; take defaults for what is not given")


def run_config(arguments: argparse.Namespace) -> int:
    return check_config(arguments) if arguments.what == "check" else new_config(arguments)


def check_config(arguments: argparse.Namespace) -> int:
    from axlab.vmm.config_check import check

    findings = check(arguments.files, images=arguments.images)
    if arguments.json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{len(arguments.files)} file(s) checked, nothing to say")
    return FAILED if any(finding.severity == "error" for finding in findings) else DONE


def new_config(arguments: argparse.Namespace) -> int:
    from axlab.units import parse_size
    from axlab.vmm import config_new

    names = ("kind", "name", "image", "cmdline", "id", "cpus")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.memory is not None:
        given["memory"] = parse_size(arguments.memory)
    if arguments.yes or not sys.stdin.isatty():
        given.setdefault("kind", "demo")
    else:
        given = config_new.ask_options(ask, given)
    text = config_new.new_config(**given)
    if arguments.output is None:
        print(text, end="")
        return DONE
    try:
        with Path(arguments.output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AxError(f"{arguments.output} exists already; it was left as it is") from None
    except OSError as error:
        raise AxError(f"{arguments.output}: {(error.strerror or str(error)).lower()}") from None
    print(f"{arguments.output} written; 'axlab run {arguments.output}' runs it", file=sys.stderr)
    return DONE


def ask(question: str, default: str) -> str:
    print(f"{question} [{default}]: " if default else f"{question}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def declare_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", help="which guest; without, the list of them")
    parser.add_argument("-o", dest="folder", default=".", metavar="DIR", help="where to (default: the current folder)")


def run_fetch(arguments: argparse.Namespace) -> int:
    from axlab.fetch import GUESTS, fetch

    if arguments.what is None:
        for name in GUESTS:
            print(name)
        return DONE
    for path in fetch(arguments.what, arguments.folder, progress=lambda text: print(text, file=sys.stderr)):
        print(path)
    return DONE


def declare_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run_doctor(arguments: argparse.Namespace) -> int:
    from axlab.doctor import examine

    report = examine()
    print(report.json() if arguments.json else report.text())
    return DONE if report.ok else FAILED


def declare_cache(parser: argparse.ArgumentParser) -> None:
    what = "show: where the cache of translated code is and how big; clear: drop all of it"
    parser.add_argument("action", choices=("show", "clear"), help=what)


def run_cache(arguments: argparse.Namespace) -> int:
    from axlab.code_cache import open_cache
    from axlab.units import format_memory_size

    with open_cache() as cache:
        if arguments.action == "clear":
            cache.clear()
            return DONE
        figures = cache.figures()
    if figures.reason:
        print(f"The code cache is off: {figures.reason}.")
    else:
        entries = "1 entry" if figures.entries == 1 else f"{figures.entries} entries"
        print(f"{figures.path}: {entries}, {format_memory_size(figures.size)}")
    return DONE


def declare_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", nargs="?", help="which one to open (default: the welcome notebook)")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for jupyter lab")


def run_notebook(arguments: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    if importlib.util.find_spec("jupyterlab") is None:
        raise AxError("JupyterLab is not installed; 'pip install axlab[lab]' installs it")
    welcome = Path(__file__).parent.parent / "notebooks" / "00-welcome.ipynb"
    which = [arguments.notebook] if arguments.notebook else [str(welcome)] if welcome.exists() else []
    return subprocess.call([sys.executable, "-m", "jupyterlab", *which, *arguments.arguments])


def declare_bench(parser: argparse.ArgumentParser) -> None:
    from axlab.bench.command import declare

    declare(parser)


def run_bench(arguments: argparse.Namespace) -> int:
    from axlab.bench.command import main as bench

    return bench(arguments)


def declare_grade(parser: argparse.ArgumentParser) -> None:
    from axlab.course.command import declare

    declare(parser)


def run_grade(arguments: argparse.Namespace) -> int:
    from axlab.course.command import main as grade

    return grade(arguments)


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
    Subcommand("run", "boot guests and stream their consoles", declare_run, run_run),
    Subcommand("replay", "run a recording again, and say where it differs", declare_replay, run_replay),
    Subcommand("shell", "the interactive shell, or a script for it", declare_shell, run_shell),
    Subcommand("sweep", "many runs with different parameters, at once", declare_sweep, run_sweep),
    Subcommand("runs", "the runs of a sweep, or a question about them in SQL", declare_runs, run_runs),
    Subcommand("asm", "assemble AArch64 source to a flat binary", declare_asm, run_asm),
    Subcommand("disasm", "disassemble a flat binary or instruction words", declare_disasm, run_disasm),
    Subcommand("config", "check configuration files, or write a new one", declare_config, run_config),
    Subcommand("fetch", "get a real guest to run", declare_fetch, run_fetch),
    Subcommand("doctor", "what is installed, what is missing for which feature", declare_doctor, run_doctor),
    Subcommand("cache", "the translated code that is kept on disk", declare_cache, run_cache),
    Subcommand("bench", "measure how fast guests run here", declare_bench, run_bench),
    Subcommand("grade", "run a class's notebooks, and say what they got", declare_grade, run_grade),
    Subcommand("notebook", "open the notebooks in JupyterLab", declare_notebook, run_notebook),
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
