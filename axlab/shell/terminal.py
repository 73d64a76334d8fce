"""The shell at a terminal: line editing, history, completion, and guests that run while a person types.

This is the edge where the wall clock is read: the machine is advanced in small steps, never beyond
the time that has really passed. No layer below knows of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as MenuEntry
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.keys import Keys
from prompt_toolkit.patch_stdout import patch_stdout

from axlab.errors import AxError
from axlab.events import Console as ConsoleEvent
from axlab.events import Event, Log
from axlab.shell import render
from axlab.shell.commands_console import ConsoleResult
from axlab.shell.commands_shell import ClearResult
from axlab.shell.context import is_wanted, log_line
from axlab.shell.pace import PATIENCE, Pace
from axlab.shell.progress import StatusLine, has_status_line, on_status_line
from axlab.shell.repl import Printer, say_error
from axlab.shell.results import ending
from axlab.shell.shell import PROMPT
from axlab.shell.statuses import DONE
from axlab.shell.stop_lines import stop_lines

if TYPE_CHECKING:
    from axlab.shell.shell import Shell

HISTORY_FILE = ".axlab_history"
STILL = 0.3  # seconds after which a line that has no end yet is shown above the prompt
LEAVE = Keys.ControlSquareClose


class Words(Completer):
    """The shell's completion, for prompt_toolkit."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[MenuEntry]:
        cursor = document.cursor_position
        for one in self.shell.complete(document.text, cursor):
            yield MenuEntry(one.text, one.start - cursor, display=one.display, display_meta=one.meta)


