"""create, start, stop, suspend, resume: AxVisor's words, and what really happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_labs import DEAF, FAULTS, lab_with, prints, said, states, toml
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER, SPINS

from axlab.lab import Lab
from axlab.shell.results import OutcomesResult
from axlab.vmm.lifecycle import ADMITS, VmStatus

# create


def test_create_says_what_it_made(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(toml(number=3))
    lab = Lab(folder=tmp_path)
    result = lab.shell("vm create a.toml")
    assert result.ok
    assert said(result) == [
        "Creating VM from config: a.toml",
        "✓ Successfully created VM[3] from config: a.toml",
        "Successfully created 1 VM(s)",
        "Use 'vm start <VM_ID>' to start the created VMs.",
    ]
    assert states(lab) == ["Loaded"]


def test_a_file_that_fails_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(toml(number=0))
    (tmp_path / "b.toml").write_text("[base]\nid = \n")
    (tmp_path / "d.toml").write_text(toml(number=1))
    result = Lab(folder=tmp_path).shell("vm create a.toml b.toml c.toml d.toml")
    lines = said(result)
    assert not result.ok
    assert lines[1] == "✓ Successfully created VM[0] from config: a.toml"
    assert lines[3].startswith("✗ Failed to create VM from b.toml: b.toml:2: ")
    assert "✗ Failed to read config file c.toml: no such file or directory" in lines
    assert lines[-2:] == ["Successfully created 2 VM(s)", "Use 'vm start <VM_ID>' to start the created VMs."]


def test_creating_a_vm_twice_is_refused_and_leaves_the_first(tmp_path: Path) -> None:
    """Fix 1: AxVisor lists the VM first, and panics."""
    (tmp_path / "a.toml").write_text(toml(number=3))
    lab = Lab(folder=tmp_path)
    lab.shell("vm create a.toml")
    result = lab.shell("vm create a.toml")
    assert said(result)[1:] == [
        "✗ Failed to create VM from a.toml: VM with id 3 already exists",
        "No VMs were created.",
    ]
    assert states(lab) == ["Loaded"]


def test_every_finding_of_a_file_is_named_with_its_key_and_line(tmp_path: Path) -> None:
    text = toml().replace("cpu_num = 1", "cpu_num = 0")
    (tmp_path / "a.toml").write_text(text.replace("entry_point = 0x4008_0000", 'entry_point = "there"'))
    lines = said(Lab(folder=tmp_path).shell("vm create a.toml"))
    assert len([line for line in lines if "a.toml:" in line and ("cpu_num" in line or "entry_point" in line)]) == 2


def test_a_built_in_guest_is_created_by_its_name() -> None:
    lab = Lab()
    assert lab.shell("vm create demo demo").ok
    assert [(vm.id, vm.name) for vm in lab.hypervisor.vms] == [(0, "demo"), (1, "demo-2")]


# start


def test_start_runs_until_every_guest_has_stopped() -> None:
    lab = lab_with(prints("hi\n"))
    result = lab.shell("vm start 0")
    assert result.ok
    assert said(result) == ["✓ VM[0] started successfully", "hi", "ℹ VM[0] stopped: guest power-off"]


def test_start_ends_when_nothing_can_wake_the_guest() -> None:
    lab = lab_with(SLEEPS_FOR_EVER)
    lines = said(lab.shell("vm start 0"))
    assert lines == ["✓ VM[0] started successfully", "ℹ VM[0] sleeps, and nothing is going to wake it"]
    assert lab.now < 1_000_000


def test_a_foreground_run_has_a_limit() -> None:
    lab = lab_with(SPINS)
    assert said(lab.shell("vm start 0 --for 2ms"))[1] == "ℹ 2 ms of virtual time have passed; 'vm run' goes on"
    assert lab.now == 2_000_000
    assert said(Lab().shell("vm start")) == ["Started 0 VM(s)"]


def test_start_detached_takes_no_time() -> None:
    lab = lab_with(SPINS)
    result = lab.shell("vm start 0 --detach")
    assert said(result) == ["✓ VM[0] started successfully", "VMs started in background mode"]
    assert lab.now == 0


def test_a_guests_fault_does_not_fail_start() -> None:
    result = lab_with(FAULTS).shell("vm start 0")
    assert result.ok
    assert said(result)[1].startswith("✗ VM[0] failed: ")


def test_start_of_all_skips_with_a_warning() -> None:
    lab = lab_with(SPINS, SPINS, POWERS_OFF)
    lab.shell("vm start 0 1 -d; vm suspend 1")
    result = lab.shell("vm start -d")
    assert result.ok
    assert said(result) == [
        "⚠ VM[0] is already running, skipping",
        "⚠ VM[1] is in Suspended state, cannot start",
        "✓ VM[2] started successfully",
        "Started 1 VM(s)",
        "VMs started in background mode",
    ]


def test_named_ones_that_cannot_start_are_refused_with_the_verdict() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    result = lab.shell("vm start 0 nobody 7")
    assert not result.ok
    assert said(result) == [
        "✗ VM[0] failed to start: VM is already running",
        "Error: Invalid VM ID: nobody",
        "✗ VM[7] not found",
    ]
    assert isinstance(result, OutcomesResult)
    assert [outcome.ok for outcome in result.vms] == [False, False, False]


def test_start_by_force_stops_what_is_in_the_way() -> None:
    lab = lab_with(SPINS, SPINS)
    lab.shell("vm start -d; vm suspend 1")
    result = lab.shell("vm start all --force --detach")
    assert said(result) == [
        "Force stopping VM[0]...",
        "✓ VM[0] started successfully",
        "Force stopping VM[1]...",
        "✓ VM[1] started successfully",
        "Started 2 VM(s)",
        "VMs started in background mode",
    ]
    assert states(lab) == ["Running", "Running"]


def test_names_and_ranges_mean_vms() -> None:
    lab = lab_with(SPINS, SPINS, SPINS)
    lab.shell("vm start guest0 1-2 1 -d")
    assert states(lab) == ["Running"] * 3
    assert lab.shell("vm stop guest2 0-1").ok


# stop


def test_stop_says_that_the_guest_leaves_by_itself() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    result = lab.shell("vm stop 0")
    assert result.ok
    assert said(result) == [
        "Gracefully stopping VM[0]...",
        "✓ VM[0] stop signal sent successfully",
        "  Note: VCpu threads will exit gracefully, VM status will transition to Stopped",
    ]
    assert states(lab) == ["Stopping"]
    lab.run(for_="20ms")
    assert states(lab) == ["Stopped"]


def test_a_refused_stop_is_one_line() -> None:
    """Fix 26: the document says it twice."""
    lab = lab_with(POWERS_OFF)
    lab.shell("vm start 0")
    assert said(lab.shell("vm stop 0")) == ["✗ Failed to stop VM[0]: VM is already stopped"]


def test_a_suspended_vm_has_its_banner_too() -> None:
    """Fix 27."""
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d; vm suspend 0")
    assert said(lab.shell("vm stop 0"))[0] == "Gracefully stopping VM[0]..."


def test_a_loaded_vm_is_stopped_anyway_and_at_once() -> None:
    """Fix 2: AxVisor waits for ever in Stopping."""
    lab = lab_with(SPINS)
    assert said(lab.shell("vm stop 0"))[0] == "⚠ VM[0] is in Loaded state, stopping anyway..."
    assert states(lab) == ["Stopped"]


def test_force_stops_a_guest_that_listens_to_nothing_at_once() -> None:
    """Fix 18: in the document force and grace do the same."""
    lab = lab_with(DEAF)
    lab.shell("vm start 0 -d")
    lab.run(for_="1ms")
    assert said(lab.shell("vm stop 0 --force"))[0] == "Force stopping VM[0]..."
    before = lab.now
    lab.run(for_="1ms")
    assert states(lab) == ["Stopped"]
    assert lab.now - before <= 1_000_000


def test_stop_while_stopping_needs_force() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d; vm stop 0")
    assert said(lab.shell("vm stop 0")) == ["✗ Failed to stop VM[0]: VM is already stopping"]
    assert said(lab.shell("vm stop 0 -f"))[0] == "Force stopping VM[0]..."


# suspend and resume


def test_suspend_waits_until_every_vcpu_is_blocked() -> None:
    """Fix 5: AxVisor's vCPUs are never Blocked, so that a suspend always times out."""
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    lab.run(for_="1ms")
    result = lab.shell("vm suspend 0")
    assert result.ok
    assert said(result) == [
        "Suspending VM[0]...",
        "✓ VM[0] suspend signal sent",
        "  Note: 1 VCpu task(s) will enter wait queue at next VMExit",
        "  Waiting for VCpus to suspend...",
        "✓ All VCpu tasks are now suspended",
        "  Use 'vm resume 0' to resume the VM",
    ]
    assert 1_000_000 < lab.now <= 1_001_000_000


