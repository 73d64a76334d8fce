"""Schedulers: AxVisor's FIFO, round-robin and fair, affinity, preemption, and one of a student's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_guests import MS, SPINS, config, hypervisor, started

from axlab.errors import AxError
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.scheduler import SCHEDULERS, Schedulable, Scheduler, make_scheduler
from axlab.vmm.vm import Vm


def crowd(scheduler: str | Scheduler, count: int, mask: int = 1) -> tuple[Hypervisor, list[Vm]]:
    """So many VMs that spin, all on the physical CPUs of `mask`."""
    hv = hypervisor(scheduler=scheduler)
    vms = [hv.create(config(SPINS, vm_id=n, sets=(mask,), passed=("/intc",))) for n in range(count)]
    for vm in vms:
        hv.start(vm)
    return hv, vms


def shares(vms: list[Vm]) -> list[int]:
    return [vm.vcpus[0].instructions for vm in vms]


def test_fifo_lets_a_task_run_until_it_blocks() -> None:
    hv, vms = crowd("fifo", 3)
    hv.advance(50 * MS)
    assert shares(vms)[1:] == [0, 0]
    assert [vm.vcpus[0].state for vm in vms] == ["Running", "Ready", "Ready"]
    hv.stop(vms[0], force=True)
    hv.advance(60 * MS)
    assert shares(vms)[1] > 0


@pytest.mark.parametrize("name", ["rr", "fair"])
def test_preemption_shares_a_physical_cpu(name: str) -> None:
    hv, vms = crowd(name, 3)
    hv.advance(121 * MS)
    executed = shares(vms)
    assert min(executed) * 10 > max(executed) * 9
    assert all(vm.vcpus[0].usage.switches >= 3 for vm in vms)


def test_fair_gives_a_newcomer_no_more_than_its_share() -> None:
    hv, vms = crowd("fair", 2)
    hv.advance(100 * MS)
    late = hv.create(config(SPINS, vm_id=9, sets=(1,), passed=("/intc",)))
    hv.start(late)
    before = shares(vms)
    hv.advance(190 * MS)
    grown = [now - then for now, then in zip(shares(vms), before, strict=True)]
    assert late.vcpus[0].instructions < 2 * min(grown)


def test_tasks_spread_over_all_physical_cpus() -> None:
    hv, vms = crowd("fifo", 4, mask=0xF)
    hv.advance(2 * MS)
    assert sorted(vm.vcpus[0].task.pcpu for vm in vms if vm.vcpus[0].task) == [0, 1, 2, 3]


def test_a_task_stays_within_its_affinity() -> None:
    hv, vm = started(SPINS, sets=(0b100,))
    hv.advance(20 * MS)
    assert [pcpu.index for pcpu in hv.physical_cpus.busy()] == [2]
    assert vm.vcpus[0].usage.migrations == 0


def test_pinning_a_running_vcpu_moves_it_at_once() -> None:
    hv, vm = started(SPINS, sets=(0b1,))
    hv.advance(MS)
    hv.set_affinity(vm.vcpus[0], 0b1000)
    hv.advance(2 * MS)
    assert [pcpu.index for pcpu in hv.physical_cpus.busy()] == [3]
    assert vm.vcpus[0].usage.migrations == 1
    with pytest.raises(AxError, match="^the mask 0x10 names none of the 4 physical CPUs$"):
        hv.set_affinity(vm.vcpus[0], 0x10)


def test_pinning_a_waiting_vcpu_finds_it_an_idle_physical_cpu() -> None:
    hv, vms = crowd("fifo", 2)
    hv.advance(MS)
    hv.set_affinity(vms[1].vcpus[0], None)
    assert vms[1].vcpus[0].state == "Running"


def test_a_forced_stop_reaches_a_task_that_never_gets_a_physical_cpu() -> None:
    hv, vms = crowd("fifo", 2)
    hv.advance(MS)
    hv.stop(vms[1], force=True)
    assert vms[1].state == "Stopped"


class LastFirst(Scheduler):
    """A student's scheduler: the youngest goes first, and every tick preempts."""

    name = "last-first"

    def choose(self, tasks: list[Schedulable], pcpu: int, now: int) -> Schedulable:
        return tasks[-1]

    def preempts(self, task: Schedulable, waiting: list[Schedulable], now: int) -> bool:
        return True


def test_a_scheduler_of_ones_own_is_a_subclass() -> None:
    hv, vms = crowd(LastFirst(), 3)
    hv.advance(35 * MS)
    assert [bool(executed) for executed in shares(vms)] == [True, False, True]


def test_an_unknown_scheduler_is_refused_with_the_known_ones() -> None:
    message = "unknown scheduler 'cfs'; there are fifo, rr, fair, random, or hand over a Scheduler"
    with pytest.raises(AxError, match=f"^{message}$"):
        make_scheduler("cfs")


@settings(max_examples=15)
@given(st.sampled_from(sorted(SCHEDULERS)), st.lists(st.integers(1, 15), min_size=1, max_size=6))
def test_no_physical_cpu_idles_while_a_task_may_run_on_it(name: str, masks: list[int]) -> None:
    hv = hypervisor(scheduler=name)
    vms = [hv.create(config(SPINS, vm_id=n, sets=(m,), passed=("/intc",))) for n, m in enumerate(masks)]
    for vm in vms:
        hv.start(vm)
    hv.advance(11 * MS)
    ready = [task for task in hv.tasks if task.state == "Ready"]
    for pcpu in hv.physical_cpus:
        assert pcpu.task is not None or not any(task.may_run_on(pcpu.index) for task in ready)
    running = [task for task in hv.tasks if task.state == "Running"]
    assert sorted(t.pcpu for t in running) == [p.index for p in hv.physical_cpus.busy()]
    assert all(task.may_run_on(task.pcpu) for task in running)
