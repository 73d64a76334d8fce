#!/usr/bin/env python3
"""Start AxLab from a clone: makes .venv once, then runs what was asked.

    python3 lab.py                  boot the demo guest here, then open JupyterLab
    python3 lab.py --no-lab         boot the demo guest, and end
    python3 lab.py test [ARGS...]   run the tests (arguments go to pytest; --long: the whole volume)
    python3 lab.py COMMAND ...      any command of axlab, such as: run, shell, doctor

Standard library only, and written so that an old Python can at least read it and say what is needed.
"""

import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

if False:  # for type checkers only; `typing.TYPE_CHECKING` would cost an import
    from collections.abc import Iterator
    from typing import Any, TextIO

NEEDED = (3, 11)
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "axlab.json")
HOST_PIP = [sys.executable, "-m", "pip", "--python"]  # from pip 22.3 on it installs into another Python's place
WELCOME = "notebooks/00-welcome.ipynb"

# What is installed for which purpose: extras and dependency groups of pyproject.toml.
SETS = {
    "use": {"extras": ["lab"], "groups": []},
    "test": {"extras": ["lab", "parquet", "scale"], "groups": ["dev", "docs"]},
}


class Trouble(Exception):
    """Something that the person at the terminal can mend; the message says how."""


def main(arguments: "list[str]") -> int:
    """Obey the command line; the exit status of what was run."""
    if sys.version_info[:2] < NEEDED:
        print(too_old(), file=sys.stderr)
        return 2
    if arguments[:1] in (["-h"], ["--help"], ["help"]):
        print((__doc__ or "").strip())
        return 0
    try:
        if arguments[:1] == ["test"]:
            prepare("test")
            return run([PYTHON, "-m", "pytest"] + arguments[1:])
        if not arguments or arguments == ["--no-lab"]:
            prepare("use")
            return demo() or (0 if arguments else jupyterlab())
        prepare("use")
        return run([PYTHON, "-m", "axlab"] + arguments)
    except Trouble as trouble:
        print("\nlab.py: " + str(trouble), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab.py: interrupted; run it again to go on", file=sys.stderr)
        return 130


def too_old() -> str:
    """What an old Python says."""
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    message = f"AxLab needs Python {NEEDED[0]}.{NEEDED[1]} or newer; this is {this} ({sys.executable})."
    for minor in range(20, NEEDED[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer and works([newer, "-c", "import sys"]):
            return f"{message}\nThere is a newer one here. Type:  {newer} lab.py"
    return f"{message}\nInstall one from https://www.python.org/downloads/, or with uv:  uv run --python 3.13 lab.py"


# What is run


def demo() -> int:
    """The built-in guest, in this terminal."""
    return run([PYTHON, "-c", "from axlab.demo import main; raise SystemExit(main())"])


def jupyterlab() -> int:
    """JupyterLab at the welcome notebook, until it is ended."""
    print("\nJupyterLab opens in your browser; press Ctrl-C here to end it.\n", flush=True)
    command = [PYTHON, "-m", "jupyterlab", "--ServerApp.root_dir=" + ROOT, "--LabApp.default_url=/lab/tree/" + WELCOME]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return run(command)


def run(command: "list[str]") -> int:
    """Run a program at the top of the checkout and wait for it; its exit status."""
    try:
        process = subprocess.Popen(command, cwd=ROOT)
    except OSError as error:
        raise Trouble(f"cannot start {command[0]} ({error}); delete the folder {VENV} and run lab.py again") from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the program has had it too, and ends in its own way


# The environment


def prepare(purpose: str) -> None:
    """Make .venv and install what `purpose` needs, unless that is done already."""
    wanted = stamp()
    known = read_stamp()
    same = all(known.get(key) == value for key, value in wanted.items()) and os.path.exists(PYTHON)
    done = known.get("installed", []) if same else []
    if purpose in done:
        return
    began = time.monotonic()
    print(f"Preparing AxLab in {VENV} (once; needs the network for a minute or two)", flush=True)
    installer = find_installer() if same or not known else []
    if not installer:
        make_venv()
        installer, done = find_installer(), []
    install(installer, requirements(purpose))
    trust_notebooks()
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(dict(wanted, installed=done + [purpose]), file, indent=2)
    print(f"Ready after {time.monotonic() - began:.0f} seconds.\n", flush=True)


def stamp() -> "dict[str, Any]":
    """What the environment depends on; when any of it changes, it is made anew."""
    declared = project()
    relevant = {key: declared.get(key) for key in ("build-system", "project", "dependency-groups")}
    text = json.dumps(relevant, sort_keys=True)
    return {"pyproject": hashlib.sha256(text.encode()).hexdigest(), "folder": ROOT}


def read_stamp() -> "dict[str, Any]":
    """What was installed by an earlier run; empty where nothing was."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def project() -> "dict[str, Any]":
    """The content of pyproject.toml."""
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)


def requirements(purpose: str) -> "list[str]":
    """What to ask the installer for: this folder with its extras, and the groups' packages one by one
    (pip before 25.1 does not know dependency groups)."""
    chosen = SETS[purpose]
    groups = project().get("dependency-groups", {})
    packages = [package for group in chosen["groups"] for package in groups[group]]
    return ["--editable", f"{ROOT}[{','.join(chosen['extras'])}]"] + packages


def find_installer() -> "list[str]":
    """The command that installs into .venv; empty where there is no .venv, or nothing can install into it."""
    if not works([PYTHON, "-c", "import ssl"]):
        return []
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", PYTHON]
    if works([PYTHON, "-m", "pip", "--version"]):
        return [PYTHON, "-m", "pip", "install"]
    return HOST_PIP + [PYTHON, "install"] if works(HOST_PIP + [PYTHON, "--version"]) else []


def make_venv() -> None:
    """Make .venv anew. Three ways, in this order: uv; the venv module with its own pip; a venv without
    pip (Debian without python3-venv has no ensurepip), into which the pip of this Python will install.
    """
    if os.path.lexists(VENV):
        try:
            shutil.rmtree(VENV)
        except OSError as error:
            raise Trouble(f"the folder {VENV} is of no use and cannot be removed ({error}); remove it") from None
    uv = shutil.which("uv")
    if uv:
        succeed([uv, "venv", "--python", sys.executable, VENV])
    elif works([sys.executable, "-c", "import ensurepip, venv"]):
        succeed([sys.executable, "-m", "venv", VENV])
    elif works([sys.executable, "-c", "import venv"]) and works(HOST_PIP + [sys.executable, "--version"]):
        succeed([sys.executable, "-m", "venv", "--without-pip", VENV])
    else:
        raise Trouble(
            "this Python can make no environment: it has neither ensurepip nor pip, and uv is not here.\n"
            "  Debian, Ubuntu:  sudo apt-get install python3-venv\n"
            "  elsewhere:       install uv (https://docs.astral.sh/uv/)\n"
            "Then run lab.py again."
        )


def works(command: "list[str]") -> bool:
    """Whether a command can be run and succeeds; what it prints is thrown away."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def succeed(command: "list[str]") -> None:
    """Run a command that must succeed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if result.returncode != 0:
        raise Trouble(f"this did not work: {' '.join(command)}\n{result.stdout.strip()}")


def trust_notebooks() -> None:
    """Mark the notebooks of this checkout as trusted, so that JupyterLab shows their saved pictures."""
    folder = os.path.join(ROOT, "notebooks")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".ipynb")) if os.path.isdir(folder) else []
    if names:
        works([PYTHON, "-m", "nbformat.sign"] + [os.path.join(folder, name) for name in names])


# Installing, with progress


def install(installer: "list[str]", wanted: "list[str]") -> None:
    """Run pip or uv and show what happens: a line per package, or one moving line on a terminal."""
    uses_pip = "pip" in installer and "-m" in installer
    options = ["--progress-bar", "off", "--disable-pip-version-check", "--no-input"] if uses_pip else []
    process = subprocess.Popen(
        installer + options + wanted,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = []  # type: list[str]
    progress = Progress(sys.stdout)
    try:
        for line in lines_or_pauses(process):
            if line is not None:
                lines.append(line)
            progress.see(line)
    finally:
        progress.end()
        if process.poll() is None:
            process.terminate()
        status = process.wait()
    if status != 0:
        said = "\n".join("  " + line for line in lines[-12:])
        raise Trouble(
            f"the packages could not be installed:\n{said}\n"
            "Is the network there (behind a proxy: set HTTPS_PROXY)? Is the disk full? "
            "Then run lab.py again; it goes on where it stopped."
        )


def lines_or_pauses(process: "subprocess.Popen[str]", pause: float = 0.5) -> "Iterator[str | None]":
    """The lines that a process prints; None whenever it has been silent for `pause` seconds."""
    arrived = queue.Queue()  # type: queue.Queue[str | None]

    def read() -> None:
        for line in process.stdout or ():
            arrived.put(line.rstrip())
        arrived.put(None)  # the end

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = arrived.get(timeout=pause)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


class Progress:
    """What the installer does, as a person wants to see it."""

    def __init__(self, stream: "TextIO") -> None:
        self.stream = stream
        self.moving = stream.isatty()
        self.seen = []  # type: list[str]
        self.installing = 0
        self.began = time.monotonic()
        self.told = self.began

    def see(self, line: "str | None") -> None:
        """Look at a line of the installer's; None means that nothing has been printed for a while."""
        words = (line or "").split()
        if words[:1] in (["Collecting"], ["+"]) and len(words) > 1:  # pip finds it; uv has installed it
            self.package(words[1])
        elif words[:3] == ["Installing", "collected", "packages:"]:
            self.installing = len(words) - 3
            self.say(f"installing {self.installing} packages", last=True)
        elif words[:1] in (["Resolved"], ["Prepared"], ["Downloading"], ["Building"]) and not self.is_pips(words):
            self.say(" ".join(words), last=not self.moving)
        elif line is None:
            self.wait()

    def is_pips(self, words: "list[str]") -> bool:
        """pip's `Downloading x.whl (1.2 MB)` follows its `Collecting x`, which was told."""
        return bool(self.seen) and words[0] in ("Downloading", "Building")

    def package(self, name: str) -> None:
        self.seen.append(name)
        self.say(f"{len(self.seen):4}  {name}")

    def wait(self) -> None:
        """A sign of life: each half second on a terminal, each ten seconds in a log."""
        now = time.monotonic()
        if now - self.told >= (0.4 if self.moving else 10):
            doing = f"installing {self.installing} packages" if self.installing else "working"
            self.say(f"{doing}, {now - self.began:.0f} seconds so far")

    def say(self, text: str, last: bool = False) -> None:
        self.told = time.monotonic()
        if self.moving:
            self.stream.write("\r  " + text[:76].ljust(76) + ("\n" if last else ""))
        else:
            self.stream.write("  " + text + "\n")
        self.stream.flush()

    def end(self) -> None:
        if self.moving:
            self.stream.write("\r" + " " * 78 + "\r")
            self.stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
