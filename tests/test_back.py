"""Going back: to any moment exactly, on again into the same future, or into another one."""

from __future__ import annotations

import copy
import random
import re

import pytest
from counting import counted, counting_lab, executed, history_of
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_labs import ECHOES, lab_with, said
from test_snapshots import busy_lab, state_of

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.time.tree import timeline_of, tree_of


@settings(max_examples=5)
@given(st.integers(0, 99), st.sampled_from(["fifo", "rr", "fair"]))
def test_any_moment_can_be_gone_to_and_has_the_same_future(seed: int, scheduler: str) -> None:
    lab, chance = busy_lab(scheduler), random.Random(seed)
    history, states = history_of(lab), []
    for _ in range(5):
        lab.hypervisor.advance(max_instructions=chance.randrange(15_000))
        states.append((history.place, history.done, state_of(lab)))
        if chance.random() < 0.5:
            history.remember()
        if chance.random() < 0.5:
            lab.hypervisor.console_input(lab.vm(0), b"typed")
    lab.hypervisor.advance(max_instructions=5_000)
    last, end = history.place, state_of(lab)
    for place, done, state in chance.sample(states, 3):
        history.go(place, done)
        assert state_of(lab) == state
        if chance.random() < 0.5:
            lab.hypervisor.advance(max_instructions=chance.randrange(9_000))
    history.go(last, len(history.commands))
    assert state_of(lab) == end
    assert len(history.branches.known) == 1


def test_n_instructions_back_are_exactly_n() -> None:
    lab = counting_lab()
    lab.run("3ms")
    history, before, pc = history_of(lab), executed(lab), lab.vm(0).vcpus[0].cpu.pc
    history.back(0, 4)
    assert executed(lab) == before - 4 and lab.vm(0).vcpus[0].cpu.pc == pc
    history.back(0, 10_000)
    assert executed(lab) == before - 10_004
    assert counted(lab) == (before - 10_004) // 4


def test_the_instructions_of_one_of_several_vms_are_counted() -> None:
    lab = busy_lab()
    lab.run("2ms")
    for vm, count in ((0, 20), (7, 321)):
        before = executed(lab, vm)
        history_of(lab).back(vm, count)
        assert executed(lab, vm) == before - count


def test_more_instructions_than_there_were_are_refused() -> None:
    lab = counting_lab()
    lab.run("1ms")
    state = state_of(lab)
    with pytest.raises(AxError, match=r"^VM\[0\] can go back 10000 instructions, and 10001 are too many$"):
        history_of(lab).back(0, 10_001)
    assert state_of(lab) == state
    history_of(lab).back(0, 10_000)
    assert executed(lab) == 0


def test_a_time_can_be_gone_to_in_the_past_and_in_the_known_future() -> None:
    lab = counting_lab()
    states = {}
    for time in (1, 2, 3):
        lab.run("1ms")
        states[time] = state_of(lab)
    for time in (1, 3, 2, 1):
        history_of(lab).to(time * 1_000_000)
        assert state_of(lab) == states[time]
    with pytest.raises(AxError, match=r"^4 ms is not in the lab's history, which is known from 0 ns to 3 ms$"):
        history_of(lab).to(4_000_000)


def test_what_was_typed_comes_again_at_its_time() -> None:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    for text in (b"one ", b"two ", b"three "):
        lab.run("1ms")
        lab.hypervisor.console_input(lab.vm(0), text)
    lab.run("1ms")
    end = state_of(lab)
    history_of(lab).to(500_000)
    assert lab.vm(0).console.text == ""
    lab.run("1ms")
    assert lab.vm(0).console.text == "one "
    lab.run("2500us")
    assert lab.vm(0).console.text == "one two three " and state_of(lab) == end


def test_commands_come_again_too() -> None:
    lab = Lab(code_cache=False)
    lab.shell("vm create demo")
    lab.shell("vm start 0 -d")
    lab.run("1ms")
    lab.shell("vm suspend 0")
    lab.run("2ms")
    lab.shell("vm resume 0")
    lab.run("100ms")
    lab.shell("vm delete 0")
    end = state_of(lab)
    history_of(lab).to(0)
    assert len(lab.hypervisor.vms) == 0 or str(lab.vm(0).state) == "Running"
    history_of(lab).to_end()
    assert state_of(lab) == end and len(lab.hypervisor.vms) == 0


def test_something_else_in_the_past_is_another_branch_and_both_can_be_gone_to() -> None:
    lab = lab_with(ECHOES)
    vm = lab.vm(0)
    lab.hypervisor.start(vm)
    lab.run("1ms")
    lab.hypervisor.console_input(vm, b"left")
    lab.run("1ms")
    left, history = state_of(lab), history_of(lab)
    history.to(500_000)
    lab.hypervisor.console_input(vm, b"right")
    lab.run("1ms")
    right = state_of(lab)
    assert (vm.console.text, history.branches.current) == ("right", 1)
    for number, state in ((0, left), (1, right), (0, left)):
        history.switch(number)
        assert state_of(lab) == state
    assert [(one["branch"], one["parent"], one["fork"], one["end"], one["here"]) for one in tree_of(history)] == [
        (0, None, 0, 2_000_000, True),
        (1, 0, 500_000, 1_500_000, False),
    ]
    with pytest.raises(AxError, match=r"^there is no branch 2 \(there are: 0, 1\)$"):
        history.switch(2)


