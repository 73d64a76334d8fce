"""`axlab config | fetch`: configuration files, checked and made, and guests to begin with."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.shell.statuses import DONE, FAILED


def declare_config(parser: argparse.ArgumentParser) -> None:
    inner = parser.add_subparsers(dest="what", required=True, metavar="check|new")
    check = inner.add_parser("check", help="check configuration files", description="Check configuration files.")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--json", action="store_true", help="findings as a JSON list")
    check.add_argument("--images", action="store_true", help="also look whether the files that are named exist")
    new = inner.add_parser(
        "new", help="write a commented configuration", description="Write a commented configuration."
    )
    new.add_argument("--kind", help="demo, bare-metal, rtos, linux, ...")
    for name, text in (("name", "name of the VM"), ("image", "kernel image"), ("cmdline", "kernel command line")):
        new.add_argument(f"--{name}", help=text)
    new.add_argument("--id", type=int, help="id of the VM")
    new.add_argument("--cpus", type=int, help="number of vCPUs")
    new.add_argument("--memory", help="RAM, such as 256M")
    new.add_argument("-o", dest="output", metavar="FILE", help="where to (default: standard output)")
    new.add_argument("--yes", action="store_true", help="ask nothing; take defaults for what is not given")


def run_config(arguments: argparse.Namespace) -> int:
    return check_config(arguments) if arguments.what == "check" else new_config(arguments)


def check_config(arguments: argparse.Namespace) -> int:
    from axlab.vmm.config_check import check

    findings = check(arguments.files, images=arguments.images)
    if arguments.json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{len(arguments.files)} file(s) checked, nothing to say")
    return FAILED if any(finding.severity == "error" for finding in findings) else DONE


def new_config(arguments: argparse.Namespace) -> int:
    from axlab.units import parse_size
    from axlab.vmm import config_new

    names = ("kind", "name", "image", "cmdline", "id", "cpus")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.memory is not None:
        given["memory"] = parse_size(arguments.memory)
    if arguments.yes or not sys.stdin.isatty():
        given.setdefault("kind", "demo")
    else:
        given = config_new.ask_options(ask, given)
    text = config_new.new_config(**given)
    if arguments.output is None:
        print(text, end="")
        return DONE
    try:
        with Path(arguments.output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise AxError(f"{arguments.output} exists already; it was left as it is") from None
    except OSError as error:
        raise AxError(f"{arguments.output}: {(error.strerror or str(error)).lower()}") from None
    print(f"{arguments.output} written; 'axlab run {arguments.output}' runs it", file=sys.stderr)
    return DONE


def ask(question: str, default: str) -> str:
    print(f"{question} [{default}]: " if default else f"{question}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def declare_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", help="which guest; without, the list of them")
    parser.add_argument("-o", dest="folder", default=".", metavar="DIR", help="where to (default: the current folder)")


def run_fetch(arguments: argparse.Namespace) -> int:
    from axlab.fetch import GUESTS, fetch

    if arguments.what is None:
        for name in GUESTS:
            print(name)
        return DONE
    for path in fetch(arguments.what, arguments.folder, progress=lambda text: print(text, file=sys.stderr)):
        print(path)
    return DONE
