"""Debian's U-Boot, unmodified: a session at its prompt, by `axlab fetch` and `axlab run`, and the same on QEMU."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from axlab import runs
from axlab.cli import main

pytestmark = pytest.mark.slow

Needs = Callable[[str, str], str]
IMAGE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
PROMPT = "\n=> "  # at the start of a line: `crc32` prints an arrow, too

COMMANDS = [
    "version",
    "mw.l 41000000 12345678 1000",
    "crc32 41000000 4000",
    "mw.b 41000123 5a 77",
    "md.l 41000120 10",
    "md.b 41000121 13",
    "md.q 41000120 4",
    "cp.l 41000000 42000000 1000",
    "cmp.l 41000000 42000000 1000",
    "mw.w 42000800 beef",
    "cmp.l 41000000 42000000 1000",
    "crc32 42000000 4000",
    "setexpr a 1234 * 5678",
    "printenv a",
    "itest 5 < 7 && echo yes",
    "base",
]
SAME_OF_BDINFO = ("-> start", "-> size", "baudrate", "relocaddr", "reloc off", "Build", "arch_number", "TLB addr")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, needs: Needs) -> dict[str, str]:
    """What a lab's U-Boot answers to each command, by the command; the start-up messages under ""."""
    needs(IMAGE, "u-boot-qemu")
    folder = tmp_path_factory.mktemp("u-boot")
    assert main(["fetch", "u-boot", "-o", str(folder)]) == 0
    script = ["--expect", "any key", "--send", " "]
    for command in [*COMMANDS, "bdinfo", "poweroff"]:
        script += ["--expect", r"\n=> ", "--send", command + r"\n"]
    words = [sys.executable, "-m", "axlab", "run", str(folder / "u-boot.toml"), *script, "--for", "60s"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return answers(done.stdout) if done.returncode == 0 else pytest.fail(done.stderr + done.stdout)


def answers(text: str) -> dict[str, str]:
    start, *parts = text.replace("\r", "").split(PROMPT)
    found = {"": start}
    for part in parts:
        command, _, answer = part.partition("\n")
        found[command] = found.get(command, "") + answer
    return found


def on_qemu(qemu: str) -> str:
    """The same session there. A command is typed when the prompt has come: U-Boot drops what comes earlier."""
    options = "-machine virt,gic-version=3 -cpu cortex-a53 -m 128M -display none -nodefaults -serial stdio".split()
    steps = [("any key", " "), *((PROMPT, f"{command}\n") for command in [*COMMANDS, "bdinfo", "poweroff"])]
    with subprocess.Popen([qemu, *options, "-bios", IMAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        said = b""
        for awaited, typed in steps:
            begin = len(said)
            while awaited.encode() not in said[begin:]:
                byte = process.stdout.read(1)
                assert byte, said
                said += byte
            process.stdin.write(typed.encode())
            process.stdin.flush()
        return (said + process.stdout.read()).decode()


def test_u_boot_comes_to_its_prompt(session: dict[str, str]) -> None:
    assert re.match(r"\n\nU-Boot 20\d\d\.\d\d.*\n\nDRAM:  128 MiB\n", session[""])
    assert "Hit any key to stop autoboot" in session[""]


def test_config_new_writes_the_configuration_that_is_fetched(tmp_path: Path, needs: Needs) -> None:
    image, made = needs(IMAGE, "u-boot-qemu"), tmp_path / "made.toml"
    assert main(["config", "new", "--kind", "u-boot", "--image", image, "--yes", "-o", str(made)]) == 0
    assert main(["fetch", "u-boot", "-o", str(tmp_path)]) == 0
    fetched = (tmp_path / "u-boot.toml").read_text(encoding="utf-8")
    assert made.read_text(encoding="utf-8") == fetched.replace('"u-boot.bin"', f'"{image}"')


def test_every_command_is_answered_as_on_qemu(session: dict[str, str], needs: Needs) -> None:
    expected = answers(on_qemu(needs("qemu-system-aarch64", "qemu-system-arm")))
    for command in COMMANDS:
        assert session[command] == expected[command], command
    for name in SAME_OF_BDINFO:
        assert line(session["bdinfo"], name) == line(expected["bdinfo"], name)


AT_ITS_PROMPT = """vm create u-boot.toml
vm start 0 --detach
vm run --until-text "any key" --for 10s
vm console 0 --send " "
vm run --until-text "=> " --for 10s
vm snapshot save booted --disk
"""
SAID = "select run, decode(data) as said from console where direction = 'output' order by run, time"


def test_a_sweep_of_commands_begins_at_the_prompt_of_a_guest_that_was_booted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], needs: Needs
) -> None:
    needs(IMAGE, "u-boot-qemu")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boot.vm").write_text(AT_ITS_PROMPT)
    assert main(["fetch", "u-boot", "-o", "."]) == main(["shell", "boot.vm"]) == 0
    typed = 'input="echo $baudrate\n","setexpr a 1234 * 5678; printenv a\n"'
    words = ["--from-snapshot", "snapshots/booted.axsnap", "--param", typed, "--workers", "1", "--for", "20ms"]
    assert main(["sweep", *words, "-o", "runs"]) == 0
    assert capsys.readouterr().out.endswith("2 runs are in runs\n")
    found = runs("runs")
    said = {run: "".join(rows["said"]).replace("\r", "") for run, rows in found.sql(SAID).groupby("run")}
    assert said == {
        0: "echo $baudrate\n115200\n=> ",
        1: "setexpr a 1234 * 5678; printenv a\na=6260060\n=> ",
    }
    assert found.frame()["elapsed_ns"].tolist() == [20_000_000] * 2


def line(text: str, name: str) -> str:
    """The line of `bdinfo` that begins so."""
    return next(line for line in text.splitlines() if line.startswith(name))


def test_a_checksum_is_what_python_computes(session: dict[str, str]) -> None:
    checksum = zlib.crc32(bytes.fromhex("78563412") * 0x1000)
    assert session["crc32 41000000 4000"] == f"crc32 for 41000000 ... 41003fff ==> {checksum:08x}"


def test_memory_is_shown_in_every_width(session: dict[str, str]) -> None:
    assert session["md.l 41000120 10"].startswith("41000120: 5a345678 5a5a5a5a")
    assert session["md.q 41000120 4"].startswith("41000120: 5a5a5a5a5a345678 5a5a5a5a5a5a5a5a")
