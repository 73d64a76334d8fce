"""What a handler is given: the lab, the shell, and a way to say something while the command runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.events import Console as ConsoleEvent
from axlab.events import Event, Log
from axlab.shell.render import Block, Console, Lines
from axlab.shell.stop_lines import stop_lines
from axlab.shell.syntax import CommandLine

if TYPE_CHECKING:
    from axlab.shell.shell import Shell

LEVELS = ("off", "error", "warn", "info", "debug")

Watcher = Callable[[Block], None]


def is_wanted(event: Log, level: str) -> bool:
    """Whether `log LEVEL` shows a line."""
    return LEVELS.index(event.level) <= LEVELS.index(level)


def log_line(event: Log) -> str:
    """`[1.234567 info] VM[0] added to global list`: virtual seconds, level, message."""
    return f"[{event.time / 1e9:.6f} {event.level}] {event.message}"


@dataclass
class Context:
    """One run of one command.

    What is said goes into `transcript`, which becomes the result's, and at once to `watch`, if
    somebody (a terminal) wants to see it as it comes.
    """

    shell: Shell
    watch: Watcher | None = None
    line: CommandLine | None = None
    blocks: list[Block] = field(default_factory=list)
    running: Console | None = None  # the console block that is still growing, by `data`
    data: bytearray = field(default_factory=bytearray)
    consoles: set[int] = field(default_factory=set)  # ids of the VMs whose console is shown
    everything: bool = False  # the console of every VM is shown
    told: Any = None  # the stop that was hit last, and told
    lines: dict[int, bytearray] = field(default_factory=dict)  # of each VM the line that it has not ended

    @property
    def lab(self) -> Any:
        return self.shell.lab

    @property
    def hypervisor(self) -> Any:
        return self.shell.lab.hypervisor

    @property
    def transcript(self) -> list[Block]:
        """All that was said so far; the many small pieces of a console are one block."""
        self._end_console()
        return self.blocks

    def show(self, block: Block) -> None:
        """Put a block into the transcript, and show it to who watches."""
        if isinstance(block, Console):
            if self.running is not None and self.running.name != block.name:
                self._end_console()
            self.running = self.running or block
            self.data += block.data
        else:
            self._end_console()
            self.blocks.append(block)
        if self.watch is not None:
            self.watch(block)

    def _end_console(self) -> None:
        """The block that was growing is complete."""
        if self.running is not None:
            self.blocks.append(Console(self.running.name, bytes(self.data)))
            self.running = None
            self.data.clear()

    def say(self, *lines: str) -> None:
        """Say lines, now."""
        if lines:
            self.show(Lines(lines))

    def say_stop(self) -> None:
        """Say why time stands still, where a stop point was hit since the command began."""
        stopped = self.hypervisor.stops.stopped
        if stopped is not None and stopped is not self.told:
            self.told = stopped
            self.say(*stop_lines(self.hypervisor))

    def say_error(self, error: AxError) -> None:
        """Say what was wrong: a line with its caret as it is, a plain message with a cross before it."""
        bare = bool(error.text) or error.message.startswith("Error:")
        self.say(*(str(error) if bare else f"✗ {error}").split("\n"))

    def observe(self, event: Event) -> None:
        """Show console output of the VMs in `consoles`, and log lines as the level says."""
        if isinstance(event, ConsoleEvent):
            if event.direction == "output" and (self.everything or event.vm in self.consoles):
                self._console(event.vm, event.data)
        elif isinstance(event, Log) and is_wanted(event, self.shell.log_level):
            self.say(log_line(event))

    def _console(self, vm: int, data: bytes) -> None:
        """Console bytes as they come; where several VMs are shown, in whole lines behind their names."""
        if not (len(self.consoles) > 1 or (self.everything and len(self.hypervisor.vms) > 1)):
            self.show(Console("", data))
            return
        line = self.lines.setdefault(vm, bytearray())
        line += data
        end = line.rfind(b"\n") + 1
        if end:
            self.show(Console(self._name(vm), bytes(line[:end])))
            del line[:end]

    def end_lines(self) -> None:
        """Show what no newline has ended yet."""
        lines, self.lines = self.lines, {}
        for vm, line in lines.items():
            if line:
                self.show(Console(self._name(vm), bytes(line) + b"\n"))

    def _name(self, vm_id: int) -> str:
        vm = self.hypervisor.vms.get(vm_id)
        return vm.name if vm else f"VM[{vm_id}]"
