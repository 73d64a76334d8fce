"""Every state, every command, every flag: what is said, word for word, and where it leads.

The texts are AxVisor's.
"""

from __future__ import annotations

import pytest
from shell_labs import said
from test_shell_states import check_invariants, in_state

from axlab.vmm.lifecycle import VmStatus

GONE = "gone"
SIGNAL = (
    "✓ VM[0] stop signal sent successfully",
    "  Note: VCpu threads will exit gracefully, VM status will transition to Stopped",
)
STARTED = "✓ VM[0] started successfully"
DETACHED = "VMs started in background mode"
SUSPENDED = (
    "Suspending VM[0]...",
    "✓ VM[0] suspend signal sent",
    "  Note: 1 VCpu task(s) will enter wait queue at next VMExit",
    "  Waiting for VCpus to suspend...",
    "✓ All VCpu tasks are now suspended",
    "  Use 'vm resume 0' to resume the VM",
)
RESTARTED = ("Restarting VM[0]...", "VM[0] is already stopped, starting...", STARTED)
WAITED = ("Waiting for VM[0] to stop completely...", "✓ VM[0] stopped successfully", "Starting VM[0]...", STARTED)
JOINED = ("  Waiting for VCpu threads to exit...", "✓ VM[0] removed from VM list")
DELETED = ("✓ VM[0] deleted completely", "  ✓ VM will be freed immediately", "✓ VM[0] deletion completed")
KEPT = ("✓ VM[0] deleted (configuration and data preserved)", *DELETED[1:])
STOP, FORCE = "Gracefully stopping VM[0]...", "Force stopping VM[0]..."
STAYS = "Use --force to force delete"


def refused(operation: str, verdict: str) -> str:
    return f"✗ Failed to {operation} VM[0]: {verdict}"


def not_started(verdict: str) -> tuple[str, ...]:
    return (f"✗ VM[0] failed to start: {verdict}", DETACHED)


def suspend_refused(verdict: str) -> tuple[str, ...]:
    return ("Suspending VM[0]...", refused("suspend", verdict))


def resume_refused(verdict: str) -> tuple[str, ...]:
    return ("Resuming VM[0]...", refused("resume", verdict))


def sent(state: str) -> str:
    return f"  VM[0] is {state}, sending shutdown signal..."


