"""The shell for scripts, pipes and terminals."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import pytest
from shell_labs import ECHOES, lab_with, prints, toml
from small_guests import SPINS

from axlab.lab import Lab
from axlab.shell import render
from axlab.shell.repl import Printer, run_lines, run_text

Capture = pytest.CaptureFixture[str]


def test_a_script_goes_on_after_a_failed_command(capsys: Capture) -> None:
    assert run_text(Lab().shell, "vm show 7; echo still here") == 1
    assert capsys.readouterr().out == "✗ VM[7] not found\nstill here\n"


def test_a_syntax_error_runs_nothing(capsys: Capture) -> None:
    lab = Lab()
    assert run_text(lab.shell, "mkdir made; echo 'x") == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "this quote is never closed" in captured.err
    assert not (lab.folder / "made").exists()


@pytest.mark.parametrize(
    ("text", "status"),
    [("exit 7; echo no", 7), ("vm show 7; exit 0", 0), ("vm show 7; exit", 1), ("quit", 0), ("", 0)],
)
def test_exit_decides_the_status(capsys: Capture, text: str, status: int) -> None:
    assert run_text(Lab().shell, text) == status
    assert "no" not in capsys.readouterr().out.split("\n")


def test_source_runs_a_file_and_counts_its_failures(tmp_path: Path) -> None:
    (tmp_path / "good.axs").write_text("echo one # two\necho three\n")
    (tmp_path / "bad.axs").write_text("echo one\nvm strat\n")
    (tmp_path / "failing.axs").write_text("vm show 7\necho on\n")
    (tmp_path / "leaving.axs").write_text("exit 6\necho no\n")
    (tmp_path / "circle.axs").write_text("source circle.axs\n")
    shell = Lab(folder=tmp_path).shell
    assert shell("source good.axs").text() == "one\nthree"
    failing = shell("source failing.axs")
    assert not failing.ok and failing.text() == "✗ VM[7] not found\non"
    wrong = shell("source bad.axs")
    assert not wrong.ok and wrong.text().split("\n")[:2] == [
        "vm strat",
        "   ^^^^^ bad.axs:2: unknown command 'strat' of vm; did you mean start?",
    ]
    assert shell.run_script("source leaving.axs; echo no").status == 6
    assert "is there a circle?" in shell("source circle.axs").text()
    assert shell("source nothing").text() == "✗ nothing: no such file or directory"


def test_lines_from_a_pipe_are_obeyed_one_by_one(capsys: Capture) -> None:
    lab = Lab()
    lines = io.StringIO("echo one\nvm strat\necho 'two\necho three\n")
    assert run_lines(lab.shell, lines) == 2
    captured = capsys.readouterr()
    assert captured.out == "one\nthree\n"
    assert "unknown command 'strat'" in captured.err
    assert run_lines(lab.shell, io.StringIO("vm show 7\nexit 3\necho no\n")) == 3
    assert run_lines(lab.shell, io.StringIO("vm show 7\n")) == 1


def test_what_a_command_says_is_shown_while_it_runs() -> None:
    lab = lab_with(prints("one\ntwo\n"))
    seen: list[render.Block] = []
    result = lab.shell.execute("vm start 0", seen.append)
    assert render.text(seen) == result.text()
    assert seen[0] == render.Lines(("✓ VM[0] started successfully",))
    assert sum(isinstance(block, render.Console) for block in seen) > 1


def test_what_a_sourced_file_says_is_shown_once(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "inner.axs").write_text("echo inner\nls *\n")
    (tmp_path / "outer.axs").write_text("source inner.axs\necho outer\n")
    assert run_text(Lab(folder=tmp_path).shell, "source outer.axs") == 1
    assert capsys.readouterr().out == "inner\n✗ ls: *: no such file or directory\nouter\n"


def test_a_printer_continues_a_console_and_ends_its_line() -> None:
    stream = io.StringIO()
    printer = Printer(stream)
    for block in (render.Console("", b"he"), render.Console("", b"llo"), render.Lines(("✓ done",))):
        printer(block)
    assert stream.getvalue() == "hello\n✓ done\n"


def test_colours_follow_the_sign_and_guests_cannot_command_the_terminal() -> None:
    stream = io.StringIO()
    printer = Printer(stream, colour=True)
    printer(render.Lines(("✗ no",)))
    printer(render.Console("", b"\x1b[32mgreen\x1b[0m\x1b]0;title\x07\x1b[6n\x1bc\n"))
    assert stream.getvalue() == "\x1b[31m✗ no\x1b[0m\n\x1b[32mgreen\x1b[0m\n"


def test_the_history_holds_what_was_typed() -> None:
    shell = Lab().shell
    shell("echo one")
    shell("echo two; echo three")
    assert shell("history 2").text() == "    2  echo two; echo three\n    3  history 2"
    shell("history --clear")
    assert shell.history == []


# At a terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


class Session:
    """`axlab shell` in a pseudo-terminal."""

    def __init__(self, folder: Path) -> None:
        import pty

        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ |= {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
            os.execv(sys.executable, [sys.executable, "-m", "axlab", "shell", "--lab", str(folder)])
        self.output = b""

    def expect(self, text: str, seconds: float = 30) -> None:
        """Wait until a text was printed behind the one before it."""
        import select

        end = time.monotonic() + seconds
        while text.encode() not in self.output:
            assert time.monotonic() < end, f"waited in vain for {text!r}; there was {self.output!r}"
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.terminal, 1 << 16)
                except OSError:  # the other side is gone
                    assert text.encode() in self.output, self.output
        self.output = self.output.partition(text.encode())[2]

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def status(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@posix
@pytest.mark.slow
def test_a_session_at_a_terminal(tmp_path: Path) -> None:
    """Editing, completion, live guests, an interactive console, history on disk, and the end of input."""
    (tmp_path / "echo.toml").write_text(toml(ECHOES))
    (tmp_path / "spin.toml").write_text(toml(SPINS, 1))
    session = Session(tmp_path)
    session.expect("axvisor>")
    session.type("vm create echo.toml spin.toml\r")
    session.expect("Successfully created 2 VM(s)")
    session.expect("axvisor>")
    session.type("vm sta\t")
    session.expect("rt")
    session.type(" 0 -d\r")
    session.expect("VM[0] started successfully")
    session.type("vm console guest0\r")
    session.expect("Ctrl-] leaves")
    session.type("hello")
    session.expect("hello")
    session.type("\x1d")
    session.expect("Disconnected from VM[0]")
    session.type("vm strat\r")
    session.expect("unknown command 'strat'")
    session.type("nonsense\x03")
    session.expect("axvisor>")
    session.type("vm list\r")
    session.expect("Running")
    session.type("exit 5\r")
    assert session.status() == 5
    assert "+vm list" in (tmp_path / ".axlab_history").read_text()


@posix
@pytest.mark.slow
def test_end_of_input_ends_the_session(tmp_path: Path) -> None:
    session = Session(tmp_path)
    session.expect("axvisor>")
    session.type("\x04")
    assert session.status() == 0
