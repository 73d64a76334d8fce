"""The shell: lines in, results out. The terminal, the notebook and scripts all use this object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.shell import help as usage
from axlab.shell.binding import Invocation, bind
from axlab.shell.context import Context, Watcher
from axlab.shell.files import LabFolder
from axlab.shell.results import (
    HelpResult,
    RedirectedResult,
    Result,
    ScriptResult,
    TextResult,
    ending,
    shown,
)
from axlab.shell.running import InterruptibleScript, Undisturbed
from axlab.shell.standard import standard_tree
from axlab.shell.statuses import DONE, FAILED, INTERRUPTED
from axlab.shell.syntax import parse

if TYPE_CHECKING:
    from axlab.shell.completion import Completion

PROMPT = "axvisor> "


class Shell:
    """The language over one lab.

    `tree` holds the commands and may be extended; `history` the lines that were executed; `live` says
    that someone else advances the machine (the terminal between key presses), so that commands do not.
    """

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.tree = standard_tree()
        self.history: list[str] = []
        self.log_level = "off"
        self.files = LabFolder(lab.folder)
        self.live = False
        self.depth = 0  # of files that source each other

    def __call__(self, line: str) -> Result:
        return self.execute(line)

    def parse(self, text: str, name: str = "") -> list[Invocation]:
        """All commands of a text, checked against the tree. Raises AxError; nothing has run then."""
        return [bind(self.tree, line, self.lab) for line in parse(text, name)]

    def execute(self, line: str, watch: Watcher | None = None) -> Result:
        """Run a line and return its result; several commands give a `ScriptResult`.

        Raises AxError for what is wrong by the language. What fails or is refused is a result with
        `ok` False.
        """
        if line.strip():
            self.history.append(line.strip())
        invocations = self.parse(line)
        if len(invocations) == 1:
            return self.run(invocations[0], watch)
        return self.run_all(invocations, watch) if invocations else TextResult()

    def run_script(self, text: str, name: str = "", watch: Watcher | None = None) -> ScriptResult:
        """Run every command of a text, also after one that failed. `status` is that of a process.

        Raises AxError, before anything runs, where the text is wrong by the language.
        """
        return self.run_all(self.parse(text, name), watch)

    def run_all(self, invocations: list[Invocation], watch: Watcher | None = None) -> ScriptResult:
        """Run commands one after the other, until one of them ends the session or a person presses Ctrl-C."""
        results: list[Result] = []
        with InterruptibleScript() as interrupt:
            for invocation in invocations:
                results.append(self.run(invocation, watch))
                if interrupt.requested:
                    return ScriptResult(results=results, ok=False, status=INTERRUPTED)
                if ending(results[-1]):
                    break
        ok = all(result.ok for result in results)
        last = ending(results[-1]) if results else None
        chosen = last.status if last else None
        return ScriptResult(results=results, ok=ok, status=(DONE if ok else FAILED) if chosen is None else chosen)

    def run(self, invocation: Invocation, watch: Watcher | None = None) -> Result:
        """Run one command that was read before."""
        redirection = invocation.line.redirection
        if redirection is None:
            return self._shown(invocation, watch)
        try:
            self.files.check_writable(redirection.target.text)
            result = self._run(Context(self, line=invocation.line), invocation)
            written = self.files.write(redirection.target.text, _file_text(result), redirection.append)
        except AxError as error:
            return self._failure(f"✗ {error.message}", watch)
        except OSError as error:
            return self._failure(f"✗ {redirection.target.text}: {self.files.reason(error)}", watch)
        return RedirectedResult(ok=result.ok, path=redirection.target.text, bytes=written, inner=result)

    def _failure(self, line: str, watch: Watcher | None) -> Result:
        context = Context(self, watch)
        context.say(line)
        return Result(ok=False, transcript=context.transcript)

    def _shown(self, invocation: Invocation, watch: Watcher | None) -> Result:
        """Run, and give the watcher all blocks: those said on the way, then those of the result."""
        context = Context(self, watch, invocation.line)
        result = self._run(context, invocation)
        if watch is not None and not isinstance(result, ScriptResult):  # a script's commands have shown theirs
            said = {id(block) for block in context.transcript}
            for block in shown(result):
                if id(block) not in said:
                    watch(block)
        return result

    def _run(self, context: Context, invocation: Invocation) -> Result:
        command = invocation.node.command
        if invocation.wants_help or command is None:
            return HelpResult(lines=usage.node_help(self.tree, invocation.node, self.lab))
        if invocation.missing is not None:
            return TextResult(ok=False, lines=usage.missing_lines(command, invocation.missing))
        observer = context.observe
        self.lab.events.add(observer)
        try:
            with Undisturbed():
                context.told = self.lab.hypervisor.stops.stopped
                result = command.handler(context, **invocation.values)
                context.say_stop()
                return result
        except AxError as error:
            context.say_error(error)
            return Result(ok=False, transcript=context.transcript)
        finally:
            self.lab.events.remove(observer)

    def host_path(self, name: str) -> Path:
        """A file that may be read from anywhere: from the lab's current folder, the process's, or the lab's root."""
        places = (self.files.current_path / name, Path(name), Path(self.files.root, name.lstrip("/\\")))
        return next((path for path in places if path.is_file()), Path(name))

    def complete(self, line: str, cursor: int | None = None) -> list[Completion]:
        """What could stand at the cursor (by default the end of the line)."""
        from axlab.shell.completion import complete

        return complete(self, line, len(line) if cursor is None else cursor)

    def reference(self) -> str:
        """The command reference as Markdown."""
        return usage.reference(self.tree, self.lab)


def _file_text(result: Result) -> str:
    text = result.text()
    return text + "\n" if text else ""
