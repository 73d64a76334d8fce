"""Who makes the runs: loky's worker processes, any executor of `concurrent.futures`, or a Dask cluster.

All of them take a task and give a future. An engine says beside that which failures mean that a worker or the
cluster was lost, so that the run has to be made again, and how it gets new ones.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from axlab.errors import AxError
from axlab.scale.libraries import library
from axlab.scale.worker import Done, Task, failed, work

DEATHS = 2  # a run whose worker died so often, with no other beside it, is given up
PATIENCE = 600.0  # seconds that a cluster may be away
CONNECTING = 10.0  # seconds for a scheduler to answer

Say = Callable[[str], None]


class Engine(Protocol):
    """`workers` at once; `submit` may raise what `lost` knows; `renew` gets new workers, or raises `AxError`."""

    @property
    def workers(self) -> int: ...
    def submit(self, task: Task) -> Future[Done]: ...
    def lost(self, error: BaseException) -> bool: ...
    def renew(self, say: Say) -> None: ...
    def close(self) -> None: ...


class LocalEngine:
    """Worker processes on this machine, by joblib's loky: they run functions that were defined in a notebook."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or usable_cpus()
        self.folder = tempfile.TemporaryDirectory(prefix="axlab-sweep-")
        self.pool = self._pool()

    def _pool(self) -> Any:
        loky = library("joblib.externals.loky", "a sweep")
        return loky.ProcessPoolExecutor(
            max_workers=self.workers, initializer=prepare_worker, initargs=(os.getpid(), self.folder.name)
        )

    def submit(self, task: Task) -> Future[Done]:
        future: Future[Done] = self.pool.submit(work, task)
        return future

    def lost(self, error: BaseException) -> bool:
        """A worker was killed, which breaks the whole pool."""
        return isinstance(error, BrokenExecutor)

    def renew(self, say: Say) -> None:
        """A new pool."""
        self.pool.shutdown(wait=True, kill_workers=True)
        self.pool = self._pool()

    def close(self) -> None:
        """End the workers at once."""
        self.pool.shutdown(wait=True, kill_workers=True)
        self.folder.cleanup()


class ExecutorEngine:
    """An executor of the user's, who also ends it."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.workers = getattr(executor, "_max_workers", None) or usable_cpus()
        self.futures: set[Future[Done]] = set()

    def submit(self, task: Task) -> Future[Done]:
        future = self.executor.submit(work, task)
        self.futures.add(future)
        future.add_done_callback(self.futures.discard)
        return future

    def lost(self, error: BaseException) -> bool:
        return isinstance(error, BrokenExecutor)

    def renew(self, say: Say) -> None:
        raise AxError(
            "the executor broke: one of its workers was killed, perhaps because memory was full; "
            "the same sweep with a new executor goes on with the runs that are missing"
        )

    def close(self) -> None:
        """Take back what has not begun."""
        for future in list(self.futures):
            future.cancel()


@dataclass(frozen=True)
class Call:
    """`work(task)`, made where it is unpickled. A Dask worker that has to import AxLab to read a message, and cannot,
    ends without a word; one that has to unpickle bytes as a task says what it lacks."""

    task: Task

    def __reduce__(self) -> tuple[Callable[[Task], Done], tuple[Task]]:
        return work, (self.task,)


class DaskEngine:
    """A Dask cluster. Runs of a worker that dies are made by others; a cluster that goes away is waited for."""

    def __init__(self, cluster: Any, say: Say, patience: float = PATIENCE) -> None:
        self.distributed = library("distributed", "a sweep on a Dask cluster")
        self.ours = isinstance(cluster, str)
        self.patience = patience
        self.address = cluster if self.ours else cluster.scheduler.address
        self.client = self._connect() if self.ours else cluster
        self.executor = self.client.get_executor(pure=False)
        self.futures: set[Future[Done]] = set()
        if not self.client.nthreads():
            say(f"the cluster at {self.address} has no workers yet; waiting for one")

    def _connect(self) -> Any:
        try:
            return self.distributed.Client(self.address, timeout=CONNECTING, set_as_default=False)
        except (OSError, ValueError) as error:
            raise AxError(f"there is no Dask scheduler at {self.address}: {error}") from None

    @property
    def workers(self) -> int:
        """Threads of all workers: it changes while the cluster grows."""
        try:
            return sum(self.client.nthreads().values()) or 1
        except (OSError, RuntimeError, ValueError):
            return 1

    def submit(self, task: Task) -> Future[Done]:
        future: Future[Done] = self.executor.submit(pickle.loads, pickle.dumps(Call(task)))
        self.futures.add(future)
        future.add_done_callback(self.futures.discard)
        return future

    def lost(self, error: BaseException) -> bool:
        """The scheduler is gone, and with it all that it knew."""
        return isinstance(error, CancelledError | OSError | RuntimeError) and not isinstance(error, AxError)

    def renew(self, say: Say) -> None:
        """Wait until the cluster answers again, with at least one worker."""
        say(f"the cluster at {self.address} does not answer; waiting for it (Ctrl-C ends this, the runs are kept)")
        ends = time.monotonic() + self.patience
        while time.monotonic() < ends:
            try:
                if self.client.status != "running":
                    self.client = self._connect()
                    self.ours = True
                if self.client.nthreads():
                    self.executor = self.client.get_executor(pure=False)
                    say(f"the cluster at {self.address} is back")
                    return
            except (AxError, OSError, RuntimeError, ValueError):
                pass
            time.sleep(0.5)
        raise AxError(
            f"the cluster at {self.address} has not answered for {self.patience:.0f} s; "
            "the same sweep goes on with the runs that are missing when it is back"
        )

    def close(self) -> None:
        for future in list(self.futures):
            future.cancel()
        if self.ours:
            self.client.close()


def engine_of(executor: Any, workers: int | None, say: Say) -> Engine:
    """The engine of what a user gave: nothing, an executor, a Dask client, or a scheduler's address."""
    if executor is None:
        return LocalEngine(workers)
    if isinstance(executor, str) or hasattr(executor, "get_executor"):
        return DaskEngine(executor, say)
    if isinstance(executor, Executor) or hasattr(executor, "submit"):
        return ExecutorEngine(executor)
    raise AxError(
        f"{executor!r} cannot make runs: an executor of concurrent.futures, a Dask Client, or the address of a "
        "Dask scheduler (tcp://...) is wanted"
    )


