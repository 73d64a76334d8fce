"""`vm translate`: the Python that a guest block became, beside its disassembly, and nothing of the VM changed."""

from __future__ import annotations

from typing import Any

import pytest
from shell_labs import toml

from axlab import Lab
from axlab.shell.commands_translate import TranslationResult

COUNTS = """
    mov w3, #0
1:  add w3, w3, #1
    cmp w3, #3
    b.ne 1b
    b 2f
    nop
2:  ic ivau, x3
    nop
    nop
    svc #0
"""

POWERS_OFF = """
    mov w3, #1000
1:  sub w3, w3, #1
    cbnz w3, 1b
    ldr w0, =0x84000008
    hvc #0
"""


@pytest.fixture
def lab(tmp_path: Any) -> Lab:
    lab = Lab()
    (tmp_path / "guest.toml").write_text(toml(COUNTS))
    lab.create(tmp_path / "guest.toml")
    lab.shell("vm start 0 --detach")
    lab.shell("vm step 0")  # the MMU needs stage 2, which a start switches on
    return lab


def translation(lab: Lab, line: str) -> TranslationResult:
    result = lab.shell(line)
    assert isinstance(result, TranslationResult)
    return result


def entry(lab: Lab) -> int:
    return int(lab.vm(0).entry)


def test_each_instruction_stands_beside_its_python(lab: Lab) -> None:
    result = translation(lab, f"vm translate 0 {entry(lab):#x}")
    assert [(one.text.split()[0], one.python) for one in result.instructions[:2]] == [
        ("mov", ["x3=0"]),
        ("add", ["x3=(0+1)&4294967295"]),
    ]
    text = result.text()
    assert f"a block of {len(result.instructions)} instructions at {entry(lab):#x}" in text
    assert "ADDRESS" in text and "PYTHON" in text and "b: instructions that may still" in text


def test_by_default_the_block_begins_at_the_program_counter(lab: Lab) -> None:
    assert translation(lab, "vm translate 0").pc == lab.vm(0).vcpus[0].cpu.pc == entry(lab) + 4


def test_a_branch_that_is_surely_taken_is_followed(lab: Lab) -> None:
    result = translation(lab, f"vm translate 0 {entry(lab) + 16:#x}")
    assert [one.address - entry(lab) for one in result.instructions] == [16, 24, 28, 32]
    assert "# the block goes on at the target" in result.text() and "# nothing to do" in result.text()


def test_what_does_not_fold_is_a_call_of_its_semantics(lab: Lab) -> None:
    result = translation(lab, f"vm translate 0 {entry(lab) + 24:#x}")
    assert "call(" in result.instructions[0].python[0] and "because it does not fold" in result.text()


def test_the_result_is_text_html_and_json(lab: Lab) -> None:
    result = translation(lab, "vm translate 0")
    data = result.json()
    assert data["pc"] == entry(lab) + 4 and data["instructions"][0]["python"][0] == "x3=(x3+1)&4294967295"
    assert data["source"].startswith("def make(") and "<table" in result.html()


def test_the_text_of_a_block_is_the_one_that_runs(tmp_path: Any) -> None:
    """Its loop is entered often enough to be translated."""
    lab = Lab()
    (tmp_path / "guest.toml").write_text(toml(COUNTS.replace("cmp w3, #3", "cmp w3, #30")))
    lab.create(tmp_path / "guest.toml")
    lab.shell("vm start 0 --detach")
    lab.run("1ms")
    translated = lab.vm(0).vcpus[0].cpu.translated
    assert translated is not None
    blocks = {block.pc: block for block in translated.blocks.values() if block.source}
    assert blocks
    for pc, block in blocks.items():
        assert [one.address for one in translation(lab, f"vm translate 0 {pc}").instructions] == list(block.pcs)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("0x1000", "✗ nothing is mapped at the guest virtual address 0x1000: stage 2 translation fault"),
        ("0x40080001", "✗ no instruction is at 0x40080001: instructions are at multiples of 4"),
        ("0x9000000", "✗ nothing is mapped at the guest virtual address 0x9000000"),
    ],
)
def test_where_no_instruction_is_a_message_says_so(lab: Lab, where: str, message: str) -> None:
    result = lab.shell(f"vm translate 0 {where}")
    assert not result.ok and result.text().startswith(message)


def test_what_only_the_stepper_executes_is_named(lab: Lab) -> None:
    where = entry(lab) + 36
    assert lab.shell(f"vm translate 0 {where}").text() == (
        f"✗ 'svc #0x0' at {where:#x} is not translated: it is left to the stepper, which executes it by itself"
    )


def test_a_vcpu_that_is_not_there_is_named(lab: Lab) -> None:
    assert lab.shell("vm translate 0 -c 1").text() == "✗ VM[0] has no vCPU 1: it has 1, numbered from 0"


def test_looking_changes_nothing() -> None:
    fingerprints = []
    for looks in (False, True):
        lab = Lab()
        lab.create("demo")
        lab.shell("vm start 0 --detach")
        for _ in range(40):
            lab.run("100us")
            before = (lab.vm(0).vcpus[0].cpu.__getstate__(), len(lab.board.memory.pages))
            if looks:
                lab.shell("vm translate 0")
            assert (lab.vm(0).vcpus[0].cpu.__getstate__(), len(lab.board.memory.pages)) == before
        fingerprints.append(lab.fingerprint())
    assert fingerprints[0] == fingerprints[1]


def test_a_vm_that_is_observed_runs_the_code_objects_of_one_that_is_not(tmp_path: Any) -> None:
    config = tmp_path / "guest.toml"
    lab = Lab()
    lab.trace.recorder.level = "off"
    for number in (0, 1):
        config.write_text(toml(POWERS_OFF, number))
        lab.create(config)
    codes = []
    for number in (0, 1):
        lab.shell(f"vm start {number}")
        translated = lab.vm(number).vcpus[0].cpu.translated
        assert translated is not None
        codes.append({id(block.code) for block in translated.blocks.values()})
        lab.events.add(lambda event: None)
        lab.trace.recorder.level = "events"
    assert codes[0] and codes[0] == codes[1]
