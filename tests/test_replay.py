"""Recordings: what came from outside, in a small file, replayed exactly by anybody, or it is said where not."""

from __future__ import annotations

import copy
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from small_guests import COUNTS, config
from test_save_restore import BUSY
from test_snapshots import busy_lab, state_of

from axlab.cli import main
from axlab.errors import AxError
from axlab.lab import Lab
from axlab.time import recorded_start
from axlab.time.replay import Diverged

Volume = Callable[[int], int]


def typing_lab() -> Lab:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    for text in (b"one ", b"\xfftwo\n"):
        lab.run("500us")
        lab.hypervisor.console_input(lab.vm(0), text)
    lab.run("1ms")
    return lab


def changed(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    """The recording with its lines changed."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    typing_lab().record(tmp_path / "typed.axrec")
    return tmp_path / "typed.axrec"


@settings(max_examples=3, phases=[Phase.generate])
@given(st.integers(0, 99), st.sampled_from(["fifo", "rr", "fair", "random"]))
def test_a_replay_is_the_same_to_the_last_byte(tmp_path_factory: Any, seed: int, scheduler: str) -> None:
    chance = random.Random(seed)
    lab = Lab(scheduler=scheduler, seed=seed, ns_per_instruction=chance.choice([100, 10]), code_cache=False)
    lab.hypervisor.start(lab.create("demo"))
    lab.hypervisor.start(lab.create(config(BUSY, vm_id=7, cpus=2, passed=("/intc", "/pl011"), sets=(1, 3))))
    for _ in range(6):
        lab.hypervisor.advance(max_instructions=chance.randrange(6_000))
        match chance.randrange(4):
            case 0:
                lab.hypervisor.console_input(lab.vm(0), b"typed")
            case 1:
                lab.shell(chance.choice(["vm suspend 7", "vm resume 7", "vm stop 0 -f"]))
                lab.hypervisor.set_affinity(lab.vm(7).vcpus[1], chance.choice([None, 1, 6]))
            case 2:
                if lab.vm(7).state == "Running":
                    lab.shell("vm step 7 3")
    path = tmp_path_factory.mktemp("recorded") / "lab.axrec"
    lab.record(path)
    assert state_of(Lab.replay(path)) == state_of(lab)


def test_a_recording_is_small_and_can_be_read(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["settings"]["scheduler"] == "fifo"
    assert [line["do"] for line in lines if "do" in line] == ["create", "start", "console_input", "console_input"]
    assert [line["at"] for line in lines if line.get("do") == "console_input"] == [500_000, 1_000_000]
    assert path.stat().st_size < 8000


def test_typed_bytes_come_again_as_they_were(path: Path) -> None:
    lab = Lab.replay(path)
    assert bytes(lab.vm(0).console.output) == b"one \xfftwo\n" and lab.now == 2_000_000
    lab.hypervisor.console_input(lab.vm(0), b"more")
    lab.run("1ms")
    assert lab.vm(0).console.output.endswith(b"more")


def test_the_past_that_was_left_is_not_recorded(tmp_path: Path) -> None:
    lab = typing_lab()
    assert lab.history is not None
    lab.history.to(700_000)
    lab.hypervisor.console_input(lab.vm(0), b"another")
    lab.run("1ms")
    lab.record(tmp_path / "branch.axrec")
    assert Lab.replay(tmp_path / "branch.axrec").vm(0).console.text == "one another"


@pytest.mark.parametrize("begins", ["from a snapshot on disk", "as a copy", "with a VM put back", "new"])
def test_a_recording_may_begin_at_any_moment(tmp_path: Path, begins: str) -> None:
    lab = typing_lab()
    if begins == "from a snapshot on disk":
        lab.snapshots.write(tmp_path / "typed.axsnap")
        lab = Lab.restore(tmp_path / "typed.axsnap", code_cache=False)
        (tmp_path / "typed.axsnap").unlink()
    elif begins == "as a copy":
        lab = copy.deepcopy(lab)
    elif begins == "with a VM put back":
        lab.snapshots.save("here", vm=lab.vm(0))
        lab.run("1ms")
        lab.snapshots.restore("here")
    for text in (b"three ", b"four"):
        lab.hypervisor.console_input(lab.vm(0), text)
        lab.run("700us")
    state = state_of(lab)
    recorded = lab.record(tmp_path / "later.axrec", since=f"{lab.now - 900_000}ns" if begins == "new" else None)
    assert state_of(lab) == state and recorded.start is not None
    assert len(recorded.commands) == (1 if begins == "new" else 2)
    replayed = Lab.replay(tmp_path / "later.axrec")
    assert state_of(replayed) == state and replayed.vm(0).console.text.endswith("three four")
    replayed.record(tmp_path / "again.axrec")
    assert state_of(Lab.replay(tmp_path / "again.axrec")) == state


def test_a_large_snapshot_is_beside_the_recording_and_must_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_start, "SMALL", 100)
    lab = typing_lab()
    path, beside = lab.folder / "it.axrec", lab.folder / "it.axsnap"
    saved = lab.shell("vm record save it.axrec --since 700us")
    assert said(saved)[0].startswith("✓ 1 commands from 700 us up to 2 ms: it.axrec, ")
    assert state_of(Lab.replay(path))[:2] == state_of(lab)[:2]
    beside.write_bytes(beside.read_bytes()[:-1] + b"x")
    with pytest.raises(AxError, match=r"^the recording begins with a snapshot that has to be beside it: .*it\.axsnap"):
        Lab.replay(path)
    early = lab.shell("vm record save it.axrec --since 5ms")
    assert said(early) == ["✗ 5 ms is not in the lab's history, which is known from 0 ns to 2 ms"]


def test_a_replayed_lab_can_be_recorded_again(path: Path, tmp_path: Path) -> None:
    Lab.replay(path).record(tmp_path / "again.axrec")
    assert Lab.replay(tmp_path / "again.axrec").vm(0).console.output == b"one \xfftwo\n"


def test_the_first_event_that_differs_is_named(path: Path) -> None:
    def later(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("data") == "one ")["data"] = "two "

    with pytest.raises(Diverged) as caught:
        Lab.replay(changed(path, later))
    message = caught.value.message
    assert message.startswith("the replay differs from the recording at 50") and "event " in message
    assert "recorded was another event (mmio), and this happened: Mmio(time=" in message
    assert caught.value.lab.vm(0).state == "Running"


def test_a_machine_that_does_not_come_to_a_command_says_so(path: Path) -> None:
    def elsewhere(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("data") == "one ")["instructions"] += 1000
        lines[:] = [line for line in lines if "events" not in line]

    with pytest.raises(Diverged, match="the machine has not come to where 'console_input 0 b'one '' was given"):
        Lab.replay(changed(path, elsewhere))


def test_an_image_that_is_missing_or_another_is_named_with_its_hash(tmp_path: Path) -> None:
    lab = typing_lab()
    lab.record(tmp_path / "big.axrec")
    image = Path(lab.vm(0).config.kernel.kernel_path)

    def without_data(lines: list[dict[str, Any]]) -> None:
        del lines[1]["zlib"]
        lines[1]["image"] = "/nowhere/" + image.name
        lines[2]["config"] = lines[2]["config"].replace(str(image), "/nowhere/" + image.name)

    path = changed(tmp_path / "big.axrec", without_data)
    with pytest.raises(AxError, match=r"^the recording needs /nowhere/guest.bin \(sha256 [0-9a-f]{64}\), with"):
        Lab.replay(path)
    (tmp_path / image.name).write_bytes(image.read_bytes())
    assert Lab.replay(path).vm(0).console.output == b"one \xfftwo\n"
    (tmp_path / image.name).write_bytes(b"x")
    with pytest.raises(AxError, match="with just these contents"):
        Lab.replay(path)


@pytest.mark.parametrize(
    ("number", "line", "complaint"),
    [
        (0, {"axlab recording": 2}, '"axlab recording": 1 is wanted in the first line'),
        (2, {"at": 0, "turns": 0, "instructions": 0, "do": "advance"}, "'advance'"),
        (2, {"at": 0, "turns": 0, "instructions": 0, "do": "create", "config": "x"}, "Expected"),
        (3, {"at": 0, "turns": 0, "instructions": 0, "do": "start", "vm": "0"}, "vm is '0'"),
        (3, {"do": "start", "vm": 0}, "'turns'"),
        (1, {"image": "x", "sha256": "00", "zlib": "eNo7yMAAAA=="}, ""),
    ],
)
def test_a_wrong_line_is_named(path: Path, number: int, line: dict[str, Any], complaint: str) -> None:
    def put(lines: list[dict[str, Any]]) -> None:
        lines[number] = line

    with pytest.raises(AxError) as caught:
        Lab.replay(changed(path, put))
    assert caught.value.message.startswith(f"{path}:{number + 1}: this line is none of a recording: ")
    assert complaint in caught.value.message


def test_damaged_recordings_are_refused_and_never_anything_else(path: Path, volume: Volume) -> None:
    data, chance = bytearray(path.read_bytes()), random.Random(3)
    for _ in range(volume(200)):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])])
        try:
            Lab.replay(path)
        except AxError:
            continue


def test_a_lab_that_went_to_a_snapshot_on_disk_is_recorded_from_there(tmp_path: Path) -> None:
    lab = busy_lab()
    lab.snapshots.save("here", disk=True)
    lab.snapshots.forget("here")
    lab.run("1ms")
    lab.snapshots.restore("here")
    lab.run("1ms")
    lab.record(tmp_path / "here.axrec")
    assert state_of(Lab.replay(tmp_path / "here.axrec")) == state_of(lab)


def test_a_lab_without_history_is_not_recorded() -> None:
    with pytest.raises(AxError, match="history = false"):
        Lab(code_cache=False, history=False).record()


def test_the_commands_write_and_replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lab = lab_with(COUNTS, folder=tmp_path)
    lab.shell("vm start 0 -d")
    lab.run("1ms")
    assert said(lab.shell("vm record show"))[2:] == ["0 ns create 0 guest0", "0 ns start 0"]
    assert said(lab.shell("vm record save bug.axrec"))[0].startswith("✓ 2 commands up to 1 ms: bug.axrec, ")
    assert not lab.shell("vm record save ../bug.axrec").ok
    assert main(["replay", str(tmp_path / "bug.axrec")]) == 0
    assert capfd.readouterr().err == "axlab: the same as recorded, up to 1 ms\n"
    assert main(["replay", str(tmp_path / "none.axrec")]) == 2
    changed(tmp_path / "bug.axrec", lambda lines: lines[-1].update(end="0" * 64))
    assert main(["replay", str(tmp_path / "bug.axrec")]) == 1
    assert "differs from the recording at 1 ms: consoles printed something else" in capfd.readouterr().err


def test_a_recording_that_cannot_be_written_says_why() -> None:
    lab = lab_with(COUNTS)
    (lab.folder / "d").mkdir()
    result = lab.shell("vm record save d")
    assert not result.ok and said(result) == ["✗ d: is a directory"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")
def test_ctrl_c_ends_a_replay(tmp_path: Path) -> None:
    lab = lab_with("mov x0, #0x09000000\n mov w1, #0x21\n strb w1, [x0]\n1: b 1b")
    lab.hypervisor.start(lab.vm(0))
    lab.run("2s")  # to replay it takes long enough to be interrupted
    lab.record(tmp_path / "spins.axrec")
    words = [sys.executable, "-u", "-m", "axlab", "replay", str(tmp_path / "spins.axrec")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1) == b"!"  # the guest runs
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()
        assert process.wait() == 130
    assert told.splitlines()[-1] == "axlab: interrupted" and "Traceback" not in told
