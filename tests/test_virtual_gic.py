"""A VM's interrupt controller: what goes into list registers, and what is learnt from them afterwards."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interrupt_bench import (
    BLOCK,
    GICD,
    ICACTIVER,
    ICENABLER,
    IROUTER,
    ISACTIVER,
    ISPENDR,
    NET,
    SPURIOUS,
    UART,
    Bench,
)

from axlab.events import Event, Interrupt
from axlab.machine.gic_list_registers import (
    HCR_NPIE,
    HCR_TDIR,
    LR_ACTIVE,
    LR_PENDING,
)
from axlab.vmm.virtual_gic import sgi_targets

ANY_CPU = 1 << 31
TICK = 16


def listed(bench: Bench, vcpu: int = 0) -> list[int]:
    """The INTIDs in a vCPU's list registers, once it is about to be entered."""
    bench.vgic.flush(vcpu)
    return [lr & 0x3FF for lr in bench.cpus[vcpu].gic.lrs if lr >> 62]


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


# More than the list registers hold


def raise_many(bench: Bench, count: int) -> list[int]:
    """Pend `count` SPIs, the later ones of higher priority; returns them in the order in which they come."""
    intids = list(range(40, 40 + count))
    for number, intid in enumerate(intids):
        bench.edge(intid)
        bench.priority(intid, 0xF0 - 8 * (number % 25))
        bench.vgic.inject(intid)
    return sorted(intids, key=lambda intid: (bench.gic.priority_of(intid, 0), intid))


def test_of_too_many_the_best_are_listed_and_the_others_follow() -> None:
    bench = Bench()
    expected = raise_many(bench, 40)
    assert listed(bench) == expected[:16]
    assert bench.cpus[0].gic.hcr & HCR_NPIE
    assert bench.drain() == expected


def test_a_guest_that_takes_all_that_is_listed_calls_the_hypervisor_for_more() -> None:
    bench = Bench()
    expected = raise_many(bench, 20)
    bench.vgic.flush(0)
    cpu = bench.cpus[0]
    for intid in expected[:16]:
        assert not cpu.gic.maintenance_pending()
        assert cpu.read("ICC_IAR1_EL1") == intid
        cpu.write("ICC_EOIR1_EL1", intid)
    assert cpu.gic.maintenance_pending()
    bench.vgic.sync(0)
    assert listed(bench) == expected[16:]


def test_a_better_interrupt_takes_the_place_of_a_worse_one() -> None:
    bench = Bench()
    raise_many(bench, 30)
    bench.vgic.flush(0)
    bench.priority(200, 0)
    bench.vgic.inject(200)
    assert listed(bench)[0] == 200
    assert bench.acknowledge() == 200


def test_more_nested_interrupts_than_list_registers_end_in_their_order() -> None:
    bench = Bench()
    running = []
    for number in range(20):
        intid = 40 + number
        bench.edge(intid)
        bench.priority(intid, 0xF0 - 8 * number)
        bench.vgic.inject(intid)
        assert bench.acknowledge() == intid
        running.append(intid)
    bench.vgic.flush(0)
    assert not bench.cpus[0].gic.maintenance_pending()
    for intid in reversed(running):
        bench.end(intid)
        assert not bench.bit(ISACTIVER, intid)
    assert bench.cpus[0].read("ICC_RPR_EL1") == 0xFF
    assert not bench.gic.shared.active


def test_without_a_look_by_the_hypervisor_unlisted_ends_are_counted_and_settled() -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    for number in range(20):
        bench.edge(40 + number)
        bench.priority(40 + number, 0xF0 - 8 * number)
        bench.vgic.inject(40 + number)
        assert bench.acknowledge() == 40 + number
    bench.vgic.flush(0)
    for number in reversed(range(20)):
        cpu.write("ICC_EOIR1_EL1", 40 + number)
    assert cpu.gic.hcr >> 27 == 4
    bench.vgic.sync(0)
    assert not bench.gic.shared.active


