"""`lab.py`, the start script: what it says and does on machines of all kinds."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "lab.py"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The start script as a module, whose environment is in a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("start_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(module, "PYTHON", str(tmp_path / ".venv/bin/python"))
    monkeypatch.setattr(module, "STAMP", str(tmp_path / ".venv/axlab.json"))
    return module


@pytest.fixture
def commands(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that the script would have run; an environment is made by a folder and a file."""
    seen: list[list[str]] = []

    def record(command: list[str], *_: Any) -> int:
        seen.append([os.path.basename(word) if os.sep in word else word for word in command])
        if "venv" in command:
            (tmp_path / ".venv/bin").mkdir(parents=True, exist_ok=True)
            (tmp_path / ".venv/bin/python").touch()
        return 0

    monkeypatch.setattr(script, "run", record)
    monkeypatch.setattr(script, "succeed", record)
    monkeypatch.setattr(script, "works", lambda command: script.PYTHON not in command or os.path.exists(script.PYTHON))
    monkeypatch.setattr(script, "install", lambda installer, wanted: record(installer + wanted))
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    return seen


def test_it_uses_the_standard_library_only() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= sys.stdlib_module_names


def test_an_old_python_can_read_it() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_what_is_needed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "NEEDED", (9, 9))
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.main([]) == 2
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said = capsys.readouterr().err
    assert said.startswith(f"AxLab needs Python 9.9 or newer; this is {this} ({sys.executable}).")
    assert "https://www.python.org/downloads/" in said


def test_an_old_python_names_a_newer_one_that_is_there(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.shutil, "which", lambda name: sys.executable if name == "python3.13" else None)
    assert script.too_old().endswith(f"Type:  {sys.executable} lab.py")


