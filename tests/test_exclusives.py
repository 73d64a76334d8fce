"""Exclusive accesses: reservations, within a CPU and between CPUs."""

from __future__ import annotations

import pytest
from cpu_setup import DATA, RAM, cpu_with, run_to_trap, turn_mmu_on

from axlab.machine.cpu import Cpu

OTHER = RAM + 0x1000
STORE = 0xF9000022  # str x2, [x1]


def pair(source: str, other: int = STORE) -> tuple[Cpu, Cpu]:
    """Two CPUs; the second one has one instruction, at OTHER."""
    cpu = cpu_with(source, count=2)
    second = cpu.peers[1]
    cpu.memory.write_int(OTHER, 4, other)
    for each in (cpu, second):
        turn_mmu_on(each)
        each.x[1] = DATA
    second.pc = OTHER
    return cpu, second


def test_a_store_exclusive_succeeds_after_its_load() -> None:
    cpu, _ = pair("ldxr x0, [x1]\n add x0, x0, #1\n stxr w2, x0, [x1]\n stxr w3, x0, [x1]\n hvc #0")
    run_to_trap(cpu)
    assert (cpu.x[2], cpu.x[3], cpu.memory.read_int(DATA, 8)) == (0, 1, 1)


@pytest.mark.parametrize("between", ["clrex", "ldxr x4, [x5]"])
def test_a_reservation_ends(between: str) -> None:
    cpu, _ = pair(f"ldxr x0, [x1]\n {between}\n stxr w2, x0, [x1]\n hvc #0")
    cpu.x[5] = DATA + 0x400
    run_to_trap(cpu)
    assert cpu.x[2] == 1


def test_a_return_from_an_exception_ends_a_reservation() -> None:
    cpu, _ = pair("ldxr x0, [x1]\n eret\n stxr w2, x0, [x1]\n hvc #0")
    cpu.sys.update(ELR_EL1=RAM + 8, SPSR_EL1=0x3C5)
    run_to_trap(cpu)
    assert cpu.x[2] == 1


@pytest.mark.parametrize(
    ("address", "value", "status"),
    [(DATA, 7, 1), (DATA, 0, 1), (DATA + 56, 7, 1), (DATA + 64, 7, 0), (DATA - 8, 7, 0)],
)
def test_a_store_of_another_cpu_to_the_granule_ends_it_even_if_the_value_stays(
    address: int, value: int, status: int
) -> None:
    cpu, other = pair("ldxr x0, [x1]\n stxr w2, x0, [x1]\n hvc #0")
    other.x[1] = DATA
    other.run(1)  # its TLB has a view of the page already
    other.pc = OTHER
    cpu.run(1)
    other.x[1], other.x[2] = address, value
    other.run(1)
    run_to_trap(cpu)
    assert cpu.x[2] == status


def test_an_own_store_leaves_the_reservation() -> None:
    cpu, _ = pair("ldxr x0, [x1]\n str x3, [x1, #8]\n stxr w2, x0, [x1]\n hvc #0")
    run_to_trap(cpu)
    assert cpu.x[2] == 0


def test_memory_that_changes_by_other_means_makes_the_store_fail() -> None:
    cpu, _ = pair("ldxr x0, [x1]\n stxr w2, x0, [x1]\n hvc #0")
    cpu.run(1)
    cpu.memory.write_int(DATA, 8, 99)
    run_to_trap(cpu)
    assert (cpu.x[2], cpu.memory.read_int(DATA, 8)) == (1, 99)


def test_the_end_of_a_reservation_is_an_event() -> None:
    cpu, other = pair("ldxr x0, [x1]\n wfe\n hvc #0")
    cpu.sys["HCR_EL2"] |= 1 << 14
    cpu.run(1)
    other.run(1)
    assert cpu.event
    assert run_to_trap(cpu).iss == 0


def test_a_pair_is_reserved_as_one() -> None:
    cpu, other = pair("ldxp x3, x4, [x1]\n stxp w2, x5, x6, [x1]\n hvc #0")
    cpu.x[5], cpu.x[6] = 1, 2
    run_to_trap(cpu)
    assert (cpu.x[2], cpu.memory.read(DATA, 16)) == (0, (1).to_bytes(8, "little") + (2).to_bytes(8, "little"))


def test_two_cpus_that_count_together_lose_nothing() -> None:
    count = """
    1:  ldaxr x0, [x1]
        add x0, x0, #1
        stlxr w2, x0, [x1]
        cbnz w2, 1b
        sub x3, x3, #1
        cbnz x3, 1b
        hvc #0
    """
    cpu, other = pair(count)
    other.pc = RAM
    cpu.x[3] = other.x[3] = 300
    running = [cpu, other]
    slices = 0
    while running:
        for each in list(running):
            slices += 1
            if each.run(1 + slices * 7 % 11) is not None:
                running.remove(each)
    assert cpu.memory.read_int(DATA, 8) == 600


def test_sev_wakes_every_cpu() -> None:
    cpu, other = pair("sev\n hvc #0")
    run_to_trap(cpu)
    assert cpu.event and other.event
