"""What holds of a VM's interrupt controller whatever a guest does."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from interrupt_bench import (
    ANY_CPU,
    BLOCK,
    GICD,
    IROUTER,
    NET,
    SPURIOUS,
    UART,
    Bench,
)

from axlab.machine.gic_list_registers import (
    LR_ACTIVE,
    LR_PENDING,
)

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
