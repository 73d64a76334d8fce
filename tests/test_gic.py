"""The GIC's distributor and redistributors, and the physical side of a GIC."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interrupt_bench import (
    GICD,
    GICR,
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IGROUPR,
    IPRIORITYR,
    IROUTER,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    SGI_FRAME,
    STRIDE,
    UART,
    Bench,
)

from axlab.machine.bus import Access
from axlab.machine.gic import SPURIOUS, Gic
from axlab.machine.gic_its import AbsentIts
from axlab.machine.registers import Device

ANY_CPU = 1 << 31


def ready(version: int = 3, cpus: int = 2) -> Gic:
    """A GIC with all interrupts enabled in group 1, at priority 0xA0, and its CPU interfaces open."""
    gic = Gic(version, cpus)
    gic.enabled_groups = 3
    for bank in (*gic.private, gic.shared):
        bank.enabled = bank.group = bank.implemented
        bank.priority = [0xA0] * bank.count
    for interface in gic.interfaces:
        interface.enabled = [True, True]
        interface.set_mask(0xF8)
    return gic


# Identification


def test_software_finds_a_gicv3_with_affinity_routing_and_one_security_state() -> None:
    bench = Bench(boot=False)
    assert bench.read(GICD + 0xFFE8) >> 4 & 0xF == 3  # GICD_PIDR2.ArchRev
    assert bench.read(GICR + 0xFFE8) >> 4 & 0xF == 3
    assert bench.read(GICD) == 1 << 4 | 1 << 6  # ARE, DS; RWP is never set


def test_the_type_register_counts_the_spis() -> None:
    for spis, lines in ((0, 0), (1, 1), (32, 1), (33, 2), (256, 8), (988, 31)):
        assert Bench(boot=False, spis=spis).read(GICD + 4) & 0x1F == lines


def test_a_gic_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no GIC version 4 here; 2 and 3 are"):
        Gic(4)
    with pytest.raises(ValueError, match="a GIC has 0 to 988 SPIs, not 989"):
        Gic(3, 1, 989)


def test_each_redistributor_names_its_cpu_and_the_last_says_so() -> None:
    bench = Bench(cpus=3, boot=False, mpidrs=[0x8000_0000, 0x100, 0x1_0002_0003])
    types = [bench.read(GICR + cpu * STRIDE + 8, 8) for cpu in range(3)]
    assert [value >> 32 for value in types] == [0, 0x100, 0x0102_0003]
    assert [value >> 8 & 0xFFFF for value in types] == [0, 1, 2]
    assert [value >> 4 & 1 for value in types] == [0, 0, 1]


def test_a_redistributor_wakes_at_once() -> None:
    bench = Bench(boot=False)
    waker = GICR + 0x14
    assert bench.read(waker) == 0b110
    bench.write(waker, bench.read(waker) & ~0b010)
    assert bench.read(waker) == 0


def test_lpi_tables_are_storage() -> None:
    bench = Bench(boot=False)
    bench.write(GICR + 0x70, 0x8000_0780, 8)
    bench.write(GICR + 0x78, 0x9000_0000)
    assert bench.read(GICR + 0x70, 8) == 0x8000_0780
    assert bench.read(GICR + 0x78, 8) == 0x9000_0000
    assert bench.read(GICR) == 0  # GICR_CTLR.EnableLPIs cannot be set: there are none


def test_an_its_that_is_not_there_says_so() -> None:
    its = AbsentIts()
    assert its.access(0xFFE8, Access(0, 4)) == 0
    its.access(0, Access(0, 4, 1, True))
    assert its.access(0, Access(0, 4)) == 1 << 31
    assert its.access(8, Access(0, 8)) == 0


# One bit for each interrupt


@pytest.mark.parametrize(("to_set", "to_clear"), [(ISENABLER, ICENABLER), (ISPENDR, ICPENDR), (ISACTIVER, ICACTIVER)])
@pytest.mark.parametrize("intid", [0, 15, 16, 31, 32, 63, 100, 287])
def test_a_one_sets_or_clears_and_a_zero_leaves(to_set: int, to_clear: int, intid: int) -> None:
    bench = Bench(boot=False)
    bench.set(to_set, intid)
    bench.set(to_set, intid ^ 1)
    assert bench.bit(to_set, intid) and bench.bit(to_clear, intid)
    bench.set(to_clear, intid)
    assert not bench.bit(to_set, intid)
    assert bench.bit(to_set, intid ^ 1)


def test_each_cpu_has_its_own_sgis_and_ppis() -> None:
    bench = Bench(boot=False)
    bench.set(ISENABLER, 27, cpu=1)
    assert bench.bit(ISENABLER, 27, cpu=1) and not bench.bit(ISENABLER, 27, cpu=0)


def test_the_distributor_has_no_sgis_and_ppis_where_affinity_routing_is_on() -> None:
    bench = Bench(boot=False)
    for register in (IGROUPR, ISENABLER, ISPENDR, IPRIORITYR, ICFGR):
        bench.write(GICD + register, 0xFFFF_FFFF)
        assert bench.read(GICD + register) == 0
    assert bench.gic.private[0].enabled == 0


def test_interrupts_that_a_vm_does_not_own_are_raz_wi() -> None:
    bench = Bench(boot=False, owned=[UART])
    for register in (IGROUPR, ISENABLER, ISPENDR, ISACTIVER):
        bench.write(GICD + register + 4, 0xFFFF_FFFF)
        assert bench.read(GICD + register + 4) == 1 << UART - 32
    bench.write(GICD + IPRIORITYR + 32, 0xF0F0F0F0)
    assert bench.read(GICD + IPRIORITYR + 32) == 0x0000_F000
    bench.write(GICD + ICFGR + 8, 0xFFFF_FFFF)
    assert bench.read(GICD + ICFGR + 8) == 2 << 2
    bench.write(GICD + IROUTER + 8 * 34, 1, 8)
    assert bench.read(GICD + IROUTER + 8 * 34, 8) == 0
    bench.vgic.set_level(34, True)
    bench.vgic.inject(34)
    assert not bench.bit(ISPENDR, 34)


def test_a_vm_can_be_given_more_interrupts_later() -> None:
    bench = Bench(boot=False, owned=[])
    bench.vgic.own([UART, 5, 4000])
    bench.vgic.set_level(UART, True)
    assert bench.bit(ISPENDR, UART)
    assert bench.gic.exists(UART) and not bench.gic.exists(UART + 1) and not bench.gic.exists(4000)


def test_priorities_are_bytes_of_five_bits() -> None:
    bench = Bench(boot=False)
    bench.write(GICD + IPRIORITYR + UART, 0xFF, 1)
    assert bench.read(GICD + IPRIORITYR + 32) == 0x0000_F800
    bench.write(GICR + SGI_FRAME + IPRIORITYR + 24, 0x8070_6050)
    assert bench.read(GICR + SGI_FRAME + IPRIORITYR + 26, 2) == 0x8070


def test_sgis_are_always_edge_triggered() -> None:
    bench = Bench(boot=False)
    base = GICR + SGI_FRAME + ICFGR
    bench.write(base, 0)
    assert bench.read(base) == 0xAAAA_AAAA
    bench.write(base + 4, 0xFFFF_FFFF)
    assert bench.read(base + 4) == 0xAAAA_AAAA
    bench.write(base + 4, 0)
    assert bench.read(base + 4) == 0


def test_a_route_can_be_written_in_two_halves() -> None:
    bench = Bench(boot=False, mpidrs=[0, 0x2_0000_0001])
    route = GICD + IROUTER + 8 * UART
    assert bench.gic.routed[0] >> UART - 32 & 1
    bench.write(route, 1)
    bench.write(route + 4, 2)
    assert bench.read(route, 8) == 0x2_0000_0001
    assert [routed >> UART - 32 & 1 for routed in bench.gic.routed] == [0, 1]


def test_spis_begin_routed_to_the_first_cpu_whatever_its_affinity() -> None:
    bench = Bench(mpidrs=[0x100, 0x200])
    bench.vgic.set_level(UART, True)
    assert bench.vgic.pending(0) and not bench.vgic.pending(1)


def test_a_message_makes_an_spi_pending() -> None:
    bench = Bench(boot=False)
    bench.write(GICD + 0x40, 100)
    assert bench.bit(ISPENDR, 100)
    bench.write(GICD + 0x48, 100)
    assert not bench.bit(ISPENDR, 100)
    bench.write(GICD + 0x40, 5)
    assert not bench.gic.private[0].pending


# Level and edge


def test_a_level_sensitive_interrupt_is_pending_as_long_as_its_line_is_high() -> None:
    gic = ready()
    assert gic.set_level(UART, True) and not gic.set_level(UART, True)
    assert gic.shared.pending
    gic.set_level(UART, False)
    assert not gic.shared.pending


def test_an_edge_is_remembered_when_the_line_has_fallen() -> None:
    bench = Bench()
    bench.edge(UART)
    bench.vgic.set_level(UART, True)
    bench.vgic.set_level(UART, False)
    assert bench.drain() == [UART]


def test_a_written_pending_bit_of_a_level_sensitive_interrupt_is_used_up_by_one_acknowledge() -> None:
    bench = Bench()
    bench.set(ISPENDR, UART)
    assert bench.drain() == [UART]


def test_a_high_line_cannot_be_cleared_by_writing() -> None:
    bench = Bench()
    bench.vgic.set_level(UART, True)
    bench.set(ICPENDR, UART)
    assert bench.bit(ISPENDR, UART)


# The physical side: a board's GIC, whose CPU interfaces the hypervisor uses


def test_acknowledge_takes_the_highest_priority_and_then_the_lowest_number() -> None:
    gic = ready()
    for intid in (50, 40, 60):
        gic.set_level(intid, True)
    gic.shared.set_priority(60 - 32, 0x40)
    assert gic.highest_pending(0) == (60, 0x40)
    taken = []
    while (intid := gic.acknowledge(0)) != SPURIOUS:
        gic.set_level(intid, False)
        gic.end(0, intid)
        taken.append(intid)
    assert taken == [60, 40, 50]


def test_only_a_higher_group_priority_preempts() -> None:
    gic = ready()
    gic.interfaces[0].set_binary_point(1, 6)  # bits 7:6 decide
    gic.pulse(40)
    assert gic.acknowledge(0) == 40
    gic.shared.set_priority(41 - 32, 0x80)
    gic.pulse(41)
    assert gic.acknowledge(0) == SPURIOUS
    gic.shared.set_priority(41 - 32, 0x40)
    assert gic.acknowledge(0) == 41


def test_ending_and_deactivating_can_be_separate() -> None:
    gic = ready()
    gic.interfaces[0].split_eoi = True
    gic.pulse(40)
    assert gic.acknowledge(0) == 40
    gic.end(0, 40)
    gic.pulse(40)
    assert gic.acknowledge(0) == SPURIOUS  # still active
    gic.deactivate(0, 40)
    assert gic.acknowledge(0) == 40


def test_a_one_of_n_interrupt_goes_to_one_cpu() -> None:
    gic = ready()
    gic.set_route(40 - 32, ANY_CPU)
    gic.pulse(40)
    assert gic.highest_pending(0) == gic.highest_pending(1) == (40, 0xA0)
    assert gic.acknowledge(1) == 40
    assert gic.acknowledge(0) == SPURIOUS


def test_a_gicv2_keeps_sgis_of_different_senders_apart() -> None:
    gic = ready(2, 4)
    gic.send_sgi(3, 5, [0])
    gic.send_sgi(1, 5, [0])
    assert gic.acknowledge(0) == 5 | 1 << 10
    assert gic.acknowledge(0) == SPURIOUS  # the second one waits until the first has ended
    gic.end(0, 5 | 1 << 10)
    assert gic.acknowledge(0) == 5 | 3 << 10


def test_nothing_is_delivered_while_its_group_is_disabled() -> None:
    gic = ready()
    gic.pulse(40)
    gic.enabled_groups = 1
    assert gic.highest_pending(0) is None
    gic.enabled_groups = 2
    gic.interfaces[0].enabled[1] = False
    assert gic.highest_pending(0) is None


def test_changes_name_the_cpus_that_may_be_concerned() -> None:
    gic = ready(3, 3)
    gic.set_route(40 - 32, 2)
    gic.dirty.clear()
    gic.set_level(40, True)
    assert gic.dirty == {2}
    gic.dirty.clear()
    gic.send_sgi(0, 1, [1])
    gic.set_level(27, True, 0)
    assert gic.dirty == {0, 1}


# Laws


@given(st.lists(st.tuples(st.integers(32, 63), st.integers(0, 30).map(lambda level: level * 8)), max_size=40))
def test_interrupts_come_in_the_order_of_their_priorities(raised: list[tuple[int, int]]) -> None:
    gic = ready()
    expected = {}
    for intid, priority in raised:
        gic.shared.set_priority(intid - 32, priority)
        gic.pulse(intid)
        expected[intid] = priority
    taken = []
    while (intid := gic.acknowledge(0)) != SPURIOUS:
        gic.end(0, intid)
        taken.append(intid)
    assert taken == sorted(expected, key=lambda intid: (expected[intid], intid))


@pytest.mark.parametrize("version", [2, 3])
def test_no_access_to_any_frame_raises(version: int, volume: Callable[[int], int]) -> None:
    bench = Bench(version, cpus=3, boot=False, spis=70)
    chance = random.Random(version)
    claims = bench.bus.claims
    registers = [(claim, register) for claim in claims for register in registers_of(claim.device)]
    for _ in range(volume(200_000)):
        claim, register = chance.choice(registers)
        offset = register.offset + chance.randrange(register.count) * register.size + chance.choice((0, 0, 0, 1, 4))
        if chance.random() < 0.1:
            offset = chance.randrange(claim.size)
        width = chance.choice((1, 2, 4, 4, 8))
        address = min(claim.base + offset, claim.base + claim.size - width)
        cpu = chance.randrange(3)
        if chance.random() < 0.5:
            bench.write(address, chance.getrandbits(8 * width), width, cpu)
        else:
            assert 0 <= bench.read(address, width, cpu) < 1 << 8 * width
        if chance.random() < 0.1:
            bench.vgic.flush(cpu)
            bench.vgic.sync(cpu)


def registers_of(device: object) -> list:  # type: ignore[type-arg]
    """The descriptors of a device."""
    assert isinstance(device, Device)
    return list(device.registers)


def test_a_copy_has_the_same_future() -> None:
    bench = Bench()
    for intid in (40, 41, 3):
        bench.vgic.inject(intid)
    assert bench.acknowledge() == 3
    other = copy.deepcopy(bench)
    bench.end(3)
    assert bench.drain() == [40, 41]
    assert other.bit(ISACTIVER, 3)
    other.end(3)
    assert other.drain() == [40, 41]