def test_a_snapshot_is_a_place_in_the_tree() -> None:
    lab = lab_with(ECHOES)
    lab.hypervisor.start(lab.vm(0))
    lab.run("1ms")
    lab.snapshots.save("here")
    lab.hypervisor.console_input(lab.vm(0), b"left")
    lab.run("1ms")
    left, history = state_of(lab), history_of(lab)
    lab.snapshots.restore("here")
    lab.run("1ms")
    assert lab.vm(0).console.text == "" and history.branches.current == 1
    history.switch(0)
    assert state_of(lab) == left
    history.to(500_000)
    lab.snapshots.restore("here")
    assert lab.now == 1_000_000
    history.back(0, 10)
    history.to_end()
    assert lab.now == 1_000_000


def test_a_snapshot_of_disk_begins_a_history() -> None:
    lab = counting_lab()
    lab.snapshots.save("here", disk=True)
    lab.snapshots.forget("here")
    lab.run("1ms")
    lab.snapshots.restore("here")
    lab.run("1ms")
    history_of(lab).back(0, 10_000)
    assert counted(lab) == 0
    with pytest.raises(AxError, match="can go back 0 instructions"):
        history_of(lab).back(0, 1)


def test_a_change_past_the_commands_is_said_where_it_shows() -> None:
    lab = counting_lab()
    lab.run("1ms")
    history_of(lab).to(500_000)
    lab.vm(0).vcpus[0].cpu.pc = 0x4009_0000  # zeros: an undefined instruction, for ever
    lab.hypervisor.stop(lab.vm(0), force=True)
    lab.run("1ms")
    assert history_of(lab).branches.current == 1
    history_of(lab).switch(0)
    assert str(lab.vm(0).state) == "Running" and lab.now == 1_000_000


def test_checkpoints_are_dense_near_now_and_bounded() -> None:
    lab = counting_lab()
    history = history_of(lab)
    history.checkpoints.most = 16
    for _ in range(100):
        lab.hypervisor.advance(max_instructions=50)
        history.effort += 1.0
        history.remember()
    known = history.known()
    ages = [known[-1].effort - one.effort for one in known]
    assert len(known) <= 16 + 4 and known[0].place.now == 0
    assert all(3 * max(1.1, younger) > older for older, younger in zip(ages[1:], ages[2:], strict=False))


def test_a_copy_has_a_history_of_its_own() -> None:
    lab = counting_lab()
    lab.run("1ms")
    twin = copy.deepcopy(lab)
    twin.run("1ms")
    history_of(twin).back(0, 10_000)
    assert state_of(twin) == state_of(lab)
    with pytest.raises(AxError):
        history_of(twin).back(0, 1)


def test_a_lab_without_history_says_so() -> None:
    lab = Lab(code_cache=False, history=False)
    lab.create("demo")
    assert said(lab.shell("vm back 0")) == ["✗ this lab keeps no history: it was made with history = false"]


def test_the_commands_say_where_the_lab_is() -> None:
    lab = counting_lab()
    lab.run("1ms")
    back = lab.shell("vm back 0 4")
    assert said(back)[0] == "✓ the lab is at 999.6 us (it was at 1 ms)"
    assert re.fullmatch(r"  VCPU 0: 0x4008[0-9a-f]{4}: .+", said(back)[1])
    assert said(back)[2] == "ℹ its future is known to 1 ms; 'vm forward' goes there"
    assert back.json()["end"] == 1_000_000
    assert said(lab.shell("vm forward")) == ["✓ the lab is at 1 ms (it was at 999.6 us)"]
    assert said(lab.shell("vm back 0 --to 250us"))[0] == "✓ the lab is at 250 us (it was at 1 ms)"
    lab.shell("vm stop 0 -f")
    assert said(lab.shell("vm branches")) == [
        "  0  0 ns to 1 ms: create 0 guest0 and 1 more",
        "*   1  250 us to 250 us: stop 0 True",
    ]
    assert said(lab.shell("vm branches --go 0"))[0].startswith("* 0")
    assert lab.now == 1_000_000
    assert said(lab.shell("vm back 0 -c"))[0].startswith("✗ VM[0] has no stop point to go back to")
    assert said(lab.shell("vm back 0 3 --to 1ms")) == ["✗ N, --to, --until and --continue exclude each other"]


def test_a_slider_has_all_that_it_needs() -> None:
    lab = counting_lab()
    lab.run("1ms")
    history_of(lab).to(500_000)
    assert timeline_of(history_of(lab)) == {
        "start": 0,
        "now": 500_000,
        "end": 1_000_000,
        "branch": 0,
        "checkpoints": [0],
        "commands": [{"time": 0, "text": "create 0 guest0"}, {"time": 0, "text": "start 0"}],
    }
