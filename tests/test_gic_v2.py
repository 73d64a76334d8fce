"""The GICv2: banked distributor, and the CPU interface that a guest finds in memory."""

from __future__ import annotations

from interrupt_bench import (
    GICC,
    GICD,
    ICENABLER,
    ICFGR,
    ISENABLER,
    ISPENDR,
    ITARGETSR,
    SPURIOUS,
    UART,
    Bench,
)

SGIR, CPENDSGIR, SPENDSGIR = 0xF00, 0xF10, 0xF20
CTLR, PMR, BPR, IAR, EOIR, RPR, HPPIR, ABPR, AIAR, AEOIR, AHPPIR = range(0, 0x2C, 4)
DIR = 0x1000
OTHERS, SELF = 1 << 24, 2 << 24
OTHER_GROUP = 1022


def bench_with(cpus: int = 2) -> Bench:
    return Bench(2, cpus)


def test_software_finds_a_gicv2() -> None:
    bench = bench_with(4)
    assert bench.read(GICD + 0xFE8) >> 4 & 0xF == 2
    assert bench.read(GICC + 0xFC) >> 16 & 0xF == 2
    assert bench.read(GICD + 4) == 8 | 3 << 5


def test_each_cpu_sees_its_own_words_of_sgis_and_ppis() -> None:
    bench = bench_with()
    bench.write(GICD + ICENABLER, 1 << 27, cpu=1)
    assert bench.read(GICD + ISENABLER, cpu=0) >> 27 & 1
    assert not bench.read(GICD + ISENABLER, cpu=1) >> 27 & 1
    assert [bench.read(GICD + ITARGETSR, cpu=cpu) for cpu in (0, 1)] == [0x0101_0101, 0x0202_0202]


def test_sgis_cannot_be_disabled() -> None:
    bench = bench_with()
    bench.write(GICD + ICENABLER, 0xFFFF_FFFF)
    assert bench.read(GICD + ISENABLER) == 0xFFFF


def test_an_interrupt_of_group_0_is_an_irq_unless_fiqen_is_set() -> None:
    bench = bench_with()
    bench.vgic.set_level(UART, True)
    bench.vgic.flush(0)
    assert bench.cpus[0].gic.irq_pending() and not bench.cpus[0].gic.fiq_pending()
    bench.write(GICC + CTLR, 1 | 1 << 3)
    assert bench.cpus[0].gic.fiq_pending() and not bench.cpus[0].gic.irq_pending()


def test_the_guest_takes_and_ends_an_interrupt_in_memory() -> None:
    bench = bench_with()
    bench.vgic.set_level(UART, True)
    bench.vgic.flush(0)
    assert bench.read(GICC + HPPIR) == UART
    assert bench.read(GICC + IAR) == UART
    assert bench.read(GICC + RPR) == 0xA0
    bench.vgic.set_level(UART, False)
    bench.write(GICC + EOIR, UART)
    assert bench.read(GICC + RPR) == 0xFF
    bench.vgic.sync(0)
    assert bench.drain() == []


def test_an_spi_goes_to_the_cpus_that_its_byte_names() -> None:
    bench = bench_with()
    bench.write(GICD + ITARGETSR + UART, 0b10, 1)
    bench.vgic.set_level(UART, True)
    assert not bench.vgic.pending(0) and bench.vgic.pending(1)
    assert bench.read(GICD + ITARGETSR + UART, 1) == 0b10


def test_an_spi_of_several_targets_is_taken_once() -> None:
    bench = bench_with()
    bench.write(GICD + ITARGETSR + UART, 0b11, 1)
    bench.edge(UART)
    bench.vgic.inject(UART)
    assert bench.drain(1) == [UART]
    assert bench.drain(0) == []


def test_a_single_cpu_has_no_targets_to_choose() -> None:
    bench = bench_with(1)
    bench.write(GICD + ITARGETSR + UART, 0, 1)
    assert bench.read(GICD + ITARGETSR + UART, 1) == 0
    bench.vgic.set_level(UART, True)
    assert bench.vgic.pending(0)


def test_an_sgi_goes_to_a_list_to_all_others_or_to_oneself() -> None:
    for value, reached in ((0b101 << 16, {0, 2}), (OTHERS, {0, 2, 3}), (SELF, {1}), (3 << 24, set())):
        bench = bench_with(4)
        bench.write(GICD + SGIR, value | 5, cpu=1)
        assert {cpu for cpu in range(4) if bench.vgic.pending(cpu)} == reached


