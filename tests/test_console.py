"""A VM's console in a notebook: what it shows, what is sent to the browser, what is typed; the machine live."""

from __future__ import annotations

import asyncio
import copy
import signal
import time
from typing import Any

import pytest
from notebook_cells import value
from shell_labs import ECHOES, lab_with, prints
from small_guests import COUNTS

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.console import Console
from axlab.notebook.figures import show
from axlab.notebook.live import Live
from axlab.notebook.live_machine import LiveMachine, machine_of
from axlab.notebook.widgets import ConsoleView
from axlab.shell.pace import LAG, Pace

MS = 1_000_000


class Browser(ConsoleView):
    """A view that keeps what it sends."""

    def __init__(self, scene: Console) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(scene)
        self.live.close()  # it is refreshed when the test says so

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)


def echo() -> Lab:
    """A lab whose guest sends back what is typed; it was started."""
    lab = lab_with(ECHOES)
    lab.shell("vm start 0 --detach")
    return lab


def test_it_shows_what_the_guest_printed() -> None:
    lab = lab_with(prints("\x1b[31mred\x1b[0m\r\nplain"))
    lab.shell("vm start 0")
    data = Console(lab, 0).data()
    assert (data["state"], data["past"], data["live"]) == ("Stopped", 0, False)
    assert data["rows"] == ['<span style="color:#e06c75">red</span>', "plain"]


def test_a_still_console_is_text_with_colours_and_an_alternative() -> None:
    lab = lab_with(prints("\x1b[31mred"))
    lab.shell("vm start 0")
    still = show(lab, "console", ["0"])
    bundle = still._repr_mimebundle_()
    assert bundle["text/plain"] == "Console of VM[0] guest0 (Stopped)\nred"
    assert '<span style="color:#e06c75">red</span>' in bundle["text/html"]
    assert still.alt == "Console of VM[0] guest0 (Stopped). Last line: red"
    assert "<svg" in still.svg


def test_what_is_typed_reaches_the_guest_and_its_answer_is_shown() -> None:
    lab = echo()
    console = Console(lab, 0)
    answer = console.receive({"typed": "hi"})
    assert answer.ok and "The machine stands still" in answer.text
    assert console.data()["waiting"] == 1  # the UART has room for one
    lab.run("1ms")
    assert console.data()["waiting"] == 0
    assert console.data()["rows"][0].startswith("hi<span")


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ({"typed": "x" * 70_000}, "70000 bytes are too many at once; at most 65536 are typed"),
        ({"typed": 3}, "this view does not understand {'typed': 3}"),
        ({"live": "yes"}, "this view does not understand {'live': 'yes'}"),
        ({}, "this view does not understand {}"),
    ],
)
def test_a_message_that_is_none_is_refused(message: dict[str, Any], wrong: str) -> None:
    with pytest.raises(AxError) as caught:
        Console(echo(), 0).receive(message)
    assert str(caught.value) == wrong


def test_nobody_reads_the_console_of_a_vm_that_does_not_run() -> None:
    lab = lab_with(ECHOES)
    with pytest.raises(AxError, match=r"VM\[0\] is Loaded; nobody reads its console"):
        Console(lab, 0).receive({"typed": "x"})
    with pytest.raises(AxError, match=r"VM\[7\] does not exist any more"):
        Console(lab, 7).receive({"typed": "x"})


def test_a_vm_that_is_made_anew_or_deleted_does_not_confuse_it() -> None:
    lab = lab_with(prints("first"))
    lab.shell("vm start 0")
    console = Console(lab, 0)
    assert console.data()["rows"] == ["first"]
    lab.shell("vm delete 0")
    assert console.data()["state"] == ""
    lab.hypervisor.create(lab_with(prints("second")).vm(0).config)
    lab.shell("vm start 0")
    assert console.data()["rows"] == ["second"]


def test_a_lab_that_goes_back_shows_what_was_printed_then() -> None:
    lab = echo()
    console = Console(lab, 0)
    lab.run("1ms")
    lab.snapshots.save("before")
    console.receive({"typed": "later"})
    lab.run("1ms")
    assert "later" in console.data()["rows"][0]
    lab.snapshots.restore("before")
    assert "later" not in console.data()["rows"][0]


def test_several_consoles_show_each_their_own() -> None:
    lab = lab_with(prints("one"), prints("two"))
    lab.shell("vm start all")
    assert [Console(lab, number).data()["rows"] for number in (0, 1)] == [["one"], ["two"]]


def test_the_browser_gets_everything_when_it_asks_and_then_only_what_changed() -> None:
    lab = echo()
    view = Browser(Console(lab, 0))
    lab.run("1ms")
    view.refresh()
    assert view.sent == []  # nobody has asked
    view.receive({"hello": True})
    assert [message.get("all") for message in view.sent] == [True]
    view.receive({"typed": "a\r\n"})
    lab.run("1ms")
    view.refresh()
    assert view.sent[1:] == [{"rows": view.sent[1]["rows"], "count": 2, "past": []}]
    assert set(view.sent[1]["rows"]) == {"0", "1"} and view.sent[1]["rows"]["0"] == "a"
    view.refresh()
    assert len(view.sent) == 2
    view.receive({"typed": "\r\n" * 25})
    lab.run("10ms")
    view.refresh()
    assert view.sent[2]["past"][0] == "a" and view.sent[2]["count"] == 24


