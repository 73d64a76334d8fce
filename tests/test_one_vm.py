"""A snapshot of one VM: it is put back alone, and its future is the one that it had."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from small_guests import COUNTS, config
from test_save_restore import BUSY
from test_snapshots import state_of

from axlab.lab import Lab
from axlab.machine.timer import NS_PER_TICK
from axlab.vmm.advancing import QUANTUM
from axlab.vmm.config import default_config

TICK = 10_000_000  # of the host, in ns
SLICE = QUANTUM * 100  # ns: clocks of physical CPUs meet at its multiples


def lab_of(guest: str) -> Lab:
    """A guest as VM 7, the demo or one of two vCPUs that share memory, beside one that counts; on CPUs of their own."""
    lab = Lab(code_cache=False)
    lab.hypervisor.start(lab.create(config(COUNTS, vm_id=0, sets=(1,))))
    busy = config(BUSY, vm_id=7, cpus=2, passed=("/intc", "/pl011"), sets=(4, 8))
    lab.hypervisor.start(lab.create(default_config("demo", id=7) if guest == "demo" else busy))
    return lab


def guest_of(lab: Lab, id: int) -> list[Any]:
    """All that the guest of a VM can see: registers, memory, console, and its own time."""
    vm = lab.vm(id)
    cpus = [vcpu.cpu for vcpu in vm.vcpus]
    hidden = {"CNTVOFF_EL2": 0, "VTTBR_EL2": 0}
    counters = [lab.now // NS_PER_TICK - cpu.sys["CNTVOFF_EL2"] & (1 << 64) - 1 for cpu in cpus]
    registers = [(cpu.x, cpu.v, cpu.pc, cpu.nzcv, cpu.daif, cpu.el, cpu.sys | hidden) for cpu in cpus]
    ram = [lab.board.memory.read(region.hpa, 4 << 20) for region in vm.memory_regions]
    waits = [(str(vcpu.state), vcpu.wait_reason, str(vcpu.power)) for vcpu in vm.vcpus]
    return copy.deepcopy([str(vm.state), registers, ram, bytes(vm.console.output), counters, waits, dict(vm.exits)])


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(st.integers(1, 40_000), st.integers(1, 3), st.integers(1, 30), st.sampled_from(["demo", "busy"]))
def test_a_vm_that_is_put_back_has_the_future_that_it_had(before: int, ticks: int, after: int, guest: str) -> None:
    lab = lab_of(guest)
    lab.hypervisor.advance(max_instructions=before)
    lab.snapshots.save("here", vm=lab.vm(7))
    then, twin = guest_of(lab, 7), copy.deepcopy(lab)
    twin.hypervisor.advance((twin.now // SLICE + after) * SLICE)
    lab.hypervisor.advance(lab.now + ticks * TICK)
    other, counted = guest_of(lab, 0), lab.vm(7).vcpus[0].instructions
    lab.snapshots.restore("here")
    assert guest_of(lab, 7) == then and guest_of(lab, 0) == other
    assert lab.vm(7).vcpus[0].instructions == counted
    lab.hypervisor.advance((lab.now // SLICE + after) * SLICE)
    assert guest_of(lab, 7) == guest_of(twin, 7) and guest_of(lab, 0) != other


def test_a_vm_that_sleeps_wakes_as_much_later_as_it_was_put_back_later() -> None:
    lab = Lab(code_cache=False)
    lab.create("demo")
    lab.shell("vm start 0 -d")
    lab.shell("vm run --for 1ms")
    lab.snapshots.save("early", vm=lab.vm(0))
    lab.run("500ms")
    printed, ended = lab.vm(0).console.text, lab.now
    assert str(lab.vm(0).state) == "Stopped" and lab.hypervisor.running_vms == 0
    for again in (1, 2):
        lab.snapshots.restore("early")
        assert lab.hypervisor.running_vms == 1 and lab.vm(0).console.text != printed
        lab.run("500ms")
        assert lab.vm(0).console.text == printed and lab.now > ended * again
        assert str(lab.vm(0).state) == "Stopped" and lab.hypervisor.running_vms == 0


def test_what_was_typed_and_not_read_yet_is_kept() -> None:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    lab.hypervisor.console_input(lab.vm(0), b"typed before")
    lab.snapshots.save("here", vm=lab.vm(0))
    lab.run("1ms")
    lab.hypervisor.console_input(lab.vm(0), b", lost")
    lab.run("1ms")
    lab.snapshots.restore("here")
    lab.run("2ms")
    assert lab.vm(0).console.text == "typed before"


@pytest.mark.parametrize("guest", ["demo", "busy"])
def test_a_file_of_a_vm_makes_it_in_another_lab(guest: str) -> None:
    lab = lab_of(guest)
    lab.run("1ms")
    saved = lab.shell("vm snapshot save here --vm 7 --disk")
    path = lab.folder / "vms" / lab.vm(7).name / "snapshots" / "here.axsnap"
    assert said(saved)[0].endswith(f"(/vms/{lab.vm(7).name}/snapshots/here.axsnap)") and path.is_file()
    then, other = guest_of(lab, 7), Lab(code_cache=False)
    other.run("3ms")
    other.create(config(COUNTS, vm_id=1))
    other.snapshots.load(path)
    assert guest_of(other, 7)[1:4] == then[1:4]
    for one in (lab, other):
        one.hypervisor.advance(one.now + 5 * TICK)
    assert other.vm(7).console.output == lab.vm(7).console.output
    assert guest_of(Lab.restore(path, code_cache=False), 7)[1:4] == then[1:4]


def test_a_deleted_vm_is_there_again() -> None:
    lab = lab_of("busy")
    lab.run("1ms")
    lab.snapshots.save("here", vm=lab.vm(7))
    then = guest_of(lab, 7)
    lab.shell("vm delete 7 --force")
    lab.create(config(COUNTS, vm_id=3))  # takes the memory that was free
    lab.snapshots.restore("here")
    assert guest_of(lab, 7)[1:4] == then[1:4] and (lab.folder / "vms" / lab.vm(7).name).is_dir()


def test_history_goes_past_a_vm_that_was_put_back() -> None:
    lab = lab_of("busy")
    lab.run("1ms")
    lab.snapshots.save("here", vm=lab.vm(7))
    lab.run("1ms")
    lab.snapshots.restore("here")
    lab.snapshots.delete("here")
    lab.run("1ms")
    end = state_of(lab)
    assert lab.shell("vm back 0 --to 1500us").ok
    lab.run("500us")
    assert state_of(lab)[:2] != end[:2] and lab.now == 2_000_000
    lab.shell("vm forward")
    assert state_of(lab) == end


def test_what_cannot_go_back_alone_is_refused_with_the_reason() -> None:
    lab = lab_of("busy")
    lab.snapshots.save("here", vm=lab.vm(7))
    lab.shell("vm delete 7 --force")
    lab.create(config(COUNTS, vm_id=7))
    state = state_of(lab)
    refused = lab.shell("vm snapshot restore here")
    why = "is another VM now: its configuration is not that of VM[7] of snapshot 'here'; delete it first"
    assert said(refused) == [f"✗ VM[7] {why}"]
    assert state_of(lab) == state
    vm = lab.create(config(COUNTS, vm_id=8, emulated=(("ivc", 0x6000_0000, 0x10_0000, 0, 0x0A),)))
    lab.hypervisor.channels.publish(vm, 0xBEEF, 4096)
    refused = lab.shell("vm snapshot save shared --vm 8")
    assert said(refused)[0] == (
        "✗ VM[8] shares memory with others (IVC channel 0xbeef), who would see it change; keep the whole lab"
    )


def test_snapshots_of_a_vm_cost_the_pages_that_differ_and_are_listed() -> None:
    lab = lab_of("busy")
    for number in range(5):
        lab.run("1ms")
        lab.snapshots.save(f"s{number}", vm=lab.vm(7))
    assert sum(snapshot.differs for snapshot in lab.snapshots) < 30 * 4096
    rows = said(lab.shell("vm snapshot list"))
    assert len(rows) == 7 and all("only 7" in row for row in rows[2:])
    shown = said(lab.shell("vm snapshot show s0"))
    assert shown[0] == "Snapshot s0 (memory)" and shown[-1] == "  VM[7] guest7: Running"
    assert not any("Fingerprint" in line for line in shown)
