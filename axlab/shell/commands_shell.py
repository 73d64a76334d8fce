"""The shell's own commands: help, exit, history, clear, log, source, echo."""

from __future__ import annotations

from dataclasses import dataclass, field

from axlab.errors import AxError
from axlab.shell import help as usage
from axlab.shell.arguments import Choice, FilePath, Number, Text
from axlab.shell.context import LEVELS, Context
from axlab.shell.declaration import Argument, Flag, command
from axlab.shell.results import ExitResult, HelpResult, Result, ScriptResult, TextResult

MAX_DEPTH = 20  # of files that source each other


@command(
    "help",
    "Show what the commands are, or how one is used",
    Argument("words", Text("COMMAND"), "The words of a command or group", minimum=0, maximum=None),
)
def show_help(context: Context, words: list[str]) -> Result:
    tree, lab = context.shell.tree, context.lab
    node, depth = tree.find(words, lab)
    if depth < len(words):
        assert context.line is not None
        raise tree.unknown(context.line, context.line.words[-len(words) + depth], node, lab)
    return HelpResult(lines=usage.node_help(tree, node, lab))


EXIT_STATUS = Argument("status", Number(0, 255, "CODE"), "Exit status of the process", minimum=0, default=None)


@command("exit", "End the shell", EXIT_STATUS)
def leave(context: Context, status: int | None) -> ExitResult:
    return ExitResult(status=status)


@command("quit", "End the shell", EXIT_STATUS)
def leave_too(context: Context, status: int | None) -> ExitResult:
    return ExitResult(status=status)


@dataclass(kw_only=True)
class HistoryResult(TextResult):
    """Lines that were executed, the oldest first."""

    history: list[str] = field(default_factory=list)


@command(
    "history",
    "Show the lines that were executed",
    Argument("count", Number(1, 1_000_000, "N"), "Only the last N", minimum=0),
    Flag("clear", "Forget them", short="c"),
)
def history(context: Context, count: int | None, clear: bool) -> Result:
    known = context.shell.history
    if clear:
        known.clear()
    shown = known[-count:] if count else known
    first = len(known) - len(shown) + 1
    lines = [f"{number:5}  {line}" for number, line in enumerate(shown, first)]
    return HistoryResult(lines=lines, history=list(shown))


@dataclass(kw_only=True)
class ClearResult(Result):
    """The screen is to be cleared, where there is one."""


@command("clear", "Clear the screen")
def clear(context: Context) -> Result:
    return ClearResult()


@command(
    "log",
    "Show or choose which log lines of the hypervisor are shown",
    Argument("level", Choice(LEVELS, "LEVEL"), "off, error, warn, info or debug", minimum=0),
)
def log(context: Context, level: str | None) -> Result:
    if level is not None:
        context.shell.log_level = level
    return TextResult(lines=[f"Log level: {context.shell.log_level}"])


@command(
    "echo",
    "Print words",
    Argument("words", Text("WORD"), "What is printed, with blanks between", minimum=0, maximum=None),
)
def echo(context: Context, words: list[str]) -> Result:
    return TextResult(lines=[" ".join(words)])


@command("source", "Run the commands of a file", Argument("file", FilePath("host"), "A text file with commands"))
def source(context: Context, file: str) -> Result:
    """Run a script.

    It goes on after a command that fails; a syntax error anywhere in the file runs nothing.
    """
    shell = context.shell
    if shell.depth >= MAX_DEPTH:
        raise AxError(f"{file}: {MAX_DEPTH} files source each other already; is there a circle?")
    try:
        text = shell.host_path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else shell.files.reason(error)
        raise AxError(f"{file}: {why}") from None
    shell.depth += 1
    try:
        return shell.run_script(text, file, context.watch)
    except AxError as error:
        context.say_error(error)
        return ScriptResult(ok=False, status=2, transcript=context.transcript)
    finally:
        shell.depth -= 1
