"""How a long run goes: virtual time, instructions, their rate, and what each VM does.

Only the edge reads the wall clock and knows where a person looks: it gives `Lab.progress`, which makes a
`Progress` for each run in the foreground. A run that is over soon shows nothing.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from axlab.shell.commands_list import summary
from axlab.shell.render import harmless
from axlab.units import TIME_UNITS

PATIENCE = 1.0  # seconds before the first line
EVERY = 0.25  # seconds between two
SETTING = "AXLAB_PROGRESS"  # "off" in the environment: none is shown, as where outputs are compared

Clock = Callable[[], float]


@dataclass
class Progress:
    """One run. `look` is called again and again while the machine runs, `close` at its end; `show` takes a line."""

    hypervisor: Any
    clock: Clock
    show: Callable[[str], None]
    close: Callable[[], None]
    began: tuple[float, int] = field(init=False)
    seen: tuple[float, int] = field(init=False)
    due: float = field(init=False)
    travelled: str = field(default="", init=False)  # what was replayed, where time was travelled

    def __post_init__(self) -> None:
        now = self.clock()
        self.began = self.seen = now, executed(self.hypervisor)
        self.due = now + PATIENCE

    def look(self) -> None:
        """Show how far the run is, if it is time for that."""
        now = self.clock()
        if now >= self.due:
            self.due = now + EVERY
            self.show(self.line(now, self.seen))

    def total(self) -> str:
        """A line for the end, with the rate of the whole run."""
        return self.travelled or self.line(self.clock(), self.began)

    def line(self, now: float, since: tuple[float, int]) -> str:
        """`1.25 s of virtual time · 12.5 M instructions · 8.3 M/s · demo Run:1`; the rate is that since `since`.

        While time is travelled: `replaying 1 s to 2 s: 42 %`.
        """
        history = self.hypervisor.history
        if history is not None and history.leg is not None:
            self.travelled = history.leg.line(self.hypervisor)
            return self.travelled
        self.seen = now, executed(self.hypervisor)
        rate = (self.seen[1] - since[1]) / max(now - since[0], 1e-9) / 1e6
        vms = [f"{harmless(vm.name)} {doing(vm)}" for vm in self.hypervisor.vms]
        passed = f"{self.hypervisor.now / TIME_UNITS['s']:.2f} s of virtual time"
        return " · ".join([passed, f"{self.seen[1] / 1e6:.1f} M instructions", f"{rate:.1f} M/s", *vms])


def executed(hypervisor: Any) -> int:
    """Instructions of all VMs."""
    return sum(vcpu.instructions for vm in hypervisor.vms for vcpu in vm.vcpus)


def doing(vm: Any) -> str:
    """What a VM does: its state, or those of its vCPUs while it runs."""
    return summary(Counter(str(vcpu.state) for vcpu in vm.vcpus)) if vm.state == "Running" else str(vm.state)


class StatusLine:
    """A line on a terminal below the cursor, which neither moves nor covers what guests print.

    `hide` it before anything else is written to the terminal.
    """

    ROOM = "\x1bD\x1b[A"  # IND and CUU: scroll if the cursor is on the last line; its column stays
    SAVE, BELOW, RESTORE = "\x1b7", "\x1b[B\r\x1b[K", "\x1b8"

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = False

    def show(self, text: str) -> None:
        """Show a line, as far as it fits."""
        width = shutil.get_terminal_size().columns - 1
        self.stream.write(f"{self.ROOM}{self.SAVE}{self.BELOW}\x1b[2m{text[:width]}\x1b[0m{self.RESTORE}")
        self.stream.flush()
        self.shown = True

    def hide(self) -> None:
        """Take the line away."""
        if self.shown:
            self.stream.write(f"{self.SAVE}{self.BELOW}{self.RESTORE}")
            self.stream.flush()
            self.shown = False


def has_status_line(stream: TextIO) -> bool:
    """Whether progress is shown on a stream: it is a terminal that obeys, and nobody has switched it off."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and is_on()


def is_on() -> bool:
    """Whether nobody has switched the display off."""
    return os.environ.get(SETTING) != "off"


def on_status_line(status: StatusLine, clock: Clock) -> Callable[[Any], Progress]:
    """What `Lab.progress` is at a terminal."""
    return lambda hypervisor: Progress(hypervisor, clock, status.show, status.hide)