AS_STOPPED: dict[str, tuple[str, ...]] = {
    "start 0 -d": (STARTED, DETACHED),
    "start -d": (STARTED, "Started 1 VM(s)", DETACHED),
    "start 0 -d --force": (STARTED, DETACHED),
    "stop 0": (refused("stop", "VM is already stopped"),),
    "stop 0 -f": (refused("stop", "VM is already stopped"),),
    "suspend 0": suspend_refused("VM is stopped, cannot suspend"),
    "resume 0": resume_refused("VM is stopped, use 'vm start' instead"),
    "restart 0": RESTARTED,
    "restart 0 -f": RESTARTED,
    "delete 0": ("Deleting stopped VM[0]...", *JOINED, *DELETED),
    "delete 0 -f": ("Deleting stopped VM[0]...", *JOINED, *DELETED),
    "delete 0 --keep-data": ("Deleting stopped VM[0]...", *JOINED, *KEPT),
}
SAYS: dict[VmStatus, dict[str, tuple[str, ...]]] = {
    VmStatus.LOADING: {
        "start 0 -d": not_started("VM is still loading"),
        "suspend 0": suspend_refused("VM is loading, cannot suspend"),
        "resume 0": resume_refused("VM is loading, cannot resume"),
        "restart 0": ("Restarting VM[0]...", "✗ VM[0] is still loading, cannot restart"),
        "restart 0 -f": ("Restarting VM[0]...", "✗ VM[0] is still loading, cannot restart"),
        "delete 0": ("⚠ VM[0] is in Loading state", STAYS),
    },
    VmStatus.LOADED: {
        "start 0 -d": (STARTED, DETACHED),
        "start -d": (STARTED, "Started 1 VM(s)", DETACHED),
        "start 0 -d --force": (STARTED, DETACHED),
        "stop 0": ("⚠ VM[0] is in Loaded state, stopping anyway...", *SIGNAL),
        "stop 0 -f": ("⚠ VM[0] is in Loaded state, stopping anyway...", *SIGNAL),
        "suspend 0": suspend_refused("VM is not running, cannot suspend"),
        "resume 0": resume_refused("VM is not started yet, use 'vm start' instead"),
        "restart 0": RESTARTED,
        "restart 0 -f": RESTARTED,
        "delete 0": ("⚠ VM[0] is in Loaded state", STAYS),
        "delete 0 -f": ("⚠ VM[0] is in Loaded state", *JOINED, *DELETED),
        "delete 0 -f --keep-data": ("⚠ VM[0] is in Loaded state", *JOINED, *KEPT),
    },
    VmStatus.RUNNING: {
        "start 0 -d": not_started("VM is already running"),
        "start -d": ("⚠ VM[0] is already running, skipping", "Started 0 VM(s)", DETACHED),
        "start 0 -d --force": (FORCE, STARTED, DETACHED),
        "stop 0": (STOP, *SIGNAL),
        "stop 0 -f": (FORCE, *SIGNAL),
        "suspend 0": SUSPENDED,
        "resume 0": resume_refused("VM is already running"),
        "restart 0": ("Restarting VM[0]...", "Stopping VM[0]...", STOP, *SIGNAL, *WAITED),
        "restart 0 -f": ("Restarting VM[0]...", "Stopping VM[0]...", FORCE, *SIGNAL, *WAITED),
        "delete 0": ("✗ VM[0] is currently running", "  Use 'vm stop 0' first, or use '--force'"),
        "delete 0 -f": ("⚠ Force deleting running VM[0]...", sent("Running"), *JOINED, *DELETED),
        "delete 0 -f --keep-data": ("⚠ Force deleting running VM[0]...", sent("Running"), *JOINED, *KEPT),
    },
    VmStatus.SUSPENDED: {
        "start 0 -d": not_started("VM is suspended, use 'vm resume' instead"),
        "start -d": ("⚠ VM[0] is in Suspended state, cannot start", "Started 0 VM(s)", DETACHED),
        "start 0 -d --force": (FORCE, STARTED, DETACHED),
        "stop 0": (STOP, *SIGNAL),
        "stop 0 -f": (FORCE, *SIGNAL),
        "suspend 0": suspend_refused("VM is already suspended"),
        "resume 0": ("Resuming VM[0]...", "✓ VM[0] resumed successfully"),
        "restart 0": ("Restarting VM[0]...", "Stopping VM[0]...", STOP, *SIGNAL, *WAITED),
        "restart 0 -f": ("Restarting VM[0]...", "Stopping VM[0]...", FORCE, *SIGNAL, *WAITED),
        "delete 0": ("⚠ VM[0] is in Suspended state", STAYS),
        "delete 0 -f": ("⚠ VM[0] is in Suspended state", sent("Suspended"), *JOINED, *DELETED),
    },
    VmStatus.STOPPING: {
        "start 0 -d": not_started("VM is stopping, wait for it to fully stop"),
        "start -d": ("⚠ VM[0] is in Stopping state, cannot start", "Started 0 VM(s)", DETACHED),
        "start 0 -d --force": (FORCE, STARTED, DETACHED),
        "stop 0": (refused("stop", "VM is already stopping"),),
        "stop 0 -f": (FORCE, *SIGNAL),
        "suspend 0": suspend_refused("VM is stopping, cannot suspend"),
        "resume 0": resume_refused("VM is stopping, cannot resume"),
        "restart 0": (
            "Restarting VM[0]...", "⚠ VM[0] is currently stopping",
            "  Wait for shutdown to complete, then use 'vm start 0'",
        ),
        "restart 0 -f": ("Restarting VM[0]...", "⚠ VM[0] is currently stopping, waiting...", *WAITED[1:]),
        "delete 0": ("⚠ VM[0] is currently stopping", "  Wait for it to stop, or use '--force'"),
        "delete 0 -f": ("⚠ Force deleting stopping VM[0]...", sent("Stopping"), *JOINED, *DELETED),
    },
    VmStatus.STOPPED: AS_STOPPED,
    VmStatus.FAILED: AS_STOPPED,
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "command"), [(state, command) for state, commands in SAYS.items() for command in commands]
)
def test_a_command_says_in_every_state_what_axvisor_says(state: VmStatus, command: str) -> None:
    lab = in_state(state, "    b .")
    assert said(lab.shell(f"vm {command}")) == list(SAYS[state][command])
    check_invariants(lab)


def test_every_state_is_tried() -> None:
    assert set(SAYS) == set(VmStatus)