def test_only_vcpus_that_are_on_are_waited_for() -> None:
    lab = lab_with(SPINS, cpus=2)
    lab.shell("vm start 0 -d")
    lines = said(lab.shell("vm suspend 0"))
    assert lines[2] == "  Note: 1 VCpu task(s) will enter wait queue at next VMExit"
    assert lines[4] == "✓ All VCpu tasks are now suspended"


def test_resume_lets_it_go_on() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d; vm suspend 0")
    result = lab.shell("vm resume 0")
    assert said(result) == ["Resuming VM[0]...", "✓ VM[0] resumed successfully"]
    assert states(lab) == ["Running"]


@pytest.mark.parametrize("operation", ["suspend", "resume"])
def test_a_refused_suspend_or_resume_says_why(operation: str) -> None:
    lab = lab_with(SPINS)
    result = lab.shell(f"vm {operation} 0")
    assert not result.ok
    assert said(result) == [
        f"{operation.capitalize()[:-1] if operation == 'resume' else 'Suspend'}ing VM[0]...",
        f"✗ Failed to {operation} VM[0]: {ADMITS[VmStatus.LOADED][operation].message}",
    ]


def test_a_failed_vm_counts_as_stopped() -> None:
    lab = lab_with(FAULTS)
    lab.shell("vm start 0")
    assert states(lab) == ["Failed"]
    assert said(lab.shell("vm stop 0")) == ["✗ Failed to stop VM[0]: VM is already stopped"]
    assert said(lab.shell("vm restart 0"))[1] == "VM[0] is already stopped, starting..."
    lab.run(for_="1ms")
    assert said(lab.shell("vm delete 0"))[0] == "Deleting stopped VM[0]..."


def test_a_started_vm_is_as_good_as_new_and_reset_is_at_once() -> None:
    lab = lab_with(prints("boot\n", SPINS))
    lab.shell("vm start 0 -d")
    lab.run(for_="1ms")
    assert said(lab.shell("vm reset 0")) == ["✓ VM[0] reset"]
    lab.run(for_="30ms")
    assert lab.vm(0).console.text == "boot\nboot\n"
    assert not lab.shell("vm stop 0; vm reset 0").ok


def test_the_consoles_of_several_guests_are_told_apart_line_by_line() -> None:
    lab = lab_with(prints("one\ntwo"), prints("three\n"))
    lines = said(lab.shell("vm start"))
    assert sorted(line for line in lines if "|" in line) == ["guest0| one", "guest0| two", "guest1| three"]
