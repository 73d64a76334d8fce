"""The device tree of a guest: all that it has, nothing else, and no word that dtc would warn of."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from conftest import need
from guest_files import AXVISOR, guest
from hypothesis import given, settings

from axlab.errors import AxError
from axlab.machine.fdt import Node, cells, cells64, pack, parse, parse_tree, strings
from axlab.vmm.config import VmConfig, read_config
from axlab.vmm.config_new import KINDS, kind_config
from axlab.vmm.guest_tree import build_tree, patch_tree

ALL = 'passthrough_devices = [["/"]]'
EMULATED = """\
emu_devices = [
  ["gicd", 0x0800_0000, 0x1_0000, 0, 0x21, []],
  ["gicr", 0x080a_0000, 0x4_0000, 0, 0x20, [2, 0x2_0000, 0]],
  ["console", 0x1000_0000, 0x1000, 45, 0x2, []],
  ["disk", 0x1001_0000, 0x200, 46, 0xE1, []],
  ["unknown", 0x1002_0000, 0x200, 46, 0x77, []],
  ["channel", 0x2000_0000, 0x1000, 0, 0xA, []],
]
"""


def tree(config: VmConfig, initrd: tuple[int, int] | None = None) -> Node:
    return parse(build_tree(config, initrd=initrd))


def at(root: Node, path: str) -> Node:
    """The node at a path, which must be there."""
    node = root.find(path)
    assert node is not None, path
    return node


CONFIGS = {
    "passthrough": guest(ALL),
    "emulated": guest(EMULATED, mode="emulated", base="cpu_num = 2\nphys_cpu_ids = [0x0, 0x100]\n"),
    "GICv2": guest(ALL, base="cpu_num = 4\n", axlab="gic_version = 2\n"),
    "no interrupts": guest('passthrough_devices = [["/pl011"], ["/pl061"], ["/pl031"]]', mode="no_irq"),
    "no devices": guest(mode="no_irq"),
    "Aff3": guest(ALL, base="cpu_num = 2\nphys_cpu_ids = [0x0, 0x100000000]\n"),
    "reserved memory": guest(ALL, regions="[[0x4000_0000, 0x100_0000, 7, 0], [0x5000_0000, 0x1000, 7, 2]]"),
    "moved devices": guest(
        'passthrough_devices = [["u", 0xfe66_0000, 0x900_0000, 0x1000, 33], '
        '["g", 0xfe67_0000, 0x903_0000, 0x1000, 39], ["h", 0xfe68_0000, 0x903_0000, 0x1000, 39]]'
    ),
    **{path.stem: read_config(path, purpose="check").require() for path in AXVISOR},
    **{kind: kind_config(kind) for kind in KINDS},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_dtc_accepts_the_tree_without_a_warning(name: str, needs: Callable[[str, str], str]) -> None:
    dtc = needs("dtc", "device-tree-compiler")
    blob = build_tree(CONFIGS[name], initrd=(0x4080_0000, 0x4081_0000))
    done = subprocess.run([dtc, "-I", "dtb", "-O", "dts"], input=blob, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


DEVICES = st.lists(
    st.sampled_from(
        [
            "/",
            "/pl011",
            "/pl031",
            "/pl061",
            "/virtio_mmio",
            "/flash",
            "/intc",
            "/virtio_mmio@a000400",
            "/timer",
            "/psci",
        ]
    ),
    max_size=4,
)
SPANS = st.lists(
    st.tuples(
        st.sampled_from([0x900_0000, 0x903_0000, 0xA00_0000, 0x5000_0000, 0x5000_1000]),
        st.sampled_from([0x900_0000, 0x901_0000, 0x903_0000, 0xA00_0000, 0x800_0000]),
        st.sampled_from([0x200, 0x1000, 0x4000, 0x5_0000]),
    ),
    max_size=3,
)


@settings(max_examples=40)
@given(DEVICES, SPANS, DEVICES, st.sampled_from(["emulated", "passthrough", "no_irq"]), st.sampled_from([2, 3]))
def test_dtc_warns_of_no_tree_that_a_configuration_can_ask_for(
    paths: list[str], spans: list[tuple[int, int, int]], excluded: list[str], mode: str, gic: int
) -> None:
    dtc = need("dtc", "device-tree-compiler")
    rows = [f'["{path}"]' for path in paths] + [f'["x", {gpa}, {hpa}, {size}, 0]' for gpa, hpa, size in spans]
    devices = (
        f"passthrough_devices = [{', '.join(rows)}]\nexcluded_devices = [{', '.join(f'[{p!r}]' for p in excluded)}]"
    )
    blob = build_tree(guest(devices, mode=mode, axlab=f"gic_version = {gic}\n"))
    done = subprocess.run([dtc, "-I", "dtb", "-O", "dts"], input=blob, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_memory_is_the_guests_ram() -> None:
    root = tree(guest(regions="[[0x8000_0000, 0x1000, 7, 0], [0x4000_0000, 0x100_0000, 7, 0]]"))
    assert [node.name for node in root.children if node.name.startswith("memory")] == [
        "memory@40000000",
        "memory@80000000",
    ]
    assert at(root, "/memory@40000000").properties == {
        "device_type": strings("memory"),
        "reg": cells64(0x4000_0000, 0x100_0000),
    }


def test_ram_in_the_place_of_flash_is_the_last_and_rom_is_no_ram() -> None:
    regions = "[[0x0, 0x1000, {}, 0], [0x4000_0000, 0x100_0000, 7, 0]]"
    ram = [node.name for node in tree(guest(regions=regions.format(7))).children if node.name.startswith("memory")]
    rom = [node.name for node in tree(guest(regions=regions.format(5))).children if node.name.startswith("memory")]
    assert ram == ["memory@40000000", "memory@0"]
    assert rom == ["memory@40000000"]


def test_reserved_memory_is_listed_as_such() -> None:
    root = tree(CONFIGS["reserved memory"])
    assert at(root, "/reserved-memory/memory@50000000").properties == {
        "reg": cells64(0x5000_0000, 0x1000),
        "no-map": b"",
    }
    assert root.find("/memory@50000000") is None


def test_a_guest_with_nothing_but_reserved_memory_has_that_as_ram() -> None:
    root = tree(guest(regions="[[0x9000_0000, 0x1000, 7, 2]]", kernel=""))
    assert at(root, "/memory@90000000").cells("reg") == [0, 0x9000_0000, 0, 0x1000]
    assert root.find("/reserved-memory") is None


def test_cpus_have_their_mpidr_and_are_started_by_psci() -> None:
    root = tree(CONFIGS["emulated"])
    assert [node.name for node in at(root, "/cpus").children] == ["cpu@0", "cpu@100"]
    assert at(root, "/cpus/cpu@100").cells("reg") == [0x100]
    assert at(root, "/cpus/cpu@100").strings("enable-method") == ["psci"]
    assert at(root, "/psci").strings("compatible")[:2] == ["arm,psci-1.0", "arm,psci-0.2"]
    assert at(root, "/psci").strings("method") == ["hvc"]
    assert at(tree(CONFIGS["Aff3"]), "/cpus/cpu@100000000").cells("reg") == [1, 0]


def test_the_board_looks_as_qemus(needs: Callable[[str, str], str], tmp_path: Path) -> None:
    """What both trees have is the same, but for phandles, order, and what AxLab's machine is named."""
    qemu = needs("qemu-system-aarch64", "qemu-system-arm")
    for version in (3, 2):
        path = tmp_path / f"virt{version}.dtb"
        words = [
            "-machine",
            f"virt,gic-version={version},dumpdtb={path}",
            "-cpu",
            "cortex-a53",
            "-smp",
            "2",
            "-m",
            "128M",
        ]
        subprocess.run([qemu, *words, "-nodefaults", "-net", "none", "-nographic"], check=True, capture_output=True)
        theirs = parse(path.read_bytes())
        config = guest(
            ALL, regions="[[0x4000_0000, 0x800_0000, 7, 0]]", base="cpu_num = 2\n", axlab=f"gic_version = {version}\n"
        )
        ours = tree(config)
        only_theirs = {"platform-bus@c000000", "fw-cfg@9020000", "pcie@10000000", "pmu", "aliases"}
        assert {n.name for n in theirs.children} - {n.name for n in ours.children} <= only_theirs
        assert {n.name for n in ours.children} <= {n.name for n in theirs.children}
        for name in (
            "memory@40000000",
            "psci",
            "timer",
            "pl011@9000000",
            "pl031@9010000",
            "pl061@9030000",
            "flash@0",
            "intc@8000000",
            "virtio_mmio@a000000",
            "virtio_mmio@a003e00",
        ):
            assert comparable(at(ours, name)) == comparable(at(theirs, name)), name


