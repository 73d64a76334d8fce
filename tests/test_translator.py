"""What a guest block becomes: the Python that folding the semantics leaves, and when blocks are made and dropped."""

from __future__ import annotations

import pytest
from cpu_setup import DATA, RAM, cpu_with, map_page, turn_mmu_on

from axlab.machine.cpu import Cpu, connect
from axlab.machine.features import Features
from axlab.machine.isa.assembler import assemble
from axlab.machine.translator.blocks import Block
from axlab.machine.translator.library import compiled
from axlab.machine.translator.translated import HOT

MASK = (1 << 64) - 1


def block_of(source: str) -> Block:
    """The block of a program that was fetched once."""
    cpu = cpu_with(source)
    cpu.run(1)
    cpu.pc = RAM
    block = compiled(cpu, RAM)
    assert block is not None
    return block


def lines_of(source: str) -> list[str]:
    """The statements of a program's block."""
    lines = [line.strip() for line in block_of(source).source.splitlines()]
    return [line for line in lines if not line.startswith(("def ", "nonlocal", "return block"))]


@pytest.mark.parametrize(
    ("source", "statement"),
    [
        ("add x0, x1, x2", f"x0=x1+x2\nif x0>{MASK}:x0-={MASK + 1}"),
        ("sub x0, x1, #1", f"x0=x1-1\nif x0<0:x0+={MASK + 1}"),
        ("sxtw x0, w1", f"x0=x1&4294967295\nif x0>=2147483648:x0+={MASK + 1 - (1 << 32)}"),
        ("add w0, w1, w2", "x0=(x1+x2)&4294967295"),
        ("mov x0, x1", "x0=x1"),
        ("and x0, x1, #0xff", "x0=x1&255"),
        ("lsr x0, x1, #8", "x0=x1>>8"),
        ("ldr x0, [x1]", "x0=R8[x1>>12][I8[x1&4095]]"),
        ("strb w0, [x1]", "W1[x1>>12][x1&4095]=(x0&255)"),
        ("movz x0, #0x1234, lsl #16", "x0=305397760"),
        ("cbz x0, .+8", "if not x0:"),
        ("cbnz w0, .+8", "if x0&4294967295:"),
        ("tbnz x0, #3, .+8", "if x0&8:"),
        ("ldp xzr, x1, [x1]", "p=R8[x1>>12];i=I8[x1&4095];q=p[i];r=p[i+1]\nx1=r"),
        ("ldp x0, x1, [x1]", "p=R8[x1>>12];i=I8[x1&4095];x1=p[i+1];x0=p[i]"),
    ],
)
def test_an_instruction_becomes_the_statement_that_one_would_write(source: str, statement: str) -> None:
    assert "\n".join(lines_of(source)).startswith(f"{statement}\n")


def test_a_compare_and_its_branch_are_one_comparison() -> None:
    assert "if x0!=x1:" in lines_of("cmp x0, x1\n b.ne 1f\n nop\n1: nop")


def test_flags_that_nobody_can_see_are_not_kept() -> None:
    lines = lines_of("cmp x0, x1\n cmp x2, x3\n b.eq 1f\n nop\n1: nop")
    assert lines[:2] == ["if x2==x3:", "FA=x2;FB=x3;FK=1;b-=3"]


def test_flags_survive_a_new_value_of_what_was_compared() -> None:
    lines = lines_of("cmp x0, x1\n mov x0, #5\n b.eq 1f\n nop\n1: nop")
    assert lines[:3] == ["held_1=x0", "x0=5", "if held_1==x1:"]


def test_a_conditional_compare_and_its_branch_compute_no_flags() -> None:
    lines = lines_of("cmp x0, x1\n ccmp x2, #3, #4, ne\n b.eq 1f\n nop\n1: nop")
    assert "if x0!=x1:" in lines and "if (FA==3) if FK==1 else (1):" in lines


def test_what_is_bounded_needs_no_mask() -> None:
    lines = lines_of("ldrb w0, [x1], #1\n add x2, x0, #1\n add x3, x4, w0, sxtw\n svc #0")
    assert lines[1] == "x1=x1+1" and "x2=x0+1" in lines


def test_an_adrp_and_the_add_after_it_are_computed_when_the_block_is_compiled() -> None:
    assert lines_of("adrp x0, 1f\n add x0, x0, #8\n1: nop")[1] == f"x0=({RAM}+8)&{MASK}"


