"""Snapshots in memory: the lab is what it was, to the last event, and everybody holds the same objects."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from small_guests import COUNTS, config
from test_save_restore import BUSY

from axlab.errors import AxError
from axlab.events import Event, Log
from axlab.lab import Lab
from axlab.machine.stops import Watch
from axlab.vmm.stops import StopPoint


def busy_lab(scheduler: str = "rr") -> Lab:
    """The demo guest beside a guest of two vCPUs that share memory, on four physical CPUs."""
    lab = Lab(scheduler=scheduler, code_cache=False)
    lab.hypervisor.start(lab.create("demo"))
    lab.hypervisor.start(lab.create(config(BUSY, vm_id=7, cpus=2, passed=("/intc", "/pl011"), sets=(1, 3))))
    return lab


def state_of(lab: Lab) -> list[Any]:
    pages = {number: bytes(page) for number, page in lab.board.memory.pages.items() if any(page)}
    vcpus = [vcpu for vm in lab.hypervisor.vms for vcpu in vm.vcpus]
    consoles = [(vm.console.text, vm.folder.text(), str(vm.state)) for vm in lab.hypervisor.vms]
    cpus = [(v.cpu.x, v.cpu.pc, v.cpu.sys, v.instructions, v.usage) for v in vcpus]
    rows = [list(lab.trace.recorder.table(kind).rows()) for kind in ("exits", "vcpu_states", "console")]
    return copy.deepcopy([lab.now, lab.hypervisor.position, lab.fingerprint(), pages, cpus, consoles, rows])


@settings(max_examples=8)
@given(st.integers(0, 60_000), st.integers(1, 60_000), st.sampled_from(["fifo", "rr", "fair"]))
def test_a_restored_lab_has_the_same_future_at_any_instruction(before: int, between: int, scheduler: str) -> None:
    lab = busy_lab(scheduler)
    lab.hypervisor.advance(max_instructions=before)
    lab.snapshots.save("here")
    then = state_of(lab)
    lab.hypervisor.advance(max_instructions=between)
    future = state_of(lab)
    for _ in range(2):
        lab.snapshots.restore("here")
        assert state_of(lab) == then
        lab.hypervisor.advance(max_instructions=between)
        assert state_of(lab) == future


def test_a_snapshot_of_the_past_and_one_of_another_future_both_stay() -> None:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    states: dict[str, list[Any]] = {}

    def save(name: str) -> None:
        lab.snapshots.save(name)
        states[name] = state_of(lab)

    save("root")
    for name, text in (("left", b"left"), ("right", b"right")):
        lab.snapshots.restore("root")
        lab.hypervisor.console_input(lab.vm(0), text)
        lab.run("1ms")
        save(name)
    for name in ("left", "right", "root", "right", "left"):
        lab.snapshots.restore(name)
        assert state_of(lab) == states[name]
    lab.snapshots.delete("root")
    lab.snapshots.restore("right")
    assert state_of(lab) == states["right"] and lab.vm(0).console.text == "right"


def test_whoever_holds_a_part_of_the_lab_holds_the_same_part_afterwards() -> None:
    lab = busy_lab()
    lab.run("1ms")
    vm, hypervisor, trace, shell = lab.vm(7), lab.hypervisor, lab.trace, lab.shell
    parts = (vm, vm.vcpus[0], vm.vcpus[0].cpu, vm.console, vm.devices)
    lab.snapshots.save("here")
    pc = vm.vcpus[0].cpu.pc
    lab.run("1ms")
    lab.snapshots.restore("here")
    assert (lab.hypervisor, lab.trace, lab.shell) == (hypervisor, trace, shell)
    assert (lab.vm(7), vm.vcpus[0], vm.vcpus[0].cpu, vm.console, vm.devices) == parts
    assert vm.vcpus[0].cpu.pc == pc


def test_a_deleted_vm_is_there_again_with_its_folder() -> None:
    lab = lab_with(COUNTS)
    vm = lab.vm(0)
    lab.hypervisor.start(vm)
    lab.run("1ms")
    lab.snapshots.save("running")
    log = vm.folder.text()
    assert lab.shell("vm delete 0 --force").ok
    assert not (lab.folder / "vms" / "guest0").exists()
    lab.snapshots.restore("running")
    assert lab.vm(0) is vm and vm.state == "Running"
    assert (lab.folder / "vms" / "guest0" / "vm.log").read_text() == log
    assert (lab.folder / "vms" / "guest0" / "config.toml").exists()
    counted = vm.read(0x4020_0000, 8)
    lab.run("1ms")
    assert vm.read(0x4020_0000, 8) != counted


def test_a_vm_that_was_made_later_is_gone() -> None:
    lab = Lab(code_cache=False)
    lab.snapshots.save("empty")
    lab.hypervisor.start(lab.create("demo"))
    lab.run("1ms")
    lab.snapshots.restore("empty")
    assert len(lab.hypervisor.vms) == 0 and lab.board.memory.touched() == 0 and lab.now == 0
    lab.hypervisor.start(lab.create("demo"))
    assert lab.run("100ms") == "idle"


def test_the_trace_is_what_it_was_and_goes_on() -> None:
    lab = busy_lab()
    lab.run("1ms")
    lab.snapshots.save("here")
    exits, fingerprint = len(lab.trace.recorder.table("exits")), lab.fingerprint()
    lab.run("1ms")
    lab.snapshots.restore("here")
    assert (len(lab.trace.recorder.table("exits")), lab.fingerprint()) == (exits, fingerprint)
    assert max(row[0] for row in lab.trace.recorder.table("exits").rows()) <= lab.now


def test_what_is_recorded_is_up_to_who_looks_and_not_to_the_snapshot() -> None:
    lab = busy_lab()
    lab.snapshots.save("unrecorded")
    lab.trace.record("blocks")
    lab.run("1ms")
    first = list(lab.trace.recorder.table("blocks").rows())
    lab.snapshots.restore("unrecorded")
    lab.run("1ms")
    assert first and list(lab.trace.recorder.table("blocks").rows()) == first
    lab.trace.record("events")
    lab.snapshots.restore("unrecorded")
    lab.run("1ms")
    assert list(lab.trace.recorder.table("blocks").rows()) == []


def test_recorded_instructions_go_back_with_the_lab() -> None:
    lab = busy_lab()
    lab.trace.record("blocks")
    lab.run("500us")
    lab.snapshots.save("here")
    blocks = list(lab.trace.recorder.table("blocks").rows())
    lab.run("500us")
    longer = list(lab.trace.recorder.table("blocks").rows())
    lab.snapshots.restore("here")
    assert list(lab.trace.recorder.table("blocks").rows()) == blocks
    lab.run("500us")
    assert list(lab.trace.recorder.table("blocks").rows()) == longer


@pytest.mark.parametrize("disk", [False, True])
def test_recorded_accesses_go_back_with_the_lab_and_are_up_to_who_looks(disk: bool) -> None:
    lab = lab_with(COUNTS)
    lab.hypervisor.start(lab.vm(0))
    lab.trace.record("memory")
    lab.run("50us")
    lab.snapshots.save("here", disk=disk)
    accesses = list(lab.trace.recorder.table("accesses").rows())
    lab.run("50us")
    longer = list(lab.trace.recorder.table("accesses").rows())
    lab.snapshots.restore("here")
    assert list(lab.trace.recorder.table("accesses").rows()) == accesses
    lab.run("50us")
    assert list(lab.trace.recorder.table("accesses").rows()) == longer
    lab.trace.record("events")
    lab.snapshots.restore("here")
    lab.run("50us")
    assert list(lab.trace.recorder.table("accesses").rows()) == accesses
    assert lab.vm(0).vcpus[0].cpu.accesses is None


def test_stop_points_are_up_to_who_looks_and_hold_in_the_past_too() -> None:
    lab = lab_with(COUNTS)
    lab.hypervisor.start(lab.vm(0))
    lab.snapshots.save("start")
    lab.run("1ms")
    watch = StopPoint(0, "the counter", vm=0, watches=(Watch(0x4020_0000, 0x4020_0008),))
    lab.hypervisor.stops.add(lab.hypervisor, watch)
    lab.snapshots.restore("start")
    for number in (1, 2, 3):
        assert lab.run() == "break"
        assert lab.vm(0).read(0x4020_0000, 1) == bytes([number])
    lab.snapshots.restore("start")
    assert lab.run() == "break" and lab.vm(0).read(0x4020_0000, 1) == b"\x01"


def test_observers_are_told_that_time_went_back() -> None:
    lab = busy_lab()
    seen: list[Event] = []
    lab.events.add(seen.append)
    lab.snapshots.save("here")
    lab.run("1ms")
    lab.snapshots.restore("here")
    assert seen[-1] == Log(0, "info", "restored snapshot 'here'")


def test_snapshots_share_what_does_not_differ() -> None:
    lab = lab_with(COUNTS)
    vm = lab.vm(0)
    vm.write(0x4030_0000, b"\xa5" * (4 << 20))
    lab.hypervisor.start(vm)
    vm.write(0x4030_0000, b"\xa5" * (4 << 20))
    for number in range(20):
        lab.snapshots.save(f"s{number}")
        lab.run("100us")
    kept = sum(snapshot.differs for snapshot in lab.snapshots)
    assert 20 * 4096 <= kept <= 20 * 4 * 4096


def test_a_copy_of_a_lab_has_no_snapshots_and_the_same_future() -> None:
    lab = busy_lab()
    lab.snapshots.save("here")
    lab.run("1ms")
    twin = copy.deepcopy(lab)
    assert len(twin.snapshots) == 0 and len(lab.snapshots) == 1
    lab.run("1ms")
    twin.run("1ms")
    assert state_of(twin) == state_of(lab)


WRONG_NAMES = ["", "..", "a/b", "/etc/passwd", "a\\b", ".hidden", "-f", "x" * 65, "ä", "a b", "end."]


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_name_that_is_no_plain_file_name_is_refused(name: str) -> None:
    lab = Lab(code_cache=False)
    with pytest.raises(AxError, match="is no name: letters, digits"):
        lab.snapshots.save(name)
    assert len(lab.snapshots) == 0


def test_the_commands_say_what_they_did() -> None:
    lab = lab_with(COUNTS)
    lab.shell("vm start 0 -d")
    assert said(lab.shell("vm snapshot list")) == ["No snapshots."]
    assert said(lab.shell("vm snapshot save one")) == ["✓ snapshot 'one' at 0 ns: 1 VM, 16KB of memory"]
    lab.run("1ms")
    restored = lab.shell("vm snapshot restore one")
    assert said(restored) == ["✓ restored 'one': the lab is at 0 ns (it was at 1 ms)"]
    assert restored.json()["snapshot"]["vms"] == [{"id": 0, "name": "guest0", "state": "Running"}]
    assert said(lab.shell("vm snapshot show one"))[-1] == "  VM[0] guest0: Running"
    assert said(lab.shell("vm snapshot restore ona")) == [
        "✗ there is no snapshot 'ona'; did you mean one? (there are: one)"
    ]
    assert [known.text for known in lab.shell.complete("vm snapshot delete ")] == ["one"]
    assert said(lab.shell("vm snapshot delete one")) == ["✓ snapshot 'one' deleted"]
    assert not lab.shell("vm snapshot delete one").ok


def test_the_example_of_the_documentation_runs() -> None:
    text = (Path(__file__).parent.parent / "docs" / "time.md").read_text(encoding="utf-8")
    exec(compile(text.partition("```python\n")[2].partition("```")[0], "docs/time.md", "exec"), {})
