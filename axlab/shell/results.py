"""What a command returns: a value with `.ok`, and three renderings of it: text, HTML, JSON.

A result type lists its facts as fields and says in `blocks()` what a person sees; how blocks look is
`render.py`'s. Nothing here prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from axlab.shell import render
from axlab.shell.render import Block, Lines, plain

MIME = "application/vnd.axlab+json"


@dataclass(kw_only=True)
class Result:
    """The outcome of a command. `ok` is False where it, or one of its items, failed or was refused.

    `transcript` is what was said while the command ran, in that order; `format` is `table` or `json`.
    """

    ok: bool = True
    transcript: list[Block] = field(default_factory=list, repr=False)
    format: str = "table"

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"transcript", "format"})

    def blocks(self) -> list[Block]:
        """What a person sees, from top to bottom."""
        return self.transcript

    def json(self) -> Any:
        """The facts as plain data: dicts, lists, text, numbers."""
        data = {item.name: plain(getattr(self, item.name)) for item in fields(self) if item.name not in self.HIDDEN}
        lines = [line for block in self.transcript if isinstance(block, Lines) for line in block.lines]
        return {**data, "lines": lines} if lines else data

    def text(self) -> str:
        """The result as a terminal shows it, without a newline at the end; harmless to any terminal."""
        return self.json_text() if self.format == "json" else render.text(self.blocks())

    def html(self) -> str:
        """The result for a notebook: everything from a guest or a file is escaped."""
        return render.html([render.Code(self.json_text())] if self.format == "json" else self.blocks(), self.ok)

    def json_text(self) -> str:
        """The facts as JSON text, indented by 2."""
        return render.json_text(self.json())

    def __str__(self) -> str:
        return self.text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.text())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text(), "text/html": self.html(), MIME: self.json()}


@dataclass(kw_only=True)
class TextResult(Result):
    """A few lines, and no facts beyond them."""

    lines: list[str] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        return [Lines(tuple(self.lines))] if self.lines else []


@dataclass(kw_only=True)
class HelpResult(TextResult):
    """Help, or the usage text of a command."""


@dataclass(kw_only=True)
class ExitResult(Result):
    """The shell is to end. `status` None: with that of the commands before."""

    status: int | None = None


@dataclass(kw_only=True)
class ScriptResult(Result):
    """The results of several commands, in their order; ok when each of them is."""

    results: list[Result] = field(default_factory=list)
    status: int = 0

    def blocks(self) -> list[Block]:
        return [*self.transcript, *(block for result in self.results for block in shown(result))]

    def json(self) -> Any:
        return {"ok": self.ok, "status": self.status, "results": [result.json() for result in self.results]}


def ending(result: Result) -> ExitResult | None:
    """The `exit` that a result is, or that a script ended with; None where the session goes on."""
    if isinstance(result, ScriptResult) and result.results:
        return ending(result.results[-1])
    return result if isinstance(result, ExitResult) else None


@dataclass(kw_only=True)
class RedirectedResult(Result):
    """The text of `inner` went to a file of the lab."""

    path: str
    bytes: int
    inner: Result

    def blocks(self) -> list[Block]:
        return []


def shown(result: Result) -> list[Block]:
    """The blocks of a result in the format that was asked for."""
    return [render.Code(result.json_text())] if result.format == "json" else result.blocks()


@dataclass(frozen=True)
class Outcome:
    """What became of one VM: `message` is the verdict where it was refused, or the failure."""

    vm: int
    name: str
    ok: bool
    state: str = ""
    message: str = ""


@dataclass(kw_only=True)
class OutcomesResult(Result):
    """What an operation on several VMs did, one outcome for each."""

    operation: str
    vms: list[Outcome] = field(default_factory=list)
