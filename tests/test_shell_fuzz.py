"""Random command lines: whatever is typed, nothing but an AxError comes out, and the lab stays whole."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from shell_labs import FAULTS, lab_with, prints
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.shell.results import Result

LINES = 200_000
LINES_PER_LAB = 1000

PIECES = (
    ["0", "1", "2", "3", "7", "0-3", "2-1", "all", "guest0", "guest1", "0.0", "1.9", "x.0", "nobody", "256", "-1"]
    + ["0x40080000", "0x0", "0xffffffffffffffff", "64", "4K", "1ms", "3", "1.5us", "table", "json", "off", "debug"]
    + ["-f", "-d", "--force", "--detach", "--format", "--format=json", "--help", "-h", "--", "-cs", "--full", "-n"]
    + ["--for", "--until-text", "--timeout", "--cpu", "--send", "--keep-data", "--lines=2", "-p", "--access", "x"]
    + ["a", "b", "a/b", "..", "../x", "/", "/vms", "link", "a.toml", "''", '""', "'a b'", '"\\n\\x"', "\\ ", "\\x"]
    + ["'", '"', "\\", "#", ";", "\n", ">", ">>", "> out", "\t", "\0", "\x1b[31m", "虚拟机", "é", "\ud800", "\u202e"]
)
ALPHABET = "abvm 0-9'\"\\;#>=\n\t./\x00\x7f\u2028é虚\ud800"


# What makes machines or processes without limit, or waits for somebody who does not come.
LEFT_OUT = ("vm clone", "vm sweep", "vm gdb")


def command_words(lab: Lab) -> list[str]:
    """The words of all commands but a few."""
    return [command.name for command in lab.shell.tree.walk(lab) if command.name not in LEFT_OUT]


def random_line(rng: random.Random, words: list[str]) -> str:
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choice(ALPHABET) for _ in range(rng.randrange(30)))
    parts = [rng.choice(words)] if kind < 0.95 else []
    parts += [rng.choice(PIECES) for _ in range(rng.randrange(5))]
    if rng.random() < 0.1:
        parts += [";", rng.choice(words)]
    return (" " if rng.random() < 0.9 else "").join(parts)


def fresh_lab() -> Lab:
    lab = lab_with(SLEEPS_FOR_EVER, POWERS_OFF, prints("hello\n"), FAULTS)
    (lab.folder / "a.toml").write_text("[base]\nid = 1\n")
    return lab


def check(lab: Lab, result: Result) -> None:
    """A result can be shown in every form, and the lab's counts are in order."""
    text, page = result.text(), result.html()
    assert "\x1b" not in text and "\x1b" not in page
    json.dumps(result.json())
    running = sum(vm.state in ("Running", "Suspended", "Stopping") for vm in lab.hypervisor.vms)
    assert lab.hypervisor.running_vms == running


@pytest.mark.slow
def test_random_command_lines_raise_nothing_but_axerror(volume: Callable[[int], int]) -> None:
    rng = random.Random(17)
    lab = fresh_lab()
    words = command_words(lab)
    for number in range(volume(LINES)):
        if number % LINES_PER_LAB == LINES_PER_LAB - 1:
            lab = fresh_lab()
        line = random_line(rng, words)
        try:
            result = lab.shell(line)
        except AxError as error:
            str(error)
        except Exception as error:  # the line is what one needs to see
            raise AssertionError(f"line {number}: {line!r}") from error
        else:
            if number % 20 == 0:
                check(lab, result)


def test_completion_never_raises(volume: Callable[[int], int]) -> None:
    rng = random.Random(18)
    lab = fresh_lab()
    words = command_words(lab)
    for _ in range(volume(10_000)):
        line = random_line(rng, words)
        lab.shell.complete(line, rng.randrange(len(line) + 1))
