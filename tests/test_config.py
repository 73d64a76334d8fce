"""Configuration files: what is accepted, what is said of what is wrong, and where."""

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

# --- what is accepted ------------------------------------------------------------------------------


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


# --- what is wrong, in whose words, at which line --------------------------------------------------

BASE_KEYS = "\n".join(GOOD.splitlines()[1:6])

WRONG = {
    "a size that is no pages": (
        changed("0x100_0000, 0x7", "0x1234, 0x7"),
        [
            "guest.toml:13: kernel.memory_regions[0]: size 0x1234 is no multiple of 0x1000 (4 KiB); "
            "the next larger one is 0x2000",
            "guest.toml:9: kernel.entry_point: 0x40080000 is outside the guest's RAM (0x40000000-0x40001234)",
            "guest.toml:11: kernel.kernel_load_addr: 0x40080000 is outside the guest's RAM (0x40000000-0x40001234)",
        ],
    ),
    "no memory": (
        changed("  [0x4000_0000, 0x100_0000, 0x7, 0], # 16 MB\n", ""),
        [
            "guest.toml:12: kernel.memory_regions: is empty, so the guest has no RAM; "
            "write [[gpa, size, flags, map_type]], such as [[0x4000_0000, 0x1000_0000, 0x7, 0]] for 256 MB"
        ],
    ),
    "a region of size nothing": (
        changed("0x100_0000, 0x7", "0, 0x7"),
        [
            "guest.toml:13: kernel.memory_regions[0]: size 0x0 makes no RAM; write at least 0x1000 (4 KiB)",
            "guest.toml:9: kernel.entry_point: 0x40080000 is outside the guest's RAM (0x40000000-0x40000000)",
            "guest.toml:11: kernel.kernel_load_addr: 0x40080000 is outside the guest's RAM (0x40000000-0x40000000)",
        ],
    ),
    "a string for a number": (
        changed("id = 1", 'id = "1"'),
        ['guest.toml:2: base.id: "1" is no integer; write a number without quotes, such as 1'],
    ),
    "a boolean for a number": (
        changed("cpu_num = 2", "cpu_num = true"),
        ["guest.toml:5: base.cpu_num: true is no integer; write a number without quotes, such as 1"],
    ),
    "a float for an address": (
        changed("entry_point = 0x4008_0000", "entry_point = 1.5"),
        ["guest.toml:9: kernel.entry_point: 1.5 is no integer; write a number without quotes, such as 0x4008_0000"],
    ),
    "a negative address": (
        changed("entry_point = 0x4008_0000", "entry_point = -4"),
        ["guest.toml:9: kernel.entry_point: -0x4 is out of range; right is 0x0 to 0xffffffffff"],
    ),
    "an id beyond 255": (
        changed("id = 1", "id = 256"),
        ["guest.toml:2: base.id: 256 is out of range; right is 0 to 255"],
    ),
    "no vCPU": (
        changed("cpu_num = 2", "cpu_num = 0"),
        ["guest.toml:5: base.cpu_num: 0 is out of range; right is 1 to 64"],
    ),
    "a VM type that is none": (
        changed("vm_type = 1", "vm_type = 3"),
        ["guest.toml:4: base.vm_type: 3 is none of 0, 1, 2"],
    ),
    "a mode that is none": (
        changed('"passthrough"', '"passthru"'),
        [
            'guest.toml:17: devices.interrupt_mode: "passthru" is none of "no_irq", "no", "none", "emulated", "emu", '
            '"passthrough", "pt"; did you mean passthrough?'
        ],
    ),
    "a missing key": (
        changed('name = "guest"\n', ""),
        ['guest.toml:1: base: name is missing; write for example: name = "guest"'],
    ),
    "a missing image": (
        changed('kernel_path = "kernel.bin"\n', ""),
        ['guest.toml:8: kernel: kernel_path is missing; write for example: kernel_path = "kernel.bin"'],
    ),
    "an unknown key": (
        with_keys("base", "cpu_nums = 2"),
        ["guest.toml:2: warning: base.cpu_nums: unknown key; did you mean cpu_num?"],
    ),
    "a key of another table": (
        with_keys("base", 'cmdline = "x"'),
        ["guest.toml:2: warning: base.cmdline: unknown key; it belongs into [kernel]"],
    ),
    "a key above all tables": (
        "cpu_num = 3\n" + GOOD,
        ["guest.toml:1: warning: cpu_num: unknown table or key; it belongs into [base]"],
    ),
    "an unknown table": (
        GOOD + "[axlabs]\nfp = true\n",
        ["guest.toml:20: warning: axlabs: unknown table or key; did you mean axlab?"],
    ),
    "keys of a later AxVisor": (
        GOOD.replace("emu_devices = []", "disabled = []") + "[machine]\nmode = 1\n",
        [
            "guest.toml:18: warning: devices.disabled: unknown key (of a later AxVisor); here it is: "
            'excluded_devices = [["/path"]]',
            "guest.toml:20: warning: machine: unknown table or key (of a later AxVisor); here it is: "
            "interrupt_mode in [devices]",
        ],
    ),
    "an image without a name": (
        changed('"kernel.bin"', '""'),
        ['guest.toml:10: kernel.kernel_path: is empty; name the image, such as kernel_path = "kernel.bin"'],
    ),
    "bits that no MPIDR has": (
        changed("[0x0, 0x100]", "[0x0, 0x100_0000]"),
        ["guest.toml:6: base.phys_cpu_ids[1]: 0x1000000 has bits outside Aff0-Aff3 (0xff00ffffff)"],
    ),
    "RAM that begins within a page": (
        changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x8000_0800, 0x1000, 0x7, 0],"),
        [
            "guest.toml:14: kernel.memory_regions[1]: gpa 0x80000800 is no multiple of 0x1000 (4 KiB); "
            "the next lower one is 0x80000000"
        ],
    ),
    "RAM beyond all addresses": (
        changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0xff_ffff_f000, 0x2000, 0x7, 0],"),
        [
            "guest.toml:14: kernel.memory_regions[1]: 0xfffffff000-0x10000001000 ends beyond the 40 bits of a guest "
            "physical address (0x10000000000)"
        ],
    ),
    "RAM that is of no use": (
        changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x8000_0000, 0x1000, 0x8, 0],"),
        [
            "guest.toml:14: warning: kernel.memory_regions[1]: flags 0x8 let the guest do nothing there; "
            "R is 1, W 2, X 4, all 0x7"
        ],
    ),
    "an entry between instructions": (
        changed("entry_point = 0x4008_0000", "entry_point = 0x4008_0002"),
        [
            "guest.toml:9: kernel.entry_point: 0x40080002 is no multiple of 4, as the address of an A64 instruction "
            "must be"
        ],
    ),
    "devices that are nowhere": (
        changed(
            "emu_devices = []",
            'emu_devices = [["a", 0x1000, 0, 0, 2, []], ["b", 0xff_ffff_f000, 0x2000, 0, 2, []], ["c", 0, 0, 0, 0]]',
        ),
        [
            "guest.toml:18: devices.emu_devices[0]: 'a' has length 0; write how many bytes it has, such as 0x1000",
            "guest.toml:18: devices.emu_devices[1]: 'b' 0xfffffff000-0x10000001000 ends beyond the 40 bits of a guest "
            "physical address",
        ],
    ),
    "a path with a NUL": (
        changed('"kernel.bin"', '"a\\u0000b"'),
        ["guest.toml:10: kernel.kernel_path: 'a\\x00b' has a NUL character"],
    ),
    "a path without brackets": (
        changed('[["/"]]', '["/"]'),
        ['guest.toml:19: devices.passthrough_devices[0]: "/" must stand in brackets of its own: ["/"]'],
    ),
    "a device that has no address": (
        changed('[["/"]]', '[["uart"]]'),
        [
            "guest.toml:19: devices.passthrough_devices[0]: 'uart' is no path and has no addresses; "
            'write ["/path/in/the/device/tree"] or [name, gpa, hpa, length, irq]'
        ],
    ),
    "a device that the board lacks": (
        changed('[["/"]]', '[["/pl011@9000001"], ["gpu", 0xfb00_0000, 0xfb00_0000, 0x1000, 0x17]]'),
        [
            "guest.toml:19: warning: devices.passthrough_devices[0]: the board has no /pl011@9000001; "
            "did you mean /pl011@9000000?; an access to it will abort in the guest",
            "guest.toml:19: warning: devices.passthrough_devices[1]: the board has nothing at 0xfb000000-0xfb001000 "
            "('gpu'); an access to it will abort in the guest",
        ],
    ),
    "a row with too few fields": (
        changed("[0x4000_0000, 0x100_0000, 0x7, 0]", "[0x4000_0000]"),
        [
            "guest.toml:13: kernel.memory_regions[0]: [0x40000000] has 1 field; right is 3 to 4: "
            "[gpa, size, flags, map_type]"
        ],
    ),
    "a row that is none": (
        changed("[0x4000_0000, 0x100_0000, 0x7, 0]", "0x4000_0000"),
        ["guest.toml:13: kernel.memory_regions[0]: 0x40000000 is no array; write [gpa, size, flags, map_type]"],
    ),
    "a wrong field of a row": (
        changed("0x7, 0]", '"rwx", 9]'),
        [
            'guest.toml:13: kernel.memory_regions[0][2]: flags "rwx" is no integer; write a number without quotes',
            "guest.toml:13: kernel.memory_regions[0][3]: map_type 9 is none of 0, 1, 2",
        ],
    ),
    "an unknown device type": (
        changed("emu_devices = []", 'emu_devices = [["x", 0x1000, 0x1000, 0, 0x77, []]]'),
        [
            "guest.toml:18: warning: devices.emu_devices[0]: type 0x77 of 'x' is unknown and skipped; "
            "known are 0x0, 0x1, 0x2, 0xa, 0x20, 0x21, 0x22, 0x30, 0xe1, 0xe2, 0xe3"
        ],
    ),
    "ids for other vCPUs": (
        changed("[0x0, 0x100]", "[0x0]"),
        ["guest.toml:6: base.phys_cpu_ids: has 1 element for cpu_num = 2; write one for every vCPU"],
    ),
    "one id for two vCPUs": (
        changed("[0x0, 0x100]", "[0x100, 0x100]"),
        ["guest.toml:6: base.phys_cpu_ids[1]: 0x100 is vCPU 0's already; every vCPU has its own"],
    ),
    "more vCPUs than a GICv2 has": (
        changed("cpu_num = 2\nphys_cpu_ids = [0x0, 0x100]", "cpu_num = 9") + "[axlab]\ngic_version = 2\n",
        ["guest.toml:5: base.cpu_num: 9 vCPUs are more than the 8 of a GICv2; write axlab.gic_version = 3"],
    ),
    "firmware without an address": (
        with_keys("kernel", 'bios_path = "b.bin"'),
        ["guest.toml:9: kernel.bios_path: bios_load_addr is missing; write for example: bios_load_addr = 0x0"],
    ),
    "a table that is none": (
        "base = 3\n" + GOOD[GOOD.index("[kernel]") :],
        ["guest.toml:1: base: 0x3 is no table; write [base] and its keys below"],
    ),
    "nothing": (
        "",
        [
            "guest.toml: [base] is missing: What the VM is; it needs id, name, vm_type, cpu_num",
            "guest.toml: [kernel] is missing: What it runs, and in which memory; it needs kernel_path, memory_regions",
            "guest.toml: warning: [devices] is missing: the guest gets no device and no interrupt",
        ],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_key_line_value_and_what_would_be_right(case: str) -> None:
    text, said = WRONG[case]
    assert sorted(findings(text)) == sorted(said)


def test_all_mistakes_are_told_at_once_in_the_order_of_lines() -> None:
    text = changed("id = 1", "id = 999").replace('"guest"', '"all"').replace("0x100_0000, 0x7", '"x", 0x7')
    assert [line.split(" ")[0] for line in findings(text)] == ["guest.toml:2:", "guest.toml:3:", "guest.toml:13:"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "all",
        "ALL",
        "7",
        "0-3",
        "0-",
        "a/b",
        "..",
        ".",
        "a\\\\b",
        "a:b",
        "-f",
        "con",
        "x\\n",
        "nul.txt",
        " x",
        "x ",
        "x.",
        ".hidden",
        "\\u0661",
        "x" * 101,
    ],
)
def test_a_name_that_is_no_plain_file_name_or_reads_as_an_id_is_refused(name: str) -> None:
    said = findings(changed('"guest"', f'"{name}"'))
    assert len(said) == 1
    assert said[0].startswith("guest.toml:3: base.name: ")


@pytest.mark.parametrize("name", ["guest", "linux-qemu", "vm 1", "客户机", "a.b_c-d", "7up", "x" * 100])
def test_a_name_that_is_a_plain_file_name_is_accepted(name: str) -> None:
    assert findings(changed('"guest"', f'"{name}"')) == []
