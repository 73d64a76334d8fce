"""`vm start`, `stop`, `suspend`, `resume`, `restart`, `reset`: the lifecycle, in AxVisor's words.

What is admitted is the lifecycle table's affair: the hypervisor asks it and refuses with its verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axlab.errors import AxError
from axlab.shell import foreground
from axlab.shell.arguments import Duration, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Flag, Option, command
from axlab.shell.parts import FORCE_STOP, vms
from axlab.shell.results import Outcome, OutcomesResult, Result
from axlab.shell.running import DEFAULT_LIMIT, GONE, wait_until
from axlab.shell.selection import Unknown, look_up

SUSPEND_TRIES, STOP_TRIES = 10, 50  # of 100 ms of virtual time each

Operation = Callable[[Context, Any], tuple[bool, str]]


def for_each(context: Context, name: str, references: list[VmReference], operation: Operation) -> OutcomesResult:
    """Do `operation` with every VM that is meant; it returns whether it worked, and the verdict if not."""
    outcomes = []
    found = look_up(context.hypervisor, references)
    if not found and name != "start":
        context.say("No virtual machines found.")
    for vm in found:
        if isinstance(vm, Unknown):
            context.say(vm.message)
            outcomes.append(Outcome(vm.id, vm.reference.text, False, "", vm.message))
        else:
            label, number = vm.name, vm.id
            ok, message = operation(context, vm)
            outcomes.append(Outcome(number, label, ok, str(vm.state), message))
    return OutcomesResult(
        ok=all(outcome.ok for outcome in outcomes), operation=name, vms=outcomes, transcript=context.transcript
    )


def start_one(context: Context, vm: Any) -> tuple[bool, str]:
    """Start, and say so."""
    try:
        context.hypervisor.start(vm)
    except AxError as error:
        context.say(f"✗ VM[{vm.id}] failed to start: {error.message}")
        return False, error.message
    context.say(f"✓ VM[{vm.id}] started successfully")
    return True, ""


def start_by_force(context: Context, vm: Any) -> tuple[bool, str]:
    """Stop what is in the way, which takes virtual time, then start."""
    if vm.state in ("Running", "Suspended", "Stopping", "Loading"):
        context.say(f"Force stopping VM[{vm.id}]...")
        context.hypervisor.stop(vm, force=True)
        wait_until(context.lab, lambda: vm.state in GONE, STOP_TRIES)
    return start_one(context, vm)


def start_unless_skipped(context: Context, vm: Any) -> tuple[bool, str]:
    """As `vm start` without names does: what cannot start is left alone with a warning."""
    if vm.state == "Running":
        context.say(f"⚠ VM[{vm.id}] is already running, skipping")
    elif vm.state not in ("Loaded", *GONE):
        context.say(f"⚠ VM[{vm.id}] is in {vm.state} state, cannot start")
    else:
        return start_one(context, vm)
    return True, "skipped"


@command(
    "vm start",
    "Start virtual machines",
    vms("start", minimum=0, summary="Ids, names, ranges such as 0-3, or all; none: all that can start"),
    Option("for", Duration(), "Limit of virtual time in the foreground", default=None),
    Flag("detach", "Run in background mode", short="d"),
    Flag("force", "Start also what would be skipped, by stopping it first"),
)
def start(context: Context, vms: list[VmReference], for_: int | None, detach: bool, force: bool) -> Result:
    """Start VMs.

    Without --detach the machine then runs, and shows their consoles, until every one of them has
    stopped or sleeps with nothing to wake it, for at most 1 s of virtual time or what --for says.
    """
    every = not vms or any(reference.kind == "all" for reference in vms)
    names = vms or [VmReference("all", "all")]
    operation = start_by_force if force else start_unless_skipped if every else start_one
    result = for_each(context, "start", names, operation)
    started = [outcome.vm for outcome in result.vms if outcome.ok and outcome.message != "skipped"]
    if every:
        context.say(f"Started {len(started)} VM(s)")
    if detach:
        context.say("VMs started in background mode")
    elif started and not context.shell.live:
        limit = DEFAULT_LIMIT if for_ is None else for_
        run = foreground.run(context, [context.hypervisor.vms.get(number) for number in started], limit)
        result.ok = result.ok and run.why != "interrupted"
    return result


def stop_one(context: Context, vm: Any, force: bool) -> tuple[bool, str]:
    """Stop, with the banner of the state that it was in; a refusal is one line."""
    before = str(vm.state)
    try:
        context.hypervisor.stop(vm, force=force)
    except AxError as error:
        context.say(f"✗ Failed to stop VM[{vm.id}]: {error.message}")
        return False, error.message
    if before in ("Loaded", "Loading"):
        context.say(f"⚠ VM[{vm.id}] is in {before} state, stopping anyway...")
    else:
        context.say(f"{'Force' if force else 'Gracefully'} stopping VM[{vm.id}]...")
    context.say(
        f"✓ VM[{vm.id}] stop signal sent successfully",
        "  Note: VCpu threads will exit gracefully, VM status will transition to Stopped",
    )
    return True, ""


@command("vm stop", "Stop virtual machines", vms("stop"), FORCE_STOP)
def stop(context: Context, vms: list[VmReference], force: bool) -> Result:
    """Stop VMs.

    A guest that listens to its power button has 2 s of virtual time to power itself off; any other
    leaves at its next exit, and with --force at once.
    """
    return for_each(context, "stop", vms, lambda context, vm: stop_one(context, vm, force))


def suspend_one(context: Context, vm: Any) -> tuple[bool, str]:
    """Suspend, and wait until every vCPU that is on is Blocked."""
    context.say(f"Suspending VM[{vm.id}]...")
    try:
        context.hypervisor.suspend(vm)
    except AxError as error:
        context.say(f"✗ Failed to suspend VM[{vm.id}]: {error.message}")
        return False, error.message
    running = [vcpu for vcpu in vm.vcpus if vcpu.power != "Off"]
    context.say(
        f"✓ VM[{vm.id}] suspend signal sent",
        f"  Note: {len(running)} VCpu task(s) will enter wait queue at next VMExit",
        "  Waiting for VCpus to suspend...",
    )
    if wait_until(context.lab, lambda: all(vcpu.state == "Blocked" for vcpu in running), SUSPEND_TRIES):
        context.say("✓ All VCpu tasks are now suspended")
    else:
        context.say(
            "⚠ Some VCpu tasks may still be transitioning to suspended state",
            "  VCpus will suspend at next VMExit (timer interrupt, I/O, etc.)",
        )
    context.say(f"  Use 'vm resume {vm.id}' to resume the VM")
    return True, ""


@command("vm suspend", "Suspend running virtual machines", vms("suspend"))
def suspend(context: Context, vms: list[VmReference]) -> Result:
    return for_each(context, "suspend", vms, suspend_one)


def resume_one(context: Context, vm: Any) -> tuple[bool, str]:
    context.say(f"Resuming VM[{vm.id}]...")
    try:
        context.hypervisor.resume(vm)
    except AxError as error:
        context.say(f"✗ Failed to resume VM[{vm.id}]: {error.message}")
        return False, error.message
    context.say(f"✓ VM[{vm.id}] resumed successfully")
    return True, ""


@command("vm resume", "Resume suspended virtual machines", vms("resume"))
def resume(context: Context, vms: list[VmReference]) -> Result:
    return for_each(context, "resume", vms, resume_one)


def restart_one(context: Context, vm: Any, force: bool) -> tuple[bool, str]:
    """Stop, wait and start: one table row of AxVisor's per state."""
    context.say(f"Restarting VM[{vm.id}]...")
    state = str(vm.state)
    if state in ("Loaded", *GONE):
        context.say(f"VM[{vm.id}] is already stopped, starting...")
        return start_one(context, vm)
    if state == "Loading":
        context.say(f"✗ VM[{vm.id}] is still loading, cannot restart")
        return False, "still loading"
    if state == "Stopping":
        if not force:
            context.say(
                f"⚠ VM[{vm.id}] is currently stopping",
                f"  Wait for shutdown to complete, then use 'vm start {vm.id}'",
            )
            return False, "currently stopping"
        context.say(f"⚠ VM[{vm.id}] is currently stopping, waiting...")
        context.hypervisor.stop(vm, force=True)
    else:
        context.say(f"Stopping VM[{vm.id}]...")
        ok, message = stop_one(context, vm, force)
        if not ok:
            return False, message
        context.say(f"Waiting for VM[{vm.id}] to stop completely...")
    return start_when_stopped(context, vm)


