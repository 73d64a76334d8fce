"""A foreground run: the machine runs, the consoles of some VMs are shown, and at the end it says why it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from axlab.shell.context import Context
from axlab.shell.running import DEFAULT_LIMIT, GONE, advance, at_rest, progress_of
from axlab.units import format_duration


@dataclass(frozen=True)
class Run:
    """How a run ended: `why` is stopped, asleep, limit, text, break, instructions or interrupted.

    Times are in virtual ns.
    """

    why: str
    began: int
    ended: int


def run(
    context: Context,
    vms: list[Any],
    limit: int | None = DEFAULT_LIMIT,
    until: Callable[[], bool] | None = None,
    show_all: bool = False,
) -> Run:
    """Run until every one of `vms` is at rest, `until` holds, or `limit` ns have passed. Says which."""
    hypervisor = context.hypervisor
    began = hypervisor.now
    context.consoles |= {vm.id for vm in vms}
    context.everything = context.everything or show_all

    def ended() -> bool:
        return (until is not None and until()) or (bool(vms) and at_rest(hypervisor, vms))

    with progress_of(context.lab) as progress:
        why = "stop" if ended() else advance(hypervisor, limit, ended, progress=progress)
    if why == "stop":
        why = "text" if until is not None and until() else "rest"
    run = Run(_reason(hypervisor, vms, why), began, hypervisor.now)
    context.end_lines()
    context.say(*ending(context, vms, run))
    context.say_stop()
    return run


def _reason(hypervisor: Any, vms: list[Any], why: str) -> str:
    if why in ("rest", "idle", "time"):
        if vms and all(vm.state in GONE for vm in vms):
            return "stopped"
        return "limit" if why == "time" else "asleep"
    return why


def ending(context: Context, vms: list[Any], run: Run) -> list[str]:
    """What is said when a run has ended: each VM's fate, then why the rest of them go no further."""
    lines = [line for vm in vms if (line := fate(vm))]
    left = [vm for vm in vms if vm.state not in GONE]
    passed = format_duration(run.ended - run.began)
    if run.why == "limit":
        lines.append(f"ℹ {passed} of virtual time have passed; 'vm run' goes on")
    elif run.why == "asleep":
        lines += why_at_rest(left)
    elif run.why == "interrupted":
        lines.append(f"⚠ interrupted after {passed} of virtual time; 'vm run' goes on")
    return lines


def why_at_rest(vms: list[Any]) -> list[str]:
    """Why these VMs go no further: they wait for a command, or sleep."""
    waiting = {"Loaded": "ℹ VM[{0}] is Loaded; 'vm start {0}' boots it",
               "Suspended": "ℹ VM[{0}] is Suspended; 'vm resume {0}' lets it go on"}  # fmt: skip
    lines = [waiting[vm.state].format(vm.id) for vm in vms if vm.state in waiting]
    asleep = [f"VM[{vm.id}]" for vm in vms if vm.state not in waiting]
    if len(asleep) > 1:
        lines.append(f"ℹ {', '.join(asleep)} sleep, and nothing is going to wake them")
    elif asleep or not vms:
        lines.append(f"ℹ {', '.join(asleep) or 'The machine'} sleeps, and nothing is going to wake it")
    return lines


def fate(vm: Any) -> str:
    """How a VM that has ended did so; nothing for one that has not."""
    if vm.state == "Failed":
        return f"✗ VM[{vm.id}] failed: {vm.fault or vm.reason}"
    if vm.state == "Stopped":
        return f"ℹ VM[{vm.id}] stopped: {vm.reason or 'clean'}"
    return ""