def comparable(node: Node) -> dict[str, bytes]:
    """A node's properties but for phandles and references to them."""
    return {key: value for key, value in node.properties.items() if key not in ("phandle", "clocks", "migrate")}


def test_the_timers_ppis_are_13_14_11_10() -> None:
    timer = at(tree(CONFIGS["passthrough"]), "/timer")
    assert timer.cells("interrupts") == [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]
    assert at(tree(CONFIGS["GICv2"]), "/timer").cells("interrupts")[2] == 0xF04


def test_emulated_devices_are_where_the_configuration_says() -> None:
    root = tree(CONFIGS["emulated"])
    assert at(root, "/intc@8000000").cells("reg") == [0, 0x800_0000, 0, 0x1_0000, 0, 0x80A_0000, 0, 0x4_0000]
    assert at(root, "/pl011@10000000").cells("interrupts") == [0, 13, 4]
    assert at(root, "/virtio_mmio@10010000").cells("interrupts") == [0, 14, 1]
    assert at(root, "/chosen").strings("stdout-path") == ["/pl011@10000000"]
    assert [node.name for node in root.children if "@" in node.name] == [
        "memory@40000000",
        "intc@8000000",
        "pl011@10000000",
        "virtio_mmio@10010000",
    ]


def test_without_a_gic_nothing_names_an_interrupt() -> None:
    root = tree(CONFIGS["no interrupts"])
    assert root.find("/timer") is None
    assert "interrupt-parent" not in root.properties
    assert not [node.name for node in root.children if "interrupts" in node.properties]


