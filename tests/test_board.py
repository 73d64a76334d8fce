"""The board: one table of addresses and interrupts, and the devices that stand there."""

from __future__ import annotations

import copy

import pytest

from axlab.machine.board import Board
from axlab.machine.bus import Access
from axlab.machine.memory_map import BOARD, RAM_BASE, region, region_at, regions_of, virtio_slot
from axlab.machine.registers import Device


def test_the_board_is_laid_out_as_qemus_virt() -> None:
    table = {known.name: (known.base, known.intid) for known in BOARD}
    assert table["GICD"] == (0x0800_0000, 0)
    assert table["GICR"] == (0x080A_0000, 0)
    assert table["UART"] == (0x0900_0000, 33)
    assert table["RTC"] == (0x0901_0000, 34)
    assert table["GPIO"] == (0x0903_0000, 39)
    assert table["virtio0"] == (0x0A00_0000, 48)
    assert table["virtio31"] == (0x0A00_3E00, 79)
    assert table["RAM"] == (0x4000_0000, 0)


def test_no_two_regions_overlap() -> None:
    regions = sorted(BOARD, key=lambda known: known.base)
    for before, after in zip(regions, regions[1:], strict=False):
        assert before.end <= after.base
        assert not before.overlaps(after.base, after.size)


def test_a_region_is_found_by_name_and_by_address() -> None:
    assert region("UART").node == "/pl011@9000000"
    assert region_at(0x0900_0FFF) is region("UART")
    assert region_at(0x0900_1000) is None
    assert virtio_slot(3).node == "/virtio_mmio@a000600"
    with pytest.raises(KeyError):
        region("SECRET")


def test_the_interrupt_controllers_version_decides_which_frames_there_are() -> None:
    assert [known.name for known in regions_of(3, "gic")] == ["GICD", "ITS", "GICR"]
    assert [known.name for known in regions_of(2, "gic")] == ["GICD", "GICC", "GICH", "GICV"]


def test_every_device_of_the_table_answers_at_its_address() -> None:
    board = Board()
    for claim in board.bus.claims:
        assert region(claim.name).base == claim.base
        assert region(claim.name).intid == claim.intid
        board.bus.access(Access(claim.base, 4))
    assert board.bus.access(Access(0x0900_0FE0, 4)) == 0x11
    assert board.bus.access(Access(0x0A00_3E00, 4)) == 0x7472_6976


def test_ram_is_as_large_as_asked_for() -> None:
    board = Board(ram=1 << 30)
    assert board.memory.contains(RAM_BASE, 1 << 30) and not board.memory.contains(RAM_BASE + (1 << 30))
    ram = board.region_at(RAM_BASE)
    assert ram is not None and ram.size == 1 << 30
    assert board.region_at(RAM_BASE + (1 << 30)) is None


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"cpus": 9}, "a board has 1 to 8 CPUs, not 9"),
        ({"cpus": 0}, "a board has 1 to 8 CPUs, not 0"),
        ({"ram": 9 << 30}, "a board has up to 0x200000000 bytes of RAM, not 0x240000000"),
        ({"gic_version": 4}, "a board has a GIC of version 2 or 3, not 4"),
    ],
)
def test_an_impossible_board_is_refused(keywords: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Board(**keywords)


def test_a_board_is_copied_whole() -> None:
    board = Board()
    board.memory.write(RAM_BASE, b"RAM")
    copied = copy.deepcopy(board)
    board.bus.access(Access(0x0900_0000, 1, ord("x"), is_write=True))
    board.memory.write(RAM_BASE, b"ram")
    uart = copied.device("UART")
    assert isinstance(uart, Device)
    assert uart.access(0x3C, Access(0x3C, 4)) == 0
    assert copied.memory.read(RAM_BASE, 3) == b"RAM"


def test_the_registers_of_a_device_never_overlap() -> None:
    for device in (claim.device for claim in Board().bus.claims):
        if isinstance(device, Device):
            ordered = device.by_offset
            for before, after in zip(ordered, ordered[1:], strict=False):
                assert before.offset + before.size * before.count <= after.offset, (before.name, after.name)


def test_every_method_that_a_register_names_exists() -> None:
    for device in (claim.device for claim in Board().bus.claims):
        for register in getattr(device, "registers", []):
            for method in (register.read, register.write, register.on_write):
                assert not method or callable(getattr(device, method))
