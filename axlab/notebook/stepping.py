"""Letting one vCPU go a little: one instruction, over a call, or to an address."""

from __future__ import annotations

from typing import Any

from axlab.errors import AxError
from axlab.notebook.scene import Answer
from axlab.notebook.vcpu_state import is_call
from axlab.shell.running import advance, progress_of
from axlab.units import TIME_UNITS, format_duration
from axlab.vmm.stops import StopPoint

LIMIT = TIME_UNITS["s"]  # of virtual time
OWNER = "vCPU view"
TURNS = 20_000  # instructions that others may execute before this vCPU has its turn
ENDS = {"idle": "nothing can happen any more", "interrupted": "interrupted", "stop": "a stop point was reached"}


def step(lab: Any, vm: Any, vcpu: Any) -> Answer:
    """Execute one instruction of a vCPU; others go on beside it. Raises AxError where it cannot."""
    check_runs(vm)
    goal = vcpu.instructions + 1
    until = lab.hypervisor.now + LIMIT
    why = "instructions"
    for _ in range(TURNS):
        if vcpu.instructions >= goal:
            return Answer(moved=True)
        why = advance(lab.hypervisor, until - lab.hypervisor.now, max_instructions=1)
        if why != "instructions":
            break
    if vcpu.instructions >= goal:
        return Answer(moved=True)
    waits = f" (it waits for {vcpu.wait_reason})" if vcpu.wait_reason else ""
    return Answer(f"vCPU {vm.id}.{vcpu.id} executed nothing{waits}: {ended(why)}", ok=False, moved=True)


def step_over(lab: Any, vm: Any, vcpu: Any) -> Answer:
    """Execute one instruction; a call with all that it does."""
    check_runs(vm)
    return run_to(lab, vm, vcpu, vcpu.cpu.pc + 4) if is_call(vcpu) else step(lab, vm, vcpu)


def run_to(lab: Any, vm: Any, vcpu: Any, address: int) -> Answer:
    """Run until the vCPU is about to execute the instruction at `address`, for 1 s of virtual time at most."""
    check_runs(vm)
    hypervisor = lab.hypervisor
    if address % 4:
        raise AxError(f"no instruction is at {address:#x}: instructions are at multiples of 4")
    place = StopPoint(0, f"{address:#x}", vm.id, vcpu.id, frozenset([address]), owner=OWNER)
    hypervisor.stops.add(hypervisor, place)
    try:
        with progress_of(lab) as looks:
            why = advance(hypervisor, LIMIT, progress=looks)
    finally:
        hypervisor.stops.remove(hypervisor, place.number)
    if vcpu.cpu.pc == address:
        return Answer(moved=True)
    return Answer(f"{address:#x} was not reached: {ended(why)}", ok=False, moved=True)


def ended(why: str) -> str:
    return ENDS.get(why, f"{format_duration(LIMIT)} of virtual time has passed" if why == "time" else why)


def check_runs(vm: Any) -> None:
    """Raises AxError where the VM executes no instructions."""
    if vm.state != "Running":
        raise AxError(f"VM[{vm.id}] is {vm.state}; only a running VM executes instructions")
