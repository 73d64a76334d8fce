"""Looking into a guest from outside: its program counter and memory, without disturbing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.machine.walks import Walk, walk, walk_stage2
from axlab.shell.arguments import VcpuReference, VmReference
from axlab.shell.selection import Unknown, look_up_one, look_up_vcpu
from axlab.vmm import guest_memory

if TYPE_CHECKING:
    from axlab.shell.context import Context


def the_vm(context: Context, reference: VmReference) -> Any:
    """The VM that is meant. Raises AxError where there is none."""
    found = look_up_one(context.hypervisor, reference)
    if isinstance(found, Unknown):
        raise AxError(found.message.removeprefix("✗ "))
    return found


def the_vcpu(context: Context, reference: VcpuReference) -> Any:
    """The vCPU that is meant. Raises AxError where there is none."""
    found = look_up_vcpu(context.hypervisor, reference)
    if isinstance(found, Unknown):
        raise AxError(found.message.removeprefix("✗ "))
    return found


def vcpu_of(vm: Any, number: int) -> Any:
    """A vCPU of a VM by its number. Raises AxError where it has none."""
    for vcpu in vm.vcpus:
        if vcpu.id == number:
            return vcpu
    raise AxError(f"VM[{vm.id}] has no vCPU {number}: it has {len(vm.vcpus)}, numbered from 0")


def walked(vcpu: Any, address: int, physical: bool = False, access: str = "r") -> Walk:
    """The table walk for an address, as this vCPU would make it now at its exception level."""
    if physical:
        return walk_stage2(vcpu.cpu, address, access)
    return walk(vcpu.cpu, address, access, vcpu.cpu.el)


def instruction_at(vcpu: Any, address: int, physical: bool = False) -> tuple[int, str]:
    """The word at an address, and what it says in assembly."""
    from axlab.machine.isa.disassembler import disassemble

    word = int.from_bytes(guest_memory.read(vcpu.cpu, address, 4, physical), "little")
    return word, disassemble(word, address)


def located(vcpu: Any, pc: int | None = None) -> dict[str, Any]:
    """Where a vCPU stands: its program counter (or another) and the instruction there."""
    pc = vcpu.cpu.pc if pc is None else pc
    try:
        instruction = instruction_at(vcpu, pc)[1]
    except AxError as error:
        instruction = f"({error.message})"
    return {"vcpu": vcpu.id, "pc": pc, "instruction": instruction}
