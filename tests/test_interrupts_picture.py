"""The picture of a VM's interrupts: list registers, the distributor, and why an interrupt waits."""

from __future__ import annotations

from typing import Any

import pytest
from picture_checks import check_picture, words_of
from shell_labs import DEAF, DEVICES, lab_with

from axlab.errors import AxError, Refused
from axlab.lab import Lab
from axlab.machine.gic_list_registers import LR_ACTIVE, LR_GROUP1, LR_HW, LR_PENDING, LR_PRIORITY_SHIFT
from axlab.notebook.figures import show
from axlab.notebook.interrupts import Interrupts, draw, interrupts, list_register


@pytest.fixture
def lab() -> Lab:
    """A lab whose demo guest has its timer's interrupt in a list register."""
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0 --detach; vm run --for 1342us")
    while not any(lab.vm(0).vcpus[0].cpu.gic.lrs):
        lab.shell("vm step 0")
    return lab


def row(lab: Lab, intid: int) -> dict[str, Any]:
    return next(one for one in Interrupts(lab, 0).data()["rows"] if one["intid"] == intid)


def test_a_list_register_is_read_bit_by_bit() -> None:
    assert list_register(LR_PENDING | LR_HW | LR_GROUP1 | 0xA0 << LR_PRIORITY_SHIFT | 27) == {
        "intid": 27, "priority": 0xA0, "group": 1, "state": "pending", "hw": True,
    }  # fmt: skip
    assert list_register(LR_PENDING | LR_ACTIVE | 33) == {
        "intid": 33, "priority": 0, "group": 0, "state": "active and pending", "hw": False,
    }  # fmt: skip
    assert list_register(LR_HW | 33) is None


def test_an_injected_interrupt_stands_in_a_list_register(lab: Lab) -> None:
    data = Interrupts(lab, 0).data()
    assert data["vcpus"][0]["lrs"][0] == {"intid": 27, "priority": 0, "group": 1, "state": "pending", "hw": True}
    assert data["vcpus"][0]["irq"] and data["vcpus"][1]["lrs"] == [None] * 16
    picture = draw(data)
    check_picture(picture)
    assert "In list registers: vCPU 0 27 pending; vCPU 1 none. Pending: 27." in picture.alt
    assert "LR0: 27 pending, priority 0x00, HW" in picture.text


@pytest.mark.parametrize(
    ("owner", "name", "value", "why"),
    [
        ("bank", "enabled", 0, "not enabled"),
        ("gic", "enabled_groups", 0, "group 1 off"),
        ("priorities", "enabled", [True, False], "group off at the CPU"),
        ("priorities", "mask", 0, "masked by 0x00"),
        ("bank", "active", 1 << 27, "active already"),
        ("priorities", "active", [0, 1], "lower than what runs"),
        ("cpu", "daif", 2, "PSTATE.I masks it"),
        ("cpu", "daif", 0, ""),
    ],
)
def test_the_picture_says_why_a_pending_interrupt_waits(lab: Lab, owner: str, name: str, value: Any, why: str) -> None:
    vm = lab.vm(0)
    cpu = vm.vcpus[0].cpu
    owners = {"bank": vm.gic.gic.private[0], "gic": vm.gic.gic, "cpu": cpu, "priorities": cpu.gic.priorities}
    setattr(owners[owner], name, value)
    assert row(lab, 27)["why"] == why
    check_picture(interrupts(lab, vm))


def test_a_shared_interrupt_names_where_it_is_routed(lab: Lab) -> None:
    answer = Interrupts(lab, 0).receive({"do": "inject", "value": "33"})
    assert answer.text == "✓ interrupt 33 is pending"
    found = row(lab, 33)
    assert (found["shared"], found["to"], found["name"], found["pending"]) == (True, [0], "uart", True)
    assert "shared, to 0" in words_of(interrupts(lab, lab.vm(0)))


def test_a_private_interrupt_is_injected_into_one_vcpu(lab: Lab) -> None:
    assert Interrupts(lab, 0).receive({"do": "inject", "value": "1.5"}).text == "✓ interrupt 5 is pending for vCPU 1"
    assert row(lab, 5)["to"] == [1]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "does not understand"),
        ({"do": "inject"}, "does not understand"),
        ({"do": "inject", "value": "timer"}, "'timer' is no interrupt; write its INTID, such as 33"),
        ({"do": "inject", "value": "x.27"}, "'x.27' is no interrupt"),
        ({"do": "inject", "value": "9.27"}, r"VM\[0\] has no VCpu\[9\]; it has 0 to 1"),
        ({"do": "inject", "value": "900"}, r"VM\[0\] has no interrupt 900"),
        ({"do": "inject", "value": "9999999999999"}, "is no interrupt"),
    ],
)
def test_other_messages_are_refused(lab: Lab, message: dict[str, Any], why: str) -> None:
    with pytest.raises(AxError, match=why):
        Interrupts(lab, 0).receive(message)


def test_a_vm_that_does_not_run_takes_none(lab: Lab) -> None:
    lab.shell("vm stop 0 --force")
    lab.run("1ms")
    with pytest.raises(Refused, match="VM is not running, cannot take interrupts"):
        Interrupts(lab, 0).receive({"do": "inject", "value": "33"})
    check_picture(interrupts(lab, lab.vm(0)))


def test_a_vm_without_interrupts_says_so() -> None:
    lab = lab_with(DEAF, **DEVICES | {"mode": "no_irq"})
    picture = interrupts(lab, lab.vm(0))
    check_picture(picture)
    assert "It takes no interrupts (no_irq)." in words_of(picture)


def test_many_interrupts_have_a_row_each(lab: Lab) -> None:
    bank = lab.vm(0).gic.gic.shared
    bank.enabled = bank.implemented
    picture = show(lab, "irqs", ["0"])
    check_picture(picture)
    assert picture.text.count("shared") == bank.implemented.bit_count()


def test_a_vm_that_is_gone_has_none(lab: Lab) -> None:
    scene = Interrupts(lab, 0)
    lab.shell("vm delete 0 --force")
    check_picture(scene.picture())
    assert scene.controls(scene.data()) == []


def test_the_shell_lists_the_same_interrupts(lab: Lab) -> None:
    rows = lab.shell("machine irqs").irqs
    assert {one.intid for one in rows} == {one["intid"] for one in Interrupts(lab, 0).data()["rows"]} == {27}
