"""Running: counts, time, interrupts at exact boundaries, precise faults, and a state that can be copied."""

from __future__ import annotations

import copy
import pickle

import pytest
from cpu_setup import (
    DATA,
    DEVICE,
    PAGES,
    RAM,
    TABLES,
    VECTORS,
    cpu_with,
    latch_of,
    map_page,
    run_to_trap,
    run_to_vector,
    turn_mmu_on,
)

from axlab.machine.cpu import Cpu
from axlab.machine.traps import ExceptionClass as EC

COUNT = """
        mov x0, #0
1:      add x0, x0, #1
        b 1b
"""


def test_a_cpu_starts_as_a_guest_expects() -> None:
    cpu = cpu_with("nop")
    cpu.reset(RAM + 0x40, x0=0x1234)
    assert (cpu.el, cpu.sp_sel, cpu.daif, cpu.pc) == (1, 1, 0xF, RAM + 0x40)
    assert cpu.x == [0x1234] + [0] * 30
    assert cpu.sys["SCTLR_EL1"] & 1 == 0


def test_run_executes_exactly_as_many_instructions_as_asked() -> None:
    cpu = cpu_with(COUNT)
    assert cpu.run(1001) is None
    assert (cpu.executed, cpu.x[0], cpu.pc) == (1001, 500, RAM + 4)
    assert cpu.run(1) is None
    assert (cpu.executed, cpu.x[0]) == (1002, 501)


def test_slices_of_any_length_come_to_the_same() -> None:
    whole, parts = cpu_with(COUNT), cpu_with(COUNT)
    whole.run(1000)
    for length in (1, 2, 7, 90, 900):
        parts.run(length)
    assert (whole.x, whole.pc, whole.executed) == (parts.x, parts.pc, parts.executed)


def test_an_instruction_costs_its_nanoseconds() -> None:
    cpu = cpu_with(COUNT)
    cpu.ns_per_instruction = 7
    cpu.enter(1000)
    cpu.run(100)
    assert cpu.now == 1700
    cpu.enter(5000)
    assert cpu.now == 5000


def test_a_faulting_instruction_counts_so_that_a_guest_that_only_faults_uses_up_its_slice() -> None:
    cpu = cpu_with("udf #0")
    cpu.sys["VBAR_EL1"] = RAM + 0x2000  # zeros: UDF again
    assert cpu.run(100) is None
    assert cpu.executed == 100


def test_a_cpu_copied_in_the_middle_of_a_run_goes_on_identically() -> None:
    source = f"""
        ldr x1, ={DATA:#x}
        ldr x2, ={VECTORS:#x}
    1:  ldxr x3, [x1]
        eor x3, x3, x2, ror #3
        stxr w4, x3, [x1]
        mul x2, x2, x3
        str x2, [x1, #8]!
        ldp x5, x6, [x1, #-16]
        eor x2, x2, x5
        b 1b
    """
    cpu = cpu_with(source)
    turn_mmu_on(cpu)
    cpu.run(123)
    clones = [copy.deepcopy(cpu), pickle.loads(pickle.dumps(cpu))]
    for runner in (cpu, *clones):
        runner.run(5000)
    for clone in clones:
        assert clone.memory is not cpu.memory
        assert clone.peers[0] is clone
        assert (clone.x, clone.pc, clone.nzcv, clone.executed) == (cpu.x, cpu.pc, cpu.nzcv, cpu.executed)
        assert clone.memory.pages == cpu.memory.pages


def test_code_that_a_program_writes_is_executed_at_once() -> None:
    cpu = cpu_with(
        """
        adr x1, 2f
        ldr w2, 3f
        bl 2f
        str w2, [x1]
    2:  mov x0, #1
        ret
    3:  mov x0, #2
        """
    )
    cpu.x[30] = RAM + 12
    cpu.run(5)
    assert cpu.x[0] == 1
    cpu.run(2)
    assert cpu.x[0] == 2


def test_a_run_from_an_address_that_is_tagged_loses_the_tag() -> None:
    cpu = cpu_with(f"ldr x1, ={0x5A << 56 | RAM:#x}\nbr x1")
    turn_mmu_on(cpu)
    cpu.sys["TCR_EL1"] |= 1 << 37
    cpu.run(3)
    assert cpu.pc == RAM + 4


# Precise faults


