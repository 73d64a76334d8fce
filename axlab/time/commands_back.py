"""`vm back`, `vm forward`, `vm branches`: going to other moments of the lab's history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from axlab.errors import AxError
from axlab.shell.arguments import Duration, FilterText, Number, VmReference
from axlab.shell.commands_stops import break_point
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, command
from axlab.shell.inspecting import located, the_vm
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines
from axlab.shell.results import Result
from axlab.time.history import History
from axlab.time.tree import lines_of, tree_of
from axlab.units import format_duration
from axlab.vmm.stops import StopPoint


@dataclass(kw_only=True)
class BackResult(Result):
    """Where the lab stands now, and stood before: virtual times in ns. `end` is how far its future is known.

    `stopped` says which stop point held, where one was looked for.
    """

    time: int
    before: int
    end: int
    vm: int = -1
    vcpus: list[dict[str, Any]] = field(default_factory=list)
    stopped: Any = None


@dataclass(kw_only=True)
class BranchesResult(Result):
    """The tree of futures: each branch with its parent, where it left it, how far it is known, its commands."""

    branches: list[dict[str, Any]] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        return [*self.transcript, Lines(tuple(lines_of(self.branches)))]


def history_of(context: Context) -> History:
    """The lab's history. Raises `AxError` where none is kept."""
    history: History | None = context.lab.history
    if history is None:
        raise AxError("this lab keeps no history: it was made with history = false")
    return history


def travel(context: Context, go: Callable[[], Any]) -> bool:
    """Go somewhere; False, and nothing has changed, where a person interrupts it."""
    try:
        go()
    except KeyboardInterrupt:
        context.say("⚠ interrupted: the lab is where it was")
        return False
    return True


@command(
    "vm back",
    "Go back in time",
    one_vm(),
    Argument("count", Number(1, metavar="N"), "How many instructions of the VM", minimum=0),
    Option("to", Duration("TIME"), "To a virtual time, counted from the beginning of the lab"),
    Option("until", FilterText(), "To where this held last, such as 'pc == main' or 'mmio(uart)'"),
    Flag("continue", "To where a stop point of the VM held last: 'who wrote this?'", short="c"),
)
def back(
    context: Context, vm: VmReference, count: int | None, to: int | None, until: str | None, continue_: bool
) -> Result:
    """Make the whole lab what it was N instructions of a VM ago (1 by default), or at a time.

    Going on from there is the same future, also what was typed comes again. Whoever does something else begins
    another branch ('vm branches').
    """
    history, found, before = history_of(context), the_vm(context, vm), context.hypervisor.now
    if sum(given is not None for given in (count, to, until)) + continue_ > 1:
        raise AxError("N, --to, --until and --continue exclude each other")
    if to is not None:
        ok = travel(context, lambda: history.to(to))
    elif until is not None or continue_:
        points = stop_points(context, found, until)
        ok = travel(context, lambda: history.back_until(points))
        if ok and context.hypervisor.stops.stopped is None:
            context.say(f"✗ {until or 'a stop point'} did not hold before this moment")
            ok = False
    else:
        ok = travel(context, lambda: history.back(found.id, count or 1))
    return result_of(context, before, ok, found.id)


def stop_points(context: Context, vm: Any, until: str | None) -> list[StopPoint]:
    """That of a filter, or those of the VM that are set. Raises `AxError` where there is none."""
    if until is not None:
        return [replace(break_point(context, until, vm), number=1)]
    points = [point for point in context.hypervisor.stops.listed() if point.is_of(vm.id)]
    if not points:
        raise AxError(f"VM[{vm.id}] has no stop point to go back to; 'vm break' and 'vm watch' set one")
    return points


@command(
    "vm forward",
    "Go forward to where the lab has been",
    Option("to", Duration("TIME"), "To a virtual time, counted from the beginning of the lab"),
)
def forward(context: Context, to: int | None) -> Result:
    """Make the lab what it was at the end of its known future, or at a time of it."""
    history, before = history_of(context), context.hypervisor.now
    if to is None:
        ok = travel(context, history.to_end)
    else:
        ok = travel(context, lambda: history.to(to))
    return result_of(context, before, ok)


@command(
    "vm branches",
    "Show the futures of the lab",
    Option("go", Number(0, 1 << 20, "N"), "Go to the end of this branch"),
    table_format(),
)
def branches(context: Context, go: int | None, format: str) -> Result:
    """Show the tree of branches: where something else was done in the past, another one begins."""
    history = history_of(context)
    ok = go is None or travel(context, lambda: history.switch(go))
    return BranchesResult(ok=ok, branches=tree_of(history), format=format, transcript=context.transcript)


def result_of(context: Context, before: int, ok: bool, vm: int = -1) -> BackResult:
    """Say where the lab is now."""
    history, now = history_of(context), context.hypervisor.now
    found = context.hypervisor.vms.get(vm)
    places = [located(vcpu) for vcpu in found.vcpus if vcpu.power != "Off"] if found is not None else []
    if ok:
        was = f"it was at {format_duration(before)}" if before != now else "as before"
        context.say(f"✓ the lab is at {format_duration(now)} ({was})")
        if context.hypervisor.stops.stopped is not None:
            context.say_stop()
        context.say(*(f"  VCPU {place['vcpu']}: {place['pc']:#x}: {place['instruction']}" for place in places))
        if history.in_past:
            context.say(f"ℹ its future is known to {format_duration(history.end.now)}; 'vm forward' goes there")
    return BackResult(
        ok=ok,
        time=now,
        before=before,
        end=history.end.now,
        vm=vm,
        vcpus=places,
        stopped=context.hypervisor.stops.stopped,
        transcript=context.transcript,
    )
