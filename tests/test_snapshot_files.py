"""Snapshots on disk: exact, and whole or not there at all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from small_guests import COUNTS
from test_snapshots import busy_lab, state_of

from axlab.cli import main
from axlab.errors import AxError
from axlab.lab import Lab
from axlab.time import on_disk
from axlab.time.classes import classes
from axlab.time.snapshot_file import Contents, read, write
from axlab.vmm.config import parse_config
from axlab.vmm.config_new import new_config

Volume = Callable[[int], int]


PLACE = Path("x.axsnap")


U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"


@settings(max_examples=3)
@given(st.integers(0, 60_000), st.sampled_from(["fifo", "rr", "fair"]), st.booleans())
def test_a_restored_lab_goes_on_bit_for_bit(before: int, scheduler: str, recorded: bool) -> None:
    lab = busy_lab(scheduler)
    if recorded:
        lab.trace.record("blocks")
    lab.hypervisor.advance(max_instructions=before)
    contents = on_disk.contents_of(lab, "here")
    twin = Lab(code_cache=False)
    on_disk.put_into(twin, contents, PLACE)
    assert state_of(twin) == state_of(lab)
    for one in (lab, twin):
        one.hypervisor.advance(max_instructions=20_000)
    assert state_of(twin) == state_of(lab)


@pytest.mark.slow
@pytest.mark.parametrize("guest", ["u-boot", "two vCPUs"])
def test_a_real_boot_goes_on_bit_for_bit_from_a_file(needs: Callable[[str, str], str], guest: str) -> None:
    lab, chance = busy_lab("fifo"), random.Random(3)
    if guest == "u-boot":
        lab = Lab(code_cache=False)
        text = new_config("u-boot", name="u-boot", image=needs(U_BOOT, "u-boot-qemu"))
        lab.hypervisor.start(lab.create(parse_config(text, "u-boot.toml").require()))
    for _ in range(4):
        lab.hypervisor.advance(max_instructions=chance.randrange(500_000))
        twin = Lab(code_cache=False)
        on_disk.put_into(twin, on_disk.contents_of(lab, "here"), PLACE)
        for one in (lab, twin):
            one.hypervisor.advance(max_instructions=300_000)
        assert state_of(twin) == state_of(lab)


def test_a_lab_of_other_settings_is_what_the_file_says(tmp_path: Path) -> None:
    lab = lab_with(ECHOES, settings={"cpus": 2, "ram": "256M", "gic_version": 2, "ns_per_instruction": 10})
    lab.hypervisor.start(lab.vm(0))
    lab.hypervisor.console_input(lab.vm(0), b"before ")
    lab.run("1ms")
    lab.snapshots.write(tmp_path / "echo.axsnap")
    twin = Lab.restore(tmp_path / "echo.axsnap")
    assert (twin.board.cpus, twin.board.memory.size, twin.hypervisor.ns_per_instruction) == (2, 256 << 20, 10)
    for one in (lab, twin):
        one.hypervisor.console_input(one.vm(0), b"after")
        one.run("1ms")
    assert twin.vm(0).console.text == "before after"
    assert state_of(twin) == state_of(lab)
    assert (twin.folder / "vms" / "guest0" / "vm.log").read_text() == twin.vm(0).folder.text()


def test_a_snapshot_on_disk_goes_into_a_lab_whose_objects_stay() -> None:
    lab = busy_lab()
    lab.snapshots.save("memory")
    earlier = state_of(lab)
    lab.run("1ms")
    lab.snapshots.save("kept", disk=True)
    lab.snapshots.forget("kept")
    then, vm, hypervisor = state_of(lab), lab.vm(7), lab.hypervisor
    parts = (vm, vm.vcpus[1], vm.vcpus[1].cpu)
    lab.run("1ms")
    lab.snapshots.restore("kept")
    assert state_of(lab) == then and lab.hypervisor is hypervisor
    assert (lab.vm(7), lab.vm(7).vcpus[1], lab.vm(7).vcpus[1].cpu) == parts
    lab.run("1ms")
    lab.snapshots.restore("memory")
    assert state_of(lab) == earlier


def test_equal_pages_are_written_once_and_zeros_not_at_all() -> None:
    lab = lab_with(COUNTS)
    base = len(on_disk.contents_of(lab, "").sections[b"page"])
    for page in range(100):
        lab.vm(0).write(0x4030_0000 + 4096 * page, b"\xa5" * 4096)
        lab.vm(0).write(0x4050_0000 + 4096 * page, bytes(4096))
    assert len(on_disk.contents_of(lab, "").sections[b"page"]) == base + 4096


def test_every_class_that_may_be_in_a_file_is_there() -> None:
    assert all(cls.__module__.startswith("axlab.") for cls in classes().values())


def test_what_no_file_may_have_is_named(tmp_path: Path) -> None:
    class Odd:
        pass

    lab = lab_with(COUNTS)
    lab.hypervisor.scheduler.odd = Odd()  # type: ignore[attr-defined]
    with pytest.raises(AxError, match=r"its state has an object of test_snapshot_files\..*Odd, which no snapshot file"):
        lab.snapshots.save("odd", disk=True)
    assert not list(lab.folder.glob("snapshots/*"))
    lab.snapshots.save("odd")


# Files that are none


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = busy_lab()
    lab.run("500us")
    return lab


@pytest.fixture(scope="module")
def contents(lab: Lab) -> Contents:
    return on_disk.contents_of(lab, "here")


# Written whole or not at all

SAVES_FOR_EVER = """
import sys
from pathlib import Path
from axlab.time.snapshot_file import Contents, SECTIONS, write
path = Path(sys.argv[1])
number = int(sys.argv[2])
while True:
    number += 1
    body = (str(number) + " ").encode() * 20000
    write(path, Contents({"number": number}, {name: body for name in SECTIONS}))
    print(number, flush=True)
