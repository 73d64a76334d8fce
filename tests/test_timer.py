"""The generic timer: counters, compare values, lines and deadlines."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interrupt_bench import BareCpu

TICK = 16
U64 = st.integers(0, (1 << 64) - 1)
TIMERS = ("CNTV", "CNTP")


def line(cpu: BareCpu, timer: str, now: int) -> bool:
    return cpu.timer.virtual_line(now) if timer == "CNTV" else cpu.timer.physical_line(now)


def deadline(cpu: BareCpu, timer: str) -> int | None:
    return cpu.timer.virtual_deadline() if timer == "CNTV" else cpu.timer.physical_deadline()


def test_the_counter_runs_at_62_5_mhz() -> None:
    cpu = BareCpu()
    assert cpu.read("CNTFRQ_EL0") == 62_500_000
    cpu.now = 1_000_000_000
    assert cpu.read("CNTPCT_EL0") == 62_500_000


def test_the_virtual_counter_is_the_physical_one_less_the_offset() -> None:
    cpu = BareCpu()
    cpu.write("CNTVOFF_EL2", 1000)
    cpu.now = 1500 * TICK
    assert cpu.read("CNTVCT_EL0") == 500
    cpu.now = 0
    assert cpu.read("CNTVCT_EL0") == (1 << 64) - 1000


@pytest.mark.parametrize("timer", TIMERS)
def test_a_timer_asserts_its_line_when_the_compare_value_is_reached(timer: str) -> None:
    cpu = BareCpu()
    cpu.write(f"{timer}_CVAL_EL0", 100)
    cpu.write(f"{timer}_CTL_EL0", 1)
    assert deadline(cpu, timer) == 100 * TICK
    assert not line(cpu, timer, 100 * TICK - 1)
    assert line(cpu, timer, 100 * TICK)


@pytest.mark.parametrize("timer", TIMERS)
def test_a_masked_timer_shows_its_condition_and_keeps_its_line_low(timer: str) -> None:
    cpu = BareCpu()
    cpu.write(f"{timer}_CTL_EL0", 3)
    assert cpu.read(f"{timer}_CTL_EL0") == 7
    assert not line(cpu, timer, 0)
    assert deadline(cpu, timer) is None


@pytest.mark.parametrize("timer", TIMERS)
def test_a_disabled_timer_shows_no_condition(timer: str) -> None:
    cpu = BareCpu()
    cpu.write(f"{timer}_CTL_EL0", 2)
    assert cpu.read(f"{timer}_CTL_EL0") == 2
    assert deadline(cpu, timer) is None


@pytest.mark.parametrize("timer", TIMERS)
def test_istatus_cannot_be_written(timer: str) -> None:
    cpu = BareCpu()
    cpu.write(f"{timer}_CVAL_EL0", 1000)
    cpu.write(f"{timer}_CTL_EL0", 0xFFFF_FFFF)
    assert cpu.read(f"{timer}_CTL_EL0") == 3


@pytest.mark.parametrize("timer", TIMERS)
def test_tval_is_what_is_left_and_counts_below_zero(timer: str) -> None:
    cpu = BareCpu()
    cpu.now = 50 * TICK
    cpu.write(f"{timer}_TVAL_EL0", 10)
    assert cpu.read(f"{timer}_CVAL_EL0") == 60
    cpu.now = 62 * TICK
    assert cpu.read(f"{timer}_TVAL_EL0") == 0xFFFF_FFFE


@pytest.mark.parametrize("timer", TIMERS)
def test_a_negative_tval_is_already_due(timer: str) -> None:
    cpu = BareCpu()
    cpu.now = 50 * TICK
    cpu.write(f"{timer}_CTL_EL0", 1)
    cpu.write(f"{timer}_TVAL_EL0", 0xFFFF_FFFF)
    assert cpu.read(f"{timer}_CVAL_EL0") == 49
    assert line(cpu, timer, cpu.now)


def test_a_compare_value_beyond_the_counter_never_comes() -> None:
    cpu = BareCpu()
    cpu.write("CNTV_CTL_EL0", 1)
    cpu.write("CNTVOFF_EL2", 1)
    cpu.write("CNTV_CVAL_EL0", (1 << 64) - 1)
    assert cpu.timer.virtual_deadline() is None


def test_writing_a_timer_makes_the_cpu_look_at_its_interrupts_again() -> None:
    cpu = BareCpu()
    cpu.write("CNTV_CTL_EL0", 1)
    assert cpu.attention


def test_the_timer_keeps_the_registers_of_its_cpu() -> None:
    cpu = BareCpu()
    cpu.write("CNTV_CVAL_EL0", 7)
    assert cpu.sys["CNTV_CVAL_EL0"] == 7
    other = copy.deepcopy(cpu)
    other.write("CNTV_CVAL_EL0", 8)
    assert (cpu.read("CNTV_CVAL_EL0"), other.read("CNTV_CVAL_EL0")) == (7, 8)


@given(offset=st.integers(-(1 << 40), 1 << 40), compare=st.integers(0, 1 << 50), late=st.integers(0, 1 << 50))
def test_the_line_rises_exactly_at_the_deadline(offset: int, compare: int, late: int) -> None:
    cpu = BareCpu()
    cpu.write("CNTVOFF_EL2", offset)
    cpu.write("CNTV_CVAL_EL0", compare)
    cpu.write("CNTV_CTL_EL0", 1)
    due = cpu.timer.virtual_deadline()
    assert due is not None
    started = max(0, offset) * TICK
    assert cpu.timer.virtual_line(max(due, started) + late)
    if due - 1 >= started:
        assert not cpu.timer.virtual_line(due - 1)


@given(timer=st.sampled_from(TIMERS), register=st.sampled_from(("CTL", "CVAL", "TVAL")), value=U64, now=U64)
def test_any_value_can_be_written(timer: str, register: str, value: int, now: int) -> None:
    cpu = BareCpu()
    cpu.now = now
    cpu.write(f"{timer}_{register}_EL0", value)
    for name in ("CTL", "CVAL", "TVAL"):
        assert 0 <= cpu.read(f"{timer}_{name}_EL0") < 1 << 64
    deadline(cpu, timer)
