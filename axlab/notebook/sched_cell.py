"""`%%sched`: a cell's class becomes the lab's scheduler."""

from __future__ import annotations

import ast
import linecache
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.shell.arguments import Text
from axlab.shell.declaration import Argument, command
from axlab.shell.render import Lines
from axlab.shell.results import Result
from axlab.vmm.own_scheduler import line_of, own_code
from axlab.vmm.scheduler import METHODS, SCHEDULERS, Scheduler

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

USAGE = "Usage: %%sched NAME, and a class with choose(self, tasks, pcpu, now) in the cell"


@dataclass(kw_only=True)
class SchedResult(Result):
    """A scheduler that the lab has from now on; `methods` are those that the class writes anew."""

    name: str
    title: str
    methods: list[str] = field(default_factory=list)


@command(
    "%%sched",
    "Make the class in this cell the lab's scheduler",
    Argument("name", Text("NAME"), "Its name, also for %axlab new scheduler=NAME"),
)
def sched(magics: AxLabMagics, line: str, cell: str, name: str) -> SchedResult:
    """Make a scheduler from a cell.

    The class, the last of the cell, is a Scheduler or has some of its methods: choose(tasks, pcpu, now) returns
    one of the tasks, preempts(task, waiting, now) says at each tick whether a task makes way, ran(task, ns),
    add(task, now), remove(task), next(pcpu, now). self.draw(n) is a number below n by the lab's seed.
    """
    if name in SCHEDULERS or not name.isidentifier():
        taken = "comes with AxLab" if name in SCHEDULERS else "is no name (letters, digits and _)"
        raise AxError(f"{name!r} {taken}; take another name for your scheduler")
    kind = defined(magics.variables, f"<%%sched {name}>", cell)
    kind.name = name
    magics.lab.hypervisor.use_scheduler(kind)
    magics.schedulers[name] = kind
    magics.settings["scheduler"] = name
    methods = [method for method in METHODS if own_code(kind, method) is not None]
    said = f"✓ the lab's scheduler is {name} now (class {kind.__name__}: {', '.join(methods) or 'as its base'})"
    return SchedResult(name=name, title=kind.__name__, methods=methods, transcript=[Lines((said,))])


def defined(variables: dict[str, Any], file: str, cell: str) -> Any:
    """Run the cell among the user's variables; the last class that it defines. Raises `AxError` with its line.

    The magic's own line is the first, so that numbers of lines are those of the cell.
    """
    source = f"\n{cell}"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    variables.setdefault("Scheduler", Scheduler)
    try:
        tree = ast.parse(source, file)
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        if not classes:
            raise AxError("there is no class in the cell", usage=USAGE)
        exec(compile(tree, file, "exec"), variables)  # a cell of the user's, as any other
    except SyntaxError as error:
        column = max(0, (error.offset or 1) - 1)
        place = line_of(file, error.lineno or 1) | {"column": column, "length": 1}
        raise AxError(error.msg, source="%%sched", **place) from None
    except AxError:
        raise
    except Exception as error:  # whatever a person's code raises
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        place = line_of(file, frames[-1].lineno or 1) if frames else {}
        raise AxError(f"{type(error).__name__}: {error}", source="%%sched", **place) from None
    return variables[classes[-1]]
