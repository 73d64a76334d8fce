"""The process that runs one submission: `python -P -m axlab.course.submission`, started by `sandbox.py`.

It lowers its own limits, confines itself to its folder where the kernel can do that, runs the notebook's cells, and
only then is given the checks and a word that it must repeat in its reply: code of the submission has seen neither of
them before its own cells have ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from axlab import languages
from axlab.course import landlock
from axlab.course.check_files import parse_check
from axlab.course.checking import run_check
from axlab.course.expectations import shown
from axlab.course.session import Session, code_cells

MOST_ERRORS = 20
LARGEST_FILE = 64 << 20


def limit(seconds: int, memory: int) -> None:
    """Limits of this process and what it starts: CPU time, address space, size of a file, no core dumps."""
    import resource

    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/dev", "/sys/devices/system")
"""What Python and its libraries read of a system."""


def confine() -> None:
    """Read only what is needed to run, and write only into the working folder, which is the submission's own."""
    import axlab

    python = [Path(sys.prefix), Path(sys.base_prefix), Path(axlab.__file__).parent]
    landlock.confine([*map(Path, SYSTEM), *python, languages.folder()], [Path.cwd(), Path("/dev/null")])


def run_cells(session: Session, notebook: Path) -> list[str]:
    """Run the cells in their order; a cell that fails does not keep the next ones from running. What failed."""
    errors = []
    for number, source in enumerate(code_cells(notebook), 1):
        try:
            session.run(source)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            errors.append(f"code cell {number}: {shown(f'{type(error).__name__}: {error}')}")
    return errors[:MOST_ERRORS]


def judge(session: Session, checks: list[str]) -> list[dict[str, Any]]:
    """The verdicts as plain data, in the order of the checks' texts."""
    return [asdict(run_check(parse_check(text, "check"), session.variables)) for text in checks]


def main(words: list[str]) -> int:
    """Run the notebook, say so, read the checks, and write the verdicts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path)
    for name in ("checks", "verdicts", "seconds", "memory"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args(words)
    limit(arguments.seconds, arguments.memory)
    if landlock.version():
        confine()
    session = Session(Path.cwd())
    errors = run_cells(session, arguments.notebook)
    student = session.variables.get("student")
    with open(arguments.verdicts, "w", encoding="utf-8") as replies:
        print(json.dumps({"errors": errors, "student": shown(student or "")}), file=replies, flush=True)
        with open(arguments.checks, encoding="utf-8") as questions:
            asked = json.load(questions)
        reply = {"word": asked["word"], "verdicts": judge(session, asked["checks"])}
        print(json.dumps(reply), file=replies, flush=True)
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of a submission have nothing more to do


if __name__ == "__main__":
    main(sys.argv[1:])
