"""Stop points: which of them makes virtual time stand still, when, and that a run is the same with and without them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from small_guests import COUNTS, ENTRY, MS, POWERS_OFF, SPINS, config, hvc, hypervisor, started

from axlab.errors import AxError
from axlab.events import Hypercall
from axlab.machine.access_trace import AccessTrace
from axlab.machine.stops import Hit, Watch
from axlab.trace.recorder import Recorder
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.stops import Situation, StopPoint

# Two vCPUs that count in the same memory, without any order between them, and print now and then.
RACE = """
    mrs x9, mpidr_el1
    and x9, x9, #0xff
    cbnz x9, work
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, work
    mov x3, #0
    hvc #0
work:
    ldr x1, =0x40200000
    ldr x8, =0x09000000
    mov x3, #0
again:
    ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1]
    add x3, x3, #1
    ubfx x4, x2, #0, #8
    cbnz x4, 1f
    add w5, w9, #'a'
    str w5, [x8]
1:  mov x6, #4000
    cmp x3, x6
    b.ne again
2:  wfi
    b 2b
"""


@dataclass
class RegisterIs:
    """A condition: a register has a value."""

    number: int
    value: int

    def holds(self, situation: Situation) -> bool:
        return situation.vcpu is not None and situation.vcpu.cpu.x[self.number] == self.value


@dataclass
class IsHypercall:
    """A condition: the event is a hypercall."""

    def holds(self, situation: Situation) -> bool:
        return isinstance(situation.event, Hypercall)


def test_advance_says_which_stop_point_was_hit_where() -> None:
    hv, vm = started(COUNTS)
    point = hv.stops.add(hv, StopPoint(0, "at the load", vm.id, breakpoints=frozenset({ENTRY + 4})))
    assert hv.advance(MS) == "break"
    stopped = hv.stops.stopped
    assert stopped is not None
    assert (stopped.vm, stopped.vcpu, stopped.pc) == (0, 0, ENTRY + 4)
    assert (stopped.points, stopped.texts, stopped.hit) == ((point.number,), ("at the load",), Hit("break", ENTRY + 4))
    assert hv.now == stopped.time


def test_the_next_advance_goes_on_from_a_stop() -> None:
    hv, vm = started(COUNTS)
    hv.stops.add(hv, StopPoint(0, "", vm.id, breakpoints=frozenset({ENTRY + 8})))
    for count in range(1, 20):
        assert hv.advance(MS) == "break"
        assert vm.vcpus[0].cpu.x[2] == count - 1
    hv.stops.remove(hv, 1)
    assert hv.advance(MS) == "time"
    assert hv.stops.stopped is None


def test_a_condition_decides_whether_time_stands_still() -> None:
    hv, vm = started(COUNTS)
    at = frozenset({ENTRY + 8})
    point = hv.stops.add(hv, StopPoint(0, "", vm.id, breakpoints=at, condition=RegisterIs(2, 30)))
    assert hv.advance(MS) == "break"
    assert (vm.vcpus[0].cpu.x[2], point.hits) == (30, 1)


def test_ignored_hits_are_counted_and_one_that_stops_once_is_gone() -> None:
    hv, vm = started(COUNTS)
    hv.stops.add(hv, StopPoint(0, "", vm.id, breakpoints=frozenset({ENTRY + 8}), ignore=5, once=True))
    assert hv.advance(MS) == "break"
    assert vm.vcpus[0].cpu.x[2] == 5
    assert hv.advance(MS) == "time"
    assert not hv.stops.points


def test_a_stop_point_that_is_off_stops_nobody() -> None:
    hv, vm = started(COUNTS)
    point = hv.stops.add(hv, StopPoint(0, "", vm.id, watches=(Watch(0x4020_0000, 0x4020_0008),)))
    point.enabled = False
    hv.stops.apply(hv)
    assert hv.advance(MS) == "time"


def test_a_watch_says_what_the_value_was_and_is() -> None:
    hv, vm = started(COUNTS)
    hv.stops.add(hv, StopPoint(0, "", vm.id, watches=(Watch(0x4020_0000, 0x4020_0008),)))
    for count in range(1, 5):
        assert hv.advance(MS) == "break"
        stopped = hv.stops.stopped
        assert stopped is not None
        assert stopped.hit == Hit("write", ENTRY + 12, 0x4020_0000, 8, count, was=count - 1)
        assert stopped.pc == ENTRY + 16


def test_a_condition_without_an_address_is_asked_before_every_instruction_from_its_time_on() -> None:
    hv, vm = started(COUNTS)
    hv.stops.add(hv, StopPoint(0, "", vm.id, everywhere=True, after=MS // 10, condition=RegisterIs(2, 300)))
    assert hv.advance(MS) == "break"
    assert vm.vcpus[0].cpu.pc == ENTRY + 12, "behind the addition"
    assert vm.vcpus[0].cpu.x[2] == 300


def test_a_stop_point_at_an_event_stops_when_the_event_was_handled() -> None:
    hv, vm = started("nop\n" + hvc(3) + "mov x5, #1\n" + POWERS_OFF)
    hv.stops.add(hv, StopPoint(0, "a hypercall", events=True, condition=IsHypercall()))
    assert hv.advance(10 * MS) == "break"
    stopped = hv.stops.stopped
    assert stopped is not None and isinstance(stopped.event, Hypercall)
    assert (stopped.vm, stopped.vcpu, vm.vcpus[0].cpu.x[5]) == (0, 0, 0)
    assert hv.advance(10 * MS) != "break"


def test_no_observer_stays_when_no_stop_point_waits_for_events() -> None:
    hv, _ = started(SPINS)
    before = list(hv.events.observers)
    hv.stops.add(hv, StopPoint(0, "", events=True))
    hv.stops.remove(hv, 1)
    assert hv.events.observers == before


def test_a_vm_that_starts_again_keeps_its_stop_points_and_one_that_is_deleted_does_not() -> None:
    hv, vm = started(POWERS_OFF)
    hv.stops.add(hv, StopPoint(0, "", vm.id, breakpoints=frozenset({ENTRY})))
    for _ in range(2):
        assert hv.advance(10 * MS) == "break"
        hv.advance(10 * MS)
        hv.start(vm)
    hv.stop(vm, force=True)
    hv.advance(10 * MS)
    hv.advance(10 * MS)
    hv.remove(vm)
    assert not hv.stops.points


def test_a_stop_point_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    hv, _ = started(SPINS)
    hv.stops.add(hv, StopPoint(0, ""))
    hv.stops.add(hv, StopPoint(0, "", owner="gdb"))
    with pytest.raises(AxError, match=r"^there is no stop point 2 \(there are: 1\)$"):
        hv.stops.find(2)


def test_recording_of_accesses_goes_on_when_a_vm_starts_again() -> None:
    hv, vm = started(COUNTS)
    accesses = AccessTrace()
    vm.vcpus[0].cpu.record_accesses(accesses)
    hv.advance(MS)
    hv.stop(vm, force=True)
    hv.advance(2 * MS)
    before = len(accesses)
    hv.start(vm)
    hv.advance(3 * MS)
    assert before and len(accesses) > before


def race() -> Hypervisor:
    """A hypervisor with the racing guest, started, that records what happens."""
    hv = hypervisor()
    hv.events.add(Recorder())
    vm = hv.create(config(RACE, cpus=2))
    hv.start(vm)
    hv.console_input(vm, b"")
    return hv


def result_of(hv: Hypervisor) -> tuple[object, ...]:
    """All that can differ between two runs."""
    recorder = hv.events.observers[0]
    assert isinstance(recorder, Recorder)
    vm = hv.vms.find(0)
    registers = [(vcpu.cpu.pc, vcpu.cpu.executed, vcpu.cpu.x) for vcpu in vm.vcpus]
    return recorder.fingerprint(), vm.read(0x4020_0000, 8), registers


def run_with_stops(hv: Hypervisor, rng: random.Random) -> int:
    """Run to the end with random stops, budgets and copies; how often it stood still."""
    for _ in range(rng.randrange(1, 4)):
        at = frozenset({ENTRY + 4 * rng.randrange(8, 24)})
        watch = Watch(0x4020_0000, 0x4020_0008, rng.choice(("r", "w", "rw")))
        point = StopPoint(0, "", 0, ignore=rng.randrange(50))
        if rng.random() < 0.5:
            point.breakpoints = at
        else:
            point.watches = (watch,)
        hv.stops.add(hv, point)
    stood = 0
    while True:
        budget = rng.choice((None, None, rng.randrange(1, 3000)))
        why = hv.advance(200 * MS, max_instructions=budget)
        if why not in ("break", "instructions"):
            return stood
        stood += 1
        if rng.random() < 0.2:
            for point in hv.stops.points.values():
                point.ignore = rng.randrange(2000)


def test_a_run_of_two_vcpus_is_the_same_with_stops_and_without(volume: Callable[[int], int]) -> None:
    plain = race()
    assert plain.advance(200 * MS) == "idle"
    stood = 0
    for seed in range(volume(60)):
        hv = race()
        stood += run_with_stops(hv, random.Random(seed))
        assert result_of(hv) == result_of(plain), seed
    assert stood > 100


def test_a_copy_that_was_made_at_a_stop_has_the_same_future() -> None:
    hv = race()
    hv.stops.add(hv, StopPoint(0, "", 0, watches=(Watch(0x4020_0000, 0x4020_0008),), ignore=2500))
    assert hv.advance(200 * MS) == "break"
    other = copy.deepcopy(hv)
    assert other.stops.stopped == hv.stops.stopped
    for one in (hv, other):
        one.stops.remove(one, 1)
        one.advance(200 * MS)
    assert result_of(hv) == result_of(other)
