"""`axlab.sweep`: many runs, each with its own parameters, each in a worker process, each kept when it is done."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from axlab.errors import AxError, nearest
from axlab.scale.engines import Say, engine_of, results
from axlab.scale.folder import SweepFolder, manifest
from axlab.scale.libraries import library
from axlab.scale.options import LIMIT
from axlab.scale.parameters import parameter_sets
from axlab.scale.plans import FunctionPlan, Plan, plan_of
from axlab.scale.runs import Runs, failures
from axlab.scale.source import is_installed
from axlab.scale.start import Start
from axlab.scale.worker import Task
from axlab.shell.progress import is_on
from axlab.trace.trace import LEVELS
from axlab.units import parse_duration


def sweep(
    run: Any,
    parameters: Any = None,
    executor: Any = None,
    out: str | Path = "runs/",
    *,
    trace: str = "events",
    limit: str = LIMIT,
    snapshot: str | Path = "",
    schedulers: Mapping[str, type] | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
    watch: Callable[[dict[str, Any], int, int], None] | None = None,
) -> Runs:
    """Make one run for every set of parameters, and return the runs.

    `run`: a function of (lab, parameters) that returns a number, a text or a dict; or a configuration (a file, an
    image, "demo", a `VmConfig`, or several) whose keys and `${holes}` the parameters fill. `parameters`: a grid (a
    dict of lists), a list of dicts, or a DataFrame. Names of `Lab` settings (cpus, scheduler, ...) set up the lab.

    `executor`: nothing for `workers` processes on this machine (one for each CPU), an executor of
    `concurrent.futures`, a Dask `Client`, or a Dask scheduler's address. `out`: the folder, which holds one sweep;
    the same call goes on where it was ended. `trace`: what is recorded of every run. `limit`: of virtual time, for
    configurations. `snapshot`: every run begins from this file. `schedulers`: classes of your own, by the names that
    the parameter scheduler gives them. `watch(record, done, all)` is told of every run.

    A run that fails is a row with its error, and is done; with `retry_failed` the same call makes it again. Raises
    `AxError` for what no run could be made of, and KeyboardInterrupt at Ctrl-C, when no worker is left and all that was
    done is kept.
    """
    if trace not in LEVELS:
        raise AxError(f"{trace!r} is no level of recording{nearest(trace, list(LEVELS))} ({', '.join(LEVELS)})")
    plan = plan_of(run, parse_duration(limit), Start(str(snapshot), schedulers or {}))
    sets = parameter_sets(parameters)
    for first in {tuple(parameters): parameters for parameters in sets}.values():
        plan.check(first)
    plan.check_values(sets)
    library("pyarrow", "keeping runs as Parquet")
    pickled = pickled_plan(plan)
    wanted = manifest(name_of(plan), plan.text(), trace, sets)
    with SweepFolder(out, wanted) as folder:
        if retry_failed:
            folder.done -= {number for number, _ in failures(Runs(out))}
        missing = [number for number in range(len(sets)) if number not in folder.done]
        if missing:
            tasks = [Task(number, pickled, sets[number], trace) for number in missing]
            with shown(len(sets), len(folder.done), watch is None) as (tick, say):
                with closing(engine_of(executor, workers, say)) as engine, closing(results(engine, tasks, say)) as done:
                    for one in done:
                        folder.add(one.run, one.part)
                        tick(one.record)
                        if watch is not None:
                            watch(one.record, len(folder.done), len(sets))
    return Runs(out)


def pickled_plan(plan: Plan) -> bytes:
    """The plan for the workers. Functions and classes go by value where their module is their author's own."""
    cloudpickle = library("cloudpickle", "sending runs to workers")
    code = [getattr(plan, "function", None), *plan.start.schedulers.values()]
    names = {getattr(one, "__module__", None) or "" for one in code}
    modules = [sys.modules[name] for name in names if name in sys.modules]
    with ExitStack() as stack:
        for module in modules:
            if module.__name__ != "__main__" and not is_installed(module):
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        try:
            pickled: bytes = cloudpickle.dumps(plan)
        except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
            raise AxError(f"{name_of(plan)} cannot be sent to a worker: {error}") from None
    return pickled


def name_of(plan: Plan) -> str:
    """What is run, in a few words, for people who look at the folder later."""
    if isinstance(plan, FunctionPlan):
        return f"the function {getattr(plan.function, '__name__', type(plan.function).__name__)}"
    sources = [guest.source for guest in getattr(plan, "guests", ())]
    return ", ".join(sources) or ("a script" if hasattr(plan, "script") else "a snapshot")


@contextmanager
def shown(total: int, done: int, bar: bool) -> Iterator[tuple[Callable[[dict[str, Any]], None], Say]]:
    """A progress bar in the notebook or on the terminal: a function to tell it of a run, and one to say something."""
    from tqdm.auto import tqdm

    wanted = bar and is_on() and (in_notebook() or sys.stderr.isatty())
    failures = 0
    with tqdm(total=total, initial=done, unit="run", disable=not wanted, dynamic_ncols=True) as display:

        def tick(record: dict[str, Any]) -> None:
            nonlocal failures
            display.update()
            if record["error"]:
                failures += 1
                display.set_postfix_str(f"{failures} failed")

        yield tick, lambda text: display.write(f"axlab: {text}", file=sys.stderr)


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
