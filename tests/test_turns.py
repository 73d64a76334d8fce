"""What a person does to a live view waits for its turn on the thread that runs the cells."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from shell_labs import lab_with
from small_guests import COUNTS

from axlab.notebook.dashboard import Dashboard
from axlab.notebook.dashboard_view import DashboardView
from axlab.notebook.live_machine import machine_of
from axlab.notebook.state_machine import StateMachine
from axlab.notebook.turns import Turns
from axlab.notebook.widgets import PictureView


def in_a_subshell(work: Any, *args: Any) -> None:
    """As JupyterLab's messages come: from another thread."""
    thread = threading.Thread(target=work, args=args)
    thread.start()
    thread.join()


def test_calls_of_another_thread_are_made_in_order_on_the_thread_of_the_loop() -> None:
    async def session() -> list[tuple[int, bool]]:
        turns = Turns()
        done: list[tuple[int, bool]] = []
        for number in range(3):
            in_a_subshell(
                turns, lambda n: done.append((n, threading.current_thread() is threading.main_thread())), number
            )
        assert done == []  # the cell runs
        await asyncio.sleep(0)
        return done

    assert asyncio.run(session()) == [(0, True), (1, True), (2, True)]


def test_without_a_loop_they_are_made_at_once() -> None:
    done: list[int] = []
    Turns()(done.append, 1)
    assert done == [1]


def test_a_view_obeys_a_browser_that_speaks_over_a_subshell() -> None:
    async def session() -> list[str]:
        lab = lab_with(COUNTS)
        view = PictureView(StateMachine(lab, 0))
        states = [lab.vm(0).state.value]
        in_a_subshell(view._handle_custom_msg, {"command": "start"}, [])
        states.append(lab.vm(0).state.value)
        await asyncio.sleep(0)
        return [*states, lab.vm(0).state.value]

    assert asyncio.run(session()) == ["Loaded", "Loaded", "Running"]


def test_a_dashboards_machine_runs_in_the_loop_of_the_cells() -> None:
    async def session() -> bool:
        lab = lab_with(COUNTS)
        board = DashboardView(Dashboard(lab))
        in_a_subshell(setattr, board.run, "value", True)
        await asyncio.sleep(0)
        task = machine_of(lab).task
        assert task is not None
        machine_of(lab).stop()
        return task.get_loop() is asyncio.get_running_loop()

    assert asyncio.run(session())
