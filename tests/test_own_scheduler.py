"""A scheduler of a person's own: it decides, its mistakes are told with their lines, and the lab goes on."""

from __future__ import annotations

import copy
import os
import signal
import threading
from typing import Any

import pytest
from small_guests import MS, SPINS, config, hypervisor

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.scheduler import SCHEDULERS, RoundRobin, Scheduler, make_scheduler


class Preempting(Scheduler):
    def preempts(self, task: Any, waiting: Any, now: int) -> bool:
        return True


class Lottery(Preempting):
    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        return tasks[self.draw(len(tasks))]


class Last:
    """No subclass: it only has a method."""

    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        return tasks[-1]


class ForgetsTheBase(Preempting):
    def __init__(self) -> None:
        self.chosen = 0

    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        self.chosen += 1
        return tasks[0]


class Fails(Preempting):
    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        return tasks[7]


class ChoosesNone(Preempting):
    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        return None


class ChoosesNonsense(Preempting):
    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        return "the first"


class ChoosesARunningOne(Preempting):
    first: Any = None

    def ran(self, task: Any, ns: int) -> None:
        self.first = self.first or task

    def next(self, pcpu: int, now: int) -> Any:
        return self.first


class AnswersWithANumber(Scheduler):
    def preempts(self, task: Any, waiting: Any, now: int) -> Any:
        return 1


class NeverReturns(Preempting):
    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
        while True:
            pass


def crowd(scheduler: Any, seed: int = 0, count: int = 3) -> Hypervisor:
    """So many VMs that spin, all on one physical CPU."""
    hv = hypervisor(scheduler=scheduler, seed=seed)
    for number in range(count):
        hv.start(hv.create(config(SPINS, vm_id=number, sets=(1,), passed=("/intc",))))
    return hv


def shares(hv: Hypervisor) -> list[int]:
    return [vm.vcpus[0].instructions for vm in hv.vms]


@pytest.mark.parametrize("scheduler", [Lottery, Lottery(), "random"])
def test_chance_is_decided_by_the_seed(scheduler: Any) -> None:
    def run(seed: int) -> list[int]:
        hv = crowd(copy.deepcopy(scheduler), seed)
        hv.advance(300 * MS)
        return shares(hv)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert all(run(1))


def test_numbers_by_chance_are_spread_evenly() -> None:
    scheduler = make_scheduler("random", 42)
    drawn = [scheduler.draw(4) for _ in range(4000)]
    assert all(900 < drawn.count(number) < 1100 for number in range(4))


def test_a_class_that_only_has_the_methods_is_a_scheduler() -> None:
    hv = crowd(Last)
    assert (hv.scheduler.name, hv.scheduler.title) == ("last", "Last")
    hv.advance(10 * MS)
    hv.stop(hv.vms.find(0), force=True)
    hv.advance(20 * MS)
    assert [executed > 0 for executed in shares(hv)] == [True, False, True]


def test_a_class_without_the_base_classs_init_works() -> None:
    hv = crowd(ForgetsTheBase)
    hv.advance(60 * MS)
    assert all(shares(hv))


