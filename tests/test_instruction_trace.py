"""The recording of instructions: complete, in order, the same stepped and translated, and of no effect."""

from __future__ import annotations

import random

import pytest
from test_translator_agrees import random_machine, translate_soon

from axlab.lab import Lab
from axlab.machine.instruction_trace import InstructionTrace, address_of, run_of


def recorded(seed: int, translates: bool, slices: int, looping: bool = False) -> tuple[list[int], int, int]:
    """The addresses that a random program's execution went through, and the count before and after it."""
    cpu = random_machine(random.Random(seed), looping)[0]
    cpu.translates = translates
    trace = InstructionTrace()
    cpu.record(trace)
    first = cpu.executed
    for length in range(1, slices):
        cpu.run(17 * length)
    return list(trace.pcs()), first, cpu.executed


@pytest.mark.parametrize("seed", range(12))
def test_translated_and_stepped_runs_record_the_same_instructions(seed: int) -> None:
    assert recorded(seed, True, 30) == recorded(seed, False, 30)


@pytest.mark.parametrize("seed", range(20))
def test_programs_with_regions_record_the_same_instructions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    translate_soon(monkeypatch)
    assert recorded(seed, True, 30, looping=True) == recorded(seed, False, 30, looping=True)


@pytest.mark.parametrize("seed", range(12, 18))
def test_every_executed_instruction_is_recorded_once(seed: int) -> None:
    pcs, first, last = recorded(seed, True, 30)
    assert len(pcs) == last - first


@pytest.mark.parametrize("pc", [0, 4, 0x4000_0000, 0x0000_FFFF_FFFF_FFFC, 0xFFFF_8000_0800_0000, (1 << 64) - 4])
def test_a_run_keeps_its_address_and_its_length(pc: int) -> None:
    assert address_of(run_of(pc, 48)) == pc


def test_recording_changes_nothing_that_happens() -> None:
    fingerprints = []
    for records in (False, True):
        lab = Lab()
        vm = lab.create("demo")
        lab.hypervisor.start(vm)
        for vcpu in vm.vcpus:
            vcpu.cpu.record(InstructionTrace() if records else None)
        lab.run()
        fingerprints.append(lab.fingerprint())
        if records:
            assert [len(vcpu.cpu.trace or ()) for vcpu in vm.vcpus] == [vcpu.cpu.executed for vcpu in vm.vcpus]
    assert fingerprints[0] == fingerprints[1]


def test_observers_that_record_nothing_leave_the_translated_code_as_it_is() -> None:
    sources = []
    for observed in (False, True):
        lab = Lab()
        vm = lab.create("demo")
        if observed:
            lab.events.add(lambda event: None)
        lab.hypervisor.start(vm)
        lab.run()
        translated = vm.vcpus[0].cpu.translated
        assert translated is not None
        sources.append(sorted(block.source for block in translated.blocks.values()))
    assert sources[0] == sources[1] != []
