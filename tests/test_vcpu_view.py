"""The view of a vCPU: registers and what changed, PSTATE, code with symbols, callers, and stepping."""

from __future__ import annotations

from typing import Any

import pytest
from picture_checks import check_picture, words_of
from shell_labs import DEAF, lab_with

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.figures import show
from axlab.notebook.vcpu_view import VcpuView, draw, vcpu_picture

CALLS = """
    ldr x0, =0x40090000
    mov sp, x0
    mov x29, #0
    bl outer
after:
    b .
outer:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    bl inner
    ldp x29, x30, [sp], #16
    ret
inner:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    adds x1, x1, #1
    ldp x29, x30, [sp], #16
    ret
"""


@pytest.fixture
def lab() -> Lab:
    lab = Lab(cpus=2)
    lab.create("demo")
    lab.shell("vm start 0 --detach; vm run --for 100us")
    return lab


def calling() -> tuple[Lab, VcpuView]:
    """A guest of functions that keep frames, with symbols, stepped into its first instruction."""
    lab = lab_with(CALLS)
    vm = lab.vm(0)
    from axlab.machine.isa.assembler import assemble
    from axlab.vmm.symbols import labels

    vm.symbols = labels(assemble(CALLS, vm.entry).symbols)
    lab.shell("vm start 0 --detach")
    return lab, VcpuView(lab, 0)


def pc(view: VcpuView) -> str:
    vm = view.lab.vm(view.vm)
    return str(vm.symbols.name(vm.vcpus[view.vcpu].cpu.pc))


def test_the_data_is_what_the_vcpu_holds(lab: Lab) -> None:
    data = VcpuView(lab, 0).data()
    cpu = lab.vm(0).vcpus[0].cpu
    assert data["registers"]["pc"] == cpu.pc and data["registers"]["x1"] == cpu.x[1]
    assert [name for name, _, _ in data["pstate"]] == ["N", "Z", "C", "V", "D", "A", "I", "F", "EL", "SP"]
    assert [name for name, is_set, _ in data["pstate"][4:8] if is_set] == ["D", "A", "I", "F"]
    assert len(data["code"]) == 16 and data["code"][6]["address"] == cpu.pc


def test_what_changed_since_the_last_look_is_marked(lab: Lab) -> None:
    view = VcpuView(lab, 0)
    assert view.data()["changed"] == []
    view.receive({"do": "step"})
    data = view.data()
    assert "pc" in data["changed"] and "x30" not in data["changed"]
    assert view.data() == data, "looking again at the same shows the same"
    assert "pc 00" in draw(data).text and "*" in draw(data).text


def test_a_picture_drawn_again_knows_the_look_before(lab: Lab) -> None:
    memory: dict[str, Any] = {}
    assert "Changed since the last look: nothing" in show(lab, "cpu", ["0.0"], memory).alt
    lab.shell("vm step 0 3")
    assert "pc." in show(lab, "cpu", ["0"], memory).alt


def test_steps_go_into_calls_and_over_them() -> None:
    _, view = calling()
    view.receive({"do": "run", "value": "outer"})
    assert pc(view) == "outer"
    for _ in range(2):
        view.receive({"do": "step"})
    assert view.receive({"do": "over"}).ok
    assert pc(view) == "outer+0xc"
    assert view.lab.vm(0).vcpus[0].cpu.x[1] == 1
    assert view.lab.hypervisor.stops.points == {}


def test_a_step_can_be_taken_back() -> None:
    lab, view = calling()
    view.receive({"do": "run", "value": "inner"})
    before = view.data()["registers"]
    view.receive({"do": "step"})
    assert pc(view) == "inner+0x4" and "pc" in view.data()["changed"]
    assert view.receive({"do": "back"}).ok
    assert view.data()["registers"] == before and pc(view) == "inner"
    assert "pc" in view.data()["changed"]
    lab.history = None
    assert "Step back" not in {control.label for control in view.controls(view.data())}


def test_the_call_stack_follows_frame_pointers() -> None:
    _, view = calling()
    view.receive({"do": "run", "value": "inner"})
    assert [(one["by"], one["name"]) for one in view.data()["frames"]] == [
        ("pc", "inner"), ("lr", "outer+0xc"), ("frame", "after"),
    ]  # fmt: skip
    for _ in range(2):
        view.receive({"do": "step"})
    assert [one["name"] for one in view.data()["frames"]] == ["inner+0x8", "outer+0xc", "after"]
    picture = view.picture()
    check_picture(picture)
    assert "inner:" in words_of(picture) and "Code around PC, in inner+0x8" in words_of(picture)


