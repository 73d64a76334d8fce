"""What is measured of every run of guests, beside what its trace says."""

from __future__ import annotations

from typing import Any

from axlab.lab import Lab
from axlab.trace.table import Names


def measures(lab: Lab, began: int) -> dict[str, Any]:
    """Of the run since virtual time `began`: how long vCPUs waited for a physical CPU, and the VMs at its end."""
    waits = ready_to_running(lab, began)
    vms = list(lab.hypervisor.vms)
    return {
        "elapsed_ns": lab.hypervisor.now - began,
        "latency_ns": sum(waits) / len(waits) if waits else None,
        "latency_max_ns": max(waits, default=None),
        "stopped": sum(str(vm.state) == "Stopped" for vm in vms),
        "failed": "; ".join(f"{vm.name}: {vm.fault or vm.reason}" for vm in vms if str(vm.state) == "Failed"),
    }


def ready_to_running(lab: Lab, began: int) -> list[int]:
    """Virtual ns from every moment at which a vCPU became ready to that at which it ran; empty without a trace."""
    table = lab.trace.recorder.table("vcpu_states")
    new = table.stores["new"]
    assert isinstance(new, Names)
    columns = (table.stores[name].rows() for name in ("time", "vm", "vcpu", "new"))
    since: dict[tuple[int, int], int] = {}
    waits = []
    for time, vm, vcpu, state in zip(*columns, strict=True):
        if state == "Ready":
            since.setdefault((vm, vcpu), time)
        elif (vm, vcpu) in since:
            ready = since.pop((vm, vcpu))
            if state == "Running" and ready >= began:
                waits.append(time - ready)
    return waits


def vcpus(lab: Lab) -> list[dict[str, Any]]:
    """The vCPUs at the end of a run: the table `vcpus` of SQL."""
    return [
        {
            "vm": vm.id,
            "name": vm.name,
            "vcpu": vcpu.id,
            "state": str(vcpu.state),
            "instructions": vcpu.instructions,
            "exits": sum(vcpu.exits.values()),
        }
        for vm in lab.hypervisor.vms
        for vcpu in vm.vcpus
    ]
