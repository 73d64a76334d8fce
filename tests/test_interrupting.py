"""Ctrl-C ends a run between two instructions: everything is usable then, and the run goes on as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from shell_labs import lab_with, toml
from small_guests import SPINS

from axlab.lab import Lab
from axlab.shell.results import Result, TextResult
from axlab.shell.running import Interruptible, Undisturbed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")

END = 80_000_000

# Two vCPUs that count in memory under a lock and print now and then: whatever is lost of a register shows.
BUSY = """
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, 1f
    hvc #0
1:  ldr x1, =0x40200000
    ldr x3, =0x09000000
2:  ldxr x2, [x1]
    add x2, x2, #1
    stxr w4, x2, [x1]
    cbnz w4, 2b
    add x7, x7, x2
    tst x2, #0x3ff
    b.ne 2b
    and w5, w7, #15
    add w5, w5, #'A'
    str w5, [x3]
    b 2b"""

# Between two runs a Ctrl-C is the program's own affair: here it counts for nothing, however late it comes.
SHELL = """
import signal, sys
from axlab import Lab
signal.signal(signal.SIGINT, lambda *_: None)
lab = Lab()
vm = lab.create(sys.argv[1])
lab.shell("vm start 0 --detach")
interrupted = 0
while lab.now < END:
    print("runs", flush=True)
    result = lab.shell(f"vm run --for {END - lab.now}ns")
    if result.why == "interrupted":
        interrupted += 1
        assert not result.ok and "interrupted after" in result.text(), result.text()
        assert "Running" in lab.shell("vm list").text() and lab.shell("vm show 0 --full").ok
        assert all(lab.shell(f"vm regs 0 -c {cpu}").ok for cpu in (0, 1))
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("done", interrupted, lab.now, vm.vcpus[0].cpu.pc, *vm.vcpus[0].cpu.x, lab.fingerprint(), flush=True)
"""

PYTHON = """
import signal, sys
from axlab import Lab
lab = Lab()
vm = lab.create(sys.argv[1])
lab.hypervisor.start(vm)
interrupted = 0
while lab.now < END:
    try:
        print("runs", flush=True)
        lab.run(f"{END - lab.now}ns")
    except KeyboardInterrupt:
        interrupted += 1
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("done", interrupted, lab.now, vm.vcpus[0].cpu.pc, *vm.vcpus[0].cpu.x, lab.fingerprint(), flush=True)
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "guest.toml"
    path.write_text(toml(BUSY, cpus=2))
    return path


@pytest.fixture(scope="module")
def at_the_end(guest: Path) -> list[str]:
    """What an uninterrupted run comes to: time, PC, registers, fingerprint."""
    lab = Lab()
    vm = lab.create(guest)
    lab.shell("vm start 0 --detach")
    lab.run(f"{END}ns")
    cpu = vm.vcpus[0].cpu
    return [str(value) for value in (lab.now, cpu.pc, *cpu.x, lab.fingerprint())]


@pytest.mark.slow
@pytest.mark.parametrize("program", [SHELL, PYTHON], ids=["shell", "python"])
def test_an_interrupted_run_goes_on_to_the_same_end(guest: Path, at_the_end: list[str], program: str) -> None:
    source = program.replace("END", str(END))
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(guest)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    line, sent = process.stdout.readline(), 0
    while line == "runs\n":
        time.sleep(0.01 + 0.007 * (sent % 7))
        if sent < 12:
            process.send_signal(signal.SIGINT)
            sent += 1
            if sent % 3 == 0 and program is SHELL:
                process.send_signal(signal.SIGINT)  # a second one, while the first is being obeyed
        line = process.stdout.readline()
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    word, interrupted, *rest = line.split()
    assert word == "done" and int(interrupted) >= 3
    assert rest == at_the_end


def test_a_run_in_the_foreground_says_that_it_was_interrupted() -> None:
    lab = lab_with(SPINS)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    result = lab.shell("vm start 0 --for 1000s")
    assert not result.ok and "⚠ interrupted after" in result.text()
    assert lab.shell("vm run --for 1ms").ok


def test_the_handler_from_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    lab = lab_with(SPINS)
    lab.shell("vm start 0 --for 1ms")
    lab.run("1ms")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_beside_the_main_thread_leaves_signals_alone() -> None:
    lab = lab_with(SPINS)
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(lab.shell("vm start 0 --for 1ms")))
    thread.start()
    thread.join()
    assert results[0].ok


def test_however_often_ctrl_c_is_pressed_a_run_is_not_torn() -> None:
    with Interruptible() as interrupt:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
    assert interrupt.requested


def test_a_command_that_changes_something_is_finished_first() -> None:
    lab = Lab()
    done: list[str] = []

    def change(context: object) -> Result:
        signal.raise_signal(signal.SIGINT)
        done.append("the rest of the change")
        return TextResult()

    lab.shell.tree.register("demo change", "Change something", change)
    with pytest.raises(KeyboardInterrupt):
        lab.shell("demo change")
    assert done == ["the rest of the change"]


def test_a_command_that_never_ends_can_be_ended() -> None:
    with pytest.raises(KeyboardInterrupt), Undisturbed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one was kept waiting")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["-c", "a file", "source", "a pipe"])
def test_ctrl_c_ends_a_script_and_not_only_the_command_that_runs(tmp_path: Path, way: str) -> None:
    (tmp_path / "guest.toml").write_text(toml(SPINS), encoding="utf-8")
    lines = ["vm create guest.toml", "vm start -d", "echo now", "vm run --for 100000s", "echo after"]
    (tmp_path / "all.axs").write_text("\n".join(lines), encoding="utf-8")
    arguments = {"-c": ["-c", "; ".join(lines)], "a file": ["all.axs"], "source": ["-c", "source all.axs; echo after"]}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "axlab", "shell", *arguments.get(way, [])],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert process.stdin and process.stdout
    if way == "a pipe":
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
    while process.stdout.readline() != "now\n":
        pass
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert "interrupted" in rest and "after\n" not in rest
    assert process.wait() == 130
