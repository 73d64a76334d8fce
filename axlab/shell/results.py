"""What a command returns: a value with `.ok`, three renderings of it (text, HTML, JSON), and its rows.

`for row in result`, `result[0]`, `len(result)` and `result.frame()` read the rows. A result type lists
its facts as fields and says in `blocks()` what a person sees; how blocks look is `render.py`'s. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from axlab.errors import AxError, nearest
from axlab.shell import render
from axlab.shell.render import Block, Lines, plain

if TYPE_CHECKING:
    import pandas

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

    @property
    def tables(self) -> dict[str, list[Any]]:
        """The result's lists of rows, by the names of their fields."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in self.HIDDEN}
        return {name: value for name, value in values.items() if isinstance(value, list)}

    def rows(self, of: str = "") -> list[Any]:
        """The rows of the result, or those of one list where it has several: `rows("regions")`. Raises AxError."""
        tables = self.tables
        if of in tables or (not of and len(tables) == 1):
            return tables[of or next(iter(tables))]
        if of:
            known = nearest(of, list(tables)) or (f"; it has {', '.join(tables)}" if tables else "; it has none")
            raise AxError(f"this result has no rows {of!r}{known}")
        if tables:
            raise AxError(f"this result has several lists of rows; name one: {', '.join(map(repr, tables))}")
        raise AxError("this result has no rows")

    def frame(self, of: str = "") -> pandas.DataFrame:
        """The rows as a DataFrame; a result without rows is one row of its facts. Raises AxError."""
        from axlab.shell.frames import frame_of

        if not of and not self.tables:
            facts = self.json()
            return frame_of([{name: value for name, value in facts.items() if not isinstance(value, list)}])
        return frame_of([record(row, of or next(iter(self.tables))) for row in self.rows(of)])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows())

    def __len__(self) -> int:
        return len(self.rows())

    def __getitem__(self, place: Any) -> Any:
        return self.rows()[place]

    def __bool__(self) -> bool:
        """Whether it worked, also where it has no rows."""
        return self.ok

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

    def frame(self, of: str = "") -> pandas.DataFrame:
        raise AxError("a script has one result for each command, and each has a frame of its own: result[0].frame()")


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

    @property
    def tables(self) -> dict[str, list[Any]]:
        return self.inner.tables


def record(row: Any, name: str) -> dict[str, Any]:
    """A row as column -> value; a row that is a single value stands in a column of the list's `name`."""
    if is_dataclass(row):
        return {item.name: getattr(row, item.name) for item in fields(row)}
    return row if isinstance(row, dict) else {name: row}


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
