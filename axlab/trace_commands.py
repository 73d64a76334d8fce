"""`vm trace`: what is recorded, the rows of it, and files of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError
from axlab.shell.arguments import Choice, Duration, FilePath, FilterText, Number, Vm, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Option, command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.trace.columns import ROWS
from axlab.trace.compare import shown
from axlab.trace.export import NAMES_OF_FORMS
from axlab.trace.trace import LEVELS, Trace
from axlab.units import format_duration

LAST = 20
LEFT_OUT = ("vm", "esr", "far", "hpfar")  # columns that a table of one VM's rows does without


@dataclass(kw_only=True)
class TraceResult(Result):
    """What was recorded (of a VM): how many rows of each kind; of the kind that was asked for the last ones."""

    level: str
    kinds: dict[str, int] = field(default_factory=dict)
    kind: str = ""
    last: list[dict[str, Any]] = field(default_factory=list)
    file: str = ""

    def blocks(self) -> list[Block]:
        if self.file or self.transcript:
            return self.transcript
        if not self.kind:
            counts = tuple((kind, str(count)) for kind, count in self.kinds.items() if count)
            table: list[Block] = [Table(("KIND", "ROWS"), counts)] if counts else [Lines(("Nothing was recorded.",))]
            return [*table, Lines((f"Recorded are {self.level}.",))]
        count = self.kinds[self.kind]
        if not self.last:
            return [Lines((f"No {self.kind} were recorded.",))]
        names = [name for name in self.last[0] if name not in LEFT_OUT]
        rows = tuple(tuple(cell(name, row[name]) for name in names) for row in self.last)
        more = f"the last {len(rows)} of {count} {self.kind}; --last N shows more" if count > len(rows) else ""
        return [Table(tuple(name.upper() for name in names), rows), *([Lines((more,))] if more else [])]


def cell(name: str, value: Any) -> str:
    """A value in a table of rows."""
    if name in ("time", "cost"):
        return format_duration(value)
    if value is None or (name in ("pcpu", "vm", "vcpu") and value < 0):
        return "-"
    if isinstance(value, bytes):
        return ascii(value.decode("utf-8", "backslashreplace"))[1:-1]
    return shown(name, value)


@command(
    "vm trace",
    "Show what happened in virtual machines, write it to a file, or choose what is recorded",
    Argument("vm", Vm(), "Id or name of the VM; without, all of them", minimum=0),
    Option("kind", Choice(tuple(ROWS), "KIND"), "Rows of this kind", short="k"),
    Option("since", Duration(), "From this virtual time on", short="s"),
    Option("until", Duration(), "Before this virtual time", short="u"),
    Option("where", FilterText(), "Only rows for which this holds: exit == mmio and vcpu == 0", short="w"),
    Option("last", Number(1, 1_000_000, "N"), "How many of the last rows are shown", short="n", default=LAST),
    Option("output", FilePath("lab"), f"Write the rows to a file: {NAMES_OF_FORMS}", short="o"),
    Option("level", Choice(LEVELS, "LEVEL"), "What is recorded from now on", short="l"),
    table_format(),
)
def trace(
    context: Context,
    vm: VmReference | None,
    kind: str | None,
    since: int | None,
    until: int | None,
    where: str | None,
    last: int,
    output: str | None,
    level: str | None,
    format: str,
) -> Result:
    """Show or choose what is recorded.

    Without --kind the rows of each kind are counted. --level records more or less from now on: what instructions do
    is recorded by blocks, instructions and memory. A file has all rows that were chosen, in the form of its extension.
    """
    found = None if vm is None else the_vm(context, vm)
    whole: Trace = context.lab.trace
    who = "every VM" if found is None else found.label
    if level is not None:
        whole.record(level, found)
        context.say(f"✓ From now on {level} of {who} {'is' if level in ('off', 'memory') else 'are'} recorded")
        return TraceResult(level=whole.level, transcript=context.transcript, format=format)
    chosen = whole.select(found, since=since, until=until, where=where or "")
    recorder = chosen.recorder
    kinds = {name: len(recorder.table(name)) for name in dict.fromkeys([*recorder.kinds(), *([kind] if kind else [])])}
    if output is not None:
        count = kinds[kind] if kind else sum(kinds.values())
        save(context, chosen, output, kind)
        context.say(f"✓ {count} row{'s' * (count != 1)} written to {output}")
    rows = [] if output is not None or kind is None else last_rows(chosen, kind, last)
    return TraceResult(
        level=whole.level,
        kinds=kinds,
        kind=kind or "",
        last=rows,
        file=output or "",
        transcript=context.transcript,
        format=format,
    )


def save(context: Context, chosen: Trace, name: str, kind: str | None) -> None:
    """Write a trace to a file of the lab's folder. Raises AxError without a path of the host."""
    path = context.shell.files.inside(name)
    try:
        chosen.save(path, kind)
    except AxError as error:
        folder = name.rpartition("/")[0] or "/"
        raise AxError(error.message.replace(str(path), name).replace(str(path.parent), folder)) from None


def last_rows(chosen: Trace, kind: str, last: int) -> list[dict[str, Any]]:
    """The last rows of a kind, with the symbol of the program counter where there is one."""
    table = chosen.recorder.table(kind)
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in list(table.rows())[-last:]]
    for row in rows:
        symbol = chosen.symbol(row["vm"], row["pc"]) if "pc" in row else ""
        if symbol:
            row["symbol"] = symbol
    width = {"symbol": ""} if any("symbol" in row for row in rows) else {}
    return [row | width | row for row in rows]
