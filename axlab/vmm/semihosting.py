"""Arm semihosting (the calls that a guest's test programs use): HLT 0xF000 with the operation in w0.

Only the calls that need nothing but the VM's own console: a guest reaches no file of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab import events
from axlab.vmm.exits import Semihosting
from axlab.vmm.lifecycle import StopReason

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

MAX_STRING = 4096
FAILED = -1
M64 = (1 << 64) - 1


def write_character(hv: Hypervisor, vm: Vm, parameter: int) -> int:
    """SYS_WRITEC: the character at the parameter's address."""
    return put(hv, vm, vm.read(parameter, 1))


def write_string(hv: Hypervisor, vm: Vm, parameter: int) -> int:
    """SYS_WRITE0: a string that ends in 0."""
    text = bytearray()
    while len(text) < MAX_STRING and (byte := vm.read(parameter + len(text), 1)) not in (None, b"\0"):
        text += byte or b""
    return put(hv, vm, bytes(text))


def put(hv: Hypervisor, vm: Vm, data: bytes | None) -> int:
    if data is None:
        return FAILED
    vm.console.output += data
    vm.folder.console(hv.now, data)
    if hv.events.observers:
        hv.events.emit(events.Console(hv.now, vm.id, data))
    return 0


def clock(hv: Hypervisor, vm: Vm, parameter: int) -> int:
    """SYS_CLOCK: hundredths of a second of virtual time."""
    return hv.now // 10_000_000


def leave(hv: Hypervisor, vm: Vm, parameter: int) -> int:
    """SYS_EXIT: the guest is done."""
    hv.begin_stop(vm, StopReason.GUEST_POWER_OFF)
    return 0


CALLS: dict[int, Callable[[Hypervisor, Vm, int], int]] = {
    0x03: write_character,
    0x04: write_string,
    0x10: clock,
    0x18: leave,
}


def call(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: Semihosting) -> None:
    """Do the call. Parameters are guest physical addresses: the caller's MMU is off, or maps one to one."""
    operation = CALLS.get(exit.operation)
    result = FAILED if operation is None else operation(hv, vm, exit.parameter)
    vcpu.cpu.set_x(0, 1, result & M64)
