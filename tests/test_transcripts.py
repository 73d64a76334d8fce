"""The examples of AxVisor's own guest-management document as sessions, one test each.

Where the document contradicts itself, the corrected text stands here; the test names the correction.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shell_labs import lab_with, prints, said, toml
from small_guests import SPINS, config

from axlab.lab import Lab
from axlab.vmm.config import MemoryRegion

MB, GB = 1 << 20, 1 << 30

ALL_ON = """
    mov x19, #1
1:  ldr x0, =0xc4000003
    mov x1, x19
    adr x2, 2f
    mov x3, #0
    hvc #0
    add x19, x19, #1
    cmp x19, #8
    b.ne 1b
2:  wfi
    b 2b"""

RAM = 0x4000_0000


def made(lab: Lab, source: str, number: int, name: str, size: int, **more: Any) -> None:
    regions = (MemoryRegion(RAM, size),)
    lab.hypervisor.create(config(source, number, name, regions=regions, mode="emulated", **{"passed": (), **more}))


@pytest.fixture(scope="module")
def three() -> Lab:
    """The three VMs of the document's list, for real: one runs, one is suspended with all its vCPUs on, one stopped."""
    lab = Lab()
    made(lab, SPINS, 0, "linux-qemu", 256 * MB, sets=(1,))
    made(lab, ALL_ON, 1, "linux-rk3588", 3 * GB, cpus=8, sets=(0b1110,) * 8)
    made(lab, SPINS, 2, "arceos", 8 * MB, cpus=2, entry=0x4008_0000)
    lab.shell("vm start 0 1 -d; vm stop 2")
    lab.run(for_="5ms")
    lab.shell("vm suspend 1")
    return lab


def test_vm_list(three: Lab) -> None:
    assert said(three.shell("vm list")) == [
        "VM ID  NAME            STATUS       VCPU            MEMORY     VCPU STATE",
        "------ --------------- ------------ --------------- ---------- --------------------",
        "0      linux-qemu      Running      0               256MB      Run:1",
        "1      linux-rk3588    Suspended    0,1,2,3,4,5,6,7 3GB        Blk:8",
        "2      arceos          Stopped      0,1             8MB        Free:2",
    ]


def test_vm_list_format_json(three: Lab) -> None:
    """The document's keys come first and in its order; exact bytes and states follow."""
    documented = ("id", "name", "state", "vcpu", "memory")
    shown = json.loads(three.shell("vm list --format json").text())
    assert [{key: vm[key] for key in documented} for vm in shown["vms"]] == [
        {"id": 0, "name": "linux-qemu", "state": "Running", "vcpu": 1, "memory": "256MB"},
        {"id": 1, "name": "linux-rk3588", "state": "Suspended", "vcpu": 8, "memory": "3GB"},
        {"id": 2, "name": "arceos", "state": "Stopped", "vcpu": 2, "memory": "8MB"},
    ]
    assert all(list(vm)[:5] == list(documented) for vm in shown["vms"])


def test_a_monitoring_script_selects_the_running_ones(three: Lab) -> None:
    """`vm list --format json | jq '.vms[] | select(.state == "Running")'`, with Python for jq."""
    vms = json.loads(three.shell("vm list --format json").text())["vms"]
    assert [vm["name"] for vm in vms if vm["state"] == "Running"] == ["linux-qemu"]


def test_vm_show(three: Lab) -> None:
    assert said(three.shell("vm show 0")) == [
        "VM Details: 0",
        "",
        "  VM ID: 0",
        "  Name: linux-qemu",
        "  Status: ● Running",
        "  VCPUs: 1",
        "  Memory: 256MB",
        "",
        "VCPU Summary:",
        "  Running: 1",
        "",
        "Memory Summary:",
        "  Total Regions: 1",
        "  Total Size: 256MB",
        "",
        "Use 'vm show 0 --full' for detailed information",
    ]


def test_vm_show_full(three: Lab) -> None:
    """Corrections 6 and 23: an Off vCPU is Free, and a PCpu ID is hexadecimal."""
    vm = three.vm(0)
    lines = said(three.shell("vm show 0 --full"))
    assert lines[: lines.index("  VCpu Affinity Details:") + 2] == [
        "=== VM Details: 0 ===",
        "",
        "Basic Information:",
        "  VM ID: 0",
        "  Name: linux-qemu",
        "  Status: ● Running",
        "  VCPUs: 1",
        "  Memory: 256MB",
        f"  EPT Root: {vm.ept_root:#x}",
        "",
        "VCPU Details:",
        "  VCPU 0: Running (Affinity: 0x1)",
        "",
        "Memory Regions: (1 region(s), 256MB total)",
        f"  Region 0: GPA=0x40000000 HVA={vm.memory_regions[0].hpa:#x} Size=256MB Type=Allocated",
        "",
        "Configuration:",
        "  BSP Entry: 0x40080000",
        "  AP Entry: 0x40080000",
        "  Interrupt Mode: Emulated",
        f"  DTB Address: {vm.plan.dtb:#x}",
        "  Kernel GPA: 0x40080000",
        "",
        "  VCpu Affinity Details:",
        "    VCpu 0: Physical CPU mask 0x1, PCpu ID 0x0",
    ]