def test_an_sgi_tells_who_sent_it_and_several_senders_are_several_interrupts() -> None:
    bench = bench_with(4)
    for sender in (3, 1):
        bench.write(GICD + SGIR, 1 << 16 | 5, cpu=sender)
    assert bench.read(GICD + SPENDSGIR + 5, 1) == 0b1010
    assert bench.drain() == [5 | 1 << 10, 5 | 3 << 10]
    assert bench.read(GICD + SPENDSGIR + 5, 1) == 0


def test_one_end_is_one_sgi_also_when_the_next_sender_waits() -> None:
    bench = bench_with(4)
    bench.write(GICD + SGIR, 1 << 16 | 5, cpu=1)
    assert bench.acknowledge() == 5 | 1 << 10
    bench.write(GICD + SGIR, 1 << 16 | 5, cpu=2)
    assert bench.acknowledge() == SPURIOUS
    bench.end(5 | 1 << 10)
    assert bench.acknowledge() == 5 | 2 << 10


def test_the_end_of_an_sgi_is_found_without_its_sender_too() -> None:
    bench = bench_with(4)
    bench.write(GICD + SGIR, 1 << 16 | 5, cpu=3)
    assert bench.acknowledge() == 5 | 3 << 10
    bench.end(5)
    assert bench.gic.private[0].active == 0


def test_sgis_are_pended_and_taken_back_by_sender() -> None:
    bench = bench_with(4)
    bench.write(GICD + ISPENDR, 1 << 5)
    assert bench.read(GICD + ISPENDR) == 0
    bench.write(GICD + SPENDSGIR + 5, 0b1010, 1)
    bench.write(GICD + CPENDSGIR + 5, 0b0010, 1)
    assert bench.drain() == [5 | 3 << 10]
    bench.write(GICD + SPENDSGIR + 4, 0x0000_0100)
    bench.write(GICD + CPENDSGIR + 4, 0x0000_0100)
    assert bench.drain() == []


def with_a_group_1_interrupt() -> Bench:
    bench = bench_with()
    bench.write(GICD + 0x84, 1 << UART - 32)
    bench.write(GICC + CTLR, 3)
    bench.vgic.set_level(UART, True)
    bench.vgic.flush(0)
    return bench


def test_a_group_1_interrupt_is_hidden_from_iar_unless_ackctl_is_set() -> None:
    bench = with_a_group_1_interrupt()
    assert bench.read(GICC + HPPIR) == bench.read(GICC + IAR) == OTHER_GROUP
    bench.write(GICC + CTLR, 3 | 1 << 2)
    assert bench.read(GICC + HPPIR) == bench.read(GICC + IAR) == UART


def test_the_aliases_are_for_group_1() -> None:
    bench = with_a_group_1_interrupt()
    assert bench.read(GICC + AHPPIR) == bench.read(GICC + AIAR) == UART
    bench.write(GICC + AEOIR, UART)
    assert bench.read(GICC + RPR) == 0xFF


def test_control_and_binary_points_read_as_written() -> None:
    bench = bench_with()
    bench.write(GICC + CTLR, 0xFFFF_FFFF)
    assert bench.read(GICC + CTLR) == 0x21F
    bench.write(GICC + CTLR, 1)
    bench.write(GICC + BPR, 4)
    bench.write(GICC + ABPR, 6)
    assert (bench.read(GICC + BPR), bench.read(GICC + ABPR)) == (4, 6)
    bench.write(GICC + 0xD0, 0x10)
    bench.write(GICC + 0xE0, 0x20)
    assert (bench.read(GICC + 0xD0), bench.read(GICC + 0xE0)) == (0x10, 0x20)


def test_with_eoimode_1_dir_deactivates() -> None:
    bench = bench_with()
    bench.edge(UART)
    bench.vgic.inject(UART)
    bench.write(GICC + CTLR, 1 | 1 << 9)
    assert bench.acknowledge() == UART
    bench.end(UART)
    assert bench.gic.shared.active
    bench.write(GICC + DIR, UART)
    bench.vgic.sync(0)
    assert not bench.gic.shared.active


def test_the_timer_of_a_gicv2_guest_asserts_again_after_its_end() -> None:
    bench = bench_with()
    cpu = bench.cpus[0]
    cpu.write("CNTV_CTL_EL0", 1)
    assert bench.vgic.pending(0, now=0)
    assert cpu.active_ppis == {27}
    assert bench.acknowledge() == 27
    bench.end(27)
    assert cpu.active_ppis == set()


def test_configuration_reads_back() -> None:
    bench = bench_with()
    assert bench.read(GICD + ICFGR) == 0xAAAA_AAAA
    bench.write(GICD + ICFGR + 8, 0xFFFF_FFFF)
    assert bench.read(GICD + ICFGR + 8) == 0xAAAA_AAAA
