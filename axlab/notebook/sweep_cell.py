"""`%%sweep`: a cell of commands, run once for each set of parameters, with a chart that fills as runs are done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from axlab.notebook.picture import Picture
from axlab.notebook.progress import CellOutput
from axlab.shell.arguments import FilePath, Number, Text
from axlab.shell.declaration import Option, command
from axlab.shell.progress import is_on
from axlab.shell.render import Lines
from axlab.shell.results import Result

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

EVERY = 0.25  # seconds between two pictures


@dataclass(kw_only=True)
class SweepCellResult(Result):
    """A sweep that is done; `runs` are its runs, as `axlab.runs(folder)` gives them."""

    folder: str
    runs: Any = None
    picture: Picture | None = field(default=None, repr=False)

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"transcript", "format", "picture", "runs"})

    def text(self) -> str:
        """The chart in words, and what was said."""
        return f"{self.picture.text if self.picture else ''}\n{super().text()}".strip()

    def html(self) -> str:
        """The chart, and what was said."""
        return (self.picture.html() if self.picture else "") + super().html()


@dataclass
class LiveChart:
    """The chart of a sweep in the running cell."""

    sets: list[dict[str, Any]]
    axes: tuple[str, str, str]
    output: CellOutput = field(default_factory=CellOutput)
    records: list[dict[str, Any]] = field(default_factory=list)
    due: float = 0.0

    def see(self, record: dict[str, Any], done: int, whole: int) -> None:
        """A run is done."""
        self.records.append(record)
        if is_on() and time.monotonic() >= self.due:
            self.output.put(self.picture()._repr_mimebundle_())
            self.due = time.monotonic() + EVERY

    def picture(self) -> Picture:
        """The chart of the runs until now."""
        from axlab.notebook.sweep_chart import chart_of, sweep_chart

        return sweep_chart(chart_of(self.sets, self.records, *self.axes))


@command(
    "%%sweep",
    "Run the commands in this cell once for each set of parameters",
    Option("param", Text("NAME=VALUES"), "a parameter and its values: cpus=1,2,4", repeated=True),
    Option("seeds", Number(1, 1_000_000, "N"), "every run with the seeds 0 to N-1, as ${seed}"),
    Option("output", FilePath("host", "DIR"), "folder of the runs", short="o", default="runs"),
    Option("workers", Number(1, 1024, "N"), "worker processes; by default one for each CPU"),
    Option("x", Text("PARAMETER"), "the parameter that is drawn from left to right"),
    Option("y", Text("NUMBER"), "the result that is drawn upwards; latency_ns by default"),
    Option("by", Text("PARAMETER"), "the parameter that has colours"),
)
def sweep(
    magics: AxLabMagics,
    line: str,
    cell: str,
    param: list[str] | None,
    seeds: int | None,
    output: str,
    workers: int | None,
    x: str | None,
    y: str | None,
    by: str | None,
) -> SweepCellResult:
    """Sweep over a script of commands.

    Every run has a lab of its own in a worker process. A parameter is a setting of the lab (cpus, scheduler, ...), or
    fills ${NAME} in the commands; a scheduler may be one of yours, made by %%sched. The same cell goes on where it was
    interrupted.
    """
    from axlab.scale.command import told
    from axlab.scale.parameters import parameter_sets, read_grid
    from axlab.scale.plans import ScriptPlan
    from axlab.scale.runs import failures
    from axlab.scale.start import Start
    from axlab.scale.sweep import sweep as make_runs

    grid = read_grid(param or [], seeds)
    live = LiveChart(parameter_sets(grid), (x or "", y or "", by or ""))
    mine = {name: magics.schedulers[name] for name in grid.get("scheduler", ()) if name in magics.schedulers}
    plan = ScriptPlan(cell, Start(schedulers=mine))
    found = make_runs(plan, grid, out=Path(output), workers=workers, watch=live.see)
    live.records = found.records()
    lines = told(found, failures(found))
    if live.output.handle is not None:
        live.output.show(lines[0])  # the chart is below, as the cell's result
    ok = not failures(found)
    said = [Lines((f"{'✓' if ok else '✗'} {lines[0]}", *lines[1:]))]
    return SweepCellResult(ok=ok, folder=output, runs=found, picture=live.picture(), transcript=list(said))
