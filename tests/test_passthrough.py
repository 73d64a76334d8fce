"""Which devices of the board a guest gets, and where."""

from __future__ import annotations

from guest_files import guest

from axlab.vmm.passthrough import GicFrames, gic_frames, granted


def names(devices: str, **more: str) -> list[str]:
    """The regions that a guest with these devices is granted, virtio slots left out."""
    return [g.region.name for g in granted(guest(devices, **more)) if g.region.kind != "virtio"]


def test_a_slash_is_every_device_of_the_board() -> None:
    assert names('passthrough_devices = [["/"]]') == ["flash0", "flash1", "GICD", "ITS", "GICR", "UART", "RTC", "GPIO"]
    assert len(granted(guest('passthrough_devices = [["/"]]'))) == 8 + 32


def test_a_gicv2_guest_has_a_gicv2s_frames() -> None:
    assert names('passthrough_devices = [["/intc@8000000"]]', axlab="gic_version = 2\n") == [
        "GICD",
        "GICC",
        "GICH",
        "GICV",
    ]


def test_ram_emulated_and_excluded_devices_take_away() -> None:
    regions = "[[0x0, 0x1000, 0x5, 0], [0x4000_0000, 0x100_0000, 0x7, 0]]"
    devices = (
        'passthrough_devices = [["/"]]\nexcluded_devices = [["/pl031"], ["/virtio_mmio@a000200"]]\n'
        'emu_devices = [["uart", 0x900_0000, 0x1000, 33, 0x2, []], ["x", 0x903_0000, 0x1000, 0, 0x77, []]]'
    )
    assert names(devices, regions=regions) == ["flash1", "GICD", "ITS", "GICR", "GPIO"]
    slots = [g.region.name for g in granted(guest(devices)) if g.region.kind == "virtio"]
    assert len(slots) == 31
    assert "virtio1" not in slots


def test_a_path_is_a_node_with_all_below_it_and_needs_no_unit_address() -> None:
    assert names('passthrough_devices = [["/intc"]]') == ["GICD", "ITS", "GICR"]
    assert names('passthrough_devices = [["/intc@8000000/its"]]') == ["ITS"]
    assert names('passthrough_devices = [["/pl011@9000000"], ["/pl011"]]') == ["UART"]
    assert names('passthrough_devices = [["/pl0"]]') == []


def test_a_range_is_every_device_that_one_of_its_pages_touches() -> None:
    assert names('passthrough_devices = [["x", 0x901_0fff, 0x901_0fff, 0x2, 0]]') == ["RTC"]
    assert names("passthrough_addresses = [[0x900_0000, 0x4_0000]]") == ["UART", "RTC", "GPIO"]
    slots = granted(guest("passthrough_addresses = [[0xa00_0200, 0x200]]"))
    assert [g.region.name for g in slots] == [f"virtio{i}" for i in range(8)]


def test_a_range_that_is_moved_moves_its_devices() -> None:
    uart = granted(guest('passthrough_devices = [["uart", 0xfe66_0000, 0x900_0000, 0x1000, 33]]'))[0]
    assert (uart.region.name, uart.gpa, uart.end, uart.name) == ("UART", 0xFE66_0000, 0xFE66_1000, "uart")


def test_the_boards_ram_is_never_passed_through() -> None:
    assert granted(guest('passthrough_devices = [["ram", 0x8000_0000, 0x4000_0000, 0x1000_0000, 0]]')) == []


def test_two_devices_never_share_an_address() -> None:
    devices = 'passthrough_devices = [["a", 0x900_0000, 0x901_0000, 0x1000, 0], ["/pl011"]]'
    assert names(devices) == ["RTC"]


def test_the_gic_is_where_emulated_devices_say_else_the_boards_else_nowhere() -> None:
    emulated = (
        'emu_devices = [["d", 0x2800_0000, 0x1_0000, 0, 0x21, []], '
        '["r", 0x2808_0000, 0x4_0000, 0, 0x20, [2, 0x2_0000, 0]]]'
    )
    assert gic_frames(guest(emulated)) == GicFrames(3, (0x2800_0000, 0x1_0000), (0x2808_0000, 0x4_0000), True)
    board = ((0x0800_0000, 0x1_0000), (0x080A_0000, 0xF6_0000))
    assert gic_frames(guest('passthrough_devices = [["/"]]')) == GicFrames(3, *board, False)
    assert gic_frames(guest(mode="emulated")) == GicFrames(3, *board, True)
    assert gic_frames(guest(mode="no_irq")) is None
    assert gic_frames(guest(mode="passthrough")) is None
    two = gic_frames(guest(mode="emulated", axlab="gic_version = 2\n"))
    assert two == GicFrames(2, (0x0800_0000, 0x1_0000), (0x0801_0000, 0x1_0000), True)


def test_the_length_of_one_redistributor_means_one_for_every_vcpu() -> None:
    devices = 'emu_devices = [["r", 0x080a_0000, 0x2_0000, 0, 0x20, [2, 0x2_0000, 0]]]'
    frames = gic_frames(guest(devices, mode="emulated", base="cpu_num = 2\n"))
    assert frames is not None
    assert frames.second == (0x080A_0000, 0x4_0000)