class Terminal:
    """One session at a terminal."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.printer = Printer(sys.stdout, colour="NO_COLOR" not in os.environ)
        self.waiting: list[tuple[int, bytes]] = []  # console output that is not shown yet
        self.lines: dict[int, tuple[bytes, float]] = {}  # of each VM the line that it has not ended, and since when
        self.logged: list[str] = []  # log lines that are not shown yet
        self.busy = False  # a command runs, and shows the log itself
        self.attached = -1

    def run(self) -> int:
        """Until `exit` or end of input. Returns the exit status.

        Ctrl-C clears the line, or ends what runs; between the two it does nothing.
        """
        observer = self.observe
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        self.shell.live = True
        self.shell.lab.events.add(observer)
        try:
            return asyncio.run(self.main())
        finally:
            signal.signal(signal.SIGINT, before)
            self.shell.lab.events.remove(observer)
            self.shell.live = False

    def observe(self, event: Event) -> None:
        if isinstance(event, ConsoleEvent) and event.direction == "output":
            self.waiting.append((event.vm, event.data))
        elif isinstance(event, Log) and not self.busy and is_wanted(event, self.shell.log_level):
            self.logged.append(log_line(event))

    async def main(self) -> int:
        session: PromptSession[str] = PromptSession(
            history=self.history(), completer=Words(self.shell), complete_while_typing=False
        )
        with patch_stdout(raw=True):
            self.printer.stream = sys.stdout
            if has_status_line(sys.stdout):
                self.printer.status = StatusLine(sys.stdout)
                self.shell.lab.progress = on_status_line(self.printer.status, time.monotonic)
            machine = asyncio.create_task(self.live())
            try:
                while True:
                    try:
                        line = await session.prompt_async(PROMPT)
                    except KeyboardInterrupt:
                        continue
                    except EOFError:
                        return 0
                    if (status := await self.obey(line)) is not None:
                        return status
            finally:
                machine.cancel()
                self.shell.lab.progress = None

    def history(self) -> History:
        """Lines of earlier sessions: a file in the lab's folder, where one can be written."""
        path = os.path.join(self.shell.files.root, HISTORY_FILE)
        if os.path.islink(path) or not os.access(self.shell.files.root, os.W_OK):
            return InMemoryHistory()
        return FileHistory(path)

    async def obey(self, line: str) -> int | None:
        """Run a line; returns the status if the session is over."""
        self.busy = True
        try:
            result = self.shell.execute(line, self.show)
        except AxError as error:
            say_error(error, self.printer)
            return None
        except Exception:  # a defect of AxLab ends a command, not the person's session
            print("This is a defect of AxLab, not a mistake of yours; please report it:", file=sys.stderr)
            traceback.print_exc()
            return None
        finally:
            self.busy = False
        self.printer.end_line()
        if isinstance(result, ClearResult):
            self.printer.stream.write("\x1b[2J\x1b[H")
        elif isinstance(result, ConsoleResult) and result.interactive and result.ok:
            await self.attach(result)
        last = ending(result)
        return (last.status or DONE) if last else None

    def show(self, block: render.Block) -> None:
        """A block of a command's; the console output in it was observed, too, and is not shown twice."""
        if isinstance(block, render.Console):
            self.waiting.clear()
        self.printer(block)

    async def live(self) -> None:
        """Advance the machine while the person types, and show what the guests print."""
        hypervisor = self.shell.lab.hypervisor
        pace = Pace(hypervisor.now, time.monotonic)
        while True:
            until, began = pace.goal(hypervisor.now), time.monotonic()
            why = "idle"
            if hypervisor.running_vms and until > hypervisor.now and hypervisor.stops.stopped is None:
                why = hypervisor.advance(until, stop=lambda began=began: time.monotonic() - began > PATIENCE)
            if why == "idle":
                pace.restart(hypervisor.now)
            self.print_waiting()
            if why == "break":
                self.printer(render.Lines((*stop_lines(hypervisor), "ℹ 'vm run' goes on")))
            await asyncio.sleep(0.001 if why == "stop" else 0.01)

    def print_waiting(self) -> None:
        """Show console output: of the attached VM as it is, of others line by line behind their names."""
        waiting, self.waiting = self.waiting, []
        fresh: dict[int, bytes] = {}
        for number, data in waiting:
            fresh[number] = fresh.get(number, b"") + data
        if self.attached >= 0:
            write_through(fresh.get(self.attached, b""))
            self.logged.clear()
            return
        if self.logged:
            self.printer(render.Lines(tuple(self.logged)))
            self.logged.clear()
        now = time.monotonic()
        for number in {*fresh, *self.lines}:
            line, since = self.lines.pop(number, (b"", now))
            since = now if number in fresh else since
            line += fresh.get(number, b"")
            end = len(line) if now - since > STILL else line.rfind(b"\n") + 1
            if line[:end]:
                self.printer(render.Console(self.name(number), line[:end]))
            if line[end:]:
                self.lines[number] = line[end:], since

    def name(self, number: int) -> str:
        """What stands before the lines of a VM: its name, where there are several."""
        vms = self.shell.lab.hypervisor.vms
        vm = vms.get(number)
        return vm.name if vm is not None and len(vms) > 1 else ""

    async def attach(self, console: ConsoleResult) -> None:
        """Be the VM's terminal until Ctrl-] is pressed."""
        hypervisor = self.shell.lab.hypervisor
        vm = hypervisor.vms.get(console.vm)
        print(f"Connected to VM[{console.vm}] {render.harmless(console.name)}; Ctrl-] leaves", flush=True)
        keyboard, left = create_input(), asyncio.Event()

        def typed() -> None:
            for key in keyboard.read_keys():
                if key.key == LEAVE or vm is None:
                    left.set()
                else:
                    hypervisor.console_input(vm, key.data.encode())

        self.attached = console.vm
        try:
            with keyboard.raw_mode(), keyboard.attach(typed):
                await left.wait()
        finally:
            self.attached = -1
        print(f"\nDisconnected from VM[{console.vm}]", flush=True)


def write_through(data: bytes) -> None:
    """Bytes for the person's own terminal, which the attached guest may control."""
    stream: Any = sys.__stdout__
    stream.buffer.write(data)
    stream.buffer.flush()