def test_a_mistake_is_shown_in_the_view() -> None:
    view = Browser(Console(lab_with(ECHOES), 0))
    view.receive({"typed": "x"})
    assert view.answer == {"text": "VM[0] is Loaded; nobody reads its console", "ok": False}


def test_a_saved_notebook_shows_the_still_console() -> None:
    lab = lab_with(prints("hello"))
    lab.shell("vm start 0")
    bundle, _ = ConsoleView(Console(lab, 0))._repr_mimebundle_()
    assert "hello" in bundle["text/html"] and "hello" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


# --- the machine, live


def test_a_live_machine_never_runs_ahead_of_the_clock() -> None:
    lab = lab_with(COUNTS)
    lab.shell("vm start 0 --detach")
    now = [100.0]
    machine, pace = LiveMachine(lab), Pace(lab.hypervisor.now, lambda: now[0])
    machine.step(pace)
    assert lab.now == 0
    now[0] += 0.0005
    for _ in range(50):
        machine.step(pace)
    assert lab.now == 500_000
    now[0] += 3600  # the computer slept: nobody catches up an hour
    assert pace.goal(lab.hypervisor.now) == lab.hypervisor.now + LAG


def test_a_command_that_runs_ahead_is_waited_for() -> None:
    now = [0.0]
    pace = Pace(0, lambda: now[0])
    now[0] = 1.0
    assert pace.goal(5_000 * MS) == 5_000 * MS
    now[0] = 1.25
    assert pace.goal(5_200 * MS) == 5_250 * MS


def test_it_runs_between_cells_and_typing_works() -> None:
    async def session() -> tuple[bool, str]:
        lab = echo()
        console = Console(lab, 0)
        console.receive({"live": True})
        was_on = console.data()["live"] and lab.shell.live
        console.receive({"typed": "live"})
        for _ in range(500):
            await asyncio.sleep(0.01)
            if "live" in lab.vm(0).console.text:
                break
        console.receive({"live": False})
        assert not console.data()["live"] and not lab.shell.live
        return was_on, lab.vm(0).console.text

    assert asyncio.run(session()) == (True, "live")


def test_the_kernels_interrupt_ends_it_also_between_its_steps() -> None:
    async def session() -> tuple[str, bool]:
        lab = echo()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a kernel has it between cells
        try:
            machine = machine_of(lab)
            machine.start()
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGINT)
            assert machine.task is not None
            await asyncio.wait_for(machine.task, 60)
            return machine.message, signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)

    assert asyncio.run(session()) == ("interrupted", True)


def test_without_a_loop_it_says_where_a_machine_is_live() -> None:
    with pytest.raises(AxError, match="the machine runs live in a notebook; in a terminal the shell is live"):
        machine_of(echo()).start()


def test_what_ends_it_is_shown_in_the_console() -> None:
    class Wrong:
        def preempts(self, task: Any, waiting: Any, now: int) -> str:
            return "no"

    async def session() -> str:
        lab = lab_with(COUNTS, COUNTS, settings={"cpus": 1, "scheduler": Wrong, "tick": "1ms"})
        lab.shell("vm start all --detach")
        view = ConsoleView(Console(lab, 0))
        machine = machine_of(lab)
        machine.start()
        assert machine.task is not None
        await asyncio.wait_for(machine.task, 60)
        assert view.facts["live"] is False and not lab.shell.live
        return str(view.facts["message"])

    assert "Wrong.preempts" in asyncio.run(session())


def test_a_copy_of_a_live_lab_is_not_live() -> None:
    async def session() -> bool:
        lab = echo()
        machine_of(lab).start()
        other = copy.deepcopy(lab)
        machine_of(lab).stop()
        return bool(other.shell.live or machine_of(other).on)

    assert not asyncio.run(session())


def test_a_new_lab_lets_the_machine_of_the_one_before_stand_still(ip: Any) -> None:
    async def session() -> tuple[bool, bool]:
        lab = value(ip, "%axlab")
        machine_of(lab).start()
        before = machine_of(lab).on
        value(ip, "%axlab new cpus=2")
        return before, machine_of(lab).on or lab.shell.live

    assert asyncio.run(session()) == (True, False)


def test_a_console_is_drawn_at_most_ten_times_a_second() -> None:
    lab = lab_with("    ldr x1, =0x09000000\n    mov w2, #'x'\n1:  str w2, [x1]\n    b 1b")
    lab.shell("vm start 0 --detach")
    view = Browser(Console(lab, 0))
    view.live = Live(lab, view.refresh)
    view.receive({"hello": True})
    began = time.monotonic()
    lab.run("20ms")
    lasted = time.monotonic() - began
    assert len(view.sent) - 1 <= 10 * lasted + 1
