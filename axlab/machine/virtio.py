"""A virtio-mmio slot with nothing in it. Virtio 1.2, 4.2.2.

Drivers find the magic and DeviceID 0 and go on. The version is 1, as that of QEMU's empty slots.
"""

from __future__ import annotations

from typing import ClassVar

from axlab.machine.registers import Device, Register

MAGIC = int.from_bytes(b"virt", "little")
VENDOR = int.from_bytes(b"QEMU", "little")


class VirtioMmioSlot(Device):
    """An empty slot: what is not listed reads 0 and ignores stores."""

    registers: ClassVar[list[Register]] = [
        Register(0x000, "MagicValue", reset=MAGIC),
        Register(0x004, "Version", reset=1),
        Register(0x008, "DeviceID"),
        Register(0x00C, "VendorID", reset=VENDOR),
    ]
