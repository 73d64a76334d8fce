"""Inter-VM communication: memory that one VM publishes under a key and others subscribe to.

A channel is host memory that is mapped into the publisher and every subscriber, at an address from
the range of their IVC device (`emu_devices`, type 0xA). It begins with a header that the hypervisor
writes: the publisher's id and the key, 8 bytes each, little-endian. It is freed with its last user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.units import GuestPhysAddr, HostPhysAddr
from axlab.vmm import stage2
from axlab.vmm.host_memory import HostMemory, round_up

if TYPE_CHECKING:
    from axlab.machine.memory import Memory
    from axlab.vmm.vm import Vm

IVC_CHANNEL = 0x0A  # type of emu_devices
MAX_SIZE = 16 << 20
HEADER_SIZE = 16


class ChannelError(Exception):
    """A guest's call cannot be carried out: it gets -1, and the log the reason."""


@dataclass(eq=False)
class Channel:
    """`size` bytes of host memory at `hpa`. `published`: new subscribers are admitted. `users` are VM ids."""

    publisher: int
    key: int
    hpa: HostPhysAddr
    size: int
    published: bool = True
    users: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChannelMapping:
    """Where a VM has a channel: guest physical address, and whether as its publisher."""

    channel: Channel
    gpa: GuestPhysAddr
    is_publisher: bool


class Channels:
    """All channels of the host."""

    def __init__(self, memory: Memory, host: HostMemory) -> None:
        self.memory = memory
        self.host = host
        self.channels: list[Channel] = []

    def find(self, publisher: int, key: int) -> Channel | None:
        """The channel that a VM publishes under a key now."""
        wanted = (publisher, key, True)
        return next((c for c in self.channels if (c.publisher, c.key, c.published) == wanted), None)

    def publish(self, vm: Vm, key: int, size: int) -> ChannelMapping:
        """A new channel of at least `size` bytes, mapped into its publisher."""
        if self.find(vm.id, key) is not None:
            raise ChannelError(f"VM[{vm.id}] publishes key {key:#x} already")
        size = max(round_up(min(size, MAX_SIZE)), round_up(HEADER_SIZE))
        gpa = free_range(vm, size)
        try:
            hpa = self.host.allocate(size, f"IVC channel {key:#x} of VM[{vm.id}]")
        except AxError as error:
            raise ChannelError(error.message) from None
        channel = Channel(vm.id, key, hpa, size)
        self.memory.zero(hpa, size)
        self.memory.write_int(hpa, 8, vm.id)
        self.memory.write_int(hpa + 8, 8, key)
        self.channels.append(channel)
        return self._attach(vm, channel, gpa, True)

    def subscribe(self, vm: Vm, publisher: int, key: int) -> ChannelMapping:
        """Map a published channel into another VM."""
        channel = self.find(publisher, key)
        if channel is None:
            raise ChannelError(f"VM[{publisher}] publishes no key {key:#x}")
        if vm.id in channel.users:
            raise ChannelError(f"VM[{vm.id}] has the channel {key:#x} of VM[{publisher}] already")
        return self._attach(vm, channel, free_range(vm, channel.size), False)

    def unpublish(self, vm: Vm, key: int) -> None:
        """The publisher leaves its channel; subscribers keep theirs until they unsubscribe."""
        mapping = next((m for m in vm.channels if m.is_publisher and m.channel.key == key), None)
        if mapping is None:
            raise ChannelError(f"VM[{vm.id}] publishes no key {key:#x}")
        self._detach(vm, mapping)

    def unsubscribe(self, vm: Vm, publisher: int, key: int) -> None:
        """A subscriber leaves a channel."""
        wanted = (publisher, key, False)
        held = ((m, (m.channel.publisher, m.channel.key, m.is_publisher)) for m in vm.channels)
        mapping = next((m for m, identity in held if identity == wanted), None)
        if mapping is None:
            raise ChannelError(f"VM[{vm.id}] does not subscribe to key {key:#x} of VM[{publisher}]")
        self._detach(vm, mapping)

    def leave_all(self, vm: Vm) -> None:
        """A VM has stopped: nothing of it stays behind."""
        for mapping in list(vm.channels):
            self._detach(vm, mapping)

    def _attach(self, vm: Vm, channel: Channel, gpa: int, is_publisher: bool) -> ChannelMapping:
        vm.stage2.map(gpa, channel.hpa, channel.size, stage2.READ | stage2.WRITE)
        vm.flush_tlbs()
        channel.users.append(vm.id)
        mapping = ChannelMapping(channel, GuestPhysAddr(gpa), is_publisher)
        vm.channels.append(mapping)
        return mapping

    def _detach(self, vm: Vm, mapping: ChannelMapping) -> None:
        channel = mapping.channel
        vm.stage2.unmap(mapping.gpa, channel.size)
        vm.flush_tlbs()
        vm.channels.remove(mapping)
        channel.users.remove(vm.id)
        if mapping.is_publisher:
            channel.published = False
        if not channel.users:
            self.channels.remove(channel)
            self.host.release(channel.hpa)
            self.memory.zero(channel.hpa, channel.size)


def free_range(vm: Vm, size: int) -> int:
    """A guest address for `size` bytes in the range of the VM's IVC device; `ChannelError` if there is none."""
    devices = [device for device in vm.config.devices.emu_devices if device.type == IVC_CHANNEL]
    if not devices:
        raise ChannelError(f"VM[{vm.id}] has no IVC device; give it one in emu_devices (type 0xA)")
    taken = sorted((m.gpa, m.gpa + m.channel.size) for m in vm.channels)
    for device in devices:
        start = round_up(device.base)
        for base, behind in taken:
            if start + size <= base:
                break
            start = max(start, behind) if base < device.base + device.length else start
        if start + size <= device.base + device.length:
            return start
    raise ChannelError(f"the IVC range of VM[{vm.id}] has no {size:#x} bytes left")
