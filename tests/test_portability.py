"""What would stand in the way on macOS and Windows: modules, calls, encodings, file names. Looked for on Linux."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [ROOT / "lab.py", *sorted((ROOT / "axlab").rglob("*.py"))]
POSIX_ONLY = {"termios", "fcntl", "resource", "pwd", "grp", "pty", "tty", "posix", "syslog", "readline", "curses"}
POSIX_CALLS = {
    "os.fork", "os.getuid", "os.geteuid", "os.uname", "os.mkfifo", "os.killpg", "os.setsid", "os.getpgid", "os.chown",
    "signal.SIGKILL", "signal.SIGALRM", "signal.setitimer", "signal.SIGUSR1", "signal.SIGHUP", "signal.pause",
    "socket.AF_UNIX",
}  # fmt: skip
TEXT_CALLS = {"read_text", "write_text", "open", "fdopen", "NamedTemporaryFile", "TextIOWrapper"}
NO_TEXT = {"os.open", "Lab.open", "cls.open", "webbrowser.open", "gzip.open", "zipfile.open", "Image.open"}
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


@cache
@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def dotted(node: ast.expr) -> str:
    """`os.fork` of an attribute of a name, else what stands last."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.Module) -> Iterator[str]:
    """What is imported when the module is: what stands within a function is asked for when it is needed."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def binary(call: ast.Call) -> bool:
    """Whether a call opens a file for bytes."""
    modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    constants = (node.value for mode in modes for node in ast.walk(mode) if isinstance(node, ast.Constant))
    return any(isinstance(value, str) and "b" in value and set(value) <= set("rwxab+") for value in constants)


def opens_text(call: ast.Call) -> bool:
    """Whether a call reads or writes text in an encoding that it does not name."""
    name = dotted(call.func)
    method = name.rpartition(".")[2] in TEXT_CALLS and (isinstance(call.func, ast.Attribute) or name == "open")
    named = any(keyword.arg in ("encoding", "dir_fd") for keyword in call.keywords)
    return method and name not in NO_TEXT and not binary(call) and not named


def guarded(path: Path, name: str) -> bool:
    """Whether a file asks `hasattr` or the system before it uses a call that is not everywhere."""
    module, _, call = name.partition(".")
    text = path.read_text(encoding="utf-8")
    return f'hasattr({module}, "{call}")' in text or "os.name" in text


def test_source_files_use_only_what_every_system_has() -> None:
    wrong = []
    for path in SOURCES:
        tree = parsed(path)
        used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & POSIX_CALLS
        wrong += [f"{path}: {name}" for name in POSIX_ONLY & set(imported(tree))]
        wrong += [f"{path}: {name}" for name in used if not guarded(path, name)]
    assert not wrong


def test_text_is_read_and_written_in_an_encoding_that_is_named() -> None:
    """Python's default is the system's: not UTF-8 on Windows."""
    calls = ((path, node) for path in SOURCES for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    assert not [f"{path}:{call.lineno}: {dotted(call.func)}" for path, call in calls if opens_text(call)]


def test_every_file_of_the_repository_can_exist_on_windows_and_macos() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [line.partition("\t")[2] for line in listed.splitlines()]
    assert not [line for line in listed.splitlines() if line.startswith("120000")], "symbolic links"
    assert not [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    for name in names:
        parts = PurePosixPath(name).parts
        assert not set(name) & set('<>:"|?*\\'), name
        assert not [part for part in parts if part.split(".")[0].casefold() in RESERVED or part[-1] in ". "], name
        assert len(name) < 150, name
