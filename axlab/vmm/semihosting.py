"""Arm semihosting for guests that were given it (`[axlab] semihosting`): output on their console, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine import semihosting
from axlab.machine.semihosting import Heap
from axlab.vmm import stopping, virtual_devices
from axlab.vmm.exits import Semihosting
from axlab.vmm.host_memory import round_up
from axlab.vmm.lifecycle import StopReason
from axlab.vmm.tasks import Phase

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm


def call(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: Semihosting) -> None:
    """Do the operation in w0. A guest that ends with an exit code other than 0 has failed."""
    if exit.operation == semihosting.READ_CHARACTER:
        read_character(hv, vm, vcpu)
        return
    request = semihosting.call(vcpu.cpu, heap(vm))
    if request.output:
        virtual_devices.printed(hv, vm, request.output)
    if request.exit_code == 0:
        stopping.begin_stop(hv, vm, StopReason.GUEST_POWER_OFF)
    elif request.exit_code is not None:
        stopping.fail(hv, vm, vcpu, f"the guest ended with exit code {request.exit_code}")


def read_character(hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
    """SYS_READC: the next typed byte. Where there is none, the vCPU waits, and executes its HLT again."""
    cpu = vcpu.cpu
    if virtual_devices.has_input(vm):
        cpu.x[0] = virtual_devices.take_input(hv, vm)
        return
    cpu.pc = cpu.pc - 4 & (1 << 64) - 1
    assert vcpu.task is not None
    vcpu.task.phase = Phase.READ


def heap(vm: Vm) -> Heap:
    """The RAM between what was loaded: the lower half of it for a heap, the upper one for a stack."""
    region = vm.region_of(vm.plan.entry)
    if region is None:
        return Heap()
    inside = [piece for piece in vm.plan.pieces if region.contains(piece.gpa)]
    base = round_up(max((piece.end for piece in inside if piece.gpa <= vm.plan.entry), default=region.gpa), 16)
    top = min((piece.gpa for piece in inside if piece.gpa >= base), default=region.end)
    middle = base + (top - base) // 2 // 16 * 16
    return Heap(base, middle, top, middle)
