"""A VM's console: its output as a terminal shows it, and a place to type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.notebook.live_machine import machine_of
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Message, Scene, unknown, word
from axlab.notebook.terminal_html import row_html, still_html, still_svg
from axlab.notebook.terminal_screen import Screen

MOST_FED = 1 << 18  # bytes of old output that a new console shows
MOST_TYPED = 1 << 16  # bytes of one message
READS = ("Running", "Suspended")


@dataclass(frozen=True, repr=False)
class ConsolePicture(Picture):
    """A still console. In a notebook it is text in colours; `svg` has its last screenful."""

    page: str = ""

    def html(self) -> str:
        return self.page


@dataclass
class Console(Scene):
    """The console of the VM with this id. `screen` is what its output looks like so far."""

    view: ClassVar[str] = "console"

    vm: int
    screen: Screen = field(default_factory=Screen, repr=False)
    fed: int = 0
    of: Any = field(default=None, repr=False)

    def data(self) -> dict[str, Any]:
        """The rows of the screen as HTML, how many lines went off its top, and what a person may do.

        `began` counts screens: a VM that was made anew, or went back in time, has another one. `waiting`: typed
        bytes that the guest has not taken. `live`: the machine runs. A VM that is gone has the state "".
        """
        vm = self.lab.hypervisor.vms.get(self.vm)
        self.follow(vm)
        machine = machine_of(self.lab)
        shown = self.screen.shown
        cursor = self.screen.row if self.screen.cursor and vm is not None and vm.state in READS else -1
        column = min(self.screen.column, self.screen.columns - 1)
        return {
            "vm": self.vm,
            "name": "" if vm is None else vm.name,
            "state": "" if vm is None else str(vm.state),
            "waiting": 0 if vm is None else len(vm.console.pending),
            "live": machine.on,
            "message": machine.message,
            "rows": [row_html(row, column if n == cursor else None) for n, row in enumerate(shown)],
            "past": self.screen.scrolled,
        }

    def follow(self, vm: Any) -> None:
        """Feed the screen with what is new. Another VM of that id, or one that went back in time, begins anew."""
        if vm is None:
            return
        output = vm.console.output
        if vm is not self.of or len(output) < self.fed:
            self.screen, self.of, self.fed = Screen(), vm, max(0, len(output) - MOST_FED)
        if len(output) > self.fed:
            self.screen.feed(bytes(output[self.fed :]))
            self.fed = len(output)

    def past(self, count: int) -> list[str]:
        """The last lines that went off the top, as HTML."""
        history = self.screen.history
        first = max(0, len(history) - count)
        return [row_html(history[place]) for place in range(first, len(history))]

    def draw(self, data: dict[str, Any]) -> Picture:
        title = title_of(data)
        text = self.screen.text()
        last = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "nothing yet")
        return ConsolePicture(
            still_svg(self.screen, title),
            f"{title}. Last line: {last}",
            f"{title}\n{text}" if text else title,
            still_html(self.screen, title),
        )

    def receive(self, message: Message) -> Answer:
        """What was typed (`typed`), or whether the machine is to run (`live`)."""
        if isinstance(message.get("live"), bool):
            machine = machine_of(self.lab)
            machine.start() if message["live"] else machine.stop()
            return Answer(moved=True)
        if "typed" not in message:
            raise unknown(message)
        return self.type(word(message, "typed"))

    def type(self, text: str) -> Answer:
        """Type on the console. Raises AxError where nobody would read it."""
        vm = self.lab.hypervisor.vms.get(self.vm)
        data = text.encode("utf-8", "replace")
        if vm is None:
            raise AxError(f"VM[{self.vm}] does not exist any more")
        if len(data) > MOST_TYPED:
            raise AxError(f"{len(data)} bytes are too many at once; at most {MOST_TYPED} are typed")
        if vm.state not in READS:
            raise AxError(f"VM[{vm.id}] is {vm.state}; nobody reads its console")
        self.lab.hypervisor.console_input(vm, data)
        if machine_of(self.lab).on:
            return Answer()
        return Answer("The machine stands still: the guest reads this when it runs (button Run, or %vm run).")


def title_of(data: dict[str, Any]) -> str:
    return f"Console of VM[{data['vm']}] {data['name']}".rstrip() + f" ({data['state'] or 'deleted'})"