"""


def test_whoever_is_killed_while_saving_leaves_the_old_file_or_the_new(tmp_path: Path, volume: Volume) -> None:
    path = tmp_path / "here.axsnap"
    chance = random.Random(8)
    last = 0
    for _ in range(volume(200)):
        command = [sys.executable, "-c", SAVES_FOR_EVER, str(path), str(last)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
            assert process.stdout is not None
            told = int(process.stdout.readline())
            time.sleep(chance.random() * 0.01)
            process.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in process.stdout.read().split())])
        found = read(path)
        last = found.header["number"]
        assert last in (told, told + 1)
        assert all(set(part.split()) == {str(last).encode()} for part in found.sections.values())
    write(path, read(path))
    assert os.listdir(tmp_path) == ["here.axsnap"]


def test_a_disk_that_is_full_leaves_the_old_file(
    tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "here.axsnap"
    write(path, contents)
    before = path.read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AxError, match=r"here.axsnap cannot be written: no space left on device"):
        write(path, contents)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["here.axsnap"]


# Commands


def test_snapshots_on_disk_outlive_the_process(tmp_path: Path) -> None:
    lab = lab_with(COUNTS, folder=tmp_path)
    lab.shell("vm start 0 -d")
    lab.run("1ms")
    text = said(lab.shell("vm snapshot save booted --disk"))
    assert text == ["✓ snapshot 'booted' at 1 ms: 1 VM, 20KB of memory (/snapshots/booted.axsnap)"]
    assert said(lab.shell("vm snapshot save booted")) == [
        "✗ 'booted' is a snapshot on disk; delete it first, take another name, or replace it (--disk)"
    ]
    other = Lab.open(tmp_path)
    assert [known.places for known in other.snapshots] == ["disk"]
    assert said(other.shell("vm snapshot restore booted")) == [
        "✓ restored 'booted': the lab is at 1 ms (it was at 0 ns)"
    ]
    assert state_of(other) == state_of(lab)
    (tmp_path / "snapshots" / "broken.axsnap").write_bytes(b"AxLab snapshot 1\n{")
    assert said(other.shell("vm snapshot list"))[3].split() == ["broken", "disk", "damaged"]
    assert "cut short" in said(other.shell("vm snapshot restore broken"))[0]
    for name in ("booted", "broken"):
        assert other.shell(f"vm snapshot delete {name}").ok
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_a_folder_of_snapshots_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    lab = lab_with(COUNTS, folder=tmp_path / "lab")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lab" / "snapshots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AxError, match="is a symbolic link"):
        lab.snapshots.save("here", disk=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_run_can_end_in_a_snapshot_and_begin_with_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "demo.axsnap")
    assert main(["run", "demo", "--for", "2ms", "--save-snapshot", place]) == 1
    first = capfd.readouterr().out
    assert main(["run", "--from-snapshot", place, "--fingerprint"]) == 0
    second = capfd.readouterr()
    assert main(["run", "demo", "--fingerprint"]) == 0
    whole = capfd.readouterr()
    assert first + second.out == whole.out and second.err == whole.err
    assert main(["run", "--from-snapshot", str(tmp_path / "none")]) == 2
    assert capfd.readouterr().err == f"axlab: there is no snapshot {tmp_path / 'none'}\n"
    with pytest.raises(SystemExit):
        main(["run", "demo", "--from-snapshot", place])
    assert "name guests to boot, or a snapshot to go on from" in capfd.readouterr().err
