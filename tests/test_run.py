"""`axlab run`: consoles on standard output, a script of expect and send, limits, statistics, exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shell_labs import DEAF, ECHOES, FAULTS, prints, toml
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER, SPINS, config

from axlab.cli import main

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def guest(tmp_path: Path) -> Callable[..., str]:
    """Write a configuration file for a guest; its path."""

    def write(source: str, number: int = 0) -> str:
        path = tmp_path / f"guest{number}.toml"
        path.write_text(toml(source, number))
        return str(path)

    return write


def run(capfdbinary: Capture, *arguments: str) -> tuple[int, bytes, str]:
    """Status, standard output and standard error of `axlab run`."""
    status = main(["run", *arguments])
    captured = capfdbinary.readouterr()
    return status, captured.out, captured.err.decode()


def test_a_clean_stop_gives_0_and_the_guests_bytes_alone(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    assert run(capfdbinary, guest(prints("hé\x1b[1m\n"))) == (0, "hé\x1b[1m\n".encode(), "")


def test_the_demo_needs_no_file(capfdbinary: Capture) -> None:
    status, out, err = run(capfdbinary, "demo", "--expect", "Good night")
    assert status == 0 and b"Good night" in out and err == ""


def test_expect_and_send_are_obeyed_in_their_order(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    script = ["--send", r"one\n", "--expect", r"one\n", "--send", "two", "--expect", "two"]
    assert run(capfdbinary, guest(ECHOES), *script) == (0, b"one\ntwo", "")


def test_more_is_typed_than_the_uart_holds(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    text = "0123456789" * 20
    assert run(capfdbinary, guest(ECHOES), "--send", text + "!", "--expect", "!") == (0, text.encode() + b"!", "")


def test_what_is_sent_last_is_taken_before_the_end(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    status, out, _ = run(capfdbinary, guest(ECHOES), "--send", "a", "--expect", "a", "--send", "b" * 100)
    assert status == 0 and len(out) > 60


def test_a_text_that_was_printed_before_does_not_count_twice(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    status, _, err = run(capfdbinary, guest(prints("once\n")), "--expect", "once", "--expect", "once")
    assert (status, err) == (1, "axlab: every VM has stopped; still waiting for --expect 'once'\n")


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (SPINS, ["--for", "3ms"], "axlab: 3 ms of virtual time have passed\n"),
        (SPINS, ["--for", "3ms", "--expect", "=> "],
         "axlab: 3 ms of virtual time have passed; still waiting for --expect '=> '\n"),
        (SPINS, ["--max-instructions", "1000"], "axlab: the limit of 1000 instructions was reached\n"),
        (SLEEPS_FOR_EVER, [], "axlab: guest0: asleep, and nothing is going to wake it\n"),
        (POWERS_OFF, ["--expect", "x"], "axlab: every VM has stopped; still waiting for --expect 'x'\n"),
    ],
)  # fmt: skip
def test_a_limit_is_named(
    capfdbinary: Capture, guest: Callable[..., str], source: str, arguments: list[str], message: str
) -> None:
    assert run(capfdbinary, guest(source), *arguments) == (1, b"", message)


def test_a_fault_is_named(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    status, _, err = run(capfdbinary, guest(FAULTS))
    assert status == 1 and err.startswith("axlab: guest0: ") and "0x10000000" in err


def test_several_guests_are_told_apart(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    one, two = guest(prints("one\nrest"), 0), guest(prints("two\n"), 1)
    status, out, _ = run(capfdbinary, one, two)
    assert status == 0
    assert sorted(out.split(b"\n")) == [b"", b"guest0| one", b"guest0| rest", b"guest1| two"]


def test_a_prefix_names_a_vm_only_where_there_is_one(capfdbinary: Capture, guest: Callable[..., str]) -> None:
    one, two = guest(prints("a: b\n"), 0), guest(ECHOES, 1)
    script = ["--send", "guest1:x", "--expect", "guest1:x", "--expect", "guest0:a: b"]
    assert run(capfdbinary, one, two, *script)[0] == 0
    assert run(capfdbinary, one, "--expect", "a: b")[0] == 0
    assert run(capfdbinary, one, "--expect", "guest1:x")[0] == 1


@pytest.mark.parametrize("arguments", [[], ["--for", "1ms"], ["--expect", "never", "--max-instructions", "500"]])
def test_statistics_are_written_however_the_run_ends(
    capfdbinary: Capture, guest: Callable[..., str], tmp_path: Path, arguments: list[str]
) -> None:
    stats = tmp_path / "stats.json"
    source = prints("hi\n") if not arguments else prints("hi\n", DEAF)
    run(capfdbinary, guest(source), "--stats", str(stats), *arguments)
    data = json.loads(stats.read_text())
    assert list(data) == ["instructions", "cpu_seconds", "virtual_ns", "exits", "vms"]
    assert data["exits"]["MmioWrite"] == 3
    assert data["instructions"] == data["vms"][0]["vcpus"][0]["instructions"] > 6
    assert list(data["vms"][0]) == ["id", "name", "state", "reason", "vcpus"]
    assert (data["vms"][0]["id"], data["vms"][0]["name"]) == (0, "guest0")
    if not arguments:
        assert (data["vms"][0]["state"], data["vms"][0]["reason"]) == ("Stopped", "guest power-off")


def test_the_instruction_limit_is_exact(capfdbinary: Capture, guest: Callable[..., str], tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    run(capfdbinary, guest(SPINS), "--max-instructions", "12_345", "--stats", str(stats))
    assert json.loads(stats.read_text())["instructions"] == 12_345


def test_a_trace_and_a_fingerprint_are_written(capfdbinary: Capture, guest: Callable[..., str], tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    source = guest(prints("hi\n"))
    status, out, first = run(capfdbinary, source, "--trace", str(trace), "--fingerprint")
    assert (status, out) == (0, b"hi\n")
    assert "MmioWrite" in trace.read_text()
    assert run(capfdbinary, source, "--fingerprint")[2] == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.toml"], "axlab: nowhere.toml: no such file or directory\n"),
        (["{dir}/bad.toml", "{dir}/none.bin"], "axlab: {dir}/bad.toml:2: "),
        (["{dir}/empty.bin"], "axlab: {dir}/empty.bin"),
        (["demo", "--send", "a\\"], "a\\\n ^ a backslash at the end quotes nothing"),
    ],
)
def test_wrong_files_give_2_and_no_traceback(
    capfdbinary: Capture, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "bad.toml").write_text("[base]\nid = x\n")
    (tmp_path / "empty.bin").write_bytes(b"")
    status, out, err = run(capfdbinary, *(text.replace("{dir}", str(tmp_path)) for text in arguments))
    assert (status, out) == (2, b"")
    assert err.startswith(message.replace("{dir}", str(tmp_path)))


@pytest.mark.parametrize(
    ("option", "name", "why"),
    [("--trace", "trace.xyz", "a trace is not written as .xyz"), ("--stats", "no/such.json", "there is no folder")],
)
def test_a_file_that_could_not_be_written_is_refused_before_the_run(
    capfdbinary: Capture, tmp_path: Path, option: str, name: str, why: str
) -> None:
    status, out, err = run(capfdbinary, "demo", option, str(tmp_path / name))
    assert (status, out) == (2, b"") and why in err


def test_all_that_cannot_be_created_is_named_at_once(
    capfdbinary: Capture, guest: Callable[..., str], tmp_path: Path
) -> None:
    first = guest(SPINS, 0)
    for name in ("b", "c"):
        (tmp_path / f"{name}.toml").write_text(toml(SPINS, 0))
    status, _, err = run(capfdbinary, first, str(tmp_path / "b.toml"), str(tmp_path / "c.toml"))
    assert status == 2 and "b.toml" in err and "c.toml" in err


def test_all_wrong_files_are_named_at_once(capfdbinary: Capture, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[base]\nid = x\n")
    status, _, err = run(capfdbinary, str(tmp_path / "bad.toml"), "nowhere.toml")
    assert status == 2 and "bad.toml:2" in err and "nowhere.toml" in err


@pytest.mark.parametrize("arguments", [[], ["demo", "--for", "soon"], ["demo", "--trace-level", "x"]])
def test_wrong_usage_gives_2(capfdbinary: Capture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", *arguments])
    assert caught.value.code == 2
    assert b"usage: axlab run" in capfdbinary.readouterr().err


@pytest.mark.slow
def test_a_defect_is_called_one(capfdbinary: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axlab.run.drive", lambda *_: 1 // 0)
    status, _, err = run(capfdbinary, "demo")
    assert status == 70 and "this is a defect of AxLab" in err and "ZeroDivisionError" in err


def test_a_fault_is_told_also_where_another_vm_ends_the_run(
    capfdbinary: Capture, guest: Callable[..., str], tmp_path: Path
) -> None:
    status, _, err = run(capfdbinary, guest(FAULTS), guest(SLEEPS_FOR_EVER, 1))
    assert status == 1
    assert err.startswith("axlab: guest0: VCpu[0] at 0x10000000: instruction fetch from 0x10000000")
    assert err.endswith("; guest1: asleep, and nothing is going to wake it\n")


def test_a_run_ends_when_the_vm_whose_text_is_awaited_has_ended(
    capfdbinary: Capture, guest: Callable[..., str]
) -> None:
    expect = ["--expect", "guest0:b"]
    assert run(capfdbinary, guest(prints("a")), guest(SPINS, 1), *expect) == (
        1, b"guest0| a\n", "axlab: guest0 has stopped; still waiting for --expect 'b'\n",
    )  # fmt: skip


def test_a_vm_that_cannot_start_is_named(capfdbinary: Capture, tmp_path: Path) -> None:
    paths = []
    for number in (0, 1):
        paths.append(str(tmp_path / f"guest{number}.toml"))
        text = config(SPINS, number, passed=("/intc", "/pl031@9010000")).to_toml()
        Path(paths[-1]).write_text(text, encoding="utf-8")
    status, out, err = run(capfdbinary, *paths)
    assert (status, out) == (2, b"")
    assert err == "axlab: VM[1] guest1 failed to start: device RTC (/pl031@9010000) belongs to VM[0]\n"


def axlab(*arguments: str, **more: object) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen([sys.executable, "-m", "axlab", *arguments], **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_run_without_a_word(guest: Callable[..., str]) -> None:
    process = axlab("run", guest("    ldr x1, =0x09000000\n1:  str w1, [x1]\n    b 1b"))
    assert process.stdout and process.stderr
    process.stdout.read(100)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_the_run_with_its_statistics(
    guest: Callable[..., str], tmp_path: Path, number: int
) -> None:
    stats = tmp_path / "stats.json"
    process = axlab("run", guest(prints("x", SPINS)), "--stats", str(stats))
    assert process.stdout and process.stderr
    assert process.stdout.read(1) == b"x"
    os.kill(process.pid, number)
    assert process.stderr.read() == b"axlab: interrupted\n"
    assert process.wait() == 130
    assert json.loads(stats.read_text())["vms"][0]["state"] == "Running"
