"""Completion: from the tree and from the live state, so that only what fits is proposed."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_labs import lab_with
from small_guests import SPINS

from axlab.lab import Lab


def proposed(lab: Lab, line: str, cursor: int | None = None) -> list[str]:
    return [one.text for one in lab.shell.complete(line, cursor)]


@pytest.fixture
def lab() -> Lab:
    """VM 0 runs, VM 1 is suspended, VM 2 is loaded."""
    lab = lab_with(SPINS, SPINS, SPINS)
    lab.shell("vm start 0 1 -d; vm suspend 1")
    return lab


def test_commands_come_from_the_tree(lab: Lab) -> None:
    assert proposed(lab, "vm st") == ["start", "step", "stop"]
    assert proposed(lab, "mach") == ["machine"]
    assert {"vm", "vcpu", "help", "ls"} <= set(proposed(lab, ""))
    assert proposed(lab, "help vm sta") == ["start"]
    assert proposed(lab, "vm list; vm res") == ["reset", "restart", "resume"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vm start ", ["2", "guest2"]),
        ("vm resume ", ["1", "guest1"]),
        ("vm suspend ", ["0", "guest0"]),
        ("vm stop ", ["0", "1", "2", "guest0", "guest1", "guest2", "all"]),
        ("vm show g", ["guest0", "guest1", "guest2"]),
        ("vm stop 0 guest", ["guest1", "guest2"]),
        ("vcpu show ", ["0.0", "1.0", "2.0"]),
    ],
)
def test_only_vms_that_fit_the_command_are_proposed(lab: Lab, line: str, expected: list[str]) -> None:
    assert proposed(lab, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vm start --", ["--for", "--detach", "--force", "--help"]),
        ("vm start 0 --de", ["--detach"]),
        ("vm start --detach --", ["--for", "--force", "--help"]),
        ("vm list --format ", ["table", "json"]),
        ("vm list --format=j", ["--format=json"]),
        ("vm list -f t", ["table"]),
        ("log w", ["warn"]),
        ("vm start -- --", []),
        ("vm strat ", []),
    ],
)
def test_options_and_choices_are_proposed(lab: Lab, line: str, expected: list[str]) -> None:
    assert proposed(lab, line) == expected


def test_files_are_proposed_and_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    for name in ("one.toml", "my guest.toml"):
        (tmp_path / "lab" / name).write_text("")
    (tmp_path / "lab" / "folder").mkdir()
    (tmp_path / "host.toml").write_text("")
    lab = Lab(folder=tmp_path / "lab")
    assert proposed(lab, "cat ") == ["folder/", "'my guest.toml'", "one.toml"]
    assert proposed(lab, "cat 'my g") == ["'my guest.toml'"]
    assert proposed(lab, "cat my\\ g") == ["'my guest.toml'"]
    assert "host.toml" in proposed(lab, "vm create h")
    assert proposed(lab, "vm list > o") == ["one.toml"]
    assert proposed(lab, "cat ../") == []


def test_the_place_in_the_line_is_told(lab: Lab) -> None:
    (one,) = lab.shell.complete("vm list; vm sho 0", 15)
    assert (one.text, one.start) == ("show", 12)


def test_nothing_is_proposed_in_a_comment_or_after_a_wrong_word(lab: Lab) -> None:
    assert proposed(lab, "vm list # vm st") == []
    assert proposed(lab, "vm list > a b") == []


def test_what_an_extension_declares_is_proposed_at_once(lab: Lab) -> None:
    from axlab.shell.arguments import Choice
    from axlab.shell.declaration import Option
    from axlab.shell.results import Result

    colour = Option("colour", Choice(("red", "green")))
    lab.shell.tree.register("paint", "Paint", lambda context, colour: Result(), colour)
    assert proposed(lab, "paint --colour g") == ["green"]
