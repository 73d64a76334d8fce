"""More interrupts than the list registers hold."""

from __future__ import annotations

from interrupt_bench import (
    ISACTIVER,
    Bench,
    listed,
)

from axlab.machine.gic_list_registers import (
    HCR_NPIE,
    HCR_TDIR,
)


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
