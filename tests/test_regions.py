"""Regions: several blocks that are executed often become one function, which is left only where it has to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cpu_setup import DATA, RAM, cpu_with
from shell_labs import toml

from axlab import Lab
from axlab.code_cache import CodeCache
from axlab.machine.cpu import Cpu, connect
from axlab.machine.features import Features
from axlab.machine.instruction_trace import InstructionTrace
from axlab.machine.isa.assembler import assemble
from axlab.machine.translator import hot, promotion
from axlab.machine.translator.blocks import Block
from axlab.machine.translator.plan import bounds_of, planned

LONG = 60_000  # instructions after which what is hot is known

BRANCHES = """
1:  add x0, x0, #1
    tbz x0, #0, 2f
    add w1, w1, #3
    b 1b
2:  sub x2, x2, #1
    b 1b
"""
CALLS = """
1:  bl 2f
    add x1, x1, #1
    bl 2f
    b 1b
2:  tbz x0, #2, 3f
    add x2, x2, #1
3:  add x0, x0, #1
    ret
"""
NESTED = """
1:  mov w1, #5
2:  mov w2, #7
3:  add x0, x0, x2
    subs w2, w2, #1
    b.ne 3b
    subs w1, w1, #1
    b.ne 2b
    add x3, x3, #1
    b 1b
"""


@pytest.fixture(autouse=True)
def soon_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often at what is hot than for a program that runs for longer."""
    monkeypatch.setattr(hot, "PERIOD", 2_000)
    monkeypatch.setattr(hot, "HOT_SAMPLES", 4)


def run(source: str, instructions: int = LONG, **registers: int) -> Cpu:
    """A CPU that ran a program for so long."""
    cpu = cpu_with(source)
    for name, value in registers.items():
        cpu.x[int(name[1:])] = value
    cpu.run(instructions)
    return cpu


def regions_of(cpu: Cpu) -> list[Block]:
    translated = cpu.translated
    assert translated is not None
    return [block for block in translated.blocks.values() if block.is_region]


def stepped(source: str, instructions: int) -> Cpu:
    cpu = cpu_with(source)
    cpu.translates = False
    cpu.run(instructions)
    return cpu


def test_a_large_region_is_made_later_than_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "PER_LOOK", 0.5)
    assert regions_of(run(NESTED)) == [] != regions_of(run(NESTED, 10 * LONG))


