"""A VM's own folder on the host: what is written there, and what happens where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_labs import prints
from small_guests import MS, SPINS, config, hypervisor

from axlab.errors import AxError
from axlab.vmm.config import load_config


def test_the_configuration_in_the_folder_is_right_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "kernel.bin").write_bytes(b"\x1f\x20\x03\xd5")
    (tmp_path / "guest.toml").write_text(
        config(SPINS).to_toml().replace(config(SPINS).kernel.kernel_path, "kernel.bin")
    )
    hypervisor(folder=tmp_path / "lab").create(load_config(tmp_path / "guest.toml"))
    made = load_config(tmp_path / "lab" / "vms" / "guest0" / "config.toml")
    assert made.resolve(made.kernel.kernel_path) == tmp_path / "kernel.bin"


def test_a_folder_that_cannot_be_written_refuses_the_vm_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "vms" / "guest0" / "config.toml").mkdir(parents=True)
    hv = hypervisor(folder=tmp_path)
    with pytest.raises(AxError) as refused:
        hv.create(config(SPINS))
    assert str(refused.value) == f"the VM's folder {tmp_path / 'vms' / 'guest0'} cannot be written: is a directory"
    assert (len(hv.vms), hv.host_memory.used()) == (0, 0)


def test_a_folder_that_was_made_for_a_vm_that_failed_is_gone_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AxError, match="no space left on device$"):
        hypervisor(folder=tmp_path).create(config(SPINS))
    assert not (tmp_path / "vms" / "guest0").exists()


def test_a_log_that_cannot_be_written_stops_no_guest(tmp_path: Path) -> None:
    hv = hypervisor(folder=tmp_path)
    vm = hv.create(config(prints("A\n")))
    log = tmp_path / "vms" / "guest0" / "vm.log"
    log.unlink()
    log.mkdir()
    hv.start(vm)
    hv.advance(MS)
    assert (vm.state, "console: A" in vm.folder.text()) == ("Stopped", True)


def test_a_leftover_folder_of_the_same_name_is_taken_over_with_its_disk(tmp_path: Path) -> None:
    folder = tmp_path / "vms" / "guest0"
    folder.mkdir(parents=True)
    (folder / "disk.img").write_bytes(b"precious")
    (folder / "vm.log").write_text("of another life\n", encoding="utf-8")
    hv = hypervisor(folder=tmp_path)
    vm = hv.create(config(SPINS))
    hv.remove(vm, keep_data=True)
    assert (folder / "disk.img").read_bytes() == b"precious"
    assert "of another life" not in (folder / "vm.log").read_text(encoding="utf-8")
