"""The pictures that `%axlab` draws by name, each from a scene: still, or live with `--live`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from axlab.errors import AxError, nearest
from axlab.notebook.scene import Scene
from axlab.units import parse_duration

LIVE = "--live"
AGAINST = "--against"
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: how it is asked for, what it shows, and its scene, made of a lab and the words of the command."""

    usage: str
    summary: str
    scene: Callable[[Any, list[str]], Any]


def show(
    lab: Any, name: str, words: list[str], memory: dict[str, Any] | None = None, variables: Mapping[str, Any] = NOTHING
) -> Any:
    """Draw a figure of a lab; with the word `--live`, its live view. Raises AxError.

    `memory` is what figures of this lab keep from one look to the next; `variables` are the person's, among them the
    labs that `--against` may name.
    """
    check_options(name, words)
    against, others = _option(words, AGAINST, name, "the name of a variable that holds a lab")
    scene = FIGURES[name].scene(lab, [word for word in others if word != LIVE])
    if memory is not None and isinstance(scene, Scene):
        scene.remember(memory)
    if against:
        scene.beside(*_other(lab, scene.vm, against, variables), against.partition(".")[0])
    return live(scene) if LIVE in words else scene.picture()


def lab_named(name: str, variables: Mapping[str, Any]) -> Any:
    """The lab that a variable holds. Raises AxError, which names the variables that hold one."""
    labs = labs_among(variables)
    if name in labs:
        return variables[name]
    if not labs:
        raise AxError(f"{name} is no lab; make one with {name} = axlab.Lab()")
    close = nearest(name, labs)
    raise AxError(f"{name} is no lab{close + ' Labs' if close else '; labs'} are {', '.join(labs)}")


def labs_among(variables: Mapping[str, Any]) -> list[str]:
    """The names of the variables that hold a lab."""
    from axlab.lab import Lab

    return sorted(name for name, held in variables.items() if isinstance(held, Lab) and not name.startswith("_"))


def _other(lab: Any, vm: int | None, text: str, variables: Mapping[str, Any]) -> tuple[Any, int | None]:
    """The lab, and the VM of it, that LAB or LAB.VM means: without VM the one of the same name. Raises AxError."""
    name, dot, of = text.partition(".")
    other = lab_named(name, variables)
    if not dot and vm is None:
        return other, None
    return other, other.trace.id_of(int(of) if of.isdecimal() else of or lab.vm(vm).name)


def check_options(name: str, words: list[str]) -> None:
    """Raises AxError where a word is an option that the figure does not have."""
    options = options_of(name)
    for word in words:
        if word.startswith("--") and word not in options:
            known = f"\nUsage: %axlab {FIGURES[name].usage}"
            raise AxError(f"unknown option {word} of %axlab {name}{nearest(word, options)}{known}")


def options_of(name: str) -> list[str]:
    """The options of a figure."""
    return re.findall(r"--[a-z]+", FIGURES[name].usage)


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

    begin, words = _option(words, "--from", "timeline", "a time, such as 10ms")
    end, words = _option(words, "--to", "timeline", "a time, such as 10ms")
    vm = _vm(lab, words, "timeline").id if words else None
    if not begin and not end:
        return Timeline(lab, vm)
    return Timeline(lab, vm, window(parse_duration(begin or "0ns"), parse_duration(end) if end else lab.now))


def _option(words: list[str], name: str, command: str, wanted: str) -> tuple[str, list[str]]:
    """The word behind an option ("": there is none), and the other words. Raises AxError."""
    if name not in words:
        return "", words
    place = words.index(name)
    if place + 1 == len(words):
        raise AxError(f"{name} takes {wanted}: %axlab {FIGURES[command].usage}")
    return words[place + 1], words[:place] + words[place + 2 :]


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


def _console(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.console import Console

    return Console(lab, _vm(lab, words, "console").id)


def _dashboard(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.dashboard import Dashboard

    return Dashboard(lab, _vm(lab, words, "dashboard").id if words else None)


def _exits(lab: Any, words: list[str]) -> Any:
    from axlab.notebook.exit_profile import PARTS, ExitProfile

    by, words = _option(words, "--by", "exits", f"what to count by: {', '.join(PARTS)}")
    if by and by not in PARTS:
        raise AxError(f"exits are not counted by {by!r}{nearest(by, list(PARTS))} (there is {', '.join(PARTS)})")
    return ExitProfile(lab, _vm(lab, words, "exits").id if words else None, by=(by,) if by else PARTS)


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
    "exits": Figure(
        "exits [VM] [--by PART] [--against LAB[.VM]] [--live]",
        "draw where exits come from, by reason, place, device; beside another run",
        _exits,
    ),
    "console": Figure("console VM [--live]", "show what a VM printed; live: type into it", _console),
    "dashboard": Figure("dashboard [VM] [--live]", "all of these on one page", _dashboard),
}