def test_deactivation_traps_while_active_interrupts_outnumber_the_list_registers() -> None:
    bench = Bench()
    cpu = bench.cpus[0]
    cpu.write("ICC_CTLR_EL1", 2)
    for intid in range(40, 60):
        bench.edge(intid)
        bench.vgic.inject(intid)
        assert bench.acknowledge() == intid
        bench.end(intid)
    bench.vgic.flush(0)
    assert cpu.gic.hcr & HCR_TDIR
    for intid in (59, 40, 47):
        bench.vgic.deactivate(0, intid)
        assert not bench.bit(ISACTIVER, intid)
    bench.vgic.sync(0)
    assert bin(bench.gic.shared.active).count("1") == 17


def test_one_place_is_kept_for_what_is_pending() -> None:
    bench = Bench()
    bench.cpus[0].write("ICC_CTLR_EL1", 2)
    for intid in range(40, 60):
        bench.edge(intid)
        bench.vgic.inject(intid)
        assert bench.acknowledge() == intid
        bench.end(intid)
    bench.vgic.inject(100)
    assert bench.acknowledge() == 100


# Several vCPUs and one interrupt


def test_a_one_of_n_interrupt_is_taken_once() -> None:
    bench = Bench(cpus=3)
    bench.edge(UART)
    bench.write(GICD + IROUTER + 8 * UART, ANY_CPU, 8)
    bench.vgic.inject(UART)
    assert bench.vgic.pending(2)
    assert not bench.vgic.pending(0)
    assert bench.drain(2) == [UART]
    assert bench.drain(0) == bench.drain(1) == []


def test_a_one_of_n_interrupt_avoids_a_vcpu_whose_interface_is_closed() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.write(GICD + IROUTER + 8 * UART, ANY_CPU, 8)
    bench.cpus[0].write("ICC_IGRPEN1_EL1", 0)
    bench.vgic.inject(UART)
    assert not listed(bench, 0)
    assert bench.drain(1) == [UART]
    bench.vgic.inject(UART)
    bench.cpus[0].write("ICC_IGRPEN1_EL1", 1)
    assert bench.drain(0) == [UART]


def test_a_vcpu_that_closes_its_interface_gives_a_one_of_n_interrupt_back() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.write(GICD + IROUTER + 8 * UART, ANY_CPU, 8)
    bench.vgic.inject(UART)
    assert listed(bench, 0) and not listed(bench, 1)
    bench.cpus[0].write("ICC_IGRPEN1_EL1", 0)
    assert not listed(bench, 0)
    assert 1 in bench.vgic.dirty
    assert bench.drain(1) == [UART]


def test_an_active_interrupt_that_is_rerouted_ends_where_it_began() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.vgic.inject(UART)
    assert bench.acknowledge(0) == UART
    bench.write(GICD + IROUTER + 8 * UART, 1, 8)
    bench.vgic.inject(UART)
    assert not bench.vgic.pending(1)
    bench.end(UART, 0)
    assert bench.drain(0) == []
    assert bench.drain(1) == [UART]


def test_another_vcpu_reads_what_is_pending_and_active() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    bench.vgic.inject(NET)
    assert bench.acknowledge(0) == UART
    assert bench.read(GICD + ISACTIVER + 4, cpu=1) == 1 << UART - 32
    assert bench.read(GICD + ISPENDR + 4, cpu=1) == 1 << UART - 32 | 1 << NET - 32


def test_clearing_the_active_state_frees_the_interrupt() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.vgic.inject(UART)
    assert bench.acknowledge() == UART
    bench.set(ICACTIVER, UART)
    assert listed(bench) == []


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


# Laws

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("inject", "inject", "raise", "lower", "take", "take", "end", "sgi")),
        st.integers(0, 1),
        st.integers(32, 70),
    ),
    max_size=80,
)