@pytest.mark.parametrize(
    "instruction",
    [
        "ldp x2, x3, [x1], #16",
        "stp x2, x3, [x1], #16",
        "ldp x2, x3, [x1, #0]!",
        "ldr x2, [x1, #6]!",
        "str x2, [x1, #6]!",
        "ldp q2, q3, [x1], #32",
        "stp q2, q3, [x1, #-16]!",
        "ld4 {v2.16b, v3.16b, v4.16b, v5.16b}, [x1], #64",
        "ldr q2, [x1], #8",
        "str q2, [x1, #1]!",
    ],
)
def test_an_access_that_faults_in_its_second_half_changes_nothing(instruction: str) -> None:
    cpu = cpu_with(instruction)
    turn_mmu_on(cpu)
    page = map_page(cpu, 0, 0)
    cpu.memory.write(page, b"\x11" * 4096)
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.v = [n * 0x1234567 for n in range(32)]
    cpu.x[1] = page + 4096 - 8
    before = (list(cpu.x), list(cpu.v), bytes(cpu.memory.page(page >> 12)))
    assert run_to_vector(cpu) == 0x200
    assert (cpu.x, cpu.v, bytes(cpu.memory.page(page >> 12))) == before
    assert cpu.sys["ELR_EL1"] == RAM
    assert cpu.sys["FAR_EL1"] == page + 4096


def test_a_misaligned_access_across_two_pages_is_one_value() -> None:
    cpu = cpu_with("str x2, [x1]\n ldr x3, [x1]\n ldrh w4, [x1, #2]\n ldr q5, [x1, #-3]\n hvc #0")
    turn_mmu_on(cpu)
    first, _ = map_page(cpu, 0, 0), map_page(cpu, 1, 0)
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.x[1], cpu.x[2] = first + 4093, 0x8877665544332211
    run_to_trap(cpu)
    assert (cpu.x[3], cpu.x[4]) == (0x8877665544332211, 0x4433)
    assert cpu.v[5] == 0x8877665544332211 << 24


# Interrupts


def test_the_virtual_timer_stops_a_run_at_the_first_instruction_at_its_deadline() -> None:
    cpu = cpu_with(COUNT)
    cpu.enter(0)
    cpu.sys.update(CNTV_CTL_EL0=1, CNTV_CVAL_EL0=1001)  # 16,016 ns
    trap = run_to_trap(cpu)
    assert (trap.kind, trap.intid, cpu.executed, cpu.now) == ("irq", 27, 161, 16100)


def test_a_timer_traps_once_until_its_interrupt_is_no_longer_active() -> None:
    cpu = cpu_with(COUNT)
    cpu.sys.update(CNTV_CTL_EL0=1, CNTV_CVAL_EL0=0)
    assert run_to_trap(cpu).intid == 27
    assert cpu.run(100) is None
    cpu.active_ppis.discard(27)
    assert run_to_trap(cpu).intid == 27


def test_a_timer_that_the_guest_sets_is_noticed_without_leaving_the_slice() -> None:
    cpu = cpu_with("mov x1, #10\n msr cntv_tval_el0, x1\n mov x1, #1\n msr cntv_ctl_el0, x1\n1: add x0, x0, #1\n b 1b")
    cpu.enter(0)
    trap = run_to_trap(cpu, 10_000)
    assert trap.intid == 27
    assert 160 <= cpu.now <= 400


def test_the_physical_timer_traps_too() -> None:
    cpu = cpu_with(COUNT)
    cpu.sys.update(CNTP_CTL_EL0=1, CNTP_CVAL_EL0=100)
    assert run_to_trap(cpu).intid == 30


def pend(cpu: Cpu, intid: int) -> None:
    """Put a virtual interrupt into a list register and open the interface for it."""
    lrs = [0] * 16
    lrs[0] = 1 << 62 | 1 << 60 | 0x80 << 48 | intid
    cpu.gic.priorities.enabled[1] = True
    cpu.gic.priorities.set_mask(0xFF)
    cpu.gic.load(lrs, 1)
    cpu.sys["HCR_EL2"] |= 1 << 3 | 1 << 4
    cpu.attention = True


def test_a_virtual_interrupt_is_taken_when_it_is_unmasked_and_not_before() -> None:
    cpu = cpu_with("nop\n nop\n msr daifclr, #2\n nop")
    pend(cpu, 48)
    assert run_to_vector(cpu) == 0x280
    assert cpu.sys["ELR_EL1"] == RAM + 12
    assert cpu.executed == 4  # the HVC in the vector is the fourth


def test_an_acknowledged_interrupt_is_no_longer_signalled() -> None:
    cpu = cpu_with("mrs x0, icc_iar1_el1\n msr daifclr, #2\n nop\n hvc #0x999")
    pend(cpu, 48)
    assert run_to_trap(cpu).iss == 0x999
    assert cpu.x[0] == 48


