"""PSCI 1.1 by HVC and SMC: every function, every error code."""

from __future__ import annotations

import pytest
from small_guests import (
    ENTRY,
    MS,
    POWERS_OFF,
    SPINS,
    config,
    finished,
    hvc,
    hypervisor,
    listen,
    report,
    reported,
    started,
)

from axlab.events import Psci, VcpuState
from axlab.vmm.config import MemoryRegion
from axlab.vmm.exits import CpuUp
from axlab.vmm.psci import FUNCTIONS, affinity_info, start_cpu
from axlab.vmm.vcpu import Power

M64 = (1 << 64) - 1
VERSION, SUSPEND, OFF, ON, INFO, FEATURES = 0x8400_0000, 0xC400_0001, 0x8400_0002, 0xC400_0003, 0xC400_0004, 0x8400_000A
NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON, ON_PENDING, INVALID_ADDRESS = (M64 + 1 - n for n in (1, 2, 4, 5, 9))


def result(function: int, *args: int, **more: object) -> int:
    """What a guest gets in x0."""
    return reported(finished(hvc(function, *args) + report("x0") + POWERS_OFF, **more))[0]


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        (VERSION, (), 0x1_0001),
        (0x8000_0000, (), 0x1_0001),  # SMCCC_VERSION 1.1
        (0x8000_0001, (0x8000_0000,), 0),
        (0x8000_0001, (0x8000_8000,), NOT_SUPPORTED),  # ARCH_WORKAROUND_1
        (0x8400_0006, (), 2),  # MIGRATE_INFO_TYPE: no trusted OS
        (0x8400_0005, (), NOT_SUPPORTED),  # MIGRATE
        (0x8400_001F, (), NOT_SUPPORTED),
        (0xC400_0008, (), NOT_SUPPORTED),  # SYSTEM_OFF has no 64-bit form
        (0x8600_FF01, (), NOT_SUPPORTED),
        (FEATURES, (0x8400_0000,), 0),
        (FEATURES, (0xC400_0001,), 0),
        (FEATURES, (0x8400_0003,), 0),
        (FEATURES, (0x8400_0009,), 0),
        (FEATURES, (0x8000_0000,), 0),
        (FEATURES, (0x8400_0005,), NOT_SUPPORTED),
        (FEATURES, (0xC400_0009,), NOT_SUPPORTED),
        (INFO, (0, 0), 0),
        (INFO, (7, 0), INVALID_PARAMETERS),
        (INFO, (0, 4), INVALID_PARAMETERS),
        (ON, (0, ENTRY, 0), ALREADY_ON),
        (ON, (9, ENTRY, 0), INVALID_PARAMETERS),
        (ON, (1 << 40, ENTRY, 0), INVALID_PARAMETERS),
        (SUSPEND, (1 << 24 | 1 << 20, 0, 0), INVALID_PARAMETERS),
        (SUSPEND, (1 << 16, 0x2000_0000, 0), INVALID_ADDRESS),
    ],
)
def test_every_function_answers(function: int, args: tuple[int, ...], expected: int) -> None:
    assert result(function, *args) == expected


@pytest.mark.parametrize("entry", [0x2000_0000, ENTRY + 2, 0x900_0000, M64 - 3, 0x5000_0000])
def test_cpu_on_at_an_address_that_cannot_be_executed_is_refused(entry: int) -> None:
    regions = (MemoryRegion(0x4000_0000, 0x100_0000), MemoryRegion(0x5000_0000, 0x1000, 3))
    assert result(ON, 1, entry, 0, cpus=2, regions=regions) == INVALID_ADDRESS


def test_smc_works_as_hvc() -> None:
    source = "ldr w0, =0x84000000\n smc #0\n" + report("x0") + "ldr w0, =0x84000008\n smc #0\n b ."
    vm = finished(source)
    assert (reported(vm), vm.state) == ([0x1_0001], "Stopped")


SECOND = ENTRY + 0x400


def two(first: str, second: str) -> str:
    """A guest whose first vCPU does one thing and whose second, from SECOND on, another."""
    return f"{first}\n b .\n .org 0x400\n{second}"


def test_cpu_on_starts_a_vcpu_with_its_context() -> None:
    second = "mov x5, x0\n mrs x6, mpidr_el1\n mrs x7, currentel\n mrs x8, daif\n mrs x9, sctlr_el1\n"
    second += report("x5", "x6", "x7", "x8", "x9", "x1") + POWERS_OFF
    source = two(hvc(ON, 1, SECOND, 0x1234_5678_9ABC_DEF0), second)
    values = reported(finished(source, cpus=2), 6)
    assert values[:4] == [0x1234_5678_9ABC_DEF0, 1 << 31 | 1, 1 << 2, 0xF << 6]
    assert (values[4] & 1, values[5]) == (0, 0)