def test_help_says_the_four_ways_to_call_it(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--help"]) == 0
    assert "python3 lab.py test [ARGS...]" in capsys.readouterr().out


def test_no_lab_boots_the_demo_and_ends(script: ModuleType, commands: list[list[str]]) -> None:
    assert script.main(["--no-lab"]) == 0
    assert commands[-1][0] == "python" and "axlab.demo" in commands[-1][2]


def test_without_arguments_jupyterlab_follows_the_demo(script: ModuleType, commands: list[list[str]]) -> None:
    assert script.main([]) == 0
    assert "axlab.demo" in commands[-2][2]
    assert commands[-1][:3] == ["python", "-m", "jupyterlab"]
    assert "00-welcome.ipynb" in commands[-1]


def test_the_words_after_test_go_to_pytest(script: ModuleType, commands: list[list[str]]) -> None:
    assert script.main(["test", "-n", "2", "--long"]) == 0
    assert commands[-1] == ["python", "-m", "pytest", "-n", "2", "--long"]


def test_other_words_are_a_command_of_axlab(script: ModuleType, commands: list[list[str]]) -> None:
    assert script.main(["run", "demo"]) == 0
    assert commands[-1] == ["python", "-m", "axlab", "run", "demo"]


def test_the_second_run_installs_nothing(script: ModuleType, commands: list[list[str]]) -> None:
    script.main(["--no-lab"])
    commands.clear()
    script.main(["--no-lab"])
    assert len(commands) == 1 and "axlab.demo" in commands[0][2]


def test_the_tests_need_more_and_are_added_to_the_same_environment(
    script: ModuleType, commands: list[list[str]]
) -> None:
    script.main(["--no-lab"])
    commands.clear()
    script.main(["test"])
    assert [command[1:3] for command in commands] == [["-m", "pip"], ["-m", "pytest"]]
    assert any(word.startswith("pytest>=") for word in commands[0])
    commands.clear()
    script.main(["--no-lab"])
    assert len(commands) == 1


def test_an_environment_is_made_anew_when_the_dependencies_change(
    script: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main(["--no-lab"])
    commands.clear()
    left_over = Path(script.VENV) / "left over"
    left_over.touch()
    changed = script.project()
    changed["project"]["dependencies"].append("more")
    monkeypatch.setattr(script, "project", lambda: changed)
    script.main(["--no-lab"])
    assert commands[0][1:3] == ["-m", "venv"]
    assert not left_over.exists()


def test_an_environment_of_the_users_own_is_kept(script: ModuleType, commands: list[list[str]]) -> None:
    Path(script.PYTHON).parent.mkdir(parents=True)
    Path(script.PYTHON).touch()
    script.main(["--no-lab"])
    assert [command[1:3] for command in commands[:-1]] == [["-m", "pip"]]


def test_an_environment_that_does_not_work_is_made_anew(
    script: ModuleType, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main(["--no-lab"])
    commands.clear()
    Path(script.PYTHON).unlink()
    script.main(["test"])
    assert [command[1:3] for command in commands] == [["-m", "venv"], ["-m", "pip"], ["-m", "pytest"]]
    commands.clear()
    script.main(["--no-lab"])
    assert [command[1:3] for command in commands[:-1]] == [["-m", "pip"]]


@pytest.mark.parametrize(
    ("there", "maker", "installer"),
    [
        ({"uv"}, ["uv", "venv", "--python"], ["uv", "pip", "install", "--python"]),
        ({"ensurepip"}, ["-m", "venv"], ["-m", "pip", "install"]),
        ({"pip"}, ["-m", "venv", "--without-pip"], ["-m", "pip", "--python"]),
    ],
)
def test_an_environment_is_made_with_what_is_there(
    script: ModuleType,
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    there: set[str],
    maker: list[str],
    installer: list[str],
) -> None:
    def works(command: list[str]) -> bool:
        text = " ".join(command)
        if script.PYTHON in command and not os.path.exists(script.PYTHON):
            return False
        if command[:3] == [script.PYTHON, "-m", "pip"]:
            return "ensurepip" in there
        return ("ensurepip" not in text or "ensurepip" in there) and ("pip --python" not in text or "pip" in there)

    monkeypatch.setattr(script, "works", works)
    monkeypatch.setattr(script.shutil, "which", lambda name: "uv" if name in there else None)
    script.prepare("use")
    skip = 0 if "uv" in there else 1
    assert commands[0][skip : skip + len(maker)] == maker
    assert commands[1][skip : skip + len(installer)] == installer


def test_where_nothing_can_make_an_environment_it_says_what_to_install(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "works", lambda command: False)
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    assert script.main(["--no-lab"]) == 1
    assert "sudo apt-get install python3-venv" in capsys.readouterr().err


def test_a_failed_installation_shows_why_and_says_what_to_do(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "print('Collecting lark'); print('ERROR: no network'); raise SystemExit(1)"]
    monkeypatch.setattr(script, "find_installer", lambda: failing)
    assert script.main(["--no-lab"]) == 1
    said = capsys.readouterr()
    assert "     1  lark" in said.out
    assert "ERROR: no network" in said.err and "Then run lab.py again" in said.err


def test_an_interrupted_run_says_that_it_can_go_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(purpose: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "prepare", interrupted)
    assert script.main([]) == 130
    assert "interrupted; run it again to go on" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PIP = [
    "Collecting lark>=1",
    "  Downloading lark.whl (1 MB)",
    "Collecting six",
    "Installing collected packages: six, lark",
]
UV = ["Resolved 2 packages in 3ms", "Downloading numpy (15 MiB)", " + lark==1.3", " + six==1.17"]


def test_progress_in_a_log_is_a_line_for_each_package(script: ModuleType) -> None:
    stream = io.StringIO()
    progress = script.Progress(stream)
    for line in PIP:
        progress.see(line)
    assert stream.getvalue().splitlines() == ["     1  lark>=1", "     2  six", "  installing 2 packages"]


def test_progress_of_uv_is_shown_too(script: ModuleType) -> None:
    stream = io.StringIO()
    progress = script.Progress(stream)
    for line in UV:
        progress.see(line)
    assert stream.getvalue().splitlines() == [
        "  Resolved 2 packages in 3ms",
        "  Downloading numpy (15 MiB)",
        "     1  lark==1.3",
        "     2  six==1.17",
    ]


def test_progress_on_a_terminal_is_one_moving_line(script: ModuleType) -> None:
    stream = Terminal()
    progress = script.Progress(stream)
    for line in PIP[:3]:
        progress.see(line)
    progress.end()
    assert "\n" not in stream.getvalue()
    assert "     2  six" in stream.getvalue()


def test_silence_shows_a_sign_of_life(script: ModuleType) -> None:
    stream = Terminal()
    progress = script.Progress(stream)
    progress.see("Installing collected packages: a, b, c,")
    progress.told -= 20
    progress.see(None)
    assert "installing 3 packages, 0 seconds so far" in stream.getvalue()


def test_lines_and_pauses_of_a_process_are_told_apart(script: ModuleType) -> None:
    program = "import time; print('a', flush=True); time.sleep(0.4); print('b')"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    seen = list(script.lines_or_pauses(process, pause=0.1))
    assert [line for line in seen if line is not None] == ["a", "b"]
    assert None in seen
    process.wait()
