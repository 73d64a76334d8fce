"""The hypervisor as a whole: creation is atomic, time is exact, interrupts arrive, devices have owners."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_guests import (
    ENTRY,
    MS,
    POWERS_OFF,
    RAM,
    SLEEPS_FOR_EVER,
    SPINS,
    config,
    hypervisor,
    listen,
    started,
)

from axlab.errors import AxError
from axlab.events import Event, Observers
from axlab.guests import build
from axlab.machine.board import Board
from axlab.vmm.advancing import QUANTUM
from axlab.vmm.config import MemoryRegion, default_config
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.scheduler import SCHEDULERS

TWO = f"ldr x0, =0xc4000003\n mov x1, #1\n ldr x2, ={ENTRY + 0x100:#x}\n hvc #0\n b .\n .org 0x100\n b ."


def test_the_demo_guest_does_all_that_it_says() -> None:
    assert build("demo")
    hv = hypervisor()
    vm = hv.create(default_config("demo"))
    hv.start(vm)
    hv.advance(100 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "guest power-off")
    lines = vm.console.text.splitlines()
    assert lines[1:] == [
        "The hypervisor speaks PSCI 1.1",
        *(["Hello from the second vCPU, context id 7"] if len(vm.vcpus) > 1 else []),
        "tick 1",
        "tick 2",
        "tick 3",
        "Three ticks are enough. Good night.",
    ]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_demo_guests_that_outnumber_the_physical_cpus_all_finish(scheduler: str) -> None:
    """None spins for another vCPU: with FIFO that one might never run."""
    hv = hypervisor(scheduler=scheduler)
    vms = [hv.create(default_config("demo", id=number, name=f"demo{number}")) for number in range(6)]
    for vm in vms:
        hv.start(vm)
    hv.advance(100 * MS)
    assert [vm.reason for vm in vms] == ["guest power-off"] * 6
    assert all(vm.console.text.endswith("Three ticks are enough. Good night.\n") for vm in vms)


# Creation


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x3000_0000, 0x1000, 7, 1)), "the host's RAM is 0x40000000-0x24"),
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x40FF_F000, 0x2000)), r"overlaps memory_regions\[0\]"),
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x1_0000_0000, 9 << 30)), "more than the host's 8GB of RAM"),
        ((MemoryRegion(0x5000_0000, 0x100_0000),), "RAM"),
    ],
)
def test_a_vm_that_cannot_be_made_leaves_nothing_behind(
    regions: tuple[MemoryRegion, ...], message: str, tmp_path: Path
) -> None:
    hv = hypervisor(folder=tmp_path)
    with pytest.raises(AxError, match=message):
        hv.create(config(SPINS, regions=regions))
    assert (len(hv.vms), hv.host_memory.used(), hv.board.memory.touched()) == (0, 0, 0)
    assert not (tmp_path / "vms").exists()


def test_identical_memory_that_is_in_use_is_refused_naming_its_user() -> None:
    hv = hypervisor()
    hv.create(config(SPINS, regions=(MemoryRegion(RAM, 0x100_0000, 7, 1),)))
    with pytest.raises(AxError) as refused:
        hv.create(config(SPINS, vm_id=1, regions=(MemoryRegion(RAM, 0x100_0000, 7, 1),)))
    assert str(refused.value) == (
        "<config>: kernel.memory_regions[0]: 0x40000000..0x41000000 of VM[1]'s RAM at 0x40000000 overlaps "
        "0x40000000..0x41000000 of VM[0]'s RAM at 0x40000000; write map_type 0 (MapAlloc), or other addresses"
    )


def test_memory_that_the_host_has_no_more_is_refused_at_its_key() -> None:
    hv = Hypervisor(Board(ram=64 << 20), Observers())
    hv.create(config(SPINS, regions=(MemoryRegion(RAM, 0x300_0000),)))
    message = r"^<config>: kernel.memory_regions\[0\]: the host has no 0x2000000 bytes of RAM left"
    with pytest.raises(AxError, match=message):
        hv.create(config(SPINS, vm_id=1, regions=(MemoryRegion(RAM, 0x200_0000),)))


def test_a_name_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(AxError, match="name"):
        hypervisor().create(config(SPINS, name="../escape"))


def test_every_vm_has_a_folder_with_its_configuration_and_log(tmp_path: Path) -> None:
    hv = hypervisor(folder=tmp_path)
    source = "ldr x1, =0x09000000\n mov w2, #'A'\n strb w2, [x1]\n mov w2, #10\n strb w2, [x1]\n" + POWERS_OFF
    vm = hv.create(config(source, name="mine"))
    hv.start(vm)
    hv.advance(MS)
    folder = tmp_path / "vms" / "mine"
    assert "mine" in (folder / "config.toml").read_text()
    log = (folder / "vm.log").read_text()
    assert log == vm.folder.text()
    assert "console: A\n" in log
    assert "state: Running -> Stopping (guest power-off)" in log
    hv.remove(vm, keep_data=False)
    assert not folder.exists()


def test_a_symbolic_link_is_never_followed_out_of_the_lab(tmp_path: Path) -> None:
    """Fix 21"""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "lab" / "vms").mkdir(parents=True)
    (tmp_path / "lab" / "vms" / "guest0").symlink_to(outside)
    hv = hypervisor(folder=tmp_path / "lab")
    with pytest.raises(AxError, match="symbolic link"):
        hv.create(config(SPINS))
    assert (list(outside.iterdir()), len(hv.vms), hv.host_memory.used()) == ([], 0, 0)


@pytest.mark.parametrize("replaced", ["vms", "vms/guest0"])
def test_a_link_that_comes_in_place_of_a_folder_is_not_followed_either(tmp_path: Path, replaced: str) -> None:
    outside = tmp_path / "outside" / "guest0" if replaced == "vms" else tmp_path / "outside"
    outside.mkdir(parents=True)
    (outside / "precious").write_text("mine")
    hv = hypervisor(folder=tmp_path / "lab")
    vm = hv.create(config(SPINS))
    place = tmp_path / "lab" / replaced
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "outside")
    hv.start(vm)
    hv.stop(vm, force=True)
    hv.advance(MS)
    hv.remove(vm, keep_data=False)
    assert [path.name for path in outside.iterdir()] == ["precious"]


# Time


def test_an_instruction_costs_its_nanoseconds_exactly() -> None:
    hv, vm = started(SPINS)
    assert hv.advance(7 * MS + 150) == "time"
    assert hv.now == 7 * MS + 150
    assert vm.vcpus[0].instructions == 70_002


@pytest.mark.parametrize("limit", [1, 7, 1000, 12_345])
def test_a_limit_of_instructions_is_exact(limit: int) -> None:
    hv, vm = started(TWO, cpus=2)
    hv.advance(MS)
    before = sum(vcpu.instructions for vcpu in vm.vcpus)
    assert hv.advance(max_instructions=limit) == "instructions"
    assert sum(vcpu.instructions for vcpu in vm.vcpus) - before == limit


def test_an_emulated_instruction_counts_as_one() -> None:
    hv, vm = started("ldr x1, =0x09000fe0\n1: ldp w2, w3, [x1]\n b 1b")
    assert hv.advance(max_instructions=101) == "instructions"
    assert (vm.vcpus[0].instructions, vm.exits["MmioOther"]) == (101, 50)


def test_the_stop_condition_is_asked_between_exits() -> None:
    hv, vm = started("ldr x1, =0x09000000\n mov w2, #'A'\n strb w2, [x1]\n strb w2, [x1]\n b .")
    assert hv.advance(MS, stop=lambda: bool(vm.console.output)) == "stop"
    assert vm.console.output == b"A"


def test_a_machine_that_sleeps_with_nothing_to_wake_it_is_idle() -> None:
    hv, vm = started(SLEEPS_FOR_EVER)
    assert hv.advance(1000 * MS) == "idle"
    assert hv.now < MS
    assert hv.asleep(vm)
    hv.sleep(5 * MS)
    assert hv.now > 5 * MS


def test_the_clocks_of_busy_physical_cpus_stay_together() -> None:
    hv, _ = started(TWO, cpus=2)
    apart = []
    for n in range(1, 30):
        hv.advance(MS + n * 33_333)
        clocks = [pcpu.clock for pcpu in hv.physical_cpus.busy()]
        apart.append(max(clocks) - min(clocks))
    assert max(apart) <= QUANTUM * hv.ns_per_instruction


def history(steps: list[int]) -> list[Event]:
    hv = hypervisor()
    seen = listen(hv)
    vm = hv.create(default_config("demo"))
    hv.start(vm)
    for until in steps:
        hv.advance(until)
    return seen


def test_how_often_one_looks_changes_nothing() -> None:
    whole = history([20 * MS])
    assert history(list(range(0, 20 * MS, 77_777)) + [20 * MS]) == whole


def test_time_never_goes_back() -> None:
    hv, _ = started(TWO, cpus=2)
    times = []
    for n in range(50):
        hv.advance(max_instructions=777 * (n % 3))
        times.append(hv.now)
    assert times == sorted(times)
