"""What stands on a command line: numbers, durations, addresses, and files or standard input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from axlab.errors import AxError


class InOrder(argparse.Action):
    """`--expect A --send B`: steps of one script, kept in the order in which they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        steps = [*getattr(namespace, "steps", []), (str(option_string).removeprefix("--"), str(values))]
        namespace.steps = steps


def duration(text: str) -> int:
    """An argparse type for spans of virtual time."""
    from axlab.units import parse_duration

    try:
        return parse_duration(text)
    except AxError as error:
        raise argparse.ArgumentTypeError(error.message) from None


def count(text: str) -> int:
    """An argparse type for a number of instructions: `2000000`, `2_000_000`, `2e6`."""
    try:
        number = float(text) if "e" in text.lower() else int(text.replace("_", ""))
        if number < 1 or number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of instructions; write it as 2000000 or 2e6") from None
    return int(number)


def address(text: str) -> int:
    """A number as people write addresses. Raises `AxError`."""
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        raise AxError(f"{text!r} is no address; write it as 0x40080000") from None


def read_text(name: str) -> str:
    """A text file, or standard input for `-`. Raises AxError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise AxError(f"{name}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise AxError(f"{name}: no UTF-8 text (byte {error.start})") from None


def read_binary(name: str) -> bytes:
    """A file's bytes, or standard input's for `-`. Raises AxError."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise AxError(f"{name}: {(error.strerror or str(error)).lower()}") from None
