"""AxVisor's hypercalls: the number in x0, arguments in x1-x6, the result in x0 (-1: unknown or failed)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab import events
from axlab.vmm.exits import Hypercall
from axlab.vmm.ivc import ChannelError, ChannelMapping

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

FAILED = -1
M64 = (1 << 64) - 1

Args = tuple[int, ...]


def publish_channel(hv: Hypervisor, vm: Vm, args: Args) -> int:
    """(key, base_ptr, size_ptr): at size_ptr is the size wanted; the channel's address and size are written."""
    key, base_pointer, size_pointer = args[:3]
    wanted = read_number(vm, size_pointer)
    check_writable(vm, base_pointer, size_pointer)
    return tell(vm, hv.channels.publish(vm, key, wanted), base_pointer, size_pointer)


def subscribe_channel(hv: Hypervisor, vm: Vm, args: Args) -> int:
    """(publisher, key, base_ptr, size_ptr): the channel's address and size are written."""
    publisher, key, base_pointer, size_pointer = args[:4]
    check_writable(vm, base_pointer, size_pointer)
    return tell(vm, hv.channels.subscribe(vm, publisher, key), base_pointer, size_pointer)


def unpublish_channel(hv: Hypervisor, vm: Vm, args: Args) -> int:
    """(key)"""
    hv.channels.unpublish(vm, args[0])
    return 0


def unsubscribe_channel(hv: Hypervisor, vm: Vm, args: Args) -> int:
    """(publisher, key)"""
    hv.channels.unsubscribe(vm, args[0], args[1])
    return 0


def debug(hv: Hypervisor, vm: Vm, args: Args) -> int:
    """AxVisor's debugging call: it answers."""
    return 0


HYPERCALLS: dict[int, tuple[str, Callable[[Hypervisor, Vm, Args], int]]] = {
    2: ("HyperVisorDebug", debug),
    3: ("HIVCPublishChannel", publish_channel),
    4: ("HIVCSubscribChannel", subscribe_channel),
    5: ("HIVCUnPublishChannel", unpublish_channel),
    6: ("HIVCUnSubscribChannel", unsubscribe_channel),
}
"""AxVisor's names and numbers. 0 and 1 take a hypervisor off a running Linux, which makes no sense here: unknown."""


def execute(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: Hypercall) -> None:
    """Run a hypercall. Whatever a guest passes, it gets a result, and nobody else notices."""
    result = FAILED
    entry = HYPERCALLS.get(exit.nr)
    if entry is None:
        hv.log("warn", f"Hypercall [{exit.nr:#x}] failed: unknown number", vm)
    else:
        try:
            result = entry[1](hv, vm, exit.args)
        except ChannelError as error:
            hv.log("warn", f"Hypercall [{exit.nr:#x}] failed: {error}", vm)
    vcpu.cpu.set_x(0, 1, result & M64)
    if hv.events.observers:
        hv.events.emit(events.Hypercall(hv.now, vm.id, vcpu.id, exit.nr, exit.args, result))


def read_number(vm: Vm, gpa: int) -> int:
    """A 64-bit number of guest memory."""
    data = vm.read(gpa, 8)
    if data is None:
        raise ChannelError(f"{gpa:#x} is no RAM of VM[{vm.id}]")
    return int.from_bytes(data, "little")


def check_writable(vm: Vm, *addresses: int) -> None:
    """Results need a place: look before anything is done."""
    for gpa in addresses:
        data = vm.read(gpa, 8)
        if data is None or not vm.write(gpa, data):
            raise ChannelError(f"{gpa:#x} is no writable RAM of VM[{vm.id}]")


def tell(vm: Vm, mapping: ChannelMapping, base_pointer: int, size_pointer: int) -> int:
    """Write a channel's guest address and size where the guest wants them."""
    vm.write(base_pointer, mapping.gpa.to_bytes(8, "little"))
    vm.write(size_pointer, mapping.channel.size.to_bytes(8, "little"))
    return 0