def test_vm_show_of_a_suspended_vm_counts_its_vcpus(three: Lab) -> None:
    lines = said(three.shell("vm show linux-rk3588"))
    assert "  ℹ VM is paused. Use 'vm resume 1' to continue." in lines
    at = lines.index("VCPU Summary:")
    assert lines[at + 1] == "  Blocked: 8"


def test_configurations_are_compared_through_files(three: Lab) -> None:
    three.shell("vm show 0 --config > vm0.txt; vm show 1 --config > vm1.txt")
    first, second = (said(three.shell(f"cat vm{number}.txt")) for number in (0, 1))
    assert "  Interrupt Mode: Emulated" in set(first) & set(second)
    assert first != second


def test_regions_that_are_identical_or_reserved_are_marked() -> None:
    lab = Lab()
    regions = (MemoryRegion(RAM, 64 * MB), MemoryRegion(0x9400_0000, 0x2000, 7, 1))
    lab.hypervisor.create(config(SPINS, 0, regions=regions, mode="emulated", passed=()))
    lines = said(lab.shell("vm show 0 --full"))
    at = lines.index("Memory Regions: (2 region(s), 64MB total)")
    assert lines[at + 2] == "  Region 1: GPA=0x94000000 HVA=0x94000000 Size=8KB Type=Allocated [identical]"


def test_vm_create_of_one_and_of_several(tmp_path: Path) -> None:
    guests = tmp_path / "guest"
    guests.mkdir()
    for number, name in enumerate(("linux-rk3588", "vm1", "vm2", "vm3")):
        (guests / f"{name}.toml").write_text(toml(SPINS, number))
    lab = Lab(folder=tmp_path)
    assert said(lab.shell("vm create /guest/linux-rk3588.toml")) == [
        "Creating VM from config: /guest/linux-rk3588.toml",
        "✓ Successfully created VM[0] from config: /guest/linux-rk3588.toml",
        "Successfully created 1 VM(s)",
        "Use 'vm start <VM_ID>' to start the created VMs.",
    ]
    lines = said(lab.shell("vm create /guest/vm1.toml /guest/vm2.toml /guest/vm3.toml"))
    assert lines[-2:] == ["Successfully created 3 VM(s)", "Use 'vm start <VM_ID>' to start the created VMs."]


def test_vm_start_of_all_of_one_and_of_three() -> None:
    for line in ("vm start", "vm start 0", "vm start 0 1 2"):
        lab = lab_with(prints("a"), prints("b"), prints("c"))
        result = lab.shell(line)
        assert result.ok
        count = 1 if line == "vm start 0" else 3
        assert sum("started successfully" in text for text in said(result)) == count
        assert ("Started 3 VM(s)" in said(result)) == (line == "vm start")


def test_vm_stop_of_one_by_force_and_of_three() -> None:
    lab = lab_with(SPINS, SPINS, SPINS, SPINS, SPINS)
    lab.shell("vm start -d")
    assert said(lab.shell("vm stop 0"))[1] == "✓ VM[0] stop signal sent successfully"
    assert said(lab.shell("vm stop 1 --force"))[0] == "Force stopping VM[1]..."
    assert sum("stop signal sent" in text for text in said(lab.shell("vm stop 2 3 4"))) == 3


def test_vm_delete_in_three_ways() -> None:
    lab = lab_with(prints("a"), SPINS, prints("c"))
    lab.shell("vm start 0 2; vm start 1 -d")
    assert said(lab.shell("vm delete 0"))[0] == "Deleting stopped VM[0]..."
    assert said(lab.shell("vm delete 1 --force"))[0] == "⚠ Force deleting running VM[1]..."
    assert "✓ VM[2] deleted (configuration and data preserved)" in said(lab.shell("vm delete 2 --keep-data"))


def test_the_steps_of_a_life_are_logged_in_axvisors_words() -> None:
    """Fix 4: the running count goes up before the first vCPU may run, and down once."""
    lab = lab_with()
    lab.shell("log debug")
    (lab.folder / "a.toml").write_text(toml(prints("x"), 0))
    lines = said(lab.shell("vm create a.toml; vm start 0; vm delete 0"))
    logged = [line.partition("] ")[2] for line in lines if line.startswith("[")]
    expected = [
        "VM[0] added to global list",
        "Initializing VM[0]'s 1 vcpus",
        "Spawning task for VM[0] VCpu[0]",
        "VM[0] VCpu[0] waiting for running",
        "VM[0] VCpu[0] running...",
        "VM[0] VCpu[0] stopping",
        "VM[0] last VCpu exiting",
        "VM[0] VCpu[0] exiting...",
        "VM[0] removed from global list",
    ]
    places = [logged.index(text) for text in expected]
    assert places == sorted(places)
    assert lab.hypervisor.running_vms == 0


def test_an_invalid_id_is_said_in_axvisors_words() -> None:
    lab = Lab()
    for command in ("start", "stop", "suspend", "resume", "restart", "delete", "show"):
        assert said(lab.shell(f"vm {command} abc")) == ["Error: Invalid VM ID: abc"]
        assert said(lab.shell(f"vm {command} 3")) == ["✗ VM[3] not found"]