def test_cpu_on_finds_its_target_by_mpidr() -> None:
    """Fix 12: the original looks for a physical CPU of that id, and panics the host if there is none."""
    second = "mrs x5, mpidr_el1\n" + report("x5") + POWERS_OFF
    source = two(hvc(ON, 0x200, SECOND, 0), second)
    assert reported(finished(source, cpus=3, ids=(0, 0x100, 0x200))) == [1 << 31 | 0x200]


def test_cpu_on_of_a_running_cpu_is_refused() -> None:
    source = two(hvc(ON, 1, SECOND, 0) + delay() + hvc(ON, 1, SECOND, 0) + report("x0") + POWERS_OFF, SPINS)
    assert reported(finished(source, cpus=2)) == [ALREADY_ON]


def delay() -> str:
    return "mov x9, #3000\n1: subs x9, x9, #1\n b.ne 1b\n"


def test_cpu_on_of_a_cpu_that_is_about_to_start_is_pending() -> None:
    hv, vm = started(SPINS, cpus=2, sets=(1, 1))
    hv.advance(MS)
    first, second = vm.vcpus
    assert start_cpu(hv, vm, first, CpuUp(1, ENTRY, 0)) == 0
    assert second.power is Power.ON_PENDING
    assert second.state == "Ready"  # its physical CPU is the first one's
    assert start_cpu(hv, vm, first, CpuUp(1, ENTRY, 0)) == -5
    assert affinity_info(vm, (1, 0, 0)) == 2


def test_a_cpu_that_goes_off_can_be_started_again() -> None:
    second = "ldr x1, =0x40300000\n ldr x2, [x1]\n add x2, x2, #1\n str x2, [x1]\n" + hvc(OFF)
    once = hvc(ON, 1, SECOND, 0) + delay()
    look = hvc(INFO, 1, 0) + "mov x5, x0\n ldr x1, =0x40300008\n str x5, [x1]\n"
    vm = finished(two(once + once + look + POWERS_OFF, second), cpus=2)
    assert reported(vm, 2) == [2, 1]
    assert vm.vcpus[1].usage.switches == 2


def test_tasks_are_found_by_vcpu_not_by_the_order_of_their_creation() -> None:
    """Fix 7: the original indexes its tasks by the order in which the CPUs came up."""
    hv, vm = started(SPINS, cpus=3)
    hv.advance(MS)
    assert start_cpu(hv, vm, vm.vcpus[0], CpuUp(2, ENTRY, 0)) == 0
    assert start_cpu(hv, vm, vm.vcpus[0], CpuUp(1, ENTRY, 0)) == 0
    assert [vcpu.task.name for vcpu in vm.vcpus if vcpu.task] == ["VM[0]-VCpu[0]", "VM[0]-VCpu[1]", "VM[0]-VCpu[2]"]


def test_power_state_is_not_scheduling_state() -> None:
    """Fix 6: an Off vCPU is Free; so are all of a VM that has not started."""
    hv = hypervisor()
    vm = hv.create(config(SPINS, cpus=2))
    assert [(v.state, v.power) for v in vm.vcpus] == [("Free", "Off")] * 2
    hv.start(vm)
    hv.advance(MS)
    assert [(v.state, v.power) for v in vm.vcpus] == [("Running", "On"), ("Free", "Off")]


def test_a_vm_whose_last_vcpu_goes_off_stops() -> None:
    vm = finished(hvc(OFF))
    assert (vm.state, vm.reason) == ("Stopped", "guest power-off")


def test_cpu_suspend_sleeps_until_an_interrupt() -> None:
    vm_hv, vm = started(hvc(SUSPEND, 0, 0, 0) + POWERS_OFF)
    assert vm_hv.advance(MS) == "idle"
    assert vm.vcpus[0].wait_reason == "interrupt"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_affinity_info_of_a_group_of_cpus_says_on_if_one_is(level: int) -> None:
    hv, vm = started(SPINS, cpus=2, ids=(0x0, 0x1))
    hv.advance(MS)
    assert affinity_info(vm, (1, level, 0)) == 0
    assert affinity_info(vm, (1, 0, 0)) == 1


def test_psci_calls_are_told_with_their_results() -> None:
    hv, vm = started(hvc(ON, 9, ENTRY, 0) + POWERS_OFF)
    seen = listen(hv, Psci)
    hv.advance(MS)
    assert [(e.function, e.result) for e in seen] == [("CPU_ON", -2), ("SYSTEM_OFF", 0)]


def test_a_vcpu_that_starts_goes_through_its_states() -> None:
    hv, vm = started(two(hvc(ON, 1, SECOND, 0), hvc(OFF)), cpus=2)
    seen = listen(hv, VcpuState)
    hv.advance(MS)
    moves = [(e.old, e.new) for e in seen if e.vcpu == 1]
    assert moves == [("Free", "Blocked"), ("Blocked", "Ready"), ("Ready", "Running"), ("Running", "Free")]


def test_the_functions_of_the_table_are_calls_of_their_convention() -> None:
    assert all(function >> 31 == 1 for function in FUNCTIONS)
