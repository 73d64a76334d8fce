"""Several vCPUs and one interrupt."""

from __future__ import annotations

from interrupt_bench import (
    ANY_CPU,
    GICD,
    ICACTIVER,
    IROUTER,
    ISACTIVER,
    ISPENDR,
    NET,
    UART,
    Bench,
    listed,
)


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
