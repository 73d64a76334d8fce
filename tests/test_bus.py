"""The bus, and devices made of register descriptors."""

from __future__ import annotations

from typing import ClassVar

import pytest

from axlab.machine.bus import Access, Bus, Claim, NothingThere
from axlab.machine.registers import Device, Register


class Thermometer(Device):
    """A device with one register of each kind."""

    registers: ClassVar[list[Register]] = [
        Register(0x10, "LIMIT", reset=0x1234_5678, writable=0xFFFF_FFF0, on_write="limit_changed"),
        Register(0x00, "TEMPERATURE", read="measure"),
        Register(0x04, "COMMAND", write="obey"),
        Register(0x20, "SAMPLES", width=8, count=8, read="sample", write="set_sample"),
        Register(0x28, "SERIAL", width=64, reset=0x1122_3344_5566_7788),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[int] = []
        self.samples = bytearray(range(8))
        self.changes = 0

    def measure(self) -> int:
        return 21

    def obey(self, value: int) -> None:
        self.commands.append(value)

    def sample(self, index: int) -> int:
        return self.samples[index]

    def set_sample(self, index: int, value: int) -> None:
        self.samples[index] = value

    def limit_changed(self) -> None:
        self.changes += 1


def read(device: Device, offset: int, width: int = 4) -> int:
    return device.access(offset, Access(offset, width))


def write(device: Device, offset: int, value: int, width: int = 4) -> None:
    device.access(offset, Access(offset, width, value, is_write=True))


def test_a_register_is_storage_a_measurement_or_a_command() -> None:
    device = Thermometer()
    assert (read(device, 0), read(device, 4), read(device, 0x10)) == (21, 0, 0x1234_5678)
    write(device, 0, 99)
    write(device, 4, 7)
    assert read(device, 0) == 21
    assert device.commands == [7]


def test_a_store_changes_only_the_writable_bits_and_is_announced() -> None:
    device = Thermometer()
    write(device, 0x10, 0xFFFF_FFFF)
    assert read(device, 0x10) == 0xFFFF_FFF8
    assert device.changes == 1


def test_a_narrow_store_leaves_the_other_bytes_of_storage() -> None:
    device = Thermometer()
    write(device, 0x12, 0xAB, width=1)
    assert read(device, 0x10) == 0x12AB_5678
    assert read(device, 0x12, width=1) == 0xAB


def test_a_narrow_store_gives_a_command_zeros_in_its_other_bytes() -> None:
    device = Thermometer()
    write(device, 0x05, 0xAB, width=1)
    assert device.commands == [0xAB00]


def test_a_wide_access_covers_several_registers() -> None:
    device = Thermometer()
    assert read(device, 0x20, 8) == 0x0706050403020100
    write(device, 0x22, 0xBBAA, 2)
    assert bytes(device.samples) == bytes([0, 1, 0xAA, 0xBB, 4, 5, 6, 7])
    assert read(device, 0x26, 4) == 0x77880706
    assert read(device, 0x2C) == 0x1122_3344


def test_unlisted_offsets_read_zero_and_ignore_stores() -> None:
    device = Thermometer()
    write(device, 0x100, 1)
    assert read(device, 0x100) == 0
    assert read(device, 0x0C, 8) == 0x1234_5678 << 32


def test_the_bus_carries_an_access_to_the_device_that_claims_it() -> None:
    bus, device = Bus(), Thermometer()
    bus.attach(Claim("thermometer", 0x1000, 0x100, device))
    bus.access(Access(0x1004, 4, 5, is_write=True))
    assert device.commands == [5]
    assert bus.access(Access(0x1000, 4)) == 21


@pytest.mark.parametrize("address, width", [(0xFFF, 1), (0x1100, 1), (0x10FE, 4), (0, 4), (1 << 47, 8)])
def test_nothing_answers_outside_a_claim(address: int, width: int) -> None:
    bus = Bus()
    bus.attach(Claim("thermometer", 0x1000, 0x100, Thermometer()))
    with pytest.raises(NothingThere, match=f"^nothing answers at {address:#x}$"):
        bus.access(Access(address, width))


def test_claims_never_overlap() -> None:
    bus = Bus()
    bus.attach(Claim("one", 0x1000, 0x100, Thermometer()))
    bus.attach(Claim("two", 0x1100, 0x100, Thermometer()))
    with pytest.raises(ValueError, match="^three at 0x10ff overlaps one at 0x1000$"):
        bus.attach(Claim("three", 0x10FF, 1, Thermometer()))


def test_the_bus_finds_who_is_where() -> None:
    bus = Bus()
    bus.attach(Claim("two", 0x2000, 0x100, Thermometer()))
    bus.attach(Claim("one", 0x1000, 0x100, Thermometer()))
    found = [bus.find(address) for address in (0xFFF, 0x1000, 0x10FF, 0x1100, 0x20FF, 0x2100)]
    assert [claim.name if claim else None for claim in found] == [None, "one", "one", None, "two", None]
