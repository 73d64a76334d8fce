"""Running one submission in a process of its own, from which as little as possible can be reached.

Where the system allows user namespaces, the process has no network and is the first of a process namespace, which
ends with it; elsewhere it shares the network, and its process group is killed. Where the kernel has Landlock, it
reads and writes little more than its own folder. `Isolation` says which.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from axlab.course import landlock
from axlab.course.build import ENVIRONMENT
from axlab.errors import AxError

UNSHARE = ["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
LARGEST_REPLY = 4 << 20
LOG = 4000  # characters of output that are kept
GRACE = 5  # seconds that a process may take to end after its reply


@dataclass(frozen=True)
class Limits:
    """`seconds` of CPU time and of the clock, `memory` in bytes of address space."""

    seconds: int = 300
    memory: int = 4 << 30


@dataclass(frozen=True)
class Isolation:
    """How far submissions are kept apart here, in words."""

    namespaces: bool
    landlock: bool

    def __str__(self) -> str:
        reached = (
            "no network; every process of a submission ends with it"
            if self.namespaces
            else "THE NETWORK CAN BE REACHED, and a process that leaves its group lives on: this system allows no user "
            "namespaces (unshare)"
        )
        files = (
            "it reads the system, Python and AxLab, and writes into its own folder"
            if self.landlock
            else "IT CAN READ AND WRITE WHAT YOU CAN: this system has no Landlock"
        )
        return f"{reached}; {files}"


@dataclass(frozen=True)
class Run:
    """What came of a submission. `verdicts` are as it wrote them; `problem` says why there are none."""

    student: str = ""
    errors: tuple[str, ...] = ()
    verdicts: tuple[dict[str, Any], ...] = ()
    problem: str = ""
    log: str = ""


@cache
def isolation() -> Isolation:
    """What this system allows; tried once."""
    return Isolation(namespaces=can_unshare(), landlock=landlock.version() > 0)


def can_unshare() -> bool:
    """Whether `unshare` gives a process namespaces of its own here."""
    program = shutil.which("unshare")
    if program is None:
        return False
    tried = subprocess.run([program, *UNSHARE, "true"], capture_output=True, stdin=subprocess.DEVNULL)
    return tried.returncode == 0


def run(notebook: Path, checks: list[str], limits: Limits, public: Mapping[str, str]) -> Run:
    """Run a submission and have the checks (as texts) look at it. Raises AxError where this system cannot.

    `public` are the checks that students have, by exercise; `%given` and `%check` find them beside the notebook.
    """
    if os.name != "posix":
        raise AxError("submissions are run only where processes can be limited: on Linux or macOS")
    with tempfile.TemporaryDirectory(prefix="axlab-grade-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(notebook, folder / "submission.ipynb")
        (folder / "checks").mkdir()
        for exercise, text in public.items():
            (folder / "checks" / f"{exercise}.py").write_text(text, encoding="utf-8")
        questions, to_answer = os.pipe()
        replies, to_reply = os.pipe()
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                command(questions, to_reply, limits),
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(questions, to_reply),
                start_new_session=True,
            )
            os.close(questions)
            os.close(to_reply)
        try:
            student, errors, verdicts, problem = converse(process, replies, to_answer, checks, limits)
        finally:
            end(process)
            os.close(replies)
        return Run(student, errors, verdicts, problem, tail(folder / "log"))


def command(questions: int, replies: int, limits: Limits) -> list[str]:
    """The command line of the process."""
    python = [sys.executable, "-P", "-m", "axlab.course.submission", "submission.ipynb"]
    python += [f"--checks={questions}", f"--verdicts={replies}"]
    python += [f"--seconds={limits.seconds}", f"--memory={limits.memory}"]
    return [str(shutil.which("unshare")), *UNSHARE, *python] if isolation().namespaces else python


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the lecturer's but where programs are; a home that is thrown away."""
    package = str(Path(__file__).parent.parent.parent)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    own = {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | ENVIRONMENT | own | {"OPENBLAS_NUM_THREADS": "1", "MPLCONFIGDIR": str(folder)}


def converse(
    process: subprocess.Popen[bytes], replies: int, to_answer: int, checks: list[str], limits: Limits
) -> tuple[str, tuple[str, ...], tuple[dict[str, Any], ...], str]:
    """(student, errors, verdicts, problem): wait for the cells to end, hand out the checks, take the verdicts."""
    lines = Lines(replies, time.monotonic() + limits.seconds)
    word = secrets.token_hex(16)
    try:
        with open(to_answer, "w", encoding="utf-8") as questions:
            first = lines.next()
            json.dump({"word": word, "checks": checks}, questions)
        second = lines.next()
        if second["word"] != word:
            raise ValueError
        return str(first["student"])[:100], tuple(map(str, first["errors"]))[:20], tuple(second["verdicts"]), ""
    except TimeoutError:
        return "", (), (), f"it took longer than {limits.seconds} s"
    except (OSError, EOFError):
        return "", (), (), ended(process, limits)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", (), (), "it wrote a verdict of its own"


class Lines:
    """Lines of JSON from a process that is not trusted: bounded in length and in time."""

    def __init__(self, descriptor: int, deadline: float) -> None:
        self.descriptor, self.deadline = descriptor, deadline
        self.buffer = b""

    def next(self) -> dict[str, Any]:
        """The next line. Raises TimeoutError, EOFError, ValueError."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.descriptor, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(0.0, self.deadline - time.monotonic())):
                    raise TimeoutError
                data = os.read(self.descriptor, 1 << 16)
                if not data:
                    raise EOFError
                self.buffer += data
                if len(self.buffer) > LARGEST_REPLY:
                    raise ValueError
        line, _, self.buffer = self.buffer.partition(b"\n")
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError
        return value


def ended(process: subprocess.Popen[bytes], limits: Limits) -> str:
    """Why a process gave no verdict."""
    try:
        status = process.wait(GRACE)
    except subprocess.TimeoutExpired:
        return "it closed the channel to the checks"
    signals = {-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGKILL}
    if status in signals:
        return f"it was ended by the system, having used {limits.seconds} s of CPU time or too much memory"
    return f"it ended before it was checked (status {status})"


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process, its group, and its namespace where it has one."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def tail(path: Path) -> str:
    """The end of what was printed."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - LOG))
        return file.read().decode("utf-8", "replace")
