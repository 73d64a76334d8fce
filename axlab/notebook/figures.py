"""The pictures that `%axlab` draws by name, each from a scene: still, or live with `--live`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError, nearest
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Scene
from axlab.units import parse_duration

LIVE = "--live"


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: how it is asked for, what it shows, and its scene, made of a lab and the words of the command."""

    usage: str
    summary: str
    scene: Callable[[Any, list[str]], Any]


def show(lab: Any, name: str, words: list[str], memory: dict[str, Any] | None = None) -> Any:
    """Draw a figure of a lab; with the word `--live`, its live view. Raises AxError.

    `memory` is what figures of this lab keep from one look to the next.
    """
    check_options(name, words)
    scene = FIGURES[name].scene(lab, [word for word in words if word != LIVE])
    if memory is not None and isinstance(scene, Scene):
        scene.remember(memory)
    if isinstance(scene, Picture):
        return scene
    return live(scene) if LIVE in words else scene.picture()


def check_options(name: str, words: list[str]) -> None:
    """Raises AxError where a word is an option that the figure does not have."""
    options = re.findall(r"--[a-z]+", FIGURES[name].usage)
    for word in words:
        if word.startswith("--") and word not in options:
            known = f"\nUsage: %axlab {FIGURES[name].usage}"
            raise AxError(f"unknown option {word} of %axlab {name}{nearest(word, options)}{known}")


def live(scene: Any) -> Any:
    """The live view of a scene: `live(StateMachine(lab, 0))`. Raises AxError where anywidget is missing."""
    try:
        from axlab.notebook.dashboard_view import view_of
    except ImportError as error:
        raise AxError(f"a live view needs anywidget: python -m pip install anywidget ({error})") from None
    return view_of(scene)


def _vm(lab: Any, words: list[str], name: str) -> Any:
    if len(words) != 1:
        raise AxError(f"%axlab {name} takes one VM: {FIGURES[name].usage}")
    return lab.vm(int(words[0]) if words[0].isdecimal() else words[0])


def _states(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.state_machine import StateMachine

    return StateMachine(lab, _vm(lab, words, "states").id)


def _timeline(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.timeline import Timeline, window

    begin, words = _option(words, "--from", "timeline")
    end, words = _option(words, "--to", "timeline")
    vm = _vm(lab, words, "timeline").id if words else None
    if begin is None and end is None:
        return Timeline(lab, vm)
    return Timeline(lab, vm, window(begin or 0, lab.now if end is None else end))


def _option(words: list[str], name: str, command: str) -> tuple[int | None, list[str]]:
    """The duration behind an option, and the other words. Raises AxError."""
    if name not in words:
        return None, words
    place = words.index(name)
    if place + 1 == len(words):
        raise AxError(f"{name} takes a time, such as 10ms: %axlab {FIGURES[command].usage}")
    return parse_duration(words[place + 1]), words[:place] + words[place + 2 :]


def _map(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.memory_map import MemoryMap

    return MemoryMap(lab, _vm(lab, words, "map").id)


def _walk(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.walk import WalkScene, address_in

    physical = "--physical" in words
    words = [word for word in words if word != "--physical"]
    if len(words) != 2:
        raise AxError(f"%axlab walk takes a VM and an address: {FIGURES['walk'].usage}")
    vm = _vm(lab, words[:1], "walk")
    return WalkScene(lab, vm.id, address_in(vm, words[1]), physical)


def _cpu(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.vcpu_view import VcpuView
    from axlab.shell.inspecting import vcpu_of

    name, dot, number = (words[0] if len(words) == 1 else "").rpartition(".")
    name, number = (name, number) if dot else (number, "0")
    if not name or not number.isdecimal():
        raise AxError(f"%axlab cpu takes a vCPU, such as 0.1: {FIGURES['cpu'].usage}")
    vm = _vm(lab, [name], "cpu")
    return VcpuView(lab, vm.id, vcpu_of(vm, int(number)).id)


def _irqs(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.interrupts import Interrupts

    return Interrupts(lab, _vm(lab, words, "irqs").id)


def _profile(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.exit_profile import ExitProfile

    return ExitProfile(lab, _vm(lab, words, "profile").id if words else None)


def _console(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.console import Console

    return Console(lab, _vm(lab, words, "console").id)


def _dashboard(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.dashboard import Dashboard

    return Dashboard(lab, _vm(lab, words, "dashboard").id if words else None)


def _exits(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.exit_chart import exit_chart

    vm = _vm(lab, words, "exits").id if words else None
    return exit_chart(lab.trace.summary(vm), "all VMs" if vm is None else f"VM[{vm}]")


FIGURES = {
    "states": Figure("states VM [--live]", "draw the life cycle of a VM; live: command it", _states),
    "timeline": Figure(
        "timeline [VM] [--from TIME] [--to TIME] [--live]",
        "draw what the CPUs did when; live: zoom and move",
        _timeline,
    ),
    "map": Figure("map VM [--live]", "draw the memory map of a VM; live: click an address", _map),
    "walk": Figure("walk VM ADDRESS [--physical] [--live]", "draw how an address is translated, bit by bit", _walk),
    "cpu": Figure("cpu VM[.VCPU] [--live]", "draw a vCPU: registers, code, callers; live: step it", _cpu),
    "irqs": Figure("irqs VM [--live]", "draw the interrupts of a VM, and its list registers", _irqs),
    "profile": Figure("profile [VM] [--live]", "draw where exits come from; live: compare with now", _profile),
    "console": Figure("console VM [--live]", "show what a VM printed; live: type into it", _console),
    "dashboard": Figure("dashboard [VM] [--live]", "all of these on one page", _dashboard),
    "exits": Figure("exits [VM]", "draw the exits by reason", _exits),
}
