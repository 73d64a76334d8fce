"""The command line: subcommands from a table, clean messages, exit statuses that can be relied on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from shell_labs import toml

from axlab import __version__
from axlab.cli import SUBCOMMANDS, main

Capture = pytest.CaptureFixture[str]
NOP = "d503201f"


def test_the_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"axlab {__version__}\n"


@pytest.mark.parametrize("name", [subcommand.name for subcommand in SUBCOMMANDS])
def test_every_subcommand_has_help(capsys: Capture, name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: axlab {name} ")


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run", "--expct", "x", "demo"], ["config"]])
def test_wrong_usage_gives_2(capsys: Capture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: axlab" in capsys.readouterr().err


def test_what_a_subcommand_does_not_need_is_not_imported() -> None:
    libraries = ("lark", "pandas", "IPython", "prompt_toolkit")
    code = f"import sys, axlab.cli; axlab.cli.parser(); print([m for m in {libraries} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# shell


def test_shell_runs_commands_and_says_that_one_failed(capsys: Capture, tmp_path: Path) -> None:
    assert main(["shell", "--lab", str(tmp_path), "-c", "vm list; vm show 0"]) == 1
    assert capsys.readouterr().out == "No virtual machines found.\n✗ VM[0] not found\n"
    assert main(["shell", "--lab", str(tmp_path), "-c", "vm list"]) == 0


def test_shell_with_a_syntax_error_runs_nothing(capsys: Capture, tmp_path: Path) -> None:
    assert main(["shell", "--lab", str(tmp_path), "-c", "mkdir made; vm list --formt json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.split("\n")[1] == (
        "                    ^^^^^^^ unknown option --formt of vm list; did you mean --format?"
    )
    assert list(tmp_path.iterdir()) == []


def test_shell_uses_the_current_folder(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guest.toml").write_text(toml())
    (tmp_path / "boot.axs").write_text("vm create guest.toml\nvm list --format json\n")
    assert main(["shell", "boot.axs"]) == 0
    assert '"name": "guest0"' in capsys.readouterr().out


def test_shell_takes_its_settings_from_lab_toml(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("cpus = 2\n")
    assert main(["shell", "--lab", str(tmp_path), "-c", "machine show --format json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["cpus"]) == 2
    (tmp_path / "lab.toml").write_text("cpu = 2\n")
    assert main(["shell", "--lab", str(tmp_path), "-c", "vm list"]) == 2
    assert "did you mean cpus?" in capsys.readouterr().err


def test_shell_reads_lines_from_a_pipe(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("echo one\nexit 4\n"))
    assert main(["shell", "--lab", str(tmp_path)]) == 4
    assert capsys.readouterr().out == "one\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shell", "--lab", "/no/such/folder"], "axlab: the lab's folder /no/such/folder is not there"),
        (["shell", "/no/such/script"], "axlab: /no/such/script: no such file or directory"),
        (["asm", "/no/such/file", "-o", "x"], "axlab: /no/such/file: no such file or directory"),
        (["disasm", "/no/such/file"], "axlab: /no/such/file: no such file or directory"),
        (["disasm"], "axlab: name one file, or give words with --hex"),
        (["disasm", "--hex", "xyz"], "xyz\n^^^ "),
        (["disasm", "--hex", "123456789"], "123456789\n^^^^^^^^^ "),
    ],
)
def test_wrong_files_are_named_without_a_traceback(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(message)


# asm, disasm


def test_source_is_assembled_and_disassembled_again(capsys: Capture, tmp_path: Path) -> None:
    source, binary = tmp_path / "a.s", tmp_path / "a.bin"
    source.write_text("start: nop\n b start\n")
    assert main(["asm", str(source), "-o", str(binary)]) == 0
    assert binary.read_bytes().hex() == "1f2003d5ffffff17"
    assert main(["disasm", str(binary), "--origin", "0x40000000"]) == 0
    assert capsys.readouterr().out == "0x40000000: d503201f  nop\n0x40000004: 17ffffff  b 0x40000000\n"


def test_words_are_disassembled_from_the_command_line_and_a_pipe(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["disasm", "--hex", NOP, "0xd65f03c0"]) == 0
    assert capsys.readouterr().out == "nop\nret\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{NOP}\nffffffff\n{NOP}\n"))
    assert main(["disasm", "--hex", "-"]) == 0
    assert capsys.readouterr().out == "nop\n.inst 0xffffffff\nnop\n"


def test_wrong_assembly_is_pointed_at(capsys: Capture, tmp_path: Path) -> None:
    source = tmp_path / "a.s"
    source.write_text("nop\nmovv x0, x1\n")
    assert main(["asm", str(source), "-o", str(tmp_path / "a.bin")]) == 2
    err = capsys.readouterr().err
    assert "a.s:2" in err and "movv" in err
    assert not (tmp_path / "a.bin").exists()


# config


def test_config_check_reports_as_text_and_as_json(capsys: Capture, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(toml())
    bad.write_text(toml().replace("cpu_num = 1", "cpu_num = 0"))
    assert main(["config", "check", str(good)]) == 0
    assert main(["config", "check", str(good), str(bad)]) == 1
    assert "bad.toml:" in capsys.readouterr().out
    assert main(["config", "check", "--json", str(bad)]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert list(finding) == ["file", "key", "line", "severity", "message"]
    assert finding["severity"] == "error" and finding["key"] == "base.cpu_num"


def test_config_new_writes_what_config_check_accepts(capsys: Capture, tmp_path: Path) -> None:
    made = tmp_path / "new.toml"
    assert main(["config", "new", "--kind", "demo", "--name", "mine", "--yes", "-o", str(made)]) == 0
    assert main(["config", "check", str(made)]) == 0
    assert 'name = "mine"' in made.read_text()
    capsys.readouterr()
    assert main(["config", "new", "--kind", "demo", "--yes", "-o", str(made)]) == 2
    assert "exists already; it was left as it is" in capsys.readouterr().err


def test_doctor_reports(capsys: Capture) -> None:
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)


def test_the_module_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "axlab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"axlab {__version__}\n"
