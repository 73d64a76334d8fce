"""On the way back: what is told, who sees it, and that a journey can be interrupted."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any

import pytest
from counting import history_of
from shell_labs import said
from test_snapshots import busy_lab, state_of

from axlab.shell.progress import Progress
from axlab.vmm.stops import StopPoint

NEVER = StopPoint(1, "", breakpoints=frozenset({8}))


def test_an_interrupted_journey_leaves_the_lab_where_it_was() -> None:
    lab = busy_lab()
    lab.run("3ms")
    state, history = state_of(lab), history_of(lab)
    asked = iter(range(1000))
    with pytest.raises(KeyboardInterrupt):
        history.back(7, 10_000, lambda: next(asked) > 5)
    assert state_of(lab) == state
    history.to(1_000_000)
    past, asked = state_of(lab), iter(range(1000))
    with pytest.raises(KeyboardInterrupt):
        history.to_end(lambda: next(asked) > 5)
    assert state_of(lab) == past
    history.to_end()
    assert state_of(lab) == state


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")
@pytest.mark.parametrize("journey", ["vm back 0 --to 1ms", "vm back 7 9000", "vm back 0 --until 'pc == 0x44'"])
def test_ctrl_c_on_the_way_leaves_the_lab_where_it_was_and_usable(journey: str) -> None:
    lab = busy_lab()
    lab.run("3ms")
    state = state_of(lab)

    class PressesCtrlC:
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks == 4:
                os.kill(os.getpid(), signal.SIGINT)

    lab.watchers.append(PressesCtrlC())
    assert said(lab.shell(journey))[0] == "⚠ interrupted: the lab is where it was"
    assert state_of(lab) == state
    lab.watchers.clear()
    assert lab.shell("vm back 0 --to 1ms").ok and lab.now == 1_000_000
    lab.shell("vm forward")
    assert state_of(lab) == state
    lab.watchers.append(PressesCtrlC())
    with pytest.raises(KeyboardInterrupt):
        history_of(lab).to(500_000)
    assert state_of(lab) == state


@pytest.mark.parametrize(
    ("go", "line"),
    [
        (lambda history: history.to(1_000_000), r"replaying 0 ns to 1 ms: \d+ %"),
        (lambda history: history.back(7, 9_000), r"replaying 0 ns to 3 ms: \d+ %"),
        (lambda history: history.back_until([NEVER]), r"looking back to .*: \d+ %"),
    ],
    ids=["to", "back", "until"],
)
def test_on_the_way_it_is_said_what_is_replayed_and_how_much_of_it_is_done(go: Any, line: str) -> None:
    lab = busy_lab()
    lab.run("3ms")
    shown: list[str] = []
    clock = iter(range(100_000))
    lab.progress = lambda hypervisor: Progress(hypervisor, lambda: next(clock), shown.append, lambda: None)
    go(history_of(lab))
    assert shown and all(re.fullmatch(line, one) for one in shown), shown[:3]
    parts = [int(one.split()[-2]) for one in shown]
    assert parts[0] < 50 < parts[-1] <= 100


def test_observers_see_no_journeys() -> None:
    lab = busy_lab()
    lab.run("1ms")
    seen: list[Any] = []
    lab.events.add(seen.append)
    history_of(lab).to(500_000)
    history_of(lab).to_end()
    assert seen == []
    lab.run("1ms")
    assert seen
