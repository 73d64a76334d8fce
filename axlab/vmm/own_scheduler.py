"""A scheduler of a person's own, with a guard around each of its methods.

What goes wrong in it (an exception, an answer that is none) becomes one `AxError` with the line, which ends the
run; the task is then scheduled first in, first out, so that the lab stays whole and can go on.
"""

from __future__ import annotations

import linecache
import traceback
from types import CodeType
from typing import Any

from axlab.errors import AxError
from axlab.vmm.scheduler import METHODS, Schedulable, Scheduler


class OwnScheduler(Scheduler):
    """`own` decides, `ready` is kept here: a task is in the queue, or it is not, whatever `own` thinks."""

    def __init__(self, own: Scheduler) -> None:
        super().__init__()
        self.own = own
        self.seed = own.seed
        own_name = any("name" in vars(kind) for kind in type(own).__mro__ if kind.__module__ != Scheduler.__module__)
        self.name = own.name if own_name else self.title.lower()

    @property
    def title(self) -> str:
        return type(self.own).__name__

    def add(self, task: Schedulable, now: int) -> None:
        super().add(task, now)
        self.ask("add", task, now)

    def remove(self, task: Schedulable) -> None:
        super().remove(task)
        self.ask("remove", task)

    def next(self, pcpu: int, now: int) -> Schedulable | None:
        admitted = [task for task in self.ready if task.may_run_on(pcpu)]
        if not admitted:
            return None
        before = self.mistake
        chosen = self.ask("next", pcpu, now)
        if self.mistake is before and not any(chosen is task for task in admitted):
            self.wrong("next", self.why_not(chosen, admitted, pcpu))
        if self.mistake is not before:
            chosen = admitted[0]
            self.ask("remove", chosen)
        super().remove(chosen)
        return chosen  # type: ignore[no-any-return]

    def ran(self, task: Schedulable, ns: int) -> None:
        self.ask("ran", task, ns)

    def preempts(self, task: Schedulable, waiting: list[Schedulable], now: int) -> bool:
        answer = self.ask("preempts", task, waiting, now)
        if self.mistake is None and type(answer) is not bool:
            self.wrong("preempts", f"returned {answer!r}; True or False is wanted")
        return answer is True

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of `own`; what it raises is noted, and the answer is then None."""
        self.asking = method
        try:
            return getattr(self.own, method)(*arguments)
        except KeyboardInterrupt:
            self.wrong(method, "was ended by Ctrl-C: it did not return")
        except Exception as error:  # whatever a person's code raises
            self.mistake = self.mistake or raised(error, type(self.own), method)
        finally:
            self.asking = ""
        return None

    def wrong(self, method: str, what: str) -> None:
        """Note that an answer is none; the first mistake of a run is the one that counts."""
        deciding = "choose" if method == "next" and own_code(type(self.own), "choose") else method
        code = own_code(type(self.own), deciding)
        place = {} if code is None else line_of(code.co_filename, code.co_firstlineno)
        self.mistake = self.mistake or AxError(what, source=f"{self.title}.{deciding}", **place)

    def why_not(self, chosen: Any, admitted: list[Schedulable], pcpu: int) -> str:
        """What is wrong with a task that was chosen."""
        ready = ", ".join(task.name for task in admitted)
        if chosen is None:
            return f"returned None, and {ready} would wait for physical CPU {pcpu} for ever; return one of them"
        if any(chosen is task for task in self.ready):
            return f"returned {chosen.name}, which may not run on physical CPU {pcpu}; these may: {ready}"
        if isinstance(getattr(chosen, "name", None), str) and hasattr(chosen, "may_run_on"):
            return f"returned {chosen.name}, which is not ready (it runs, sleeps or is gone); ready: {ready}"
        return f"returned {chosen!r}, which is no task; return one of the tasks that are ready: {ready}"


def guarded(wanted: Any, seed: int) -> Scheduler:
    """A person's scheduler, as a class or an object, with its guard. Raises `AxError` where it is none."""
    kind = wanted if isinstance(wanted, type) else type(wanted)
    if not issubclass(kind, Scheduler):
        if not any(hasattr(kind, method) for method in METHODS):
            raise AxError(
                f"{getattr(wanted, '__name__', wanted)!r} is no scheduler; write a class with choose(self, tasks, "
                "pcpu, now), or another method of axlab.vmm.scheduler.Scheduler"
            )
        if not isinstance(wanted, type):
            raise AxError(f"an object of {kind.__name__} is no scheduler; let the class inherit from Scheduler")
        kind = wanted = type(kind.__name__, (kind, Scheduler), {"__module__": kind.__module__})
    try:
        own = wanted() if isinstance(wanted, type) else wanted
    except Exception as error:  # whatever a person's code raises
        raise raised(error, kind, "__init__") from None
    if not hasattr(own, "ready"):  # an __init__ that does not call the base class's
        own.ready = []
    own.seed = seed or own.seed
    return OwnScheduler(own)


def own_code(kind: type, method: str) -> CodeType | None:
    """The code of a method as a person wrote it; None for one that comes with AxLab, or is not there."""
    code = getattr(getattr(kind, method, None), "__code__", None)
    return None if code is None or code.co_filename == Scheduler.choose.__code__.co_filename else code


def raised(error: Exception, kind: type, method: str) -> AxError:
    """An exception of a person's code as that person's mistake: the innermost line of that code."""
    files = {code.co_filename for name in ("__init__", *METHODS) if (code := own_code(kind, name)) is not None}
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename in files]
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if not mine:
        return AxError(f"{method}: {what}", source=kind.__name__)
    frame = mine[-1]
    end = frame.end_colno if frame.end_lineno == frame.lineno else None
    place = line_of(frame.filename, frame.lineno or 0, frame.colno, end)
    return AxError(what, source=f"{kind.__name__}.{frame.name}", **place)


def line_of(file: str, number: int, begin: int | None = None, end: int | None = None) -> dict[str, Any]:
    """A line of source as an error shows it. `begin` and `end` are columns in bytes; without, all of the line."""
    text = linecache.getline(file, number).rstrip("\n")
    data = text.encode()
    column = len(text) - len(text.lstrip()) if begin is None else len(data[:begin].decode(errors="ignore"))
    last = len(text) if end is None else len(data[:end].decode(errors="ignore"))
    return {"line": number, "text": text, "column": column, "length": max(1, last - column)}