def play(bench: Bench, actions: list[tuple[str, int, int]]) -> list[tuple[int, int]]:
    """Do this; returns who took what. Ends are in the order of a guest's nested handlers."""
    taken: list[tuple[int, int]] = []
    running: list[list[int]] = [[], []]
    for action, vcpu, intid in actions:
        if action == "inject":
            bench.vgic.inject(intid)
        elif action in ("raise", "lower"):
            bench.vgic.set_level(intid, action == "raise")
        elif action == "sgi":
            bench.vgic.send_sgi(vcpu, intid % 16, [1 - vcpu])
        elif action == "take":
            got = bench.acknowledge(vcpu)
            if got != SPURIOUS:
                running[vcpu].append(got)
                taken.append((vcpu, got))
        elif running[vcpu]:
            bench.end(running[vcpu].pop(), vcpu)
    return taken


def setup(bench: Bench) -> Bench:
    """Priorities and routes that differ, and interrupts of both kinds."""
    for intid in range(32, 71):
        bench.priority(intid, intid * 24 % 0xF0)
        bench.write(GICD + IROUTER + 8 * intid, ANY_CPU if intid % 3 == 2 else intid % 3, 8)
        if intid % 2:
            bench.edge(intid)
    return bench


@given(ACTIONS)
def test_observers_change_nothing(actions: list[tuple[str, int, int]]) -> None:
    alone, watched = setup(Bench()), setup(Bench())
    watched.observers.add(lambda event: None)
    assert play(alone, actions) == play(watched, actions)
    assert vars(alone.gic.shared) == vars(watched.gic.shared)
    assert [cpu.gic.lrs for cpu in alone.cpus] == [cpu.gic.lrs for cpu in watched.cpus]


@given(ACTIONS, ACTIONS)
def test_a_copy_in_the_middle_has_the_same_future(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    bench = setup(Bench())
    play(bench, before)
    other = copy.deepcopy(bench)
    assert play(bench, after) == play(other, after)
    assert [cpu.gic.lrs for cpu in bench.cpus] == [cpu.gic.lrs for cpu in other.cpus]


@given(ACTIONS)
def test_no_interrupt_is_lost_or_invented(actions: list[tuple[str, int, int]]) -> None:
    """Each injection of an edge that was not already waiting is taken exactly once."""
    bench = setup(Bench())
    waiting: set[int] = set()
    injected = 0
    taken = 0
    for action, vcpu, intid in actions:
        intid |= 1  # the edge-triggered ones
        if action == "inject":
            injected += intid not in waiting
            waiting.add(intid)
            bench.vgic.inject(intid)
        elif action == "take":
            got = bench.acknowledge(vcpu)
            if got != SPURIOUS:
                taken += 1
                waiting.remove(got)
                bench.end(got, vcpu)
    taken += len(bench.drain(0)) + len(bench.drain(1))
    assert taken == injected
    assert not bench.gic.shared.pending and not bench.gic.shared.active


def test_a_list_register_never_makes_an_interrupt_that_a_vm_does_not_have(volume: Callable[[int], int]) -> None:
    """Random register accesses, with entries between: what is listed is enabled, pending or active, and owned."""
    chance = random.Random(7)
    for version in (2, 3):
        bench = Bench(version, cpus=2, owned=[UART, BLOCK, NET])
        for _ in range(volume(20_000)):
            claim = chance.choice(bench.bus.claims)
            register = chance.choice(list(type(claim.device).registers))  # type: ignore[attr-defined]
            address = claim.base + register.offset + chance.randrange(min(register.count, 64)) * register.size
            bench.write(address, chance.getrandbits(32), register.size, chance.randrange(2))
            if chance.random() < 0.3:
                bench.vgic.set_level(chance.choice((UART, BLOCK, NET, 60)), chance.random() < 0.5)
            vcpu = chance.randrange(2)
            bench.vgic.flush(vcpu)
            for lr in bench.cpus[vcpu].gic.lrs:
                intid = lr & 0x3FF
                assert not lr & (LR_PENDING | LR_ACTIVE) or intid < 32 or intid in (UART, BLOCK, NET)
            bench.vgic.sync(vcpu)
