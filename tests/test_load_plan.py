"""What goes where in a guest's memory, and when it is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from guest_files import NOP, arm64_image, elf, guest

from axlab.machine.fdt import Node, pack, parse
from axlab.vmm.config import ConfigError, VmConfig
from axlab.vmm.load_plan import LoadPlan, plan

NOWHERE = 'dtb_path = "mine.dtb"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernel.bin").write_bytes(NOP * 64)
    return tmp_path


def places(planned: LoadPlan) -> list[tuple[str, int, int]]:
    return [(piece.what, piece.gpa, piece.size) for piece in planned.pieces]


def refused(config: VmConfig) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        plan(config)
    return [str(found) for found in raised.value.findings]


def test_a_flat_binary_goes_where_the_file_says_and_the_tree_into_the_last_2_mb(folder: Path) -> None:
    planned = plan(guest(folder=folder))
    tree = planned.pieces[1]
    assert places(planned) == [("kernel.bin", 0x4008_0000, 256), ("the device tree", 0x40E0_0000, len(tree.data))]
    assert (planned.entry, planned.dtb, planned.kernel) == (0x4008_0000, 0x40E0_0000, 0x4008_0000)
    assert parse(tree.data).find("/memory@40000000") is not None


def test_one_of_load_address_and_entry_point_is_enough(folder: Path) -> None:
    for key in ("kernel_load_addr", "entry_point"):
        planned = plan(guest(folder=folder, kernel=f"{key} = 0x4009_0000\n"))
        assert (planned.kernel, planned.entry) == (0x4009_0000, 0x4009_0000)


def test_a_flat_binary_without_any_address_is_refused_with_what_to_write(folder: Path) -> None:
    assert refused(guest(folder=folder, kernel="")) == [
        "guest.toml:7: kernel.kernel_path: kernel.bin is a flat binary, which does not say where it goes; "
        "write for example: kernel_load_addr = 0x40000000"
    ]


def test_the_load_address_of_an_image_is_exact_and_text_offset_is_not_added(folder: Path) -> None:
    (folder / "kernel.bin").write_bytes(arm64_image(text_offset=0x8_0000))
    planned = plan(guest(folder=folder, kernel="kernel_load_addr = 0x4020_0000\n"))
    assert (planned.kernel, planned.entry) == (0x4020_0000, 0x4020_0000)
    assert places(planned)[0] == ("kernel.bin", 0x4020_0000, 0x2_0000)


def test_an_image_without_a_load_address_goes_text_offset_behind_a_2_mb_boundary(folder: Path) -> None:
    (folder / "kernel.bin").write_bytes(arm64_image(text_offset=0x8_0000))
    regions = "[[0x4010_0000, 0x1000, 7, 0], [0x4110_0000, 0x100_0000, 7, 0]]"
    assert plan(guest(folder=folder, kernel="", regions=regions)).entry == 0x4128_0000
    assert refused(guest(folder=folder, kernel="", regions="[[0x4000_0000, 0x8_0000, 7, 0]]")) == [
        "guest.toml:7: kernel.kernel_path: no RAM region has room for an Image of 128KB (0x40000000-0x40080000)"
    ]


def test_an_elf_file_ignores_the_load_address_and_entry_point_wins(folder: Path) -> None:
    (folder / "kernel.bin").write_bytes(elf())
    planned = plan(guest(folder=folder, kernel="kernel_load_addr = 0x4000_0000\n"))
    assert (planned.kernel, planned.entry) == (0x4008_0000, 0x4008_0000)
    assert plan(guest(folder=folder, kernel="entry_point = 0x4008_0008\n")).entry == 0x4008_0008
    (folder / "kernel.bin").write_bytes(elf(entry=0))
    assert refused(guest(folder=folder, kernel="")) == [
        "guest.toml:7: kernel.kernel_path: kernel.bin names no entry point; write for example: entry_point = 0x40080000"
    ]


def test_what_does_not_fit_is_refused_with_both_ranges(folder: Path) -> None:
    (folder / "kernel.bin").write_bytes(elf(paddr=0x8000_0000, vaddr=0x8000_0000, entry=0x8000_0000))
    assert refused(guest(folder=folder, kernel="")) == [
        "guest.toml:7: kernel.kernel_path: kernel.bin of 0x1000 bytes at 0x80000000 does not fit the guest's RAM "
        "(0x40000000-0x41000000)",
        "guest.toml:7: kernel.kernel_path: the entry point 0x80000000 is outside the guest's executable RAM "
        "(0x40000000-0x41000000)",
    ]
    (folder / "kernel.bin").write_bytes(arm64_image(size=0x100_0000))
    assert refused(guest(folder=folder)) == [
        "guest.toml:9: kernel.kernel_load_addr: kernel.bin of 0x1000000 bytes at 0x40080000 does not fit "
        "the guest's RAM (0x40000000-0x41000000)"
    ]


def test_an_image_may_reach_over_regions_that_touch(folder: Path) -> None:
    (folder / "kernel.bin").write_bytes(NOP * 2048)
    regions = "[[0x4008_1000, 0x40_0000, 7, 0], [0x4008_0000, 0x1000, 7, 0]]"
    assert places(plan(guest(folder=folder, regions=regions)))[0] == ("kernel.bin", 0x4008_0000, 0x2000)


def test_pieces_that_overlap_are_refused(folder: Path) -> None:
    extra = 'entry_point = 0x4008_0000\nbios_path = "kernel.bin"\nbios_load_addr = 0x4008_00fc\n'
    assert refused(guest(folder=folder, kernel=extra)) == [
        "guest.toml:10: kernel.bios_load_addr: kernel.bin at 0x400800fc-0x400801fc overlaps kernel.bin at "
        "0x40080000-0x40080100"
    ]
    extra = "entry_point = 0x4008_0000\ndtb_load_addr = 0x4008_0000\n"
    assert refused(guest(folder=folder, kernel=extra))[0].startswith(
        "guest.toml:9: kernel.dtb_load_addr: the device tree at 0x40080000-"
    )


def test_firmware_that_is_switched_off_is_not_loaded(folder: Path) -> None:
    extra = 'entry_point = 0x4008_0000\nbios_path = "b.bin"\nbios_load_addr = 0x4000_0000\nenable_bios = false\n'
    assert [what for what, _, _ in places(plan(guest(folder=folder, kernel=extra)))] == [
        "kernel.bin",
        "the device tree",
    ]


def test_a_ram_disk_goes_below_the_tree_and_is_named_in_it(folder: Path) -> None:
    (folder / "initrd.img").write_bytes(bytes(0x1801))
    planned = plan(guest(folder=folder, kernel='entry_point = 0x4008_0000\nramdisk_path = "initrd.img"\n'))
    assert places(planned)[1] == ("initrd.img", 0x40DF_E000, 0x1801)
    chosen = parse(planned.pieces[2].data).find("/chosen")
    assert chosen is not None
    assert (chosen.cells("linux,initrd-start"), chosen.cells("linux,initrd-end")) == (
        [0, 0x40DF_E000],
        [0, 0x40DF_F801],
    )


def test_in_little_ram_the_tree_finds_a_place_that_is_free(folder: Path) -> None:
    planned = plan(guest(folder=folder, regions="[[0x4008_0000, 0x4000, 7, 0]]"))
    assert planned.dtb == 0x4008_3000
    at_the_end = "[[0x4008_0000, 0x8000, 7, 0]]"
    (folder / "kernel.bin").write_bytes(NOP)
    planned = plan(guest(folder=folder, kernel="entry_point = 0x4008_7ffc\n", regions=at_the_end))
    assert planned.dtb == 0x4008_6000
    (folder / "kernel.bin").write_bytes(NOP * 1024)
    assert refused(guest(folder=folder, regions="[[0x4008_0000, 0x1000, 7, 0]]"))[0].startswith(
        "guest.toml:10: kernel.memory_regions: the device tree at 0x40080000-"
    )


def test_a_tree_of_ones_own_is_loaded_and_a_wrong_one_refused(folder: Path) -> None:
    blob = pack(Node("", {}))
    (folder / "mine.dtb").write_bytes(blob)
    config = guest(folder=folder, kernel="entry_point = 0x4008_0000\ndtb_load_addr = 0x4000_0000\n" + NOWHERE)
    assert plan(config).pieces[1].data == blob
    (folder / "mine.dtb").write_bytes(b"nothing")
    assert refused(config) == [
        f"guest.toml:10: kernel.dtb_path: {folder / 'mine.dtb'} is no device tree blob (no d00dfeed at its beginning); "
        "compile a .dts file with dtc"
    ]


def test_all_missing_files_are_told_at_once(tmp_path: Path) -> None:
    extra = (
        'entry_point = 0x4008_0000\nramdisk_path = "r"\ndtb_path = "d"\nbios_path = "b"\nbios_load_addr = 0x4000_0000\n'
    )
    said = refused(guest(folder=tmp_path, kernel=extra))
    assert [line.split(" ")[1] for line in said] == [
        "kernel.kernel_path:",
        "kernel.bios_path:",
        "kernel.ramdisk_path:",
        "kernel.dtb_path:",
    ]
    assert all(line.endswith(" no such file") for line in said)


def test_an_empty_file_is_no_ram_disk(folder: Path) -> None:
    (folder / "initrd.img").write_bytes(b"")
    said = refused(guest(folder=folder, kernel='entry_point = 0x4008_0000\nramdisk_path = "initrd.img"\n'))
    assert said == [f"guest.toml:9: kernel.ramdisk_path: {folder / 'initrd.img'} is empty"]


def test_symbols_come_with_the_plan(folder: Path) -> None:
    strtab = b"\0start\0$x\0"
    symtab = (
        bytes(24)
        + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x4008_0000, 4)
        + struct.pack("<IBBHQQ", 7, 0, 0, 1, 0x4008_0000, 0)
    )
    data = bytearray(elf(data=NOP + symtab + strtab))
    at = len(data) - len(symtab) - len(strtab)
    struct.pack_into("<Q", data, 40, len(data))
    struct.pack_into("<HHH", data, 58, 64, 3, 0)
    data += bytes(64)
    data += struct.pack("<II8x8xQQI20x", 0, 2, at, len(symtab), 2)
    data += struct.pack("<II8x8xQQI20x", 0, 3, at + len(symtab), len(strtab), 0)
    (folder / "kernel.bin").write_bytes(data)
    assert plan(guest(folder=folder, kernel="")).symbols.address_of("start") == 0x4008_0000
