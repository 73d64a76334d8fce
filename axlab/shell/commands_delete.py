"""`vm delete`: stop, join, take off the list, then remove the VM's folder and nothing else."""

from __future__ import annotations

from typing import Any

from axlab.errors import AxError
from axlab.shell.arguments import VmReference
from axlab.shell.commands_lifecycle import STOP_TRIES, for_each
from axlab.shell.context import Context
from axlab.shell.declaration import Flag, command
from axlab.shell.parts import vms
from axlab.shell.results import Result
from axlab.shell.running import GONE, wait_until


def permitted(context: Context, vm: Any, force: bool) -> bool:
    """Say what state stands in the way, and whether that is to be overridden."""
    number, state = vm.id, str(vm.state)
    if state == "Running" and not force:
        context.say(f"✗ VM[{number}] is currently running", f"  Use 'vm stop {number}' first, or use '--force'")
    elif state == "Stopping" and not force:
        context.say(f"⚠ VM[{number}] is currently stopping", "  Wait for it to stop, or use '--force'")
    elif state in ("Running", "Stopping"):
        context.say(f"⚠ Force deleting {state.lower()} VM[{number}]...")
    elif state in GONE:
        context.say(f"Deleting stopped VM[{number}]...")
        return True
    else:
        context.say(f"⚠ VM[{number}] is in {state} state", *([] if force else ["Use --force to force delete"]))
    return force


def delete_one(context: Context, vm: Any, force: bool, keep_data: bool) -> tuple[bool, str]:
    """The phases of a deletion; nothing is removed before every vCPU has left."""
    if not permitted(context, vm, force):
        return False, f"VM is {vm.state}"
    hypervisor, number = context.hypervisor, vm.id
    shut_down(context, vm)
    context.say("  Waiting for VCpu threads to exit...")
    if not wait_until(context.lab, lambda: vm.state in GONE and joined(vm), STOP_TRIES):
        context.say(f"⚠ VM[{number}] deletion timeout")
        return False, "deletion timeout"
    if hypervisor.vms.get(number) is not vm:
        context.say(f"✗ VM[{number}] not found or already removed")
        return False, "already removed"
    hypervisor.remove(vm)
    context.say(f"✓ VM[{number}] removed from VM list")
    ok = remove_data(context, vm, keep_data)
    check_references(context, vm)
    context.say(f"✓ VM[{number}] deletion completed")
    return ok, ""


def shut_down(context: Context, vm: Any) -> None:
    """Make every vCPU leave, or a VM that never ran Stopped."""
    if vm.state in ("Running", "Suspended", "Stopping"):
        context.say(f"  VM[{vm.id}] is {vm.state}, sending shutdown signal...")
    if vm.state not in GONE:
        context.hypervisor.stop(vm, force=True)


def joined(vm: Any) -> bool:
    """No vCPU has a task any more."""
    return all(vcpu.state == "Free" for vcpu in vm.vcpus)


def remove_data(context: Context, vm: Any, keep: bool) -> bool:
    """Remove the VM's folder below the lab's; a link in its place is removed, not followed."""
    if keep:
        context.say(f"✓ VM[{vm.id}] deleted (configuration and data preserved)")
        return True
    files = context.shell.files
    try:
        files.remove(f"/vms/{vm.name}", recursive=True)
    except FileNotFoundError:
        pass
    except (AxError, OSError) as error:
        context.say(f"⚠ VM[{vm.id}] deleted, but not its data in /vms/{vm.name}: {files.reason(error)}")
        return False
    context.say(f"✓ VM[{vm.id}] deleted completely")
    return True


def check_references(context: Context, vm: Any) -> None:
    """Ask the hypervisor's register who still holds the VM: nobody, or it would leak."""
    holders = context.hypervisor.holders(vm)
    if not holders:
        context.say("  ✓ VM will be freed immediately")
    else:
        names = ", ".join(holders)
        context.say(f"  ⚠ Warning: Unexpected reference count {len(holders) + 1}, possible leak! Held by: {names}")


@command(
    "vm delete",
    "Delete virtual machines",
    vms(),
    Flag("force", "Delete also a running or suspended one", short="f"),
    Flag("keep-data", "Keep its configuration, disk and log"),
)
def delete(context: Context, vms: list[VmReference], force: bool, keep_data: bool) -> Result:
    """Delete VMs.

    A VM's data is its folder /vms/NAME of the lab; nothing else is removed.
    """
    return for_each(context, "delete", vms, lambda context, vm: delete_one(context, vm, force, keep_data))
