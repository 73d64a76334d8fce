"""The file commands, inside the lab's folder only: no path, `..`, symbolic link or redirection leads outside."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell_labs import said

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.shell.files import LabFolder

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab whose folder has a neighbour that nobody may touch."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("precious\n")
    (tmp_path / "lab").mkdir()
    return Lab(folder=tmp_path / "lab")


def test_the_commands_do_what_their_names_say(lab: Lab) -> None:
    run = lab.shell
    assert run("mkdir -p a/b; touch a/b/x; echo hello world > a/one").ok
    assert said(run("cat a/one")) == ["hello world"]
    assert said(run("ls")) == ["a/"]
    assert said(run("ls -l a")) == ["folder          0  b/", "file           12  one"]
    assert run("cp a/one a/b; mv a/b/one two; cat two").ok
    assert said(run("cd a/b; pwd; ls; cd; pwd")) == ["/a/b", "x", "/"]
    assert run("rm two; rm -r a").ok
    assert os.listdir(lab.folder) == []
    assert said(run("uname")) == ["AxLab"]


def test_output_is_redirected_into_the_folder(lab: Lab) -> None:
    assert lab.shell("echo one > log; echo two >> log").text() == ""
    assert (lab.folder / "log").read_text() == "one\ntwo\n"
    assert lab.shell("vm list > list.txt").ok
    assert (lab.folder / "list.txt").read_text() == "No virtual machines found.\n"


def test_a_failed_command_that_is_redirected_has_failed(lab: Lab) -> None:
    assert not lab.shell("vm show 7 > out").ok
    assert (lab.folder / "out").read_text() == "✗ VM[7] not found\n"


OUTSIDE = ["../secret/file", "a/../../secret/file", "/../secret/file", "..", "../.."]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize(
    "command", ["cat {}", "ls {}", "rm -r {}", "touch {}", "mkdir {}", "cd {}", "cp {} x", "mv {} x", "cp here {}",
                "mv here {}", "echo x > {}", "echo x >> {}"]
)  # fmt: skip
def test_no_path_leads_outside(lab: Lab, command: str, name: str) -> None:
    (lab.folder / "here").write_text("here")
    result = lab.shell(command.format(name))
    assert not result.ok
    assert f"✗ {command.split()[0]}: {name} is outside of the lab's folder" in said(result)[0] or (
        "outside of the lab's folder" in said(result)[0]
    )
    untouched(lab)


def untouched(lab: Lab) -> None:
    outside = lab.folder.parent
    assert sorted(os.listdir(outside)) == ["lab", "secret"]
    assert os.listdir(outside / "secret") == ["file"]
    assert (outside / "secret" / "file").read_text() == "precious\n"


@needs_links
@pytest.mark.parametrize(
    "command",
    ["cat {}", "ls {}", "touch {}/new", "mkdir {}/new", "cd {}", "cp {} x", "cp here {}", "mv here {}/x", "echo x > {}",
     "rm {}/file", "rm -r {}/"],
)  # fmt: skip
@pytest.mark.parametrize("target", ["../secret", "../secret/file", "/etc/passwd"])
def test_no_link_leads_outside(lab: Lab, command: str, target: str) -> None:
    (lab.folder / "here").write_text("here")
    (lab.folder / "link").symlink_to(target)
    result = lab.shell(command.format("link"))
    untouched(lab)
    if not command.startswith(("rm", "mv")):
        assert not result.ok and "precious" not in result.text() and "root" not in result.text()


@needs_links
def test_a_link_that_stays_inside_is_followed(lab: Lab) -> None:
    lab.shell("mkdir a; echo x > a/file")
    (lab.folder / "link").symlink_to("a")
    assert said(lab.shell("cat link/file")) == ["x"]
    assert lab.shell("rm link").ok
    assert (lab.folder / "a" / "file").exists()


@needs_links
def test_rm_removes_a_link_and_never_what_it_leads_to(lab: Lab) -> None:
    (lab.folder / "d").mkdir()
    (lab.folder / "d" / "link").symlink_to(lab.folder.parent / "secret")
    assert lab.shell("rm -r d").ok
    untouched(lab)


@needs_links
def test_a_link_that_appears_in_between_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check and the opening are two moments: what happens between them must not matter."""
    folder = LabFolder(lab.folder)
    folder.make_folder("a")
    folder.write("a/file", "mine")
    real = os.path.realpath

    def swap(path: str) -> str:
        resolved = real(path)
        os.rename(lab.folder / "a", lab.folder / "b")
        (lab.folder / "a").symlink_to(lab.folder.parent / "secret")
        return resolved

    monkeypatch.setattr(os.path, "realpath", swap)
    with pytest.raises(OSError):
        folder.read("a/file")
    monkeypatch.undo()
    untouched(lab)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
def test_a_fifo_is_no_file_and_blocks_nobody(lab: Lab) -> None:
    os.mkfifo(lab.folder / "pipe")
    assert said(lab.shell("cat pipe")) == ["✗ cat: pipe is no ordinary file"]
    assert not lab.shell("echo x > pipe").ok


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat nothing", "✗ cat: nothing: no such file or directory"),
        ("cat folder", "✗ cat: folder is a folder"),
        ("rm folder", "✗ rm: folder is a folder; 'rm -r' removes it with all that is in it"),
        ("mkdir folder", "✗ mkdir: folder: file exists"),
        ("cd file", "✗ cd: file: not a directory"),
        ("rm -r /", "✗ rm: / is the lab's folder itself"),
        ("mv folder folder/inner", "✗ mv: folder cannot be moved into itself"),
        ("cp file file", "✗ cp: file and file are the same file"),
        ("cp folder x", "✗ cp: folder is a folder"),
        ("echo x > folder", "✗ folder is a folder"),
        ("echo x > no/such", "✗ no/such: no such file or directory"),
    ],
)
def test_what_goes_wrong_is_said_without_a_path_of_the_host(lab: Lab, command: str, expected: str) -> None:
    (lab.folder / "folder").mkdir()
    (lab.folder / "file").write_text("content")
    result = lab.shell(command)
    assert not result.ok
    assert said(result) == [expected]
    assert (lab.folder / "file").read_text() == "content"


def test_rm_of_nothing_by_force_is_no_failure(lab: Lab) -> None:
    assert lab.shell("rm -f nothing").ok


def test_a_current_folder_that_is_removed_is_left(lab: Lab) -> None:
    assert said(lab.shell("mkdir -p a/b; cd a/b; rm -r /a; pwd")) == ["/"]


def test_cat_shows_hostile_bytes_harmlessly(lab: Lab) -> None:
    (lab.folder / "file").write_bytes(b"\x1b]0;title\x07\xff<b>")
    result = lab.shell("cat file")
    assert result.text() == "\\x1b]0;title\\x07\ufffd<b>"
    assert "<b>" not in result.html()


NAME = st.text(st.sampled_from("ab./\\ \0~"), max_size=12)


@given(name=NAME, text=st.text(max_size=3))
def test_no_name_whatever_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str, text: str) -> None:
    outer = tmp_path_factory.mktemp("outer")
    folder = LabFolder(outer / "lab")
    (outer / "lab").mkdir()
    for operation in (folder.touch, folder.make_folder, folder.remove, folder.change, folder.list):
        try:
            operation(name)
        except (AxError, OSError):
            pass
    try:
        folder.write(name, text)
    except (AxError, OSError):
        pass
    assert os.listdir(outer) == ["lab"]
