"""`axlab doctor | cache | notebook`: what is installed here, what is kept, and JupyterLab."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from axlab.errors import AxError
from axlab.shell.statuses import DONE, FAILED


def declare_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run_doctor(arguments: argparse.Namespace) -> int:
    from axlab.doctor import examine

    report = examine()
    print(report.json() if arguments.json else report.text())
    return DONE if report.ok else FAILED


def declare_cache(parser: argparse.ArgumentParser) -> None:
    what = "show: where the cache of translated code is and how big; clear: drop all of it"
    parser.add_argument("action", choices=("show", "clear"), help=what)


def run_cache(arguments: argparse.Namespace) -> int:
    from axlab.code_cache import open_cache
    from axlab.units import format_memory_size

    with open_cache() as cache:
        if arguments.action == "clear":
            cache.clear()
            return DONE
        figures = cache.figures()
    if figures.reason:
        print(f"The code cache is off: {figures.reason}.")
    else:
        entries = "1 entry" if figures.entries == 1 else f"{figures.entries} entries"
        print(f"{figures.path}: {entries}, {format_memory_size(figures.size)}")
    return DONE


def declare_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", nargs="?", help="which one to open (default: the welcome notebook)")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for jupyter lab")


def run_notebook(arguments: argparse.Namespace) -> int:
    import importlib.util
    import subprocess

    if importlib.util.find_spec("jupyterlab") is None:
        raise AxError("JupyterLab is not installed; 'pip install axlab[lab]' installs it")
    welcome = Path(__file__).parents[2] / "notebooks" / "00-welcome.ipynb"
    which = [arguments.notebook] if arguments.notebook else [str(welcome)] if welcome.exists() else []
    return subprocess.call([sys.executable, "-m", "jupyterlab", *which, *arguments.arguments])
