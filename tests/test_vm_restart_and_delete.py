"""restart and delete: AxVisor's words, and what really happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_labs import lab_with, said, states
from small_guests import POWERS_OFF, SPINS

# restart


def test_restart_stops_waits_and_starts() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    result = lab.shell("vm restart 0")
    assert result.ok
    assert said(result) == [
        "Restarting VM[0]...",
        "Stopping VM[0]...",
        "Gracefully stopping VM[0]...",
        "✓ VM[0] stop signal sent successfully",
        "  Note: VCpu threads will exit gracefully, VM status will transition to Stopped",
        "Waiting for VM[0] to stop completely...",
        "✓ VM[0] stopped successfully",
        "Starting VM[0]...",
        "✓ VM[0] started successfully",
    ]
    assert states(lab) == ["Running"]


def test_restart_of_a_stopped_vm_starts_it() -> None:
    lab = lab_with(SPINS)
    assert said(lab.shell("vm restart 0")) == [
        "Restarting VM[0]...",
        "VM[0] is already stopped, starting...",
        "✓ VM[0] started successfully",
    ]


def test_restart_of_a_stopping_vm_waits_only_by_force() -> None:
    """Fix 19: the document says that it waits, and does nothing."""
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d; vm stop 0")
    refused = lab.shell("vm restart 0")
    assert not refused.ok
    assert said(refused)[1:] == [
        "⚠ VM[0] is currently stopping",
        "  Wait for shutdown to complete, then use 'vm start 0'",
    ]
    assert said(lab.shell("vm restart 0 --force"))[1:] == [
        "⚠ VM[0] is currently stopping, waiting...",
        "✓ VM[0] stopped successfully",
        "Starting VM[0]...",
        "✓ VM[0] started successfully",
    ]
    assert states(lab) == ["Running"]


def test_a_vm_that_does_not_stop_in_time_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    monkeypatch.setattr(lab.hypervisor, "advance", lambda until, **_: "time")
    result = lab.shell("vm restart 0")
    assert not result.ok
    assert said(result)[-1] == "⚠ VM[0] stop timeout"


# delete


def test_delete_of_a_stopped_vm_removes_it_and_its_folder() -> None:
    lab = lab_with(POWERS_OFF)
    lab.shell("vm start 0")
    assert (lab.folder / "vms" / "guest0").is_dir()
    result = lab.shell("vm delete 0")
    assert result.ok
    assert said(result) == [
        "Deleting stopped VM[0]...",
        "  Waiting for VCpu threads to exit...",
        "✓ VM[0] removed from VM list",
        "✓ VM[0] deleted completely",
        "  ✓ VM will be freed immediately",
        "✓ VM[0] deletion completed",
    ]
    assert states(lab) == []
    assert list((lab.folder / "vms").iterdir()) == []


def test_delete_keeps_the_data_when_asked_to() -> None:
    lab = lab_with(POWERS_OFF)
    lab.shell("vm start 0")
    lines = said(lab.shell("vm delete 0 --keep-data"))
    assert lines[3] == "✓ VM[0] deleted (configuration and data preserved)"
    assert (lab.folder / "vms" / "guest0" / "config.toml").is_file()


def test_delete_of_a_running_vm_needs_force() -> None:
    """Fix 20: the document removes the tasks before it joins them."""
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    refused = lab.shell("vm delete 0")
    assert not refused.ok
    assert said(refused) == ["✗ VM[0] is currently running", "  Use 'vm stop 0' first, or use '--force'"]
    assert said(lab.shell("vm delete 0 --force"))[:4] == [
        "⚠ Force deleting running VM[0]...",
        "  VM[0] is Running, sending shutdown signal...",
        "  Waiting for VCpu threads to exit...",
        "✓ VM[0] removed from VM list",
    ]


def test_delete_of_a_stopping_vm_needs_force() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d; vm stop 0")
    assert said(lab.shell("vm delete 0")) == [
        "⚠ VM[0] is currently stopping",
        "  Wait for it to stop, or use '--force'",
    ]
    assert said(lab.shell("vm delete 0 -f"))[:2] == [
        "⚠ Force deleting stopping VM[0]...",
        "  VM[0] is Stopping, sending shutdown signal...",
    ]


@pytest.mark.parametrize(("before", "state"), [("", "Loaded"), ("vm start 0 -d; vm suspend 0", "Suspended")])
def test_delete_in_other_states_needs_force(before: str, state: str) -> None:
    lab = lab_with(SPINS)
    lab.shell(before)
    assert said(lab.shell("vm delete 0")) == [f"⚠ VM[0] is in {state} state", "Use --force to force delete"]
    assert said(lab.shell("vm delete 0 -f"))[0] == f"⚠ VM[0] is in {state} state"
    assert states(lab) == []


def test_several_vms_are_deleted_by_one_command() -> None:
    """Fix 28."""
    lab = lab_with(SPINS, SPINS, SPINS)
    assert lab.shell("vm delete 0-1 --force").ok
    assert [vm.id for vm in lab.hypervisor.vms] == [2]


def test_a_vm_that_does_not_leave_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    monkeypatch.setattr(lab.hypervisor, "stop", lambda vm, force=False: None)
    monkeypatch.setattr(lab.hypervisor, "advance", lambda until, **_: "time")
    result = lab.shell("vm delete 0 -f")
    assert not result.ok
    assert said(result)[-1] == "⚠ VM[0] deletion timeout"
    assert states(lab) == ["Running"]


def test_who_still_holds_a_deleted_vm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_with(POWERS_OFF)
    lab.shell("vm start 0")
    monkeypatch.setattr(lab.hypervisor, "holders", lambda vm: ["device RTC"])
    lines = said(lab.shell("vm delete 0"))
    assert "  ⚠ Warning: Unexpected reference count 2, possible leak! Held by: device RTC" in lines


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """Fix 21: delete removes the VM's folder and nothing else."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    lab = lab_with(POWERS_OFF, folder=tmp_path / "lab")
    lab.shell("vm start 0")
    folder = lab.folder / "vms" / "guest0"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.symlink_to(precious)
    assert lab.shell("vm delete 0").ok
    assert (precious / "file").read_text() == "x"
    assert not folder.is_symlink()
