"""A VM's life as a picture: its seven states, the path that it took, and what may be commanded now.

Everything comes from the table `axlab.vmm.lifecycle`: the states, what leads from one to another, the verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, obey, unknown, word
from axlab.units import format_duration
from axlab.vmm.lifecycle import ADMITS, MOVES, OPERATIONS, VmStatus

WIDTH, HEIGHT = 880, 480
STATE_WIDTH, STATE_HEIGHT = 116, 40
PLACES = {  # the middle of each state
    "Loading": (90, 76), "Loaded": (290, 76), "Running": (520, 76), "Suspended": (752, 76),
    "Stopped": (290, 246), "Failed": (520, 246), "Stopping": (752, 246),
}  # fmt: skip
PATH_ROWS = 6
RUNS = ("10ms", "100ms", "1s")


@dataclass(frozen=True, slots=True)
class Edge:
    """How a move is drawn: through which points, and where its words stand, the first line's baseline."""

    points: tuple[tuple[float, float], ...]
    label: tuple[float, float]
    anchor: str = "middle"
    room: float = 150


EDGES = {
    ("Loading", "Loaded"): Edge(((148, 76), (232, 76)), (190, 68)),
    ("Loading", "Stopped"): Edge(((90, 96), (90, 246), (232, 246)), (190, 238)),
    ("Loaded", "Running"): Edge(((348, 76), (462, 76)), (405, 68)),
    ("Loaded", "Stopped"): Edge(((290, 96), (290, 226)), (298, 165), "start"),
    ("Running", "Suspended"): Edge(((578, 68), (694, 68)), (636, 60)),
    ("Suspended", "Running"): Edge(((694, 84), (578, 84)), (636, 100)),
    ("Stopped", "Running"): Edge(((342, 226), (476, 96)), (392, 196), "start"),
    ("Failed", "Running"): Edge(((520, 226), (520, 96)), (512, 146), "end"),
    ("Running", "Stopping"): Edge(((560, 96), (712, 226)), (532, 170), "start", 104),
    ("Suspended", "Stopping"): Edge(((752, 96), (752, 226)), (760, 140), "start", 112),
    ("Stopping", "Failed"): Edge(((694, 246), (578, 246)), (636, 262), "middle", 112),
    ("Stopping", "Stopped"): Edge(((752, 266), (752, 312), (290, 312), (290, 266)), (521, 304), "middle", 300),
}


@dataclass
class StateMachine(Scene):
    """The state machine of the VM with this id."""

    vm: int

    def data(self) -> dict[str, Any]:
        """The VM's state, its path since it was created, and the verdict on each command.

        `path`: {time (ns), old, new, reason}; `commands`: {name, admitted, message}.
        A VM that is not there any more has the state "".
        """
        vm = self.lab.hypervisor.vms.get(self.vm)
        path = path_of(self.lab, self.vm)
        if vm is None:
            return {"vm": self.vm, "name": "", "state": "", "reason": "", "path": path, "commands": []}
        verdicts = ADMITS[vm.state]
        commands = [
            {"name": name, "admitted": verdicts[name].admitted, "message": verdicts[name].message}
            for name in OPERATIONS
        ]
        return {
            "vm": self.vm,
            "name": vm.name,
            "state": str(vm.state),
            "reason": vm.fault or str(vm.reason),
            "path": path,
            "commands": commands,
        }

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        """A button for each command, and some that let the machine run."""
        buttons = [
            Control(
                "button",
                command["name"].capitalize(),
                {"command": command["name"]},
                command["admitted"],
                command["message"] or f"vm {command['name']} {self.vm}",
            )
            for command in data["commands"]
        ]
        runs = [Control("button", f"Run {span}", {"run": span}, hint=f"vm run --for {span}") for span in RUNS]
        return [*buttons, *runs] if buttons else []

    def receive(self, message: Message) -> Answer:
        """A command for the VM, or a time for the machine to run."""
        if "run" in message and word(message, "run") in RUNS:
            return obey(self.lab, f"vm run --for {message['run']}")
        if word(message, "command") not in OPERATIONS:
            raise unknown(message)
        if self.lab.hypervisor.vms.get(self.vm) is None:
            raise AxError(f"VM[{self.vm}] does not exist any more")
        detach = " --detach" if message["command"] == "start" else ""
        return obey(self.lab, f"vm {message['command']} {self.vm}{detach}")


def state_machine(lab: Any, vm: Any) -> Picture:
    """The state machine of a VM as a picture."""
    return StateMachine(lab, vm.id).picture()