def test_a_word_is_masked_once() -> None:
    assert lines_of("add w0, w1, #1\n eor w2, w0, w0")[1] == "x2=x0^x0"


def test_the_stack_pointer_is_checked_once_while_it_stays_aligned() -> None:
    lines = lines_of("stp x0, x1, [sp, #-16]!\n ldr x0, [sp]\n ldr x1, [sp, #8]\n ldp x0, x1, [sp], #16\n ldr x2, [sp]")
    assert lines.count("if sp&15:raise KeyError") == 1


def test_a_branch_to_the_block_s_beginning_is_a_loop() -> None:
    lines = lines_of("1: subs x0, x0, #1\n b.ne 1b\n nop")
    assert lines[0] == "while 1:" and any(line.endswith(":continue") for line in lines)


def test_a_call_and_its_return_within_a_page_are_one_block() -> None:
    block = block_of("bl 1f\n mov x1, #1\n svc #0\n1: mov x0, #1\n ret")
    assert [pc - RAM for pc in block.pcs] == [0, 12, 16, 4]


def test_what_does_not_fold_is_called_with_the_registers_that_it_names() -> None:
    line = lines_of("ic ivau, x3")[0]
    assert line.startswith("X[3]=x3;c=call(") and line.endswith(";x3=X[3]")


def test_what_runs_once_is_stepped_and_what_is_entered_often_is_translated() -> None:
    cpu = cpu_with("1: add x0, x0, #1\n b 1b")
    cpu.run(2 * (HOT - 1))
    assert cpu.translated is not None and not cpu.translated.blocks
    cpu.run(100)
    assert cpu.translated.blocks


def test_code_that_is_written_over_is_translated_anew() -> None:
    cpu = cpu_with("1: add x0, x0, #1\n b 1b")
    cpu.run(1000)
    cpu.memory.write(RAM, assemble("add x0, x0, #2").code)
    before = cpu.x[0]
    cpu.run(1000)
    assert cpu.x[0] == before + 2 * 500


def test_what_is_often_misaligned_is_translated_to_a_call_in_every_block_that_has_it() -> None:
    cpu = cpu_with("1: add x3, x3, #1\n2: ldr x0, [x1]\n ldp x4, x5, [x2]\n tbz x3, #0, 1b\n b 2b")
    turn_mmu_on(cpu)
    map_page(cpu, 0, 0)
    cpu.memory.write(DATA, bytes(range(64)))
    cpu.x[1], cpu.x[2] = DATA + 1, DATA + 3
    cpu.run(4000)
    assert cpu.translated is not None
    sources = [block.source for block in cpu.translated.blocks.values() if block.misaligned]
    assert len(sources) == 2 and all("x0=load_8(RA[x1>>12],x1&4095)[0]" in source for source in sources)
    assert cpu.x[0] == 0x0807_0605_0403_0201 and cpu.x[5] == 0x1211_100F_0E0D_0C0B


def test_cpus_share_the_code_of_a_block_and_no_register() -> None:
    first = cpu_with("1: add x0, x0, #1\n b 1b")
    second = Cpu(first.memory, first.bus, 1, 1, Features())
    second.reset(RAM)
    connect([first, second])
    for cpu in (first, second):
        cpu.run(200)
    codes = [{block.code for block in cpu.translated.blocks.values()} for cpu in (first, second) if cpu.translated]
    assert codes[0] & codes[1] and first.x[0] == second.x[0] == 100


@pytest.mark.parametrize(
    "store",
    ["str x0, [x1,#1]", "dc zva, x1", "ldxr x2, [x1]\n stxr w3, x0, [x1]", "ldxp x2, x4,[x1]\n stxp w3, x0, x4, [x1]"],
)
def test_what_hot_code_writes_after_a_version_leaves_the_version_as_it_was(store: str) -> None:
    cpu = cpu_with(f"1: {store}\n add x0, x0, #1\n b 1b")
    turn_mmu_on(cpu)
    map_page(cpu, 0, 0)
    cpu.x[1] = DATA
    for _ in range(2):
        cpu.run(2000)
        cpu.memory.write(DATA, bytes(range(1, 65)))
        before = cpu.memory.version()
        cpu.run(2000)
        assert cpu.memory.read(DATA, 64) != bytes(range(1, 65)) == before.pages(cpu.memory.pages)[DATA >> 12][:64]
