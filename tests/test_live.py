"""Live views: they are kept up to date at a bearable pace, and obey messages."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from typing import Any

import pytest
from shell_labs import DEAF, lab_with

from axlab.lab import Lab
from axlab.notebook.figures import live
from axlab.notebook.live import Live, Pace, Views, refresh_all, views_of
from axlab.notebook.state_machine import StateMachine


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class View:
    """A view whose looks take `takes` seconds."""

    clock: Clock
    takes: float = 0.0
    seen: list[float] = field(default_factory=list)

    def refresh(self) -> None:
        self.seen.append(self.clock.now)
        self.clock.now += self.takes


class Impatient(Pace):
    """Looks each time."""

    def is_due(self) -> bool:
        return True


@pytest.fixture
def lab() -> Lab:
    return lab_with(DEAF)


def looks_in_a_second(takes: float) -> list[float]:
    clock = Clock()
    view = View(clock, takes)
    views = Views(Pace(clock))
    views.views.append(view.refresh)
    while clock.now < 1:
        views.look()
        clock.now += 0.001
    return view.seen


def test_a_view_looks_at_most_ten_times_a_second() -> None:
    assert len(looks_in_a_second(takes=0.001)) == 10


def test_a_view_that_takes_long_looks_less_often() -> None:
    looks = looks_in_a_second(takes=0.02)
    assert len(looks) == 3  # 20 ms of every 400 ms
    assert len(looks) * 0.02 <= 0.1


def test_a_view_sees_the_machine_while_it_runs(lab: Lab) -> None:
    times: list[int] = []
    lab.watchers.append(Views(Impatient()))
    Live(lab, lambda: times.append(lab.now))
    lab.shell("vm start 0 --detach; vm run --for 50ms")
    assert len(set(times)) > 1 and times == sorted(times)


def test_a_view_that_fails_is_dropped_and_the_machine_runs_on(lab: Lab) -> None:
    def look() -> None:
        raise ValueError("broken")

    Live(lab, look)
    lab.shell("vm start 0 --detach")
    with pytest.warns(UserWarning, match=r"a live view failed .* ValueError\('broken'\)"):
        result = lab.shell("vm run --for 50ms")
    assert result.ok and views_of(lab).views == []


def test_all_views_of_a_lab_keep_to_one_pace(lab: Lab) -> None:
    one, other = Live(lab, lambda: None), Live(lab, lambda: None)
    assert one.views is other.views and lab.watchers == [one.views]


def test_a_copy_of_a_lab_is_not_watched(lab: Lab) -> None:
    Live(lab, lambda: None)
    assert copy.deepcopy(lab).watchers == []
    assert len(lab.watchers) == 1


def test_a_closed_view_looks_no_more(lab: Lab) -> None:
    view = live(StateMachine(lab, 0))
    assert views_of(lab).views == [view.refresh]
    view.close()
    assert views_of(lab).views == []


def test_a_live_view_shows_the_picture_and_its_controls(lab: Lab) -> None:
    view = live(StateMachine(lab, 0))
    assert view.svg == StateMachine(lab, 0).picture().svg
    assert [control["label"] for control in view.controls][:4] == ["Start", "Stop", "Suspend", "Resume"]


def test_a_message_is_obeyed_and_every_view_of_the_lab_shows_it(lab: Lab) -> None:
    one, other = live(StateMachine(lab, 0)), live(StateMachine(lab, 0))
    one._handle_custom_msg({"command": "start"}, [])
    assert one.answer["ok"] and "started successfully" in one.answer["text"]
    assert one.svg == other.svg == StateMachine(lab, 0).picture().svg
    assert "it is Running" in other.picture.alt


@pytest.mark.parametrize("message", [None, [], "start", {"command": "explode"}, {"command": {"a": 1}}])
def test_a_message_that_makes_no_sense_is_answered(lab: Lab, message: Any) -> None:
    view = live(StateMachine(lab, 0))
    view._handle_custom_msg(message, [])
    assert view.answer == {"text": f"this view does not understand {message!r}", "ok": False}


def test_nothing_is_sent_where_nothing_has_changed(lab: Lab) -> None:
    view = live(StateMachine(lab, 0))
    changes: list[Any] = []
    view.observe(changes.append)
    refresh_all(lab)
    assert changes == []
    lab.shell("vm start 0 --detach")
    refresh_all(lab)
    assert {change["name"] for change in changes} == {"svg", "controls"}


def test_a_saved_notebook_has_the_picture_where_no_kernel_runs(lab: Lab) -> None:
    bundle = live(StateMachine(lab, 0))._repr_mimebundle_()[0]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"] == StateMachine(lab, 0).picture().html()
    assert bundle["text/plain"].startswith("VM[0] guest0 is Loaded")


def test_a_view_that_nobody_sees_any_more_costs_nothing(lab: Lab) -> None:
    view = live(StateMachine(lab, 0))
    for here in (1, 1, -1, -1):
        view._handle_custom_msg({"here": here}, [])
    lab.shell("vm start 0 --detach")
    refresh_all(lab)
    assert view.shown["state"] == "Loaded"
    view._handle_custom_msg({"here": 1}, [])
    assert view.shown["state"] == "Running"


def test_a_shown_view_leaves_a_picture_that_needs_no_kernel(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: outputs.append(bundle))
    live(StateMachine(lab, 0))._ipython_display_()
    still, view = outputs
    assert still["text/html"] == f'<div class="axlab-still">{StateMachine(lab, 0).picture().html()}</div>'
    assert (
        "application/vnd.jupyter.widget-view+json" in view and "application/vnd.jupyter.widget-view+json" not in still
    )


def test_no_warning_is_given_for_a_view_that_works(lab: Lab) -> None:
    live(StateMachine(lab, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        lab.shell("vm start 0 --detach; vm run --for 50ms")
