"""The clock (PL031), the GPIO block with the power button (PL061), empty virtio slots, and flash."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from axlab.machine.bus import Access, BusDevice
from axlab.machine.flash import SECTOR, Flash
from axlab.machine.gpio import Pl061
from axlab.machine.memory import Memory
from axlab.machine.rtc import EPOCH, SECOND, Pl031
from axlab.machine.virtio import VirtioMmioSlot


def read(device: BusDevice, offset: int, width: int = 4) -> int:
    return device.access(offset, Access(offset, width))


def write(device: BusDevice, offset: int, value: int, width: int = 4) -> None:
    device.access(offset, Access(offset, width, value, is_write=True))


# PL031


def test_the_clock_begins_at_the_same_second_in_every_run() -> None:
    clock = Pl031()
    assert read(clock, 0x00) == EPOCH == 1_704_067_200
    assert read(clock, 0x0C) == 1
    assert [read(clock, 0xFE0 + 4 * i) for i in range(8)] == [0x31, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1]


def test_the_clock_counts_seconds_of_virtual_time() -> None:
    clock = Pl031()
    clock.now_ns = 3 * SECOND - 1
    assert read(clock, 0x00) == EPOCH + 2
    clock.now_ns = 3 * SECOND
    assert read(clock, 0x00) == EPOCH + 3


def test_the_clock_goes_on_from_the_time_that_it_is_set_to() -> None:
    clock = Pl031()
    clock.now_ns = 10 * SECOND
    write(clock, 0x08, 1000)
    clock.now_ns = 12 * SECOND
    assert (read(clock, 0x00), read(clock, 0x08)) == (1002, 1000)


def test_an_alarm_interrupts_when_its_second_begins() -> None:
    clock = Pl031()
    clock.now_ns = SECOND // 2
    write(clock, 0x10, 1)
    write(clock, 0x04, EPOCH + 2)
    assert clock.deadline == 2 * SECOND
    clock.advance(2 * SECOND - 1)
    assert not clock.interrupt
    clock.advance(2 * SECOND)
    assert clock.interrupt and clock.deadline is None
    assert (read(clock, 0x14), read(clock, 0x18)) == (1, 1)
    write(clock, 0x1C, 1)
    assert not clock.interrupt and read(clock, 0x14) == 0


def test_a_masked_alarm_is_raw_only() -> None:
    clock = Pl031()
    write(clock, 0x04, EPOCH)
    assert (read(clock, 0x14), read(clock, 0x18), clock.interrupt) == (1, 0, False)
    write(clock, 0x10, 1)
    assert clock.interrupt


def test_setting_the_clock_moves_a_waiting_alarm() -> None:
    clock = Pl031()
    write(clock, 0x10, 1)
    write(clock, 0x04, EPOCH + 100)
    write(clock, 0x08, EPOCH + 99)
    assert clock.deadline == SECOND
    clock.now_ns = SECOND
    assert read(clock, 0x14) == 1


def test_an_alarm_in_the_past_comes_after_the_counter_has_wrapped() -> None:
    clock = Pl031()
    write(clock, 0x04, EPOCH - 1)
    assert clock.deadline == ((1 << 32) - 1) * SECOND


# PL061


def test_a_pressed_power_button_interrupts_a_guest_that_wants_either_edge() -> None:
    gpio = Pl061()
    write(gpio, 0x408, 1 << 3)
    write(gpio, 0x410, 1 << 3)
    gpio.press()
    assert gpio.interrupt and read(gpio, 0x418) == 8
    assert read(gpio, 8 << 2) == 8
    write(gpio, 0x41C, 8)
    assert not gpio.interrupt
    gpio.release()
    assert gpio.interrupt and read(gpio, 8 << 2) == 0


def test_a_power_button_that_nobody_let_go_can_be_pressed_again() -> None:
    gpio = Pl061()
    write(gpio, 0x40C, 8)
    write(gpio, 0x410, 8)
    for _ in range(2):
        gpio.press()
        assert gpio.interrupt
        write(gpio, 0x41C, 0xFF)
        assert not gpio.interrupt


def test_a_guest_that_did_not_unmask_the_button_sees_a_raw_interrupt_only() -> None:
    gpio = Pl061()
    write(gpio, 0x40C, 8)
    gpio.press()
    assert (read(gpio, 0x414), read(gpio, 0x418), gpio.interrupt) == (8, 0, False)


def test_the_event_register_chooses_the_edge() -> None:
    falling = Pl061()
    write(falling, 0x410, 8)
    falling.press()
    assert not falling.interrupt
    falling.release()
    assert falling.interrupt


def test_a_level_interrupt_holds_as_long_as_the_level() -> None:
    gpio = Pl061()
    for offset in (0x404, 0x40C, 0x410):  # level, high, enabled
        write(gpio, offset, 8)
    gpio.press()
    write(gpio, 0x41C, 8)
    assert gpio.interrupt
    gpio.release()
    assert not gpio.interrupt


def test_the_address_of_data_chooses_the_lines() -> None:
    gpio = Pl061()
    write(gpio, 0x400, 0xFF)
    write(gpio, 0x3FC, 0b1010_1010)
    write(gpio, 0b0000_1111 << 2, 0b0101)
    assert read(gpio, 0x3FC) == 0b1010_0101
    assert read(gpio, 0b1100_0000 << 2) == 0b1000_0000
    assert read(gpio, 0) == 0


def test_an_input_line_cannot_be_driven_by_the_guest() -> None:
    gpio = Pl061()
    write(gpio, 0x3FC, 0xFF)
    assert read(gpio, 0x3FC) == 0
    write(gpio, 0x400, 0x0F)
    assert read(gpio, 0x3FC) == 0x0F


def test_the_gpio_block_is_known_by_its_identification() -> None:
    assert [read(Pl061(), 0xFE0 + 4 * i) for i in range(8)] == [0x61, 0x10, 0x04, 0x00, 0x0D, 0xF0, 0x05, 0xB1]


# virtio


def test_an_empty_virtio_slot_says_that_it_is_empty() -> None:
    slot = VirtioMmioSlot()
    assert [read(slot, offset) for offset in (0, 4, 8, 12)] == [0x7472_6976, 1, 0, 0x554D_4551]
    for offset in range(0, 0x200, 4):
        write(slot, offset, 0xFFFF_FFFF)
    assert [read(slot, offset) for offset in range(16, 0x200, 4)] == [0] * 124
    assert read(slot, 8) == 0


# Flash

BANK = 64 << 20


def new_flash() -> Flash:
    return Flash(Memory(0, BANK), 0, BANK)


def test_blank_flash_reads_as_zeros_and_costs_nothing() -> None:
    flash = new_flash()
    assert flash.reads_array
    assert read(flash, 0x1000, 8) == 0
    assert flash.memory.touched() == 0


def test_u_boots_probe_finds_two_chips_side_by_side() -> None:
    flash = new_flash()
    write(flash, 0, 0x00FF_00FF)
    write(flash, 0x55 * 4, 0x0098_0098)
    assert [read(flash, word * 4) for word in (0x10, 0x11, 0x12)] == [0x0051_0051, 0x0052_0052, 0x0059_0059]
    assert read(flash, 0x27 * 4) == 25 << 16 | 25  # 32 MB a chip
    sectors = (read(flash, 0x2E * 4) & 0xFF) << 8 | read(flash, 0x2D * 4) & 0xFF
    chip_sector = ((read(flash, 0x30 * 4) & 0xFF) << 8 | read(flash, 0x2F * 4) & 0xFF) * 256
    assert (sectors + 1) * chip_sector * 2 == BANK
    assert not flash.reads_array
    write(flash, 0, 0x00FF_00FF)
    assert flash.reads_array


def test_a_narrow_probe_is_not_mistaken_for_an_answer() -> None:
    flash = new_flash()
    write(flash, 0x55, 0x98, width=1)
    assert bytes(read(flash, 0x10 + i, 1) for i in range(3)) != b"QRY"


def test_flash_names_its_maker() -> None:
    flash = new_flash()
    write(flash, 0, 0x0090_0090)
    assert (read(flash, 0), read(flash, 4)) == (0x0089_0089, 0x0018_0018)


def test_an_erased_sector_is_all_ones_and_its_neighbour_is_untouched() -> None:
    flash = new_flash()
    write(flash, SECTOR + 0x100, 0x0020_0020)
    write(flash, SECTOR + 0x100, 0x00D0_00D0)
    assert read(flash, 0) == 0x0080_0080
    write(flash, 0, 0x00FF_00FF)
    assert (read(flash, SECTOR), read(flash, 2 * SECTOR - 4)) == (0xFFFF_FFFF, 0xFFFF_FFFF)
    assert (read(flash, SECTOR - 4), read(flash, 2 * SECTOR)) == (0, 0)


def test_an_erasure_that_is_not_confirmed_is_an_error_and_changes_nothing() -> None:
    flash = new_flash()
    write(flash, 0, 0x0020_0020)
    write(flash, 0, 0x0012_0012)
    assert read(flash, 0) == 0x00B0_00B0
    write(flash, 0, 0x0050_0050)
    write(flash, 0, 0x0070_0070)
    assert read(flash, 0) == 0x0080_0080
    assert flash.memory.touched() == 0


def test_programming_clears_bits_and_sets_none() -> None:
    flash = new_flash()
    flash.memory.write_int(0x40, 4, 0xFFFF_00FF)
    write(flash, 0x40, 0x0040_0040)
    write(flash, 0x40, 0x1234_5678)
    write(flash, 0, 0x00FF_00FF)
    assert read(flash, 0x40) == 0x1234_0078


def test_a_buffered_write_is_done_when_it_is_confirmed() -> None:
    flash = new_flash()
    flash.memory.write(0, b"\xff" * 64)
    write(flash, 0, 0x00E8_00E8)
    assert read(flash, 0) & 0x80
    write(flash, 0, 0x0001_0001)
    write(flash, 0, 0x1111_1111)
    write(flash, 4, 0x2222_2222)
    assert flash.memory.read(0, 8) == b"\xff" * 8
    write(flash, 0, 0x00D0_00D0)
    write(flash, 0, 0x00FF_00FF)
    assert (read(flash, 0), read(flash, 4), read(flash, 8)) == (0x1111_1111, 0x2222_2222, 0xFFFF_FFFF)


def test_a_reset_ends_a_command_and_keeps_the_contents() -> None:
    flash = new_flash()
    flash.memory.write_int(0, 4, 0x1234_5678)
    write(flash, 0, 0x0020_0020)
    flash.reset()
    assert flash.reads_array and read(flash, 0) == 0x1234_5678
    write(flash, 0, 0x00D0_00D0)
    assert read(flash, 0) == 0x1234_5678


def test_unlocking_a_sector_is_accepted() -> None:
    flash = new_flash()
    write(flash, 0, 0x0060_0060)
    write(flash, 0, 0x00D0_00D0)
    assert read(flash, 0) == 0x0080_0080


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 4]), st.integers(0, (1 << 32) - 1)), max_size=30))
def test_a_flash_copied_in_the_middle_of_a_command_goes_on_as_the_original(writes: list[tuple[int, int, int]]) -> None:
    flash = Flash(Memory(0, 1 << 20), 0, 1 << 20)
    for offset, width, value in writes:
        write(flash, offset, value, width)
    copied = copy.deepcopy(flash)
    for device in (flash, copied):
        write(device, 0, 0x0040_0040)
        write(device, 0, 0x0055_0055)
    assert [read(flash, i) for i in range(0, 64, 4)] == [read(copied, i) for i in range(0, 64, 4)]
