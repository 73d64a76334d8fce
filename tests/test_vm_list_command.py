"""`vm list`: the table, the JSON, and how they behave with wide, long and hostile names."""

from __future__ import annotations

import json

import pytest
from shell_labs import lab_with, said
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER, SPINS

from axlab.errors import display_width
from axlab.lab import Lab
from axlab.shell.commands_list import VmListResult, VmRow, summary
from axlab.units import format_memory_size


def row(number: int, name: str, state: str = "Running", **more: object) -> VmRow:
    facts: dict[str, object] = {
        "vcpu": 1, "memory": "16MB", "memory_bytes": 16 << 20, "vcpu_states": {"Running": 1}, "vcpu_ids": (0,),
    }  # fmt: skip
    return VmRow(number, name, state, **{**facts, **more})  # type: ignore[arg-type]


def test_an_empty_list_says_so() -> None:
    """Fix 29: the JSON of no VMs is JSON, too."""
    lab = Lab()
    assert lab.shell("vm list").text() == "No virtual machines found."
    assert lab.shell("vm list --format json").text() == '{"vms": []}'


def test_the_table_has_the_documents_columns() -> None:
    lab = lab_with(SPINS, POWERS_OFF, cpus=2)
    lab.shell("vm start 0 -d")
    lab.run(for_="1ms")
    assert said(lab.shell("vm list")) == [
        "VM ID  NAME            STATUS       VCPU            MEMORY     VCPU STATE",
        "------ --------------- ------------ --------------- ---------- --------------------",
        "0      guest0          Running      0,1             16MB       Free:1,Run:1",
        "1      guest1          Loaded       0,1             16MB       Free:2",
    ]


def test_a_sleeping_vcpu_is_blocked() -> None:
    lab = lab_with(SLEEPS_FOR_EVER)
    lab.shell("vm start 0")
    assert said(lab.shell("vm list -a"))[2].endswith("Blk:1")


def test_vcpu_states_are_counted_in_alphabetical_order() -> None:
    states = {"Running": 2, "Blocked": 1, "Free": 3, "Ready": 1, "Invalid": 1, "Created": 1}
    assert summary(states) == "Blk:1,Cre:1,Free:3,Inv:1,Rdy:1,Run:2"


def test_a_column_grows_with_its_content_and_counts_terminal_cells() -> None:
    lines = VmListResult(vms=[row(0, "虚拟机"), row(1, "a-name-that-is-longer-than-fifteen")]).text().split("\n")
    places = [display_width(line[: line.index(word)]) for line, word in ((lines[0], "STATUS"), (lines[2], "Running"))]
    assert [*places, lines[3].index("Running")] == [42, 42, 42]
    assert lines[1].split(" ")[1] == "-" * 34


def test_a_hostile_name_harms_neither_terminal_nor_page() -> None:
    result = VmListResult(vms=[row(0, "\x1b[31m<script>\x9b\n\u202e")])
    assert "\\x1b[31m<script>\\x9b" in result.text()
    assert not set(result.text()) & set("\x1b\x9b\u202e")
    assert "<script>" not in result.html() and "&lt;script&gt;" in result.html()
    assert json.loads(result.json_text())["vms"][0]["name"] == "\x1b[31m<script>\x9b\n\u202e"
    assert not set(result.json_text()) & set("\x1b\x9b\u202e")


def test_the_json_has_the_documents_keys_in_their_order() -> None:
    lab = lab_with(SPINS)
    text = lab.shell("vm list --format json").text()
    assert text.startswith('{\n  "vms": [\n    {\n      "id": 0,\n      "name": "guest0",\n')
    vm = json.loads(text)["vms"][0]
    assert list(vm) == ["id", "name", "state", "vcpu", "memory", "memory_bytes", "vcpu_states"]
    assert vm == {
        "id": 0, "name": "guest0", "state": "Loaded", "vcpu": 1, "memory": "16MB",
        "memory_bytes": 16 << 20, "vcpu_states": {"Free": 1},
    }  # fmt: skip


def test_status_words_are_capitalised() -> None:
    """Fix 22."""
    lab = lab_with(SPINS)
    assert lab.shell("vm list").json()["vms"][0]["state"] == "Loaded"


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512B"), (1023, "1023B"), (256 << 10, "256KB"), ((1 << 20) - 1, "1023KB"), (512 << 20, "512MB"),
     ((3 << 30) + 1, "3GB"), ((4 << 30) - 1, "3GB")],
)  # fmt: skip
def test_memory_is_truncated_to_the_largest_unit(size: int, text: str) -> None:
    assert format_memory_size(size) == text


def test_a_result_is_a_value_with_three_renderings() -> None:
    lab = lab_with(SPINS)
    result = lab.shell("vm list")
    assert isinstance(result, VmListResult)
    assert result.vms[0].memory_bytes == 16 << 20
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.axlab+json"}
    assert "<svg" not in bundle["text/html"] and "<table" in bundle["text/html"]
    json.dumps(bundle["application/vnd.axlab+json"])
