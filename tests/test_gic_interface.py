"""The virtual CPU interface: what a guest's ICC registers do with list registers."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interrupt_bench import SPURIOUS, BareCpu

from axlab.machine.gic_interface import INTERFACE_REGISTERS, INTERFACE_TRAPS
from axlab.machine.gic_list_registers import (
    HCR_EN,
    HCR_LRENPIE,
    HCR_NPIE,
    HCR_UIE,
    LIST_REGISTERS,
    LR_ACTIVE,
    LR_EOI,
    LR_GROUP1,
    LR_HW,
    LR_PENDING,
)


def lr(intid: int, priority: int = 0xA0, state: int = LR_PENDING, group: int = LR_GROUP1, more: int = 0) -> int:
    return state | group | priority << 48 | intid | more


def cpu_with(*lrs: int, hcr: int = HCR_EN, version: int = 3) -> BareCpu:
    """A CPU whose guest has opened its interface, and whose list registers hold these."""
    cpu = BareCpu(version)
    for name, value in (("PMR", 0xF8), ("IGRPEN0", 1), ("IGRPEN1", 1)):
        cpu.write(f"ICC_{name}_EL1", value)
    cpu.gic.load([*lrs, *[0] * (LIST_REGISTERS - len(lrs))], hcr)
    return cpu


# Signals


def test_a_pending_list_register_signals_an_interrupt() -> None:
    assert cpu_with(lr(40)).gic.irq_pending()
    assert not cpu_with().gic.irq_pending()


def test_group_0_is_fiq_and_group_1_is_irq() -> None:
    gic = cpu_with(lr(40, group=0)).gic
    assert gic.fiq_pending() and not gic.irq_pending()


def test_an_interface_that_the_hypervisor_has_not_enabled_signals_nothing() -> None:
    assert not cpu_with(lr(40), hcr=0).gic.irq_pending()


@pytest.mark.parametrize(("mask", "signalled"), [(0xF8, True), (0xA8, True), (0xA0, False), (0, False)])
def test_the_mask_lets_higher_priorities_pass(mask: int, signalled: bool) -> None:
    cpu = cpu_with(lr(40, 0xA0))
    cpu.write("ICC_PMR_EL1", mask)
    assert cpu.gic.irq_pending() == signalled


def test_an_interrupt_of_a_disabled_group_does_not_hide_others() -> None:
    cpu = cpu_with(lr(40, 0x20, group=0), lr(41, 0xA0))
    cpu.write("ICC_IGRPEN0_EL1", 0)
    assert cpu.read("ICC_HPPIR1_EL1") == 41
    assert cpu.gic.irq_pending()


# Acknowledge and end


def test_acknowledge_makes_the_highest_priority_active() -> None:
    cpu = cpu_with(lr(40), lr(41, 0x80), lr(42))
    assert cpu.read("ICC_HPPIR1_EL1") == 41
    assert cpu.read("ICC_IAR1_EL1") == 41
    assert cpu.gic.lrs[1] == lr(41, 0x80, LR_ACTIVE)
    assert cpu.read("ICC_RPR_EL1") == 0x80
    assert cpu.read("ICC_AP1R0_EL1") == 1 << 0x80 // 8
    assert not cpu.gic.irq_pending()
    assert cpu.attention and cpu.gic.changed


def test_end_of_interrupt_drops_the_priority_and_deactivates() -> None:
    cpu = cpu_with(lr(40))
    cpu.write("ICC_EOIR1_EL1", cpu.read("ICC_IAR1_EL1"))
    assert cpu.gic.lrs[0] & (LR_PENDING | LR_ACTIVE) == 0
    assert cpu.read("ICC_RPR_EL1") == 0xFF


def test_with_eoimode_1_deactivation_is_separate() -> None:
    cpu = cpu_with(lr(40))
    cpu.write("ICC_CTLR_EL1", 2)
    cpu.write("ICC_EOIR1_EL1", cpu.read("ICC_IAR1_EL1"))
    assert cpu.read("ICC_RPR_EL1") == 0xFF
    assert cpu.gic.lrs[0] & LR_ACTIVE
    cpu.write("ICC_DIR_EL1", 40)
    assert not cpu.gic.lrs[0] & LR_ACTIVE


def test_with_eoimode_0_dir_does_nothing() -> None:
    cpu = cpu_with(lr(40))
    cpu.read("ICC_IAR1_EL1")
    cpu.write("ICC_DIR_EL1", 40)
    assert cpu.gic.lrs[0] & LR_ACTIVE


def test_there_is_nothing_to_acknowledge_but_1023() -> None:
    cpu = cpu_with()
    assert cpu.read("ICC_IAR0_EL1") == cpu.read("ICC_IAR1_EL1") == SPURIOUS
    cpu.write("ICC_EOIR1_EL1", SPURIOUS)
    assert cpu.gic.lrs == [0] * LIST_REGISTERS


def test_a_group_is_acknowledged_by_its_own_register_alone() -> None:
    cpu = cpu_with(lr(40, 0x20, group=0), lr(41))
    assert cpu.read("ICC_IAR1_EL1") == cpu.read("ICC_HPPIR1_EL1") == SPURIOUS
    assert cpu.read("ICC_IAR0_EL1") == 40
    cpu.write("ICC_EOIR1_EL1", 40)
    assert cpu.gic.lrs[0] & LR_ACTIVE
    cpu.write("ICC_EOIR0_EL1", 40)
    assert not cpu.gic.lrs[0] & LR_ACTIVE


def test_pending_and_active_becomes_pending_at_its_end() -> None:
    cpu = cpu_with(lr(40, state=LR_PENDING | LR_ACTIVE))
    assert cpu.read("ICC_IAR1_EL1") == SPURIOUS
    cpu.write("ICC_AP1R0_EL1", 1 << 0xA0 // 8)
    cpu.write("ICC_EOIR1_EL1", 40)
    assert cpu.gic.lrs[0] == lr(40)
    assert cpu.gic.irq_pending()


# Preemption


def test_a_higher_priority_preempts_and_ends_first() -> None:
    cpu = cpu_with(lr(40, 0xA0))
    assert cpu.read("ICC_IAR1_EL1") == 40
    cpu.gic.load([cpu.gic.lrs[0], lr(41, 0x40), *[0] * 14], HCR_EN)
    assert cpu.gic.irq_pending()
    assert cpu.read("ICC_IAR1_EL1") == 41
    assert cpu.read("ICC_RPR_EL1") == 0x40
    cpu.write("ICC_EOIR1_EL1", 41)
    assert cpu.read("ICC_RPR_EL1") == 0xA0


def test_the_same_priority_waits() -> None:
    cpu = cpu_with(lr(40), lr(41))
    assert cpu.read("ICC_IAR1_EL1") == 40
    assert cpu.read("ICC_IAR1_EL1") == SPURIOUS
    assert cpu.read("ICC_HPPIR1_EL1") == 41
    cpu.write("ICC_EOIR1_EL1", 40)
    assert cpu.read("ICC_IAR1_EL1") == 41


@pytest.mark.parametrize(("bpr1", "preempts"), [(3, True), (5, True), (6, False)])
def test_the_binary_point_says_which_bits_preempt(bpr1: int, preempts: bool) -> None:
    cpu = cpu_with(lr(40, 0xA0), lr(41, 0x80))
    cpu.write("ICC_PMR_EL1", 0xF8)
    cpu.gic.load([lr(40, 0xA0), *[0] * 15], HCR_EN)
    cpu.write("ICC_BPR1_EL1", bpr1)
    assert cpu.read("ICC_IAR1_EL1") == 40
    cpu.gic.load([cpu.gic.lrs[0], lr(41, 0x80), *[0] * 14], HCR_EN)
    assert cpu.gic.irq_pending() == preempts


def test_binary_points_have_a_least_value() -> None:
    cpu = cpu_with()
    cpu.write("ICC_BPR0_EL1", 0)
    cpu.write("ICC_BPR1_EL1", 0)
    assert (cpu.read("ICC_BPR0_EL1"), cpu.read("ICC_BPR1_EL1")) == (2, 3)


def test_a_common_binary_point_is_group_0s() -> None:
    cpu = cpu_with()
    cpu.write("ICC_BPR0_EL1", 4)
    cpu.write("ICC_BPR1_EL1", 7)
    cpu.write("ICC_CTLR_EL1", 1)
    assert cpu.read("ICC_BPR1_EL1") == 5
    cpu.write("ICC_BPR1_EL1", 3)
    cpu.write("ICC_CTLR_EL1", 0)
    assert cpu.read("ICC_BPR1_EL1") == 7


# The physical interrupt behind


def test_the_end_of_a_hardware_interrupt_lets_the_timer_assert_again() -> None:
    cpu = cpu_with(lr(27, more=LR_HW | 27 << 32))
    cpu.active_ppis.add(27)
    cpu.read("ICC_IAR1_EL1")
    assert cpu.active_ppis == {27}
    cpu.attention = False
    cpu.write("ICC_EOIR1_EL1", 27)
    assert cpu.active_ppis == set()
    assert cpu.attention


# Maintenance


def test_the_end_of_an_interrupt_that_asked_for_it_calls_the_hypervisor() -> None:
    cpu = cpu_with(lr(40), lr(41, more=LR_EOI))
    cpu.write("ICC_EOIR1_EL1", cpu.read("ICC_IAR1_EL1"))
    assert not cpu.gic.maintenance_pending()
    cpu.write("ICC_EOIR1_EL1", cpu.read("ICC_IAR1_EL1"))
    assert cpu.gic.maintenance_pending()
    assert (cpu.gic.misr(), cpu.gic.eisr(), cpu.gic.elrsr()) == (1, 0b10, 0xFFFD)


def test_underflow_is_one_list_register_or_none_in_use() -> None:
    assert not cpu_with(lr(40), lr(41), hcr=HCR_EN | HCR_UIE).gic.maintenance_pending()
    assert cpu_with(lr(40), hcr=HCR_EN | HCR_UIE).gic.misr() == 1 << 1


def test_no_pending_is_told_when_the_last_one_is_taken() -> None:
    cpu = cpu_with(lr(40), hcr=HCR_EN | HCR_NPIE)
    assert not cpu.gic.maintenance_pending()
    cpu.read("ICC_IAR1_EL1")
    assert cpu.gic.misr() == 1 << 3


def test_the_end_of_an_unlisted_interrupt_is_counted() -> None:
    cpu = cpu_with(hcr=HCR_EN | HCR_LRENPIE)
    cpu.write("ICC_AP1R0_EL1", 0b101)
    cpu.write("ICC_EOIR1_EL1", 100)
    cpu.write("ICC_EOIR1_EL1", 101)
    assert cpu.gic.hcr >> 27 == 2
    assert cpu.gic.misr() == 1 << 2
    cpu.write("ICC_EOIR1_EL1", 102)  # nothing is active any more
    assert cpu.gic.hcr >> 27 == 2


@pytest.mark.parametrize(("control", "group", "enabled"), [(4, 0, 1), (5, 0, 0), (6, 1, 1), (7, 1, 0)])
def test_a_change_of_the_group_enables_can_be_told(control: int, group: int, enabled: int) -> None:
    cpu = cpu_with(hcr=HCR_EN | 1 << control)
    cpu.write(f"ICC_IGRPEN{group}_EL1", 1 - enabled)
    assert not cpu.gic.maintenance_pending()
    cpu.write(f"ICC_IGRPEN{group}_EL1", enabled)
    assert cpu.gic.misr() == 1 << control


# What software reads


def test_the_control_register_tells_five_bits_of_priority() -> None:
    assert cpu_with().read("ICC_CTLR_EL1") >> 8 & 7 == 4
    cpu = cpu_with()
    cpu.write("ICC_PMR_EL1", 0xFF)
    assert cpu.read("ICC_PMR_EL1") == 0xF8


def test_the_system_register_interface_is_always_on() -> None:
    cpu = cpu_with()
    cpu.write("ICC_SRE_EL1", 0)
    assert cpu.read("ICC_SRE_EL1") == 7


def test_the_hypervisor_reads_the_guests_settings_in_one_register() -> None:
    cpu = cpu_with()
    cpu.write("ICC_PMR_EL1", 0x80)
    cpu.write("ICC_CTLR_EL1", 3)
    assert cpu.gic.vmcr == 0x80 << 24 | 2 << 21 | 3 << 18 | 1 << 9 | 1 << 4 | 1 << 3 | 3


def test_people_see_the_hypervisors_registers_by_name() -> None:
    cpu = cpu_with(lr(40))
    shown = cpu.gic.registers()
    assert shown["ICH_LR0_EL2"] == lr(40) and shown["ICH_HCR_EL2"] == 1 and shown["ICH_VTR_EL2"] & 0x1F == 15
    assert len(shown) == 8 + LIST_REGISTERS


def test_every_trap_control_names_a_register_that_exists() -> None:
    assert set(INTERFACE_TRAPS) <= set(INTERFACE_REGISTERS)


def test_a_reset_interface_is_closed() -> None:
    cpu = cpu_with(lr(40))
    cpu.gic.reset()
    assert not cpu.gic.irq_pending() and cpu.read("ICC_IGRPEN1_EL1") == 0 and cpu.read("ICC_PMR_EL1") == 0


# Laws


def test_no_register_access_raises(volume: Callable[[int], int]) -> None:
    chance = random.Random(1)
    registers = list(INTERFACE_REGISTERS.items())
    for version in (2, 3):
        cpu = BareCpu(version)
        for _ in range(volume(100_000)):
            if chance.random() < 0.05:
                cpu.gic.load([chance.getrandbits(64) for _ in range(LIST_REGISTERS)], chance.getrandbits(32))
            _, (read, write) = chance.choice(registers)
            if read is not None and (write is None or chance.random() < 0.5):
                assert 0 <= read(cpu) < 1 << 64
            elif write is not None:
                write(cpu, chance.choice((chance.getrandbits(64), chance.randrange(1024), chance.randrange(8))))
            assert cpu.gic.maintenance_pending() in (True, False)


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("pend", "pend", "take", "take", "end")),
        st.integers(0, LIST_REGISTERS - 1),
        st.integers(0, 30).map(lambda level: level * 8),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_behaves_as_a_stack_of_priorities(steps: list[Step]) -> None:
    """The model: what runs is a stack; the best pending interrupt gets on it if it is better than the top."""
    cpu = cpu_with()
    pending: dict[int, int] = {}
    running: list[tuple[int, int]] = []
    for action, number, priority in steps:
        intid = 32 + number
        if action == "pend" and intid not in pending and intid not in [i for _, i in running]:
            pending[intid] = priority
            lrs = list(cpu.gic.lrs)
            lrs[number] = lr(intid, priority)
            cpu.gic.load(lrs, HCR_EN)
        elif action == "take":
            best = min(((p, i) for i, p in pending.items()), default=None)
            if best is not None and (not running or best[0] < running[-1][0]):
                assert cpu.gic.irq_pending()
                assert cpu.read("ICC_IAR1_EL1") == best[1]
                running.append(best)
                del pending[best[1]]
            else:
                assert not cpu.gic.irq_pending()
                assert cpu.read("ICC_IAR1_EL1") == SPURIOUS
        elif action == "end" and running:
            cpu.write("ICC_EOIR1_EL1", running.pop()[1])
        assert cpu.read("ICC_RPR_EL1") == (running[-1][0] if running else 0xFF)