def test_an_own_scheduler_may_build_on_a_shipped_one() -> None:
    class Short(RoundRobin):
        def __init__(self) -> None:
            super().__init__(time_slice=20 * MS)

    hv = crowd(Short)
    hv.advance(95 * MS)
    assert hv.scheduler.name == "short"
    assert all(shares(hv))


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        (Fails, "        return tasks[7]", "Fails.choose:{}: IndexError: list index out of range"),
        (
            ChoosesNone,
            "    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:",
            "ChoosesNone.choose:{}: returned None, and VM[1]-VCpu[0], VM[2]-VCpu[0] would wait for physical CPU 0 "
            "for ever; return one of them",
        ),
        (
            ChoosesNonsense,
            "    def choose(self, tasks: Any, pcpu: int, now: int) -> Any:",
            "ChoosesNonsense.choose:{}: returned 'the first', which is no task; return one of the tasks that are "
            "ready: VM[1]-VCpu[0], VM[2]-VCpu[0]",
        ),
        (
            ChoosesARunningOne,
            "    def next(self, pcpu: int, now: int) -> Any:",
            "ChoosesARunningOne.next:{}: returned VM[0]-VCpu[0], which is not ready (it runs, sleeps or is gone); "
            "ready: VM[1]-VCpu[0], VM[2]-VCpu[0]",
        ),
        (
            AnswersWithANumber,
            "    def preempts(self, task: Any, waiting: Any, now: int) -> Any:",
            "AnswersWithANumber.preempts:{}: returned 1; True or False is wanted",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_lab_goes_on(kind: type, line: str, message: str) -> None:
    hv = crowd(kind)
    with pytest.raises(AxError) as caught:
        hv.advance(60 * MS)
    error = caught.value
    assert error.text == line
    assert str(error).splitlines()[1].lstrip(" ^") == message.format(error.line)
    assert hv.scheduler.mistake is None
    hv.use_scheduler("rr")
    before = shares(hv)
    hv.advance(hv.now + 100 * MS)
    assert all(now > then for now, then in zip(shares(hv), before, strict=True))


def test_the_place_of_an_exception_is_underlined() -> None:
    hv = crowd(Fails)
    with pytest.raises(AxError) as caught:
        hv.advance(60 * MS)
    assert str(caught.value).splitlines()[1].startswith("               ^^^^^^^^ Fails")


def test_a_task_that_may_not_run_there_is_refused() -> None:
    class Stubborn(Preempting):
        def choose(self, tasks: Any, pcpu: int, now: int) -> Any:
            return self.ready[-1]

    hv = hypervisor(scheduler=Stubborn)
    for number, mask in enumerate((1, 2, 1, 2)):
        hv.start(hv.create(config(SPINS, vm_id=number, sets=(mask,), passed=("/intc",))))
    with pytest.raises(AxError, match=r"returned VM\[3\]-VCpu\[0\], which may not run on physical CPU 0; these may: "):
        hv.advance(60 * MS)


def test_a_scheduler_that_does_not_return_is_ended_by_ctrl_c() -> None:
    lab = Lab(scheduler=NeverReturns, code_cache=False)
    for number in range(2):
        lab.hypervisor.start(lab.create(config(SPINS, vm_id=number, sets=(1,), passed=("/intc",))))
    sent = threading.Event()

    def press() -> None:
        while not lab.hypervisor.scheduler.asking:
            pass
        sent.set()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    result = lab.shell("vm run --for 30ms")
    thread.join()
    assert sent.is_set() and not result.ok
    assert "NeverReturns.choose" in result.text() and "was ended by Ctrl-C: it did not return" in result.text()


@pytest.mark.parametrize("wanted", [3, object(), int, Last()])
def test_what_is_no_scheduler_is_refused(wanted: Any) -> None:
    with pytest.raises(AxError, match="is no scheduler"):
        make_scheduler(wanted)


def test_an_init_that_fails_is_told() -> None:
    class Broken(Scheduler):
        def __init__(self) -> None:
            raise ValueError("no")

    with pytest.raises(AxError, match="ValueError: no"):
        Lab(scheduler=Broken)


def test_a_copy_of_a_lab_with_an_own_scheduler_has_the_same_future() -> None:
    hv = crowd(Lottery, seed=5)
    hv.advance(70 * MS)
    other = copy.deepcopy(hv)
    for one in (hv, other):
        one.advance(300 * MS)
    assert shares(hv) == shares(other)
    assert other.scheduler is not hv.scheduler


def test_another_scheduler_takes_over_the_queue() -> None:
    hv = crowd("fifo", count=4)
    hv.advance(30 * MS)
    assert shares(hv)[1:] == [0, 0, 0]
    hv.use_scheduler(Lottery)
    hv.advance(300 * MS)
    assert all(shares(hv))


def test_the_settings_of_a_lab_make_its_like() -> None:
    lab = Lab(cpus=2, scheduler="random", seed=9, ram="64M", tick="5ms", code_cache=False)
    assert lab.settings == Lab(**lab.settings).settings
    assert (lab.settings["scheduler"], lab.settings["seed"], lab.settings["tick"]) == ("random", 9, "5ms")
    assert set(SCHEDULERS) == {"fifo", "rr", "fair", "random"}
