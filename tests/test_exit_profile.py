"""The profile of exits: by reason, place and device, the time, and two runs beside each other."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from picture_checks import check_picture, words_of
from shell_labs import DEAF, lab_with

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.exit_profile import ExitProfile, draw, exit_profile, profile_of
from axlab.notebook.figures import show

PARTS = ("reason", "pc", "device")


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
    assert counts(data["pc"]) == dict(Counter(symbols.name(pc) for pc in pcs))
    devices = list(lab.trace.recorder.table("mmio").stored()["device"].rows())
    assert counts(data["device"]) == dict(Counter(devices))


def test_every_part_has_the_same_time(lab: Lab) -> None:
    data = profile_of(lab)
    spent = [sum(cost for _, cost in data[part].values()) for part in ("reason", "pc")]
    assert spent == [603_500, 603_500] and data["hypervisor"] == 603_500
    assert data["guest"] == 103_600


def test_the_picture_has_the_names_counts_and_times(lab: Lab) -> None:
    picture = exit_profile(lab, lab.vm(0))
    check_picture(picture)
    for word in ("MmioWrite", "192", "print+0xc", "uart", "in the guest 103.6 us (14.7 %)"):
        assert word in words_of(picture)
    assert picture.alt == (
        "Exits of VM[0] by reason: MmioWrite 192, Halt 3, CpuDown 1, CpuUp 1, FirmwareCall 1, SystemDown 1. "
        "Virtual CPUs spent 103.6 us in the guest, 603.5 us in the hypervisor."
    )


def test_many_places_become_a_few_rows_and_the_rest(lab: Lab) -> None:
    rows: dict[str, Any] = {f"place{n}": [100 - n, 7] for n in range(50)}
    data = profile_of(lab, 0) | {"pc": rows, "other": None}
    picture = draw(data)
    check_picture(picture)
    rest = sum(count for count, _ in list(rows.values())[7:])
    assert any(line.split()[:3] == ["43", "others", str(rest)] for line in picture.text.splitlines())


def test_two_runs_stand_beside_each_other(lab: Lab) -> None:
    other = Lab(cpus=2)
    other.create("demo")
    other.shell("vm start 0; vm start 0")
    picture = exit_profile(other, None, lab)
    check_picture(picture)
    assert "the other run" in words_of(picture)
    assert any(
        line.split() == ["MmioWrite", "384", "1.152", "ms", "(was", "192)"] for line in picture.text.splitlines()
    )


def test_a_run_is_compared_with_an_earlier_moment() -> None:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0")
    scene = ExitProfile(lab, 0)
    scene.receive({"do": "compare"})
    lab.shell("vm start 0")
    data = scene.data()
    assert (data["reason"]["Halt"][0], data["other"]["reason"]["Halt"][0]) == (6, 3)
    assert "VM[0] at 3.55108 ms" in words_of(draw(data))
    scene.receive({"do": "forget"})
    assert scene.data()["other"] is None


def test_a_name_that_only_the_other_run_has_is_shown(lab: Lab) -> None:
    data = profile_of(lab, 0)
    picture = draw(data | {"device": {}, "other": data})
    check_picture(picture)
    assert any(line.split()[:2] == ["uart", "0"] for line in picture.text.splitlines())


def test_nothing_has_a_profile_too() -> None:
    for lab in (Lab(cpus=1), lab_with(DEAF)):
        picture = exit_profile(lab)
        check_picture(picture)
        assert picture.alt.startswith("Exits of all VMs by reason: none.")


def test_hostile_symbols_are_only_words(lab: Lab) -> None:
    name = "<script>我alert(1)</script>" * 3
    picture = draw(profile_of(lab, 0) | {"pc": {name: [1, 1]}, "other": None})
    check_picture(picture)
    assert "<script" not in picture.svg


def test_a_vm_that_is_gone_leaves_its_exits() -> None:
    lab = Lab(cpus=1)
    lab.create("demo")
    lab.shell("vm start 0; vm delete 0 --force")
    picture = exit_profile(lab)
    check_picture(picture)
    assert "0: 0x400" in picture.text


@pytest.mark.parametrize("message", [{}, {"do": "explode"}, {"do": ["compare"]}])
def test_other_messages_are_refused(lab: Lab, message: dict[str, Any]) -> None:
    with pytest.raises(AxError, match="this view does not understand"):
        ExitProfile(lab).receive(message)


def test_the_command_takes_a_vm_or_none(lab: Lab) -> None:
    assert show(lab, "profile", []).alt.startswith("Exits of all VMs")
    assert show(lab, "profile", ["demo"]).alt.startswith("Exits of VM[0]")
