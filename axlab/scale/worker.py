"""One run in a worker process: a task in, a Parquet part out. What goes wrong in the run becomes its error."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.scale.libraries import library
from axlab.scale.parameters import Parameters, plain
from axlab.scale.plans import Plan


@dataclass(frozen=True)
class Task:
    """A run to be made. `plan` is pickled by who sent it; `version` is that of their AxLab."""

    run: int
    plan: bytes
    parameters: Parameters
    trace: str
    version: str = __version__


@dataclass(frozen=True)
class Done:
    """A run that was made: its row of the table `runs`, and its Parquet part."""

    run: int
    record: dict[str, Any]
    part: bytes


class WrongWorker(AxError):
    """A worker that would not give the results that others give."""


def work(task: Task) -> Done:
    """Make one run. Raises only where this worker cannot make any."""
    if task.version != __version__:
        raise WrongWorker(f"a worker has AxLab {__version__}, and here it is {task.version}: install the same on both")
    library("pyarrow", "keeping runs as Parquet")
    plan: Plan = library("cloudpickle", "sending runs to workers").loads(task.plan)
    return run(plan, task)


def run(plan: Plan, task: Task) -> Done:
    """Make the run of a plan."""
    from axlab.scale.parts import part

    began = time.process_time()
    lab, result, error, trace = None, None, "", ""
    try:
        lab = plan.lab(task.parameters)
        lab.trace.record(task.trace)
        result = result_of(plan.run(lab, task.parameters))
    except AxError as mistake:
        error = str(mistake)
    except Exception as failure:
        error, trace = summary(failure), traceback.format_exc()
    spent = time.process_time() - began
    record = {"run": task.run, "parameters": task.parameters, "result": result or {}, "error": error}
    record |= {"traceback": trace, "cpu_seconds": round(spent, 6)} | observed(lab)
    try:
        return Done(task.run, record, part(lab, record))
    except Exception as failure:  # events of the user's own, for one, that Arrow cannot hold
        record |= {"error": f"its trace cannot be kept: {summary(failure)}", "traceback": traceback.format_exc()}
        return Done(task.run, record, part(None, record))


def failed(task: Task, error: str) -> Done:
    """The row of a run that no worker survived."""
    from axlab.scale.parts import part

    record = {"run": task.run, "parameters": task.parameters, "result": {}, "error": error, "traceback": ""}
    record |= {"cpu_seconds": 0.0} | observed(None)
    return Done(task.run, record, part(None, record))


def result_of(value: Any) -> dict[str, Any]:
    """What a run returned as columns: a dict as it is, anything else under the name `result`. Raises `AxError`."""
    if value is None:
        return {}
    found = plain(value, "the result")
    json.dumps(found)
    return found if isinstance(found, dict) else {"result": found}


def observed(lab: Any) -> dict[str, Any]:
    """What is kept of every lab."""
    if lab is None:
        return {"fingerprint": "", "virtual_ns": 0, "instructions": 0, "exits": 0, "vcpus": []}
    from axlab.scale.measures import vcpus

    rows = vcpus(lab)
    return {
        "fingerprint": lab.fingerprint(),
        "virtual_ns": int(lab.now),
        "instructions": sum(row["instructions"] for row in rows),
        "exits": sum(row["exits"] for row in rows),
        "vcpus": rows,
    }


def summary(failure: Exception) -> str:
    """`ZeroDivisionError: division by zero (line 3 of run)`: the place is the last one in the user's own code."""
    frames = [frame for frame in traceback.extract_tb(failure.__traceback__) if "axlab" not in frame.filename]
    place = f" (line {frames[-1].lineno} of {frames[-1].name})" if frames else ""
    return "".join(traceback.format_exception_only(failure)).strip() + place
