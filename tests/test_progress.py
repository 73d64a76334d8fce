"""How a long run goes is told, to a person at a terminal or in a notebook and to nobody else."""

from __future__ import annotations

import copy
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from shell_labs import lab_with, prints, toml
from small_guests import SPINS

from axlab.lab import Lab
from axlab.shell.progress import Progress, StatusLine, has_status_line, on_status_line
from axlab.shell.repl import Printer, run_text

LINE = r"0\.\d\d s of virtual time · \d\.\d M instructions · \d+\.\d M/s · guest0 Run:1"


class Ticking:
    """A clock that goes on by `step` seconds whenever somebody looks at it."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * self.step


class Lines:
    """Keeps what a `Progress` shows; None is its end."""

    def __init__(self, step: float) -> None:
        self.shown: list[str | None] = []
        self.clock = Ticking(step)

    def __call__(self, hypervisor: object) -> Progress:
        return Progress(hypervisor, self.clock, self.shown.append, lambda: self.shown.append(None))


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 --detach")
    yield lab


@pytest.mark.parametrize("command", ["vm run --for 50ms", "vm wait 0 --timeout 50ms", "vm step 0 200000"])
def test_a_run_that_takes_over_a_second_shows_lines_and_takes_them_away(lab: Lab, command: str) -> None:
    lines = lab.progress = Lines(0.3)
    text = lab.shell(command).text()
    *shown, last = lines.shown
    assert shown and last is None
    assert all(re.fullmatch(LINE, line or "") for line in shown), shown
    assert "M/s" not in text


def test_a_run_that_is_over_soon_shows_nothing(lab: Lab) -> None:
    lines = lab.progress = Lines(0.001)
    lab.shell("vm run --for 50ms")
    lab.run("10ms")
    assert lines.shown == [None, None]


def test_lines_come_at_a_pace_that_can_be_read(lab: Lab) -> None:
    lines = lab.progress = Lines(0.02)
    lab.run("1500ms")
    assert 2 <= len(lines.shown) - 1 <= (lines.clock.looks * 0.02 - 1) / 0.25 + 1


def test_a_line_says_what_each_vm_does() -> None:
    lab = lab_with(SPINS, prints("x"))
    lab.shell("vm start 0 --detach")
    now = iter([0.0, 2.0])
    progress = Progress(lab.hypervisor, lambda: next(now), print, print)
    lab.run("1s")
    assert progress.total() == "1.00 s of virtual time · 10.0 M instructions · 5.0 M/s · guest0 Run:1 · guest1 Loaded"


def test_nothing_that_happens_depends_on_it() -> None:
    fingerprints = []
    for progress in (None, Lines(0.3)):
        lab = lab_with(SPINS)
        lab.progress = progress
        lab.shell("vm start 0 --for 100ms")
        fingerprints.append(lab.fingerprint())
    assert fingerprints[0] == fingerprints[1]


def test_a_copy_of_a_lab_shows_none(lab: Lab) -> None:
    lab.progress = on_status_line(StatusLine(sys.stderr), time.monotonic)
    assert copy.deepcopy(lab).progress is None


# The terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "setting", "wanted"),
    [
        (Tty(), "xterm", "", True),
        (Tty(), "xterm", "off", False),
        (Tty(), "dumb", "", False),
        (io.StringIO(), "xterm", "", False),
    ],
)
def test_only_a_terminal_has_a_status_line(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str, setting: str, wanted: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("AXLAB_PROGRESS", setting)
    assert has_status_line(stream) is wanted


def test_the_status_line_is_below_the_cursor_and_leaves_it_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Tty()
    line = StatusLine(stream)
    line.show("0123456789" * 3)
    line.hide()
    line.hide()
    assert stream.getvalue() == (
        "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[K\x1b[2m0123456789012345678\x1b[0m\x1b8\x1b7\x1b[B\r\x1b[K\x1b8"
    )


def test_what_a_guest_prints_never_meets_the_status_line() -> None:
    lab = lab_with("""
        ldr x1, =0x09000000
        mov w2, #'x'
    1:  mov x0, #0x40000
    2:  subs x0, x0, #1
        b.ne 2b
        str w2, [x1]
        b 1b""")
    stream = Tty()
    status = StatusLine(stream)
    lab.progress = on_status_line(status, Ticking(0.4))
    lab.shell.execute("vm start 0 --for 500ms", Printer(stream, False, status))
    shown = re.split("(\x1bD|\x1b7\x1b\\[B\r\x1b\\[K\x1b8)", stream.getvalue())
    drawn = False
    for piece in shown:
        assert not drawn or "x" not in piece.partition("\x1b8")[2], "printed over the line"
        drawn = piece == "\x1bD" or drawn and not piece.endswith("\x1b[K\x1b8")
    assert stream.getvalue().count("\x1bD") > 2 and lab.vm(0).console.output.count(b"x") > 5


def test_scripts_without_a_terminal_show_none(capsys: pytest.CaptureFixture[str]) -> None:
    lab = lab_with(SPINS)
    assert run_text(lab.shell, "vm start 0 --for 10ms") == 0
    assert lab.progress is None and capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_standard_output_has_the_console_alone_while_standard_error_shows_progress(tmp_path: Path) -> None:
    import pty

    (tmp_path / "guest.toml").write_text(toml(prints("hello\n", SPINS)))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "axlab", "run", str(tmp_path / "guest.toml")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "AXLAB_PROGRESS": ""},
    )
    os.close(theirs)
    shown = b""
    while b"M/s" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.read() == b"hello\n"
    assert process.wait() == 130
    while b"interrupted" not in shown:
        shown += os.read(ours, 4096)
    assert shown.endswith(b"\x1b7\x1b[B\r\x1b[K\x1b8axlab: interrupted\r\n")
    os.close(ours)


# The notebook


def test_a_cell_has_one_output_that_is_brought_up_to_date(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    from axlab.notebook import progress

    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, bundle: dict[str, str], raw: bool) -> None:
            shown.append(bundle)

    def display(bundle: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert not shown
        shown.append(bundle)
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr("axlab.notebook.progress.time", SimpleNamespace(monotonic=Ticking(0.4)))
    monkeypatch.delenv("AXLAB_PROGRESS", raising=False)
    progress.show_progress(lab)
    lab.shell("vm run --for 50ms")
    assert len(shown) >= 2
    assert all(re.fullmatch(LINE, bundle["text/plain"]) and "<div" in bundle["text/html"] for bundle in shown)


def test_where_outputs_are_compared_a_notebook_shows_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from axlab.notebook.progress import show_progress

    monkeypatch.setenv("AXLAB_PROGRESS", "off")
    show_progress(lab)
    assert lab.progress is None