def test_code_names_the_targets_of_branches() -> None:
    _, view = calling()
    assert [one["target"] for one in view.data()["code"] if one["text"].startswith("bl ")] == ["outer", "inner"]


def test_a_place_that_is_not_reached_is_told() -> None:
    lab, view = calling()
    answer = view.receive({"do": "run", "value": f"{lab.vm(0).entry + 0x1000:#x}"})
    assert not answer.ok and "was not reached: 1 s of virtual time has passed" in answer.text


def test_a_vcpu_that_sleeps_for_ever_cannot_be_stepped() -> None:
    lab = lab_with("    wfi\n    b .")
    lab.shell("vm start 0 --detach; vm run --for 30ms")
    answer = VcpuView(lab, 0).receive({"do": "step"})
    assert not answer.ok
    assert answer.text == "vCPU 0.0 executed nothing (it waits for interrupt): nothing can happen any more"


def test_a_vcpu_beside_another_steps_alone() -> None:
    lab = lab_with(DEAF, DEAF, settings={"cpus": 2})
    lab.shell("vm start 0 1 --detach")
    lab.shell("vm run --for 1ms")
    before = lab.vm(1).vcpus[0].instructions
    assert VcpuView(lab, 1).receive({"do": "step"}).ok
    assert lab.vm(1).vcpus[0].instructions == before + 1


def test_controls_say_why_they_are_off(lab: Lab) -> None:
    lab.shell("vm suspend 0")
    view = VcpuView(lab, 0)
    steps = [control for control in view.controls(view.data()) if control.label.startswith("Step")]
    assert steps and all(control.hint for control in steps)
    assert any(control.hint == "VM[0] is Suspended; only a running VM executes instructions" for control in steps)
    with pytest.raises(AxError, match=r"VM\[0\] is Suspended; only a running VM executes instructions"):
        view.receive({"do": "step"})


def test_another_vcpu_can_be_looked_at(lab: Lab) -> None:
    view = VcpuView(lab, 0)
    view.receive({"do": "look", "value": "1"})
    assert view.data()["title"] == "VM[0] demo, vCPU 1"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "does not understand"),
        ({"do": "format"}, "does not understand"),
        ({"do": "look", "value": "9"}, "does not understand"),
        ({"do": "run"}, "does not understand"),
        ({"do": "run", "value": "nowhere"}, r"'nowhere' is no address; .* or a symbol of VM\[0\]"),
        ({"do": "run", "value": "0x40080001"}, "no instruction is at 0x40080001: instructions are at multiples of 4"),
    ],
)
def test_other_messages_are_refused(lab: Lab, message: dict[str, Any], why: str) -> None:
    with pytest.raises(AxError, match=why):
        VcpuView(lab, 0).receive(message)


@pytest.mark.parametrize("pc", [0, 0x1000_0000, 0xFFFF_FFFF_FFFF_FFFC, 0x4008_0002])
def test_a_wild_pc_is_shown_with_the_reason(lab: Lab, pc: int) -> None:
    cpu = lab.vm(0).vcpus[0].cpu
    cpu.pc, cpu.x[29], cpu.x[30] = pc, 0x4000_0008, pc
    picture = vcpu_picture(lab, lab.vm(0))
    check_picture(picture)


def test_a_hostile_symbol_is_only_a_word(lab: Lab) -> None:
    from axlab.vmm.symbols import Symbol, symbols_of

    name = "<script>我alert(1)</script>" * 4
    lab.vm(0).symbols = symbols_of([Symbol(name, lab.vm(0).vcpus[0].cpu.pc)])
    picture = vcpu_picture(lab, lab.vm(0))
    check_picture(picture)
    assert "<script" not in picture.svg and "<script>我" in words_of(picture)


def test_a_vm_that_is_gone_has_no_vcpu(lab: Lab) -> None:
    view = VcpuView(lab, 0)
    lab.shell("vm delete 0 --force")
    check_picture(view.picture())
    assert view.controls(view.data()) == []
    with pytest.raises(AxError, match=r"VM\[0\] does not exist any more"):
        view.receive({"do": "step"})


@pytest.mark.parametrize("words", [[], ["0.x"], ["0", "1"]])
def test_the_command_takes_a_vcpu(lab: Lab, words: list[str]) -> None:
    with pytest.raises(AxError, match=r"%axlab cpu takes a vCPU, such as 0\.1: cpu VM"):
        show(lab, "cpu", words)


def test_the_command_says_which_vcpus_there_are(lab: Lab) -> None:
    with pytest.raises(AxError, match=r"VM\[0\] has no vCPU 7: it has 2, numbered from 0"):
        show(lab, "cpu", ["demo.7"])
