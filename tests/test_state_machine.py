"""The picture of a VM's life: the table of the lifecycle, the path taken, and the commands."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from picture_checks import check_picture, words_of
from shell_labs import DEAF, lab_with

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.state_machine import EDGES, PLACES, StateMachine, draw, state_machine
from axlab.vmm.lifecycle import ADMITS, MOVES, VmStatus

HOSTILE = "<script>alert('我')</script>&\"\x1b[31m"


@pytest.fixture
def lab() -> Lab:
    return lab_with(DEAF)


def scene(lab: Lab) -> StateMachine:
    return StateMachine(lab, 0)


def test_every_state_and_every_move_of_the_table_is_drawn() -> None:
    assert set(PLACES) == set(VmStatus)
    assert set(EDGES) == {(old, new) for old, moves in MOVES.items() for new in moves.values()}
    words = words_of(draw(data_in(VmStatus.LOADED)))
    for why in {why for moves in MOVES.values() for why in moves}:
        assert all(word in words for word in why.split())


def data_in(state: VmStatus, **more: Any) -> dict[str, Any]:
    """The data of a VM in a state, with the verdicts of the table."""
    commands = [{"name": name, "admitted": one.admitted, "message": one.message} for name, one in ADMITS[state].items()]
    return {"vm": 3, "name": "linux", "state": str(state), "reason": "", "path": [], "commands": commands} | more


@pytest.mark.parametrize("state", VmStatus)
def test_the_picture_of_each_state_says_what_may_be_commanded(state: VmStatus) -> None:
    picture = draw(data_in(state))
    check_picture(picture)
    assert f"it is {state}." in picture.alt
    for name, verdict in ADMITS[state].items():
        assert f"{'✓' if verdict.admitted else '✗'} {name}" in picture.text
        assert verdict.message in words_of(picture)


def test_the_data_is_the_path_and_the_state(lab: Lab) -> None:
    lab.shell("vm start 0 --detach")
    lab.shell("vm run --for 1ms")
    data = scene(lab).data()
    assert data["state"] == "Running"
    assert [(move["time"], move["new"]) for move in data["path"]] == [(0, "Loaded"), (0, "Running")]
    assert [one["name"] for one in data["commands"] if one["admitted"]] == ["stop", "suspend"]


def test_a_path_begins_when_the_vm_was_created(lab: Lab) -> None:
    lab.shell("vm start 0 --detach; vm stop 0 --force; vm delete 0 --force")
    assert scene(lab).data()["state"] == ""
    check_picture(scene(lab).picture())
    assert "The VM does not exist any more." in words_of(scene(lab).picture())
    lab.create("demo")
    assert [move["new"] for move in scene(lab).data()["path"]] == ["Loaded"]


def test_a_move_made_twice_is_counted(lab: Lab) -> None:
    lab.shell("vm start 0 --detach; vm suspend 0; vm resume 0; vm suspend 0")
    picture = state_machine(lab, lab.vm(0))
    assert "×2" in words_of(picture)
    assert picture.alt == (
        "State machine of VM[0] guest0: it is Suspended. Path: Loading → Loaded → Running → Suspended → Running → "
        "Suspended. Commands allowed now: stop, resume."
    )


def test_a_long_path_shows_its_end(lab: Lab) -> None:
    lab.shell("vm start 0 --detach")
    for _ in range(5):
        lab.shell("vm suspend 0; vm resume 0")
    picture = scene(lab).picture()
    check_picture(picture)
    assert "Path taken, the last 6 of 12 moves" in words_of(picture)


def test_buttons_are_the_commands_and_say_why_they_are_refused(lab: Lab) -> None:
    buttons = {control.label: control for control in scene(lab).controls(scene(lab).data())}
    assert buttons["Start"].enabled and buttons["Start"].send == {"command": "start"}
    assert not buttons["Resume"].enabled
    assert buttons["Resume"].hint == "VM is not started yet, use 'vm start' instead"


def test_a_command_runs_and_gives_what_the_shell_says(lab: Lab) -> None:
    answer = scene(lab).receive({"command": "start"})
    assert answer.ok and "✓ VM[0] started successfully" in answer.text
    assert lab.vm(0).state == "Running"


def test_a_refused_command_shows_the_verdict(lab: Lab) -> None:
    answer = scene(lab).receive({"command": "suspend"})
    assert not answer.ok
    assert "✗ Failed to suspend VM[0]: VM is not running, cannot suspend" in answer.text


def test_the_machine_can_be_let_run(lab: Lab) -> None:
    scene(lab).receive({"command": "start"})
    scene(lab).receive({"run": "10ms"})
    assert lab.now >= 10_000_000


@pytest.mark.parametrize(
    "message", [{}, {"command": "delete"}, {"command": 7}, {"run": "1s; vm delete 0"}, {"run": []}, {"command": None}]
)
def test_other_messages_are_refused(lab: Lab, message: dict[str, Any]) -> None:
    with pytest.raises(AxError, match="this view does not understand"):
        scene(lab).receive(message)


def test_a_command_for_a_vm_that_is_gone_is_refused(lab: Lab) -> None:
    machine = scene(lab)
    lab.shell("vm delete 0 --force")
    with pytest.raises(AxError, match=r"VM\[0\] does not exist any more"):
        machine.receive({"command": "start"})


def test_hostile_names_and_reasons_are_only_words() -> None:
    move = {"time": 10**18, "old": "Running", "new": "Stopping", "reason": HOSTILE}
    picture = draw(data_in(VmStatus.RUNNING, name=HOSTILE, reason=HOSTILE, path=[move] * 9))
    check_picture(picture)
    assert "<script>alert('我')</script>&\"\\x1b[31m: life cycle" in words_of(picture)
    assert "<script" not in picture.html() and "\x1b" not in picture.svg


def test_looking_changes_nothing(lab: Lab) -> None:
    lab.shell("vm start 0 --detach")
    watched = copy.deepcopy(lab)
    for one, look in ((lab, lambda: None), (watched, scene(watched).picture)):
        run_with(one, look)
    assert lab.fingerprint() == watched.fingerprint()


def run_with(lab: Lab, look: Callable[[], Any]) -> None:
    for _ in range(3):
        look()
        lab.run("1ms")
