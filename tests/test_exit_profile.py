"""The profile of exits: by reason, place and device, the time, and two runs beside each other."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from picture_checks import check_picture, words_of
from shell_labs import DEAF, lab_with, prints

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.exit_profile import PARTS, ExitProfile, draw, profile_of
from axlab.notebook.figures import show

ALONE: dict[str, Any] = {"other": None, "by": PARTS}


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


def counts(part: dict[str, list[int]]) -> dict[str, int]:
    return {name: count for name, (count, _) in part.items()}


def test_the_profile_counts_what_the_trace_holds(lab: Lab) -> None:
    data = profile_of(lab, 0)
    assert counts(data["reason"]) == lab.trace.summary(0).counts()
    symbols = lab.vm(0).symbols
    pcs = list(lab.trace.recorder.table("exits").stored()["pc"].rows())
    assert counts(data["place"]) == dict(Counter(symbols.name(pc) for pc in pcs))
    devices = list(lab.trace.recorder.table("mmio").stored()["device"].rows())
    assert counts(data["device"]) == dict(Counter(devices))


def test_every_part_has_the_same_time(lab: Lab) -> None:
    data = profile_of(lab)
    spent = [sum(cost for _, cost in data[part].values()) for part in ("reason", "place")]
    assert spent == [603_500, 603_500] and data["hypervisor"] == 603_500
    assert data["guest"] == 103_600


def test_the_picture_has_the_names_counts_and_times(lab: Lab) -> None:
    picture = ExitProfile(lab, 0).picture()
    check_picture(picture)
    for word in ("MmioWrite", "192", "print+0xc", "uart", "in the guest 103.6 us (14.7 %)"):
        assert word in words_of(picture)
    assert picture.alt == (
        "Exits of VM[0] demo by reason: MmioWrite 192, Halt 3, CpuDown 1, CpuUp 1, FirmwareCall 1, SystemDown 1. "
        "Virtual CPUs spent 103.6 us in the guest, 603.5 us in the hypervisor."
    )


def test_many_places_become_a_few_rows_and_the_rest(lab: Lab) -> None:
    rows: dict[str, Any] = {f"place{n}": [100 - n, 7] for n in range(50)}
    data = profile_of(lab, 0) | ALONE | {"place": rows}
    picture = draw(data)
    check_picture(picture)
    rest = sum(count for count, _ in list(rows.values())[7:])
    assert any(line.split()[:3] == ["43", "others", str(rest)] for line in picture.text.splitlines())


def test_two_runs_stand_beside_each_other(lab: Lab) -> None:
    other = Lab(cpus=2)
    other.create("demo")
    other.shell("vm start 0; vm start 0")
    for words, name in ((["0", "--against", "before"], "VM[0] demo of before"), (["--against", "before"], "before")):
        picture = show(other, "exits", words, variables={"before": lab, "_3": lab, "x": 1})
        check_picture(picture)
        assert name in words_of(picture)
        assert any(
            line.split() == ["MmioWrite", "384", "1.152", "ms", "(was", "192)"] for line in picture.text.splitlines()
        )


def test_two_vms_of_a_lab_stand_beside_each_other() -> None:
    lab = lab_with(prints("ab"), prints("abc"))
    lab.shell("vm start all")
    picture = show(lab, "exits", ["guest0", "--against", "lab.guest1", "--by", "device"], variables={"lab": lab})
    assert picture.text.splitlines()[0] == "Exits of VM[0] guest0, compared with VM[1] guest1 of lab"
    assert picture.text.splitlines()[-2].split() == ["By", "device"]
    assert picture.text.splitlines()[-1].split() == ["uart", "2", "6", "us", "(was", "3)"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0 --against", "--against takes the name of a variable that holds a lab: %axlab exits [VM] "),
        ("0 --against befor", "befor is no lab; did you mean before? Labs are before"),
        ("0 --against before.7", "VM[7] not found; there is VM[0] demo"),
        ("--by raeson", "exits are not counted by 'raeson'; did you mean reason? (there is reason, place, device)"),
        ("--agianst before", "unknown option --agianst of %axlab exits; did you mean --against?\nUsage: %axlab exits"),
    ],
)
def test_a_mistake_in_the_command_is_explained(lab: Lab, words: str, message: str) -> None:
    with pytest.raises(AxError) as raised:
        show(lab, "exits", words.split(), variables={"before": lab})
    assert str(raised.value).startswith(message)


def test_one_part_can_be_asked_for(lab: Lab) -> None:
    picture = show(lab, "exits", ["0", "--by", "place"])
    check_picture(picture)
    assert "print+0xc" in picture.text and "MmioWrite" not in picture.text
    assert "in the guest 103.6 us" in words_of(picture)


def test_a_run_is_compared_with_an_earlier_moment() -> None:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0")
    scene = ExitProfile(lab, 0)
    scene.receive({"do": "compare"})
    lab.shell("vm start 0")
    data = scene.data()
    assert (data["reason"]["Halt"][0], data["other"]["reason"]["Halt"][0]) == (6, 3)
    assert "VM[0] demo at 3.55108 ms" in words_of(draw(data))
    scene.receive({"do": "forget"})
    assert scene.data()["other"] is None


def test_a_name_that_only_the_other_run_has_is_shown(lab: Lab) -> None:
    data = profile_of(lab, 0)
    picture = draw(data | {"device": {}, "other": data, "by": PARTS})
    check_picture(picture)
    assert any(line.split()[:2] == ["uart", "0"] for line in picture.text.splitlines())


def test_nothing_has_a_profile_too() -> None:
    for lab in (Lab(cpus=1), lab_with(DEAF)):
        picture = ExitProfile(lab).picture()
        check_picture(picture)
        assert picture.alt.startswith("Exits of all VMs by reason: none.")


def test_hostile_symbols_are_only_words(lab: Lab) -> None:
    name = "<script>我alert(1)</script>" * 3
    picture = draw(profile_of(lab, 0) | ALONE | {"place": {name: [1, 1]}})
    check_picture(picture)
    assert "<script" not in picture.svg


def test_a_vm_that_is_gone_leaves_its_exits() -> None:
    lab = Lab(cpus=1)
    lab.create("demo")
    lab.shell("vm start 0; vm delete 0 --force")
    picture = ExitProfile(lab).picture()
    check_picture(picture)
    assert "0: 0x400" in picture.text


@pytest.mark.parametrize("message", [{}, {"do": "explode"}, {"do": ["compare"]}])
def test_other_messages_are_refused(lab: Lab, message: dict[str, Any]) -> None:
    with pytest.raises(AxError, match="this view does not understand"):
        ExitProfile(lab).receive(message)


def test_the_command_takes_a_vm_or_none(lab: Lab) -> None:
    assert show(lab, "exits", []).alt.startswith("Exits of all VMs")
    assert show(lab, "exits", ["demo"]).alt.startswith("Exits of VM[0] demo")