def start_when_stopped(context: Context, vm: Any) -> tuple[bool, str]:
    """The second half of a restart: nothing is started that has not stopped."""
    hypervisor = context.hypervisor
    wait_until(context.lab, lambda: vm.state != "Stopping" or vm.id not in hypervisor.vms, STOP_TRIES)
    if hypervisor.vms.get(vm.id) is not vm:
        context.say(f"✗ VM[{vm.id}] no longer exists")
        return False, "no longer exists"
    if vm.state == "Stopping":
        context.say(f"⚠ VM[{vm.id}] stop timeout")
        return False, "stop timeout"
    if vm.state not in GONE:
        context.say(f"⚠ VM[{vm.id}] in unexpected state: {vm.state}")
        return False, f"unexpected state: {vm.state}"
    context.say(f"✓ VM[{vm.id}] stopped successfully", f"Starting VM[{vm.id}]...")
    return start_one(context, vm)


@command("vm restart", "Restart virtual machines", vms(), FORCE_STOP)
def restart(context: Context, vms: list[VmReference], force: bool) -> Result:
    """Restart VMs.

    Each is stopped, waited for (at most 5 s of virtual time) and started again, as good as new.
    """
    return for_each(context, "restart", vms, lambda context, vm: restart_one(context, vm, force))


def reset_one(context: Context, vm: Any) -> tuple[bool, str]:
    try:
        context.hypervisor.reset(vm)
    except AxError as error:
        context.say(f"✗ Failed to reset VM[{vm.id}]: {error.message}")
        return False, error.message
    context.say(f"✓ VM[{vm.id}] reset")
    return True, ""


@command("vm reset", "Reset virtual machines at once, as their reset button would", vms("suspend"))
def reset(context: Context, vms: list[VmReference]) -> Result:
    return for_each(context, "reset", vms, reset_one)
