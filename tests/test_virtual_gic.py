"""A VM's interrupt controller: what goes into list registers, and what is learnt from them afterwards."""

from __future__ import annotations

import pytest
from interrupt_bench import (
    BLOCK,
    GICD,
    ICENABLER,
    IROUTER,
    ISACTIVER,
    SPURIOUS,
    UART,
    Bench,
    listed,
)

from axlab.events import Event, Interrupt
from axlab.machine.gic_list_registers import (
    LR_ACTIVE,
)
from axlab.vmm.virtual_gic import sgi_targets

TICK = 16


# Lines


def test_a_line_that_stays_high_interrupts_again_after_each_end() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    for _ in range(3):
        assert bench.acknowledge() == UART
        bench.end(UART)
    bench.vgic.set_level(UART, False)
    assert bench.acknowledge() == SPURIOUS


def test_the_end_of_a_level_sensitive_interrupt_calls_the_hypervisor_to_look_at_the_line_again() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    assert bench.acknowledge() == UART
    cpu = bench.cpus[0]
    bench.vgic.flush(0)
    cpu.write("ICC_EOIR1_EL1", UART)
    assert cpu.gic.maintenance_pending()
    cpu.active_ppis.add(25)  # the CPU left the guest for it
    bench.vgic.sync(0)
    assert cpu.active_ppis == set()
    bench.vgic.flush(0)
    assert not cpu.gic.maintenance_pending()
    assert cpu.gic.irq_pending()


def test_a_line_that_falls_before_the_guest_looks_takes_its_interrupt_back() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    assert listed(bench) == [UART]
    bench.vgic.set_level(UART, False)
    assert listed(bench) == []


def test_an_interrupt_that_is_disabled_or_rerouted_is_taken_back() -> None:
    bench = Bench()
    bench.vgic.inject(UART)
    bench.vgic.inject(BLOCK)
    assert listed(bench) == [UART, BLOCK]
    bench.set(ICENABLER, UART)
    bench.write(GICD + IROUTER + 8 * BLOCK, 1, 8)
    assert listed(bench) == []
    assert bench.vgic.pending(1)
    assert bench.drain(1) == [BLOCK]


def test_an_edge_during_its_own_handler_is_a_second_interrupt() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.vgic.inject(UART)
    assert bench.acknowledge() == UART
    bench.vgic.inject(UART)
    bench.vgic.flush(0)
    assert bench.cpus[0].gic.lrs[0] >> 62 == 3  # pending and active
    bench.end(UART)
    assert bench.drain() == [UART]


def test_edges_that_come_before_the_guest_looks_are_one_interrupt() -> None:
    bench = Bench()
    bench.edge(UART)
    for _ in range(3):
        bench.vgic.inject(UART)
    assert bench.drain() == [UART]


def test_any_vcpu_can_be_interrupted() -> None:
    bench = Bench(cpus=4)
    for vcpu in range(4):
        bench.vgic.inject(5 + vcpu, vcpu)
    assert [bench.drain(vcpu) for vcpu in range(4)] == [[5], [6], [7], [8]]


def test_an_interrupt_from_before_the_guest_was_ready_waits_for_it() -> None:
    bench = Bench(boot=False)
    bench.vgic.inject(UART)
    assert not bench.vgic.pending(0)
    bench.boot()
    assert bench.vgic.pending(0)
    assert bench.drain() == [UART]


# Wake-up


def test_what_the_priority_mask_holds_back_does_not_wake_a_vcpu() -> None:
    bench = Bench()
    bench.vgic.inject(UART)
    bench.cpus[0].write("ICC_PMR_EL1", 0xA0)
    assert not bench.vgic.pending(0)
    bench.cpus[0].write("ICC_PMR_EL1", 0xA8)
    assert bench.vgic.pending(0)


def test_a_timer_wakes_a_vcpu_at_its_deadline() -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    cpu.write("CNTV_CVAL_EL0", 100)
    cpu.write("CNTV_CTL_EL0", 1)
    due = cpu.timer.virtual_deadline()
    assert due == 100 * TICK
    assert not bench.vgic.pending(0, due - 1)
    assert bench.vgic.pending(0, due)


def test_only_the_vcpus_that_may_be_concerned_are_dirty() -> None:
    bench = Bench(cpus=3)
    for vcpu in range(3):
        bench.vgic.flush(vcpu)
    bench.vgic.inject(3, 1)
    assert bench.vgic.dirty == {1}
    bench.vgic.set_level(UART, True)
    assert bench.vgic.dirty == {0, 1}


def test_nothing_is_written_where_nothing_changed() -> None:
    bench = Bench()
    bench.vgic.flush(0)
    cpu = bench.cpus[0]
    cpu.attention = False
    before = cpu.gic.lrs
    bench.vgic.flush(0)
    bench.vgic.sync(0)
    assert cpu.gic.lrs is before and not cpu.attention


# The timer behind PPI 27


