"""The memory map's walks: every descriptor that was read, its bits, and what a live map is told."""

from __future__ import annotations

from typing import Any

import pytest
from mmu_tables import MAIR, PAGE, STAGE2_PAGE, VA, nested
from picture_checks import check_picture, words_of

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.machine import descriptors as d
from axlab.machine.descriptor_fields import fields_of
from axlab.machine.walks import Walk, walk
from axlab.notebook.figures import show
from axlab.notebook.memory_map import MemoryMap
from axlab.notebook.walk import WalkScene, draw, parse_address, walk_data, walk_picture


@pytest.fixture
def lab() -> Lab:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0 --detach; vm run --for 1ms")
    return lab


def both_stages() -> Walk:
    return walk(nested(PAGE | d.AP_EL0 | d.UXN, STAGE2_PAGE), VA)


def data_of(found: Walk, **more: Any) -> dict[str, Any]:
    return walk_data(found, MAIR) | {"title": "VM[0] guest, vCPU 0", "chosen": None} | more


def test_the_fields_of_a_page_are_spelled_out() -> None:
    page = next(step for step in both_stages().steps if step.kind == "page")
    assert [(one.bits, one.name, one.digits, one.meaning) for one in fields_of(page, MAIR)] == [
        ("0", "V", "1", "valid"),
        ("1", "type", "1", "a page"),
        ("4..2", "AttrIndx", "000", "Normal, Write-Back"),
        ("5", "NS", "0", "no effect here"),
        ("7..6", "AP", "01", "EL1 and EL0 read write"),
        ("9..8", "SH", "11", "inner shareable"),
        ("10", "AF", "1", "has been accessed"),
        ("11", "nG", "0", "global: for every ASID"),
        ("47..12", "output", "0x40000000", "begins at 0x40000000"),
        ("52", "Contiguous", "0", "an entry of its own"),
        ("53", "PXN", "0", "EL1 may execute"),
        ("54", "UXN", "1", "EL0 never executes"),
    ]


@pytest.mark.parametrize("place", range(len(both_stages().steps)))
def test_fields_lie_apart_and_hold_the_descriptors_bits(place: int) -> None:
    step = both_stages().steps[place]
    fields = fields_of(step, MAIR)
    for lower, upper in zip(fields, fields[1:], strict=False):
        assert lower.high < upper.low
    covered = sum(one.value << one.low for one in fields)
    assert covered == step.descriptor


def test_a_walk_through_both_stages_is_drawn_step_by_step() -> None:
    found = both_stages()
    picture = draw(data_of(found))
    check_picture(picture)
    for step in found.steps:
        assert f"{step.descriptor:#018x}" in words_of(picture)
    assert "IPA 0x40000abc" in words_of(picture) and f"VA {VA:#x}" in words_of(picture)
    assert "✓ PA 0x48000abc" in words_of(picture)
    assert picture.text == "\n".join(["VM[0] guest, vCPU 0", str(found)])


@pytest.mark.parametrize("chosen", range(len(both_stages().steps)))
def test_the_bits_of_any_step_can_be_shown(chosen: int) -> None:
    picture = draw(data_of(both_stages(), chosen=chosen))
    check_picture(picture)
    assert f"bits of {both_stages().steps[chosen].descriptor:#x}" in words_of(picture)


def test_a_walk_that_ends_in_a_fault_says_which(lab: Lab) -> None:
    picture = walk_picture(lab, lab.vm(0), 0x1000_0000)
    check_picture(picture)
    assert "✗ stage 2 translation fault" in words_of(picture)
    assert "0 descriptors" not in picture.alt and "translation fault" in picture.alt


def test_a_vm_that_is_gone_has_no_walk(lab: Lab) -> None:
    scene = WalkScene(lab, 0, 0x4000_0000)
    lab.shell("vm delete 0 --force")
    check_picture(scene.picture())
    assert "The VM does not exist any more." in scene.picture().text
    check_picture(MemoryMap(lab, 0).picture())


def test_a_click_on_a_box_of_the_map_shows_its_walk(lab: Lab) -> None:
    scene = MemoryMap(lab, 0)
    assert scene.data()["walk"] is None
    ram = next(span for span in scene.data()["guest"] if span["kind"] == "ram")
    scene.receive({"address": ram["base"]})
    data = scene.data()
    assert (data["walk"]["ipa"], data["walk"]["pa"]) == (ram["base"], ram["target"])
    check_picture(scene.picture())
    assert data["walk"]["end"] in scene.picture().text


def test_an_address_space_and_access_are_asked_for_by_messages(lab: Lab) -> None:
    scene = MemoryMap(lab, 0)
    scene.receive({"set": "address", "value": "0x4008_0000"})
    scene.receive({"set": "space", "value": "virtual"})
    scene.receive({"set": "access", "value": "w"})
    assert scene.data()["walk"]["setup"][0] == "VA 0x40080000, write at EL1"
    labels = {control.label: control.value for control in scene.controls(scene.data())}
    assert labels == {"Address": "0x40080000", "of the guest's": "virtual", "to": "w"}


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"address": "0x40"}, "does not understand"),
        ({"address": -1}, "does not understand"),
        ({"address": True}, "does not understand"),
        ({"step": 99}, "does not understand"),
        ({"set": "access", "value": "rw"}, "does not understand"),
        (
            {"set": "address", "value": "main"},
            r"'main' is no address; write one such as 0x40080000, or a symbol of VM\[0\]",
        ),
        ({"set": "address", "value": "-1"}, "'-1' is no address"),
        ({"set": "address", "value": 5}, "does not understand"),
        ({}, "does not understand"),
    ],
)
def test_other_messages_are_refused_and_change_nothing(lab: Lab, message: dict[str, Any], why: str) -> None:
    scene = MemoryMap(lab, 0)
    with pytest.raises(AxError, match=why):
        scene.receive(message)
    assert scene.walk is None


def test_the_command_draws_a_walk(lab: Lab) -> None:
    assert show(lab, "walk", ["0", "0x40080000"]).text.startswith("VM[0] demo, vCPU 0\nVA 0x40080000")
    assert "IPA 0x40080000" in show(lab, "walk", ["demo", "0x40080000", "--physical"]).text
    assert f"VA {lab.vm(0).symbols.address_of('print_hex'):#x}" in show(lab, "walk", ["0", "print_hex"]).text
    with pytest.raises(AxError, match="%axlab walk takes a VM and an address: walk VM ADDRESS"):
        show(lab, "walk", ["0"])


def test_addresses_are_read_as_people_write_them() -> None:
    assert [parse_address(text) for text in ("0x10", " 16 ", "0b1_0000", "0xffff_ffff_ffff_ffff")] == [
        16, 16, 16, (1 << 64) - 1,
    ]  # fmt: skip
    with pytest.raises(AxError, match="is no address"):
        parse_address("0x1_0000_0000_0000_0000")
