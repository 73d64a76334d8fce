"""Configuration files: what is said of what is wrong, and where."""

from __future__ import annotations

import pytest
from guest_files import GOOD, changed, findings, with_keys

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