def test_slices_that_end_where_a_look_is_due_do_not_keep_code_from_becoming_a_region() -> None:
    cpu = run(BRANCHES, 1_000)
    assert cpu.translated is not None
    cpu.translated.hot.due = cpu.executed + hot.PERIOD
    for _ in range(LONG // hot.PERIOD):
        cpu.run(hot.PERIOD)
    assert regions_of(cpu)


@pytest.mark.parametrize("source", [BRANCHES, CALLS, NESTED])
def test_a_loop_over_several_blocks_becomes_one_function_that_is_hardly_left(source: str) -> None:
    cpu = run(source)
    (region,) = regions_of(cpu)
    translated = cpu.translated
    assert translated is not None
    assert len(set(region.pcs)) > 5 and "while 1:" in region.source
    budget, entered = translated.cells.by_name["b"], 0

    def loop(block: Any) -> Any:
        nonlocal entered
        while block.length <= budget.cell_contents:
            entered += 1
            block = block()
        return block

    translated.cells.loop = loop
    cpu.run(40_000)
    assert entered < 400  # a few for every look at what is hot
    again = stepped(source, LONG + 40_000)
    assert (cpu.x, cpu.pc, cpu.nzcv, cpu.executed) == (again.x, again.pc, again.nzcv, again.executed)


def test_a_branch_within_a_region_has_both_sides_in_its_function() -> None:
    (region,) = regions_of(run(BRANCHES))
    assert {RAM + 8, RAM + 16} <= set(region.pcs) and region.source.count("continue") > 1


def test_a_return_to_a_caller_in_the_region_is_a_comparison() -> None:
    (region,) = regions_of(run(CALLS))
    assert f"if x30=={RAM + 4}:" in region.source and f"if x30=={RAM + 12}:" in region.source


def test_what_holds_at_every_turn_needs_no_mask() -> None:
    (region,) = regions_of(run("1: eor w0, w0, w1\n add w1, w0, #1\n b 1b"))
    assert "if x1>4294967295 or x0>4294967295:return N" in region.source or "if x0>" in region.source
    assert "x0=x0^x1" in region.source


def test_where_an_assumption_does_not_hold_the_block_is_executed() -> None:
    source = "1: eor w2, w0, w1\n add w3, w3, w2\n add x4, x4, #1\n b 1b"
    cpu = run(source, x0=5)
    assert len(regions_of(cpu)) == 1
    cpu.x[0] = (1 << 63) + 6
    cpu.x[3] = 0
    cpu.run(400)
    assert cpu.x[3] == 600


def test_a_region_keeps_to_its_page() -> None:
    cpu = cpu_with("add x2, x2, #1\n br x1")
    cpu.memory.write(RAM + 0x1000, assemble("add x3, x3, #1\n br x0").code)
    cpu.x[:2] = [RAM, RAM + 0x1000]
    cpu.run(LONG)
    assert cpu.x[2] == cpu.x[3] == LONG // 4 and regions_of(cpu) == []


def test_code_of_a_region_that_is_written_over_is_executed_anew() -> None:
    cpu = run(NESTED)
    before = cpu.x[3]
    cpu.memory.write(RAM + 4 * 7, assemble("add x3, x3, #100").code)
    cpu.run(130 * 50)
    assert 4000 < cpu.x[3] - before < 6000


def test_a_fault_within_a_region_is_at_its_instruction() -> None:
    body = "and x6, x0, #0xff8\n ldr x1, [x5, x6]\n tbz x0, #3, 2f\n add x2, x2, x1\n2: add x0, x0, #8"
    cpu = run(f"ldr x5, ={DATA}\n1: {body}\n b 1b")
    assert regions_of(cpu)
    cpu.x[5] = 0x2000_0000
    cpu.run(1000)
    assert cpu.sys["ELR_EL1"] == RAM + 8 and cpu.sys["FAR_EL1"] >> 12 == 0x2000_0


def test_a_region_records_what_its_blocks_would() -> None:
    for source in (BRANCHES, CALLS, NESTED):
        traces = []
        for translates in (True, False):
            cpu = cpu_with(source)
            cpu.translates = translates
            trace = InstructionTrace()
            cpu.record(trace)
            cpu.run(LONG)
            traces.append(trace)
            assert not translates or regions_of(cpu)
        assert all(a == b for a, b in zip(traces[0].pcs(), traces[1].pcs(), strict=True))


def test_cpus_share_the_code_of_a_region() -> None:
    first = cpu_with(NESTED)
    second = Cpu(first.memory, first.bus, 1, 1, Features())
    second.reset(RAM)
    connect([first, second])
    for cpu in (first, second):
        cpu.run(LONG)
    assert [block.code for block in regions_of(first)] == [block.code for block in regions_of(second)]


def test_a_region_is_kept_with_its_source_from_one_session_to_the_next(tmp_path: Path) -> None:
    codes = []
    for _ in range(2):
        with CodeCache(tmp_path / "cache") as store:
            cpu = cpu_with(NESTED)
            cpu.memory.code_store = store
            cpu.run(LONG)
            codes.append([(block.code, block.source) for block in regions_of(cpu)])
    assert codes[0] == codes[1] != []


def test_a_plan_has_the_blocks_on_loops_through_its_entry_and_those_that_many_lead_to_as_heads() -> None:
    edges = {(0, 8): 90, (8, 0): 60, (8, 16): 30, (16, 0): 30, (8, 24): 1, (0, 32): 30, (32, 8): 30, (0, 64): 40}
    plan = planned(0, dict.fromkeys((0, 8, 16, 24, 32, 64), 4), set(), edges, {})
    assert plan.heads == (0, 8) and sorted(plan.lengths) == [0, 8, 16, 32]
    assert planned(0, {0: 4, 8: 4}, {8}, {(0, 8): 9, (8, 0): 9}, {}).heads == (0, 8)


def test_what_registers_hold_suggests_what_to_assume() -> None:
    assert bounds_of([5, 1 << 40, (1 << 64) - 1], 8) == {"x0": (1 << 32) - 1, "x1": (1 << 64) - 2048}
    assert bounds_of([], 32)["sp&15"] == 0


def test_vm_translate_shows_the_region_that_runs(tmp_path: Path) -> None:
    lab = Lab()
    (tmp_path / "guest.toml").write_text(toml(NESTED))
    lab.create(tmp_path / "guest.toml")
    lab.shell("vm start 0 --detach")
    lab.run("3ms")
    cpu = lab.vm(0).vcpus[0].cpu
    (region,) = regions_of(cpu)
    result: Any = lab.shell(f"vm translate 0 {region.pc:#x}")
    assert result.region and [one.address for one in result.instructions] == list(region.pcs)
    assert f"a hot region of {len(region.pcs)} instructions" in result.text()
    assert "g: which of the region's loops goes on" in result.text()
    lines = [line for one in result.instructions for line in one.python]
    assert result.before[-2:] == ["while 1:", " if g==0:"] and "elif g==1:" in lines