@dataclass
class Flights:
    """The runs of a sweep that are not done: those that wait, those that fly, and those whose worker died.

    The last are made again one at a time: then it is certain which of them kills its worker.
    """

    engine: Engine
    waiting: deque[Task]
    suspects: deque[Task] = field(default_factory=deque)
    flying: dict[Future[Done], Task] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)
    alone: bool = False  # what flies is a suspect

    def __bool__(self) -> bool:
        return bool(self.waiting or self.suspects or self.flying)

    def submit(self) -> list[Task]:
        """Send off as many as there is room for: twice as many as are made at once, so that nobody waits.

        Returns those of which a lost engine took nothing.
        """
        if not self.flying:
            self.alone = bool(self.suspects)
        line = self.suspects if self.alone else self.waiting
        room = 0 if self.suspects and not self.alone else 1 if self.alone else 2 * self.engine.workers
        for task in [line.popleft() for _ in range(min(room - len(self.flying), len(line)))]:
            try:
                self.flying[self.engine.submit(task)] = task
            except Exception as error:
                raise_unless_lost(self.engine, error)
                return [task]
        return []

    def landed(self) -> list[tuple[Task, Future[Done]]]:
        """Those that have come to an end, well or not; waits for one, a second at most."""
        done = wait(self.flying, timeout=1, return_when=FIRST_COMPLETED).done if self.flying else ()
        return [(self.flying.pop(future), future) for future in done]

    def ground(self, lost: list[Task]) -> Iterator[Task]:
        """All that fly are lost with these. Gives those that have killed their workers too often."""
        grounded, self.flying = [*lost, *self.flying.values()], {}
        for task in grounded:
            self.deaths[task.run] += self.alone
            if self.deaths[task.run] >= DEATHS:
                yield task
            else:
                self.suspects.append(task)


def results(engine: Engine, tasks: Iterable[Task], say: Say) -> Generator[Done, None, None]:
    """Every run once, as they are done. Raises `AxError` where the workers cannot make runs at all."""
    flights = Flights(engine, deque(tasks))
    while flights:
        lost = flights.submit()
        for task, future in flights.landed():
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield future.result()
            elif type(error).__name__ == "KilledWorker":  # Dask has tried it on several
                yield failed(task, str(error))
            else:
                raise_unless_lost(engine, error)
                lost.append(task)
        if lost:
            for task in flights.ground(lost):
                yield failed(task, died(DEATHS))
            engine.renew(say)


def died(times: int) -> str:
    return f"its worker process died {times} times: killed, perhaps because memory was full"


def raise_unless_lost(engine: Engine, error: BaseException) -> None:
    """Raise what does not mean that a worker was lost: no run would go better."""
    if engine.lost(error):
        return
    if isinstance(error, AxError):
        raise error
    if isinstance(error, ImportError):
        missing = (error.name or str(error)).partition(".")[0]
        remedy = "AxLab there in the same version, with its extra: python -m pip install 'axlab[scale]'"
        raise AxError(
            f"a worker cannot import {missing}: install {remedy if missing == 'axlab' else 'it there'}"
        ) from None
    raise error


def usable_cpus() -> int:
    """CPUs that this process may use: by its affinity, its cgroup, and LOKY_MAX_CPU_COUNT in the environment."""
    return int(library("joblib.externals.loky", "a sweep").cpu_count())


def prepare_worker(parent: int, folder: str) -> None:
    """In a worker process of ours: Ctrl-C is the parent's to hear, files go where the parent removes them, and a
    worker whose parent is gone, however it went, removes them and ends, too."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = folder

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()
