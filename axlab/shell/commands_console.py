"""`vm console`, `vm log`, `vm config`, `vm clone`: what a VM printed, and what it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.shell.arguments import Number, Text, Typed, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Option, command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import one_vm
from axlab.shell.render import Block, Code, Console, Lines
from axlab.shell.results import Outcome, OutcomesResult, Result
from axlab.shell.screen import as_seen


@dataclass(kw_only=True)
class ConsoleResult(Result):
    """All that a VM has printed. `interactive`: a terminal may attach to it now."""

    vm: int
    name: str
    output: bytes = field(repr=False)
    sent: int = 0
    interactive: bool = False

    HIDDEN: ClassVar[frozenset[str]] = Result.HIDDEN | {"interactive"}

    def blocks(self) -> list[Block]:
        return [*self.transcript, Console("", self.output)] if self.output else self.transcript


@command(
    "vm console",
    "Show the console of a virtual machine, or type into it",
    one_vm(),
    Option("send", Typed(), "Type this text", short="s"),
)
def console(context: Context, vm: VmReference, send: bytes | None) -> Result:
    """Show a console.

    In a terminal the console is interactive; Ctrl-] leaves it. What is typed waits until the guest
    takes it.
    """
    found = the_vm(context, vm)
    if send is None:
        return ConsoleResult(vm=found.id, name=found.name, output=bytes(found.console.output), interactive=True)
    if found.state not in ("Running", "Suspended"):
        raise AxError(f"VM[{found.id}] is {found.state}; nobody reads its console")
    context.hypervisor.console_input(found, send)
    context.say(f"✓ {len(send)} byte(s) sent to VM[{found.id}]")
    return ConsoleResult(vm=found.id, name=found.name, output=b"", sent=len(send), transcript=context.transcript)


@dataclass(kw_only=True)
class LogResult(Result):
    """The last lines of a VM's log."""

    vm: int
    lines: list[str] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        return [Lines(tuple(self.lines))] if self.lines else [Lines((f"The log of VM[{self.vm}] is empty.",))]


@command(
    "vm log",
    "Show the log of a virtual machine: console and events with virtual time",
    one_vm(),
    Option("lines", Number(1, 1_000_000, "N"), "Only the last N lines", short="n", default=100),
)
def log(context: Context, vm: VmReference, lines: int) -> Result:
    found = the_vm(context, vm)
    text = found.folder.text()
    return LogResult(vm=found.id, lines=as_seen(text.rstrip("\n")).split("\n")[-lines:] if text else [])


@dataclass(kw_only=True)
class ConfigResult(Result):
    """The effective configuration of a VM, as TOML that creates its like."""

    vm: int
    toml: str

    def blocks(self) -> list[Block]:
        return [Code(self.toml)]


@command("vm config", "Show the effective configuration of a virtual machine as TOML", one_vm())
def config(context: Context, vm: VmReference) -> Result:
    found = the_vm(context, vm)
    return ConfigResult(vm=found.id, toml=found.config.anywhere().to_toml())


@command(
    "vm clone",
    "Create a virtual machine of the same configuration",
    one_vm(),
    Argument("name", Text("NAME"), "Name of the new one"),
    Option("id", Number(0, 255, "ID"), "Its id; by default the first free one"),
)
def clone(context: Context, vm: VmReference, name: str, id: int | None) -> Result:
    """Create a VM like another.

    It has the same configuration, and neither the other's memory nor its data.
    """
    found = the_vm(context, vm)
    vms = context.hypervisor.vms
    number: Any = next(free for free in range(257) if free not in vms) if id is None else id
    made = context.hypervisor.create(replace(found.config, base=replace(found.config.base, id=number, name=name)))
    context.say(f"✓ VM[{made.id}] created as a clone of VM[{found.id}]")
    outcome = Outcome(made.id, made.name, True, str(made.state))
    return OutcomesResult(operation="clone", vms=[outcome], transcript=context.transcript)
