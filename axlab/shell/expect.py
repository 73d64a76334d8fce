"""A script of texts that are waited for and texts that are typed, for `axlab run`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from axlab.events import Console, Event
from axlab.shell.literals import unescape_literal


@dataclass(frozen=True)
class Step:
    """One `--expect` or `--send`: `vm` is the id that its prefix named, or -1 for whichever."""

    kind: str
    text: bytes
    vm: int = -1

    def __str__(self) -> str:
        return f"--{self.kind} {self.text.decode('utf-8', 'backslashreplace')!r}"


class Script:
    """The steps, and how far the run has come with them. It watches the consoles as an observer.

    A text is looked for in what was printed after the one before it was found, on the console that
    the step names or on any. `last` is the VM that printed it, to whom a `--send` without a name goes.
    """

    def __init__(self, steps: list[Step], first: int) -> None:
        self.steps = deque(steps)
        self.unread: dict[int, bytearray] = {}
        self.last = first
        self.expects = sum(step.kind == "expect" for step in steps)

    def observe(self, event: Event) -> None:
        if isinstance(event, Console) and event.direction == "output" and self.steps:
            self.unread.setdefault(event.vm, bytearray()).extend(event.data)
            self.match()

    def match(self) -> None:
        """Take every `--expect` off the front whose text has been printed."""
        while self.steps and self.steps[0].kind == "expect" and self._found(self.steps[0]):
            self.steps.popleft()

    def _found(self, step: Step) -> bool:
        for vm in [vm for vm in self.unread if step.vm in (-1, vm)]:
            unread = self.unread[vm]
            place = unread.find(step.text)
            if place >= 0:
                del unread[: place + len(step.text)]
                self.last = vm
                return True
            del unread[: -len(step.text)]  # only a tail can still become part of a match
        return not step.text

    @property
    def sends(self) -> bool:
        """Whether it is time to type something."""
        return bool(self.steps) and self.steps[0].kind == "send"

    @property
    def awaited(self) -> Step | None:
        """What is being waited for, or was when the run ended."""
        return next((step for step in self.steps if step.kind == "expect"), None)


def read_steps(given: list[tuple[str, str]], names: dict[int, str]) -> list[Step]:
    """The script as it was given; a prefix `name:` counts only where a VM of that name exists."""
    ids = {name: number for number, name in names.items()}
    steps = []
    for kind, text in given:
        name, colon, rest = text.partition(":")
        vm = ids.get(name, -1) if colon else -1
        steps.append(Step(kind, unescape_literal(rest if vm >= 0 else text), vm))
    return steps
