"""Which VMs a command means: references looked up in the live VM list."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from axlab.shell.arguments import VcpuReference, VmReference


@dataclass(frozen=True)
class Unknown:
    """A reference that leads to no VM, and what is said of it."""

    reference: VmReference
    message: str

    @property
    def id(self) -> int:
        return self.reference.first if self.reference.kind == "id" else -1


def look_up(hypervisor: Any, references: list[VmReference]) -> list[Any]:
    """VMs in the order in which they were named, each once, and an `Unknown` for every vain reference."""
    found: list[Any] = []
    for reference in references:
        vms = _meant(hypervisor, reference)
        found += [vm for vm in vms if not any(vm is known for known in found)]
        if not vms and reference.kind != "all":
            found.append(Unknown(reference, not_found(hypervisor, reference)))
    return found


def look_up_one(hypervisor: Any, reference: VmReference) -> Any:
    """The VM, or an `Unknown`."""
    return look_up(hypervisor, [reference])[0]


def look_up_vcpu(hypervisor: Any, reference: VcpuReference) -> Any:
    """The vCPU, or an `Unknown`."""
    vm = look_up_one(hypervisor, reference.vm)
    if isinstance(vm, Unknown):
        return vm
    for vcpu in vm.vcpus:
        if vcpu.id == reference.vcpu:
            return vcpu
    has = f"it has vCPUs 0 to {len(vm.vcpus) - 1}" if len(vm.vcpus) > 1 else "its only vCPU is 0"
    return Unknown(reference.vm, f"✗ VM[{vm.id}] has no vCPU {reference.vcpu}: {has}")


def _meant(hypervisor: Any, reference: VmReference) -> list[Any]:
    if reference.kind == "all":
        return list(hypervisor.vms)
    if reference.kind == "name":
        return [vm for vm in hypervisor.vms if vm.name == reference.text]
    return list(hypervisor.vms.range(reference.first, reference.last))


def not_found(hypervisor: Any, reference: VmReference) -> str:
    """AxVisor's words for a VM that is not there, by how it was named."""
    if reference.kind == "id":
        return f"✗ VM[{reference.first}] not found"
    if reference.kind == "range":
        return f"✗ VM[{reference.text}] not found: no id in this range"
    close = difflib.get_close_matches(reference.text, [vm.name for vm in hypervisor.vms], n=1)
    return f"Error: Invalid VM ID: {reference.text}" + (f"\n  Did you mean {close[0]}?" if close else "")
