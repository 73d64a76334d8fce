"""Results as rows: iteration, indexing, DataFrames."""

from __future__ import annotations

import pytest
from shell_labs import lab_with, prints

from axlab.errors import AxError
from axlab.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = lab_with(prints("a"), prints("b"))
    lab.shell("vm start 0")
    return lab


def test_the_rows_of_a_list_can_be_gone_through_and_asked_for(lab: Lab) -> None:
    listed = lab.shell("vm list")
    assert [row.name for row in listed] == ["guest0", "guest1"]
    assert (listed[0].state, listed[-1].state, len(listed)) == ("Stopped", "Loaded", 2)
    assert [row.name for row in listed[1:]] == ["guest1"]


def test_a_list_is_a_frame_with_a_column_for_each_fact(lab: Lab) -> None:
    frame = lab.shell("vm list").frame()
    assert list(frame["name"]) == ["guest0", "guest1"]
    assert list(frame["state"]) == ["Stopped", "Loaded"]


@pytest.mark.parametrize(
    ("line", "column", "least"),
    [
        ("vm exits 0", "reason", 2),
        ("vcpu list", "instructions", 2),
        ("vm disasm 0 0x40080000 3", "text", 3),
        ("vm regs 0", "name", 33),
        ("vm log 0", "lines", 3),
        ("ls /", "name", 1),
        ("help", "lines", 3),
        ("vm start 0 7", "message", 2),
    ],
)
def test_every_result_with_rows_is_a_frame(lab: Lab, line: str, column: str, least: int) -> None:
    result = lab.shell(line)
    frame = result.frame()
    assert column in frame and len(frame) == len(result) >= least


def test_a_result_with_several_lists_wants_to_know_which(lab: Lab) -> None:
    shown = lab.shell("machine show")
    with pytest.raises(AxError) as error:
        shown.frame()
    assert str(error.value) == "this result has several lists of rows; name one: 'cpus', 'regions'"
    assert "GICD" in set(shown.frame("regions")["name"])
    assert len(shown.rows("cpus")) == 4
    with pytest.raises(AxError, match="this result has no rows 'region'; did you mean regions"):
        shown.rows("region")


def test_a_result_without_rows_is_one_row_of_facts(lab: Lab) -> None:
    ran = lab.shell("vm run --for 1ms")
    frame = ran.frame()
    assert len(frame) == 1 and frame["why"][0] == ran.why
    with pytest.raises(AxError, match="this result has no rows"):
        list(ran)


def test_a_script_has_its_commands_results(lab: Lab) -> None:
    both = lab.shell("vm list; vcpu list")
    assert [type(result).__name__ for result in both] == ["VmListResult", "VcpuListResult"]
    with pytest.raises(AxError, match="a script has one result for each command"):
        both.frame()


def test_a_result_is_true_when_it_worked(lab: Lab) -> None:
    assert lab.shell("vm run --for 1ms") and not lab.shell("vm start 9")
    assert Lab(code_cache=False).shell("vm list")
