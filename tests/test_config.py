"""Configuration files: what is accepted, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest_files import AXVISOR, GOOD, changed, findings, with_keys

from axlab.vmm import config_schema as schema
from axlab.vmm.config import (
    AddressRange,
    EmulatedDevice,
    MemoryRegion,
    PassthroughDevice,
    load_config,
    parse_config,
    read_config,
)


@pytest.mark.parametrize("path", AXVISOR, ids=lambda path: path.stem)
def test_axvisors_own_files_are_accepted_unchanged(path: Path) -> None:
    assert [found for found in read_config(path, purpose="check").findings if found.severity == "error"] == []


# What AxVisor's users write beside the files above, in small: (devices, kernel, memory_regions).
WILD = {
    "an old IVC channel, UARTs by address": (
        'emu_devices = [["ivc-channel", 0x3000_0000, 0x1000_0000, 0x0, 0xa, []]]\n'
        'passthrough_devices = [["intc@8000000", 0x800_0000, 0x800_0000, 0x50_000, 0x1],\n'
        ' ["pl011@9040000", 0x900_0000, 0x904_0000, 0x1000, 0x1], ["low", 0x0, 0x0, 0x0800_0000, 0x1],\n'
        ' ["pci", 0x8000000000, 0x8000000000, 0x10000, 0x1]]',
        "entry_point = 0x4020_0000",
        "[[0x4000_0000, 0x100_0000, 0x7, 0]]",
    ),
    "a GIC in parts, one length for several redistributors": (
        'interrupt_mode = "emulated"\npassthrough_devices = [["/"]]\nemu_devices = [\n'
        ' ["gicd", 0x0800_0000, 0x1_0000, 0, 0x21, []], ["gicr", 0x080a_0000, 0x2_0000, 0, 0x20, [2, 0x2_0000, 0]],\n'
        ' ["gits", 0x0808_0000, 0x2_0000, 0, 0x22, [0x0808_0000]]]',
        "dtb_load_addr = 0x8000_0000",
        "[[0x8000_0000, 0x1000_0000, 0x7, 1]]",
    ),
    "regions that are named several times, no addresses at all": (
        'interrupt_mode = "passthrough"\npassthrough_devices = [["/"],]\nexcluded_devices = []',
        "",
        "[[0x20_4000_0000, 0x1_0000_0000, 0x7, 1], [0x20_4000_0000, 0x8000_0000, 0x7, 1], [0xB400_0000, 0x1000, 7, 2]]",
    ),
    "RAM that is reserved, a PLIC": (
        'emu_devices = [["plic", 0x0c00_0000, 0x60_0000, 0, 0x30, [2]]]\n'
        "passthrough_addresses = [[0x1000_0000, 0x1000]]",
        "entry_point = 0x9000_0000",
        "[[0x9000_0000, 0x4000_0000, 0x7, 2]]",
    ),
    "an x86 guest with a BIOS": (
        'emu_devices = [["x86-com1", 0x3f8_0000, 0x8, 0x0, 0x2, []], ["x86-pit", 0x40, 0x22, 0x0, 0x24, []]]\n'
        'passthrough_devices = [[\n "IO APIC",\n 0xfec0_0000,\n 0xfec0_0000,\n 0x1000,\n 0x1,\n],]',
        'entry_point = 0x8000\nbios_path = "axvm-bios.bin"\nbios_load_addr = 0x8000\nboot_protocol = "uefi"\n'
        'uefi_firmware_path = "OVMF.fd"',
        "[[0x0000_0000, 0x100_0000, 0x7, 0]]",
    ),
    "nodes that are no addresses": (
        'passthrough_devices = [["/psci"], ["/timer"], ["/aliases"], ["/chosen"]]',
        "entry_point = 0x4020_0000",
        "[[0x4000_0000, 0x100_0000, 0x7]]",
    ),
}


@pytest.mark.parametrize("case", WILD)
def test_what_axvisors_users_write_has_no_errors_in_a_check(case: str) -> None:
    devices, kernel, regions = WILD[case]
    text = (
        '[base]\nid = 1\nname = "linux-qemu"\nvm_type = 1\ncpu_num = 2\n'
        f'[kernel]\nkernel_path = "kernel.bin"\n{kernel}\nmemory_regions = {regions}\n[devices]\n{devices}\n'
    )
    checked = parse_config(text, purpose="check")
    assert checked.errors == []
    assert parse_config(checked.require().to_toml(), purpose="check").config is not None


@pytest.mark.parametrize("path", AXVISOR, ids=lambda path: path.stem)
def test_a_configuration_written_and_read_again_is_the_same(path: Path) -> None:
    config = read_config(path, purpose="check").config
    assert config is not None
    again = parse_config(config.to_toml(), config.source, folder=config.folder, purpose="check")
    assert again.config == config


def test_a_good_file_becomes_values() -> None:
    config = parse_config(GOOD).require()
    assert (config.base.id, config.base.name, config.base.mpidrs) == (1, "guest", (0, 0x100))
    assert config.kernel.memory_regions == (MemoryRegion(0x4000_0000, 0x100_0000, 7, schema.MAP_ALLOC),)
    assert config.devices.passthrough_devices == (PassthroughDevice(path="/"),)
    assert config.memory_bytes == 16 << 20


def test_without_phys_cpu_ids_the_vcpus_are_numbered_as_on_qemus_board() -> None:
    config = parse_config(changed("phys_cpu_ids = [0x0, 0x100]", "").replace("cpu_num = 2", "cpu_num = 18")).require()
    assert config.base.mpidrs[:2] == (0, 1)
    assert config.base.mpidrs[15:] == (0xF, 0x100, 0x101)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no_irq", "no_irq"),
        ("no", "no_irq"),
        ("none", "no_irq"),
        ("emu", "emulated"),
        ("emulated", "emulated"),
        ("passthrough", "passthrough"),
        ("pt", "passthrough"),
    ],
)
def test_every_spelling_of_an_interrupt_mode_is_understood(written: str, meant: str) -> None:
    assert parse_config(changed('"passthrough"', f'"{written}"')).require().devices.interrupt_mode == meant


def test_without_an_interrupt_mode_there_are_no_interrupts() -> None:
    assert parse_config(changed('interrupt_mode = "passthrough"', "")).require().devices.interrupt_mode == "no_irq"


def test_both_forms_of_passthrough_are_understood() -> None:
    text = changed('[["/"]]', '[["/pl011@9000000"], ["uart8250 UART", 0xfe66_0000, 0x900_0000, 0x1_0000, 0x17],]')
    assert parse_config(text).require().devices.passthrough_devices == (
        PassthroughDevice(path="/pl011@9000000"),
        PassthroughDevice("", "uart8250 UART", 0xFE66_0000, 0x900_0000, 0x1_0000, 0x17),
    )


def test_rows_may_be_inline_tables_as_serde_reads_them() -> None:
    text = changed(
        "  [0x4000_0000, 0x100_0000, 0x7, 0], # 16 MB",
        "  { gpa = 0x4000_0000, size = 0x100_0000, flags = 0x7, map_type = 0 },",
    )
    text = text.replace(
        "emu_devices = []",
        'emu_devices = [{ name = "uart", base_gpa = 0x1000, length = 0x1000, '
        "irq_id = 33, emu_type = 0x2, cfg_list = [] }]",
    )
    config = parse_config(text).require()
    assert config.kernel.memory_regions == (MemoryRegion(0x4000_0000, 0x100_0000),)
    assert config.devices.emu_devices == (EmulatedDevice("uart", 0x1000, 0x1000, 33, 2),)


def test_rows_may_be_an_array_of_tables() -> None:
    text = GOOD.replace("memory_regions = [\n  [0x4000_0000, 0x100_0000, 0x7, 0], # 16 MB\n]\n", "")
    text += "[[kernel.memory_regions]]\ngpa = 0x4000_0000\nsize = 0x100_0001\nflags = 7\n"
    assert findings(text) == [
        "guest.toml:17: kernel.memory_regions[0]: size 0x1000001 is no multiple of 0x1000 (4 KiB); "
        "the next larger one is 0x1001000"
    ]


def test_an_address_range_of_the_board_is_passed_through() -> None:
    text = with_keys("devices", "passthrough_addresses = [[0x901_0000, 0x1000]]")
    assert parse_config(text).require().devices.passthrough_addresses == (AddressRange(0x901_0000, 0x1000),)


def test_the_older_cpu_set_is_the_mask_of_every_vcpu() -> None:
    assert parse_config(with_keys("base", "cpu_set = 0x2")).require().base.affinities == (2, 2)


def test_the_image_may_say_where_it_goes() -> None:
    text = GOOD.replace("entry_point = 0x4008_0000\n", "").replace("kernel_load_addr = 0x4008_0000\n", "")
    kernel = parse_config(text).require().kernel
    assert (kernel.entry_point, kernel.kernel_load_addr) == (None, None)


def test_paths_that_are_empty_are_none() -> None:
    assert findings(with_keys("kernel", 'bios_path = ""\ndtb_path = ""\nramdisk_path = ""\ndisk_path = ""')) == []


def test_keys_for_x86_and_for_bios_are_known() -> None:
    extra = (
        'boot_protocol = "linux"\nenable_bios = false\nbios_path = "b.bin"\nbios_load_addr = 0x4000_0000\n'
        'ramdisk_path = "r.img"\nramdisk_load_addr = 0x4080_0000\nimage_location = "memory"\ndisk_path = "d.img"'
    )
    assert findings(with_keys("kernel", extra)) == []


def test_axlabs_own_table_has_defaults() -> None:
    axlab = parse_config(GOOD + "[axlab]\ngic_version = 2\nlse = true\n").require().axlab
    assert (axlab.gic_version, axlab.fp, axlab.lse, axlab.semihosting) == (2, True, True, False)


def test_a_configuration_can_be_written_into_another_folder(tmp_path: Path) -> None:
    config = parse_config(with_keys("kernel", 'disk_path = "d.img"'), folder=tmp_path).require()
    moved = parse_config(config.anywhere().to_toml(), folder=tmp_path / "elsewhere").require()
    assert moved.resolve(moved.kernel.kernel_path) == tmp_path / "kernel.bin"
    assert moved.kernel.disk_path == str(tmp_path / "d.img")
    demo = parse_config(changed('"kernel.bin"', '"axlab:demo"')).require()
    assert demo.anywhere().kernel.kernel_path == "axlab:demo"


def test_a_configuration_can_be_given_to_another_vm() -> None:
    config = parse_config(GOOD).require()
    assert config.renamed(id=9, name="other").base.mpidrs == config.base.mpidrs
    assert (config.renamed(id=9).base.id, config.renamed(id=9).base.name) == (9, "guest")
    assert config.renamed(name="other").base.id == 1


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "guest.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_config(path).base.name == "guest"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "guest.toml"
    path.write_text(GOOD)
    assert load_config(path).resolve("kernel.bin") == tmp_path / "kernel.bin"