@pytest.mark.parametrize(("ppi", "timer"), [(27, "CNTV"), (30, "CNTP")])
def test_a_timer_interrupt_is_tied_to_the_hardware_one(ppi: int, timer: str) -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    cpu.write(f"{timer}_CTL_EL0", 1)
    cpu.active_ppis.add(ppi)  # the CPU left the guest for it
    bench.vgic.sync(0)
    assert bench.acknowledge() == ppi
    assert cpu.active_ppis == {ppi}  # silent while the guest handles it
    cpu.write(f"{timer}_CTL_EL0", 0)
    bench.end(ppi)
    assert cpu.active_ppis == set()
    assert bench.acknowledge() == SPURIOUS


def test_a_timer_that_is_still_due_after_the_end_interrupts_again() -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    cpu.write("CNTV_CTL_EL0", 1)
    assert bench.vgic.pending(0, 0)
    assert bench.acknowledge() == 27
    bench.end(27)
    assert not listed(bench)
    cpu.active_ppis.add(27)  # its line is high: the CPU leaves the guest once more
    bench.vgic.sync(0)
    assert bench.acknowledge() == 27


def test_a_timer_that_the_guest_stops_first_is_taken_back() -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    cpu.write("CNTV_CTL_EL0", 1)
    cpu.active_ppis.add(27)
    bench.vgic.sync(0)
    assert listed(bench) == [27]
    cpu.write("CNTV_CTL_EL0", 3)
    bench.vgic.sync(0)
    assert listed(bench) == []
    assert cpu.active_ppis == set()  # so that it is heard the next time


# SGIs


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (0b0001, [0]),
        (0b0111, [0, 1, 2]),
        (1 << 44 | 0b10, [3]),
        (1 << 16 | 0b01, [4]),
        (2 << 32 | 3 << 16 | 0b10, [5]),
        (5 << 48 | 0b01, [6]),
        (1 << 40, [0, 2, 3, 4, 5, 6]),
        (7 << 16 | 0xFFFF, []),
    ],
)
def test_an_sgi_names_its_targets_by_affinity(value: int, targets: list[int]) -> None:
    mpidrs = [0, 1, 2, 17, 0x100, 0x2_0301, 0x5_0000_0000]
    assert sgi_targets(value, 1, mpidrs) == targets


def test_an_sgi_register_sends_an_sgi() -> None:
    bench = Bench(cpus=3)
    bench.vgic.write_sgi_register(0, 1 << 40 | 7 << 24)
    assert [bench.drain(vcpu) for vcpu in range(3)] == [[], [7], [7]]


def test_sgi0r_does_not_send_sgis_of_group_1() -> None:
    bench = Bench()
    bench.vgic.write_sgi_register(0, 7 << 24 | 2, name="ICC_SGI0R_EL1")
    assert not bench.vgic.pending(1)


# Reset


def test_a_vcpu_that_is_switched_on_again_finds_a_closed_interface() -> None:
    bench = Bench()
    bench.vgic.inject(UART)
    assert bench.acknowledge() == UART
    bench.vgic.reset_cpu(0)
    cpu = bench.cpus[0]
    assert not bench.vgic.pending(0)
    assert cpu.read("ICC_IGRPEN1_EL1") == 0 and cpu.read("ICC_RPR_EL1") == 0xFF
    assert bench.bit(ISACTIVER, UART)  # the distributor was not reset


def test_a_reset_of_the_cpu_alone_ends_no_interrupt() -> None:
    bench = Bench()
    bench.vgic.inject(UART)
    assert bench.acknowledge() == UART
    bench.cpus[0].gic.reset()
    bench.vgic.sync(0)
    bench.vgic.flush(0)
    assert bench.cpus[0].gic.lrs[0] & LR_ACTIVE


def test_a_reset_vm_has_no_interrupts() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    bench.acknowledge()
    bench.vgic.reset()
    fresh = Bench(boot=False)
    assert vars(bench.gic.shared) == vars(fresh.gic.shared)
    assert bench.cpus[0].gic.lrs == fresh.cpus[0].gic.lrs


# Events


def test_the_life_of_an_interrupt_is_told() -> None:
    bench = Bench()
    seen: list[Event] = []
    bench.observers.add(seen.append)
    bench.vgic.set_level(UART, True, now=5)
    bench.vgic.flush(0, 7)
    cpu = bench.cpus[0]
    cpu.now = 8
    assert bench.acknowledge() == UART
    bench.vgic.set_level(UART, False)
    cpu.now = 9
    bench.end(UART)
    assert seen == [
        Interrupt(5, 0, 0, UART, "raised"),
        Interrupt(7, 0, 0, UART, "injected"),
        Interrupt(8, 0, 0, UART, "taken"),
        Interrupt(9, 0, 0, UART, "ended"),
    ]


@pytest.mark.parametrize("version", [2, 3])
def test_an_sgi_is_told_by_its_target(version: int) -> None:
    bench = Bench(version)
    seen: list[Event] = []
    bench.observers.add(seen.append)
    if version == 2:
        bench.write(GICD + 0xF00, 1 << 24 | 7)
    else:
        bench.vgic.write_sgi_register(0, 1 << 40 | 7 << 24)
    bench.drain(1)
    assert [(e.vcpu, e.intid, e.action) for e in seen if isinstance(e, Interrupt)] == [
        (1, 7, "raised"),
        (1, 7, "injected"),
        (1, 7, "taken"),
        (1, 7, "ended"),
    ]
