"""How recordings begin and end: what of each vCPU's execution goes into which recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from axlab.trace.executed import LEVELS, MEMORY, Accesses, Executed, Recording
from axlab.trace.scope import Scope


def attach(cpu: Any, recording: Recording | Accesses) -> None:
    """Let a CPU record into a recording."""
    if isinstance(recording, Accesses):
        cpu.record_accesses(recording.trace)
    else:
        cpu.record(recording.trace)


def record_vcpu(executed: Executed, vm: int, vcpu: Any, level: str, scope: Scope) -> None:
    """Record a vCPU at a level, or end it; one that is recorded already, and in the same scope, goes on."""
    cpu = vcpu.cpu
    known = executed.find(cpu.trace)
    if level in LEVELS:
        if known is None or known.scope != scope:
            known = executed.begin(vm, vcpu.id, cpu.ns_per_instruction, scope)
            attach(cpu, known)
        known.level = level
    elif known is not None:
        end_recordings([cpu], [known])
    accesses = executed.find_accesses(cpu.accesses)
    if level == MEMORY and (accesses is None or accesses.scope != scope):
        attach(cpu, executed.begin_accesses(vm, vcpu.id, scope))
    elif level != MEMORY and accesses is not None:
        end_recordings([cpu], [accesses])


def end_recordings(cpus: Iterable[Any], over: list[Recording | Accesses]) -> None:
    """These recordings are over: the CPUs that record into them do so no more."""
    for cpu in cpus:
        if any(one.trace is cpu.trace for one in over):
            cpu.record(None)
        if any(one.trace is cpu.accesses for one in over):
            cpu.record_accesses(None)
    for one in over:
        one.goes_on = False
