"""A VM's states and which operation each of them admits: one table that hypervisor, shell, pictures and tests read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from axlab.errors import Refused


class VmStatus(StrEnum):
    """AxVisor's VMStatus, and Failed: a guest that broke."""

    LOADING = "Loading"
    LOADED = "Loaded"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"


class StopReason(StrEnum):
    """Why a VM is Stopped or Failed."""

    CLEAN = "clean"
    GUEST_POWER_OFF = "guest power-off"
    GUEST_RESET = "guest reset"
    FORCED = "forced"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the operation happen? If not (or only with force), `message` is what the person is told."""

    admitted: bool
    message: str = ""
    forceable: bool = False


OPERATIONS = ("start", "stop", "suspend", "resume")

OK = Verdict(True)


def no(message: str) -> Verdict:
    return Verdict(False, message)


def forced(message: str) -> Verdict:
    return Verdict(False, message, forceable=True)


_STOPPED = {
    "start": OK,
    "stop": no("VM is already stopped"),
    "suspend": no("VM is stopped, cannot suspend"),
    "resume": no("VM is stopped, use 'vm start' instead"),
}

ADMITS: dict[VmStatus, dict[str, Verdict]] = {
    VmStatus.LOADING: {
        "start": no("VM is still loading"),
        "stop": OK,
        "suspend": no("VM is loading, cannot suspend"),
        "resume": no("VM is loading, cannot resume"),
    },
    VmStatus.LOADED: {
        "start": OK,
        "stop": OK,
        "suspend": no("VM is not running, cannot suspend"),
        "resume": no("VM is not started yet, use 'vm start' instead"),
    },
    VmStatus.RUNNING: {
        "start": no("VM is already running"),
        "stop": OK,
        "suspend": OK,
        "resume": no("VM is already running"),
    },
    VmStatus.SUSPENDED: {
        "start": no("VM is suspended, use 'vm resume' instead"),
        "stop": OK,
        "suspend": no("VM is already suspended"),
        "resume": OK,
    },
    VmStatus.STOPPING: {
        "start": no("VM is stopping, wait for it to fully stop"),
        "stop": forced("VM is already stopping"),
        "suspend": no("VM is stopping, cannot suspend"),
        "resume": no("VM is stopping, cannot resume"),
    },
    VmStatus.STOPPED: _STOPPED,
    VmStatus.FAILED: _STOPPED,
}

MOVES: dict[VmStatus, dict[str, VmStatus]] = {
    VmStatus.LOADING: {"created": VmStatus.LOADED, "stop": VmStatus.STOPPED},
    VmStatus.LOADED: {"start": VmStatus.RUNNING, "stop": VmStatus.STOPPED},
    VmStatus.RUNNING: {
        "suspend": VmStatus.SUSPENDED,
        "stop": VmStatus.STOPPING,
        "guest power-off": VmStatus.STOPPING,
        "guest reset": VmStatus.STOPPING,
        "fault": VmStatus.STOPPING,
    },
    VmStatus.SUSPENDED: {
        "resume": VmStatus.RUNNING,
        "stop": VmStatus.STOPPING,
        "guest power-off": VmStatus.STOPPING,  # on its way to its next exit, where it would have stood still
        "guest reset": VmStatus.STOPPING,
        "fault": VmStatus.STOPPING,
    },
    VmStatus.STOPPING: {"last vCPU left": VmStatus.STOPPED, "last vCPU left after a fault": VmStatus.FAILED},
    VmStatus.STOPPED: {"start": VmStatus.RUNNING},
    VmStatus.FAILED: {"start": VmStatus.RUNNING},
}
"""Where each operation or event leads; the drawn state machine is this table."""


def admit(state: VmStatus, operation: str, force: bool = False) -> None:
    """Return if `operation` may happen in `state`; raise `Refused` with the table's verdict otherwise."""
    verdict = ADMITS[state][operation]
    if not (verdict.admitted or verdict.forceable and force):
        raise Refused(verdict.message)


def allowed(state: VmStatus) -> tuple[str, ...]:
    """The operations that `state` admits without force, for completion and pictures."""
    return tuple(operation for operation in OPERATIONS if ADMITS[state][operation].admitted)