def test_hcr_vi_is_a_virtual_interrupt_without_a_list_register() -> None:
    cpu = cpu_with("msr daifclr, #3\n nop")
    cpu.sys["HCR_EL2"] |= 1 << 7 | 1 << 6
    assert run_to_vector(cpu) == 0x300  # the FIQ first


# Devices


def test_a_device_access_ends_the_slice_after_its_instruction() -> None:
    cpu = cpu_with(f"ldr x1, ={DEVICE:#x}\n ldr w0, [x1]\n nop\n nop")
    assert cpu.run(100) is None
    assert (cpu.executed, cpu.x[0], cpu.pc) == (2, 0x55, RAM + 8)


def test_a_device_sees_the_width_and_the_value_of_every_access() -> None:
    cpu = cpu_with(
        "strb w0, [x1]\n strh w0, [x1]\n str w0, [x1]\n str x0, [x1]\n stp x0, x0, [x1]\n ldr q0, [x1]\n hvc #0"
    )
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.x[0], cpu.x[1] = 0x1122334455667788, DEVICE
    while cpu.run(100) is None:
        pass
    seen = [(a.address - DEVICE, a.width, a.value, a.is_write) for a in latch_of(cpu).accesses]
    assert seen[:6] == [
        (0, 1, 0x88, True),
        (0, 2, 0x7788, True),
        (0, 4, 0x55667788, True),
        (0, 8, 0x1122334455667788, True),
        (0, 8, 0x1122334455667788, True),
        (8, 8, 0x1122334455667788, True),
    ]
    assert seen[6:] == [(0, 8, 0, False), (8, 8, 0, False)]


# TLB


def test_a_mapping_that_changes_is_seen_after_tlbi() -> None:
    cpu = cpu_with("1: ldr x0, [x1]\n tlbi vmalle1\n b 1b")
    turn_mmu_on(cpu)
    map_page(cpu, 0, 0)
    cpu.memory.write_int(PAGES, 8, 1)
    cpu.memory.write_int(PAGES + 0x1000, 8, 2)
    cpu.x[1] = PAGES
    cpu.run(3)
    assert cpu.x[0] == 1
    cpu.memory.write_int(TABLES + 0x2000, 8, PAGES + 0x1000 | 1 << 10 | 3)
    cpu.run(2)
    cpu.run(2)
    assert cpu.x[0] == 2


def test_tlbi_inner_shareable_reaches_the_other_cpus_and_the_plain_one_does_not() -> None:
    cpu = cpu_with("tlbi vmalle1\n tlbi vmalle1is", count=2)
    other = cpu.peers[1]
    other.pc = RAM + 0x100  # zeros
    other.run(1)
    assert other.tlb.code
    cpu.run(1)
    assert other.tlb.code
    cpu.run(1)
    assert not other.tlb.code


def test_el0_does_not_see_what_el1_may_read() -> None:
    cpu = cpu_with("ldr x0, [x1]\n msr spsr_el1, xzr\n adr x2, 1f\n msr elr_el1, x2\n eret\n1: ldr x0, [x1]")
    turn_mmu_on(cpu)
    cpu.x[1] = map_page(cpu, 0, 0)
    assert run_to_vector(cpu) == 0x400
    assert cpu.sys["ESR_EL1"] >> 26 == EC.DATA_ABORT_LOWER
    assert cpu.sys["ESR_EL1"] & 0x3F == 0b001111  # permission, level 3


def test_ttbr0_selects_another_address_space_at_once() -> None:
    cpu = cpu_with("ldr x0, [x1]\n msr ttbr0_el1, x2\n ldr x3, [x1]\n hvc #0")
    turn_mmu_on(cpu)
    map_page(cpu, 0, 0)
    tables = cpu.memory.read(TABLES, 0x3000)
    base = TABLES + 0x4_0000
    cpu.memory.write(base, tables)
    cpu.memory.write_int(base + 8, 8, base + 0x1000 | 3)
    cpu.memory.write_int(base + 0x1010, 8, base + 0x2000 | 3)
    cpu.memory.write_int(base + 0x2000, 8, PAGES + 0x1000 | 1 << 10 | 3)
    cpu.memory.write_int(PAGES, 8, 1)
    cpu.memory.write_int(PAGES + 0x1000, 8, 2)
    cpu.x[1], cpu.x[2] = PAGES, base
    run_to_trap(cpu)
    assert (cpu.x[0], cpu.x[3]) == (1, 2)