def test_excluded_devices_are_absent() -> None:
    root = tree(guest(ALL + '\nexcluded_devices = [["/pl031@9010000"], ["/timer"], ["/flash"], ["/pl061"]]'))
    names = [node.name for node in root.children]
    assert not {"pl031@9010000", "timer", "flash@0", "pl061@9030000", "gpio-keys"} & set(names)
    assert "pl011@9000000" in names


def test_flash_that_ram_covers_is_absent_bank_by_bank() -> None:
    regions = "[[0x0, 0x10_0000, 5, 0], [0x4000_0000, 0x100_0000, 7, 0]]"
    root = tree(guest(ALL, regions=regions))
    assert at(root, "/flash@4000000").cells("reg") == [0, 0x400_0000, 0, 0x400_0000]
    assert root.find("/flash@0") is None


def test_the_power_button_is_line_3_of_the_gpio_block() -> None:
    root = tree(CONFIGS["passthrough"])
    gpio = at(root, "/pl061@9030000").cells("phandle")[0]
    assert at(root, "/gpio-keys/poweroff").cells("gpios") == [gpio, 3, 0]
    assert at(root, "/gpio-keys/poweroff").cells("linux,code") == [116]


def test_chosen_has_the_command_line_and_the_ram_disk() -> None:
    config = guest(ALL, kernel='entry_point = 0x4008_0000\ncmdline = "console=ttyAMA0 é"\n')
    chosen = at(tree(config, initrd=(0x1_4000_0000, 0x1_4000_1000)), "/chosen")
    assert chosen.properties == {
        "stdout-path": strings("/pl011@9000000"),
        "bootargs": strings("console=ttyAMA0 é"),
        "linux,initrd-start": cells(1, 0x4000_0000),
        "linux,initrd-end": cells(1, 0x4000_1000),
    }


# --- a tree of one's own ---------------------------------------------------------------------------


def test_a_tree_of_ones_own_is_passed_as_it_is() -> None:
    blob = pack(Node("", {"model": strings("mine")})) + b"what lies behind"
    assert patch_tree(blob, guest()) == blob


def test_bootargs_and_initrd_are_added_only_where_they_are_missing() -> None:
    root = Node("", {"model": strings("mine")})
    root.add("chosen", {"bootargs": strings("its own")})
    config = guest(kernel='entry_point = 0x4008_0000\ncmdline = "ours"\n')
    patched = parse_tree(patch_tree(pack(root, [(0x4000_0000, 0x1000)], 1), config, (0x1000, 0x2000)))
    assert at(patched.root, "/chosen").properties == {
        "bootargs": strings("its own"),
        "linux,initrd-start": cells64(0x1000),
        "linux,initrd-end": cells64(0x2000),
    }
    assert (patched.reservations, patched.boot_cpu) == ([(0x4000_0000, 0x1000)], 1)
    bare = pack(Node("", {}))
    assert at(parse(patch_tree(bare, config)), "/chosen").strings("bootargs") == ["ours"]


def test_what_is_no_tree_is_refused() -> None:
    with pytest.raises(AxError, match="my.dtb: is no device tree blob"):
        patch_tree(b"nothing", guest(), source="my.dtb")
