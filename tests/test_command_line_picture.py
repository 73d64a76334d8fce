"""A command line as a picture: every word with what the declaration makes of it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from axlab import Lab
from axlab.errors import AxError
from axlab.notebook.command_line import command_line, parts_of


@pytest.fixture
def lab() -> Lab:
    return Lab(code_cache=False)


def roles(lab: Lab, line: str) -> list[tuple[str, str]]:
    (invocation,) = lab.shell.parse(line)
    return [(part.text, part.label) for part in parts_of(invocation)]


def test_a_flag_takes_no_value_wherever_it_stands(lab: Lab) -> None:
    assert roles(lab, "vm start --force 0 1 --detach") == [
        ("vm start", "command"),
        ("--force", "flag --force"),
        ("0", "argument vms"),
        ("1", "argument vms"),
        ("--detach", "flag --detach"),
    ]


def test_an_option_has_a_value_behind_it_or_in_it(lab: Lab) -> None:
    assert roles(lab, "vm run --for 5ms")[1:] == [("--for", "option --for"), ("5ms", "value --for")]
    assert roles(lab, "vm list -fjson")[1:] == [("-fjson", "option --format, value --format")]


def test_a_cluster_is_several_flags(lab: Lab) -> None:
    assert roles(lab, "vm show -fc demo")[1] == ("-fc", "flag --full, flag --config")


def test_behind_two_dashes_everything_is_an_argument(lab: Lab) -> None:
    assert roles(lab, "vm create -- --odd.toml")[1:] == [("--", "end of options"), ("--odd.toml", "argument configs")]


def test_a_quoted_word_is_its_text_and_marked_as_it_was_written(lab: Lab) -> None:
    (invocation,) = lab.shell.parse('vm create "my guest.toml"')
    last = parts_of(invocation)[-1]
    assert (last.text, last.end - last.start) == ("my guest.toml", len('"my guest.toml"'))


@pytest.mark.parametrize("line", ["vm start --force 0", "vm create '<script>alert(1)</script>'", "vm create 虚拟机 x"])
def test_the_picture_is_well_formed_and_says_the_same_in_words(lab: Lab, line: str) -> None:
    picture = command_line(lab.shell, line)
    root = ElementTree.fromstring(picture.svg)
    drawn = "".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert line.replace(" ", "") in drawn
    assert picture.text.splitlines()[0] == line
    assert picture.alt.startswith(f"How the shell reads {line!r}: 'vm ")


def test_values_stand_below_the_line_as_the_handler_gets_them(lab: Lab) -> None:
    assert command_line(lab.shell, "vm start --force 0 1").text.splitlines()[-4:] == [
        "detach = False",
        "force = True",
        "for_ = None",
        "vms = [VM 0, VM 1]",
    ]


def test_one_command_is_drawn(lab: Lab) -> None:
    with pytest.raises(AxError, match="one command is drawn, and this is 2"):
        command_line(lab.shell, "vm list; vm list")
    with pytest.raises(AxError, match="did you mean --detach"):
        command_line(lab.shell, "vm start 0 --detech")