def path_of(lab: Any, vm: int) -> list[dict[str, Any]]:
    """The moves of a VM since it was created, as far as the trace has them."""
    moves = [
        {"time": time, "old": str(old), "new": str(new), "reason": str(reason)}
        for time, of, old, new, reason in lab.trace.recorder.table("vm_states").rows()
        if of == vm
    ]
    births = [place for place, move in enumerate(moves) if move["old"] == VmStatus.LOADING]
    return moves[births[-1] :] if births else moves


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a state machine's data."""
    title = f"VM[{data['vm']}] {data['name']}".rstrip()
    taken: dict[tuple[str, str], int] = {}
    for move in data["path"]:
        taken[move["old"], move["new"]] = taken.get((move["old"], move["new"]), 0) + 1
    visited = {"Loading"} | {move["new"] for move in data["path"]}
    parts = [
        d.words(32, 22, d.fitted(f"{title}: life cycle", 620, 14), size=14, bold=True),
        d.words(32, 40, d.fitted(f"{data['state']}: {data['reason']}", 810, 11), size=11) if data["reason"] else "",
        *(_edge(old, new, taken.get((old, new), 0)) for old, new in EDGES),
        *(_state(name, data["state"], name in visited) for name in PLACES),
        *_commands(data, 32, 350),
        *_path(data["path"], 452, 350),
    ]
    now = data["state"] or "deleted"
    way = " → ".join(["Loading", *(move["new"] for move in data["path"])]) if data["path"] else "not recorded"
    admitted = ", ".join(one["name"] for one in data["commands"] if one["admitted"]) or "none"
    alt = f"State machine of {title}: it is {now}. Path: {way}. Commands allowed now: {admitted}."
    return Picture(d.document(WIDTH, HEIGHT, f"{title}: life cycle", parts), alt, text(title, data))


def text(title: str, data: dict[str, Any]) -> str:
    """The same as lines."""
    why = f" ({data['reason']})" if data["reason"] else ""
    lines = [f"{title} is {data['state'] or 'deleted'}{why}", "Path:"]
    lines += [f"  {_move(move)}" for move in data["path"]] or ["  not recorded"]
    lines += ["Commands:"] if data["commands"] else []
    lines += [f"  {_verdict(command)}" for command in data["commands"]]
    return "\n".join(lines)


def _move(move: dict[str, Any]) -> str:
    why = f" ({move['reason']})" if move["reason"] else ""
    return f"{format_duration(move['time']):>12}  {move['old']} → {move['new']}{why}"


def _verdict(command: dict[str, Any]) -> str:
    return f"{'✓' if command['admitted'] else '✗'} {command['name']:<8}{command['message']}".rstrip()


def _state(name: str, current: str, visited: bool) -> str:
    x, y = PLACES[name]
    is_current = name == current
    colour = d.RED if name == "Failed" else d.BLUE
    edge = {"stroke": colour if is_current or visited else d.INK, "line": 2 if visited else 1, "dashed": not visited}
    left, top = x - STATE_WIDTH / 2, y - STATE_HEIGHT / 2
    shape = d.box(left, top, STATE_WIDTH, STATE_HEIGHT, colour if is_current else "none", radius=20, **edge)  # type: ignore[arg-type]
    ink = d.PAPER if is_current else colour if visited else d.INK
    return shape + d.words(x, y + 5, name, size=13, anchor="middle", fill=ink, bold=is_current or visited)


def _edge(old: str, new: str, count: int) -> str:
    """An arrow with what leads along it: commands upright, what happens by itself in italics."""
    edge = EDGES[old, new]
    colour = d.BLUE if count else d.INK
    x, y = edge.label
    parts = [d.arrow(list(edge.points), colour=colour, line=2.2 if count else 1.2)]
    for why in [why for why, to in MOVES[VmStatus(old)].items() if to == new]:
        is_command = why in OPERATIONS
        for line in d.wrapped(why, edge.room, 11):
            parts.append(
                d.words(x, y, line, size=11, anchor=edge.anchor, fill=colour, bold=is_command, italic=not is_command)
            )
            y += 14
    if count > 1:
        (x0, y0), (x1, y1) = edge.points[:2]
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        label = f"×{count}"
        room = d.width_of(label, 10) + 8
        parts.append(d.box(x - room / 2, y - 8, room, 16, d.BLUE, radius=8))
        parts.append(d.words(x, y + 4, label, size=10, anchor="middle", fill=d.PAPER, bold=True))
    return "".join(parts)


def _commands(data: dict[str, Any], x: float, y: float) -> list[str]:
    parts = [d.words(x, y, "Commands now", size=12, bold=True)]
    for command in data["commands"]:
        y += 20
        sign, colour = ("✓", d.GREEN) if command["admitted"] else ("✗", d.INK)
        parts.append(d.words(x, y, sign, size=12, fill=colour, bold=True))
        parts.append(d.words(x + 20, y, command["name"], size=12, fill=colour, bold=command["admitted"]))
        parts.append(d.words(x + 92, y, d.fitted(command["message"], 310, 11), size=11))
    if not data["commands"]:
        parts.append(d.words(x, y + 20, "The VM does not exist any more.", size=12))
    return parts


def _path(path: list[dict[str, Any]], x: float, y: float) -> list[str]:
    left_out = max(0, len(path) - PATH_ROWS)
    more = f", the last {PATH_ROWS} of {len(path)} moves" if left_out else ""
    parts = [d.words(x, y, f"Path taken{more}", size=12, bold=True)]
    for move in path[left_out:]:
        y += 20
        why = f" ({move['reason']})" if move["reason"] else ""
        parts.append(d.words(x + 84, y, format_duration(move["time"]), size=11, anchor="end", mono=True))
        parts.append(d.words(x + 96, y, d.fitted(f"{move['old']} → {move['new']}{why}", 300, 11), size=11, fill=d.BLUE))
    if not path:
        parts.append(d.words(x, y + 20, "nothing was recorded", size=11, italic=True))
    return parts
