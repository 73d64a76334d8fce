"""A vCPU as a picture: its registers with what changed, PSTATE spelled out, the code around its PC, its callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError
from axlab.notebook import drawing as d
from axlab.notebook import stepping
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, obey, unknown, word
from axlab.notebook.vcpu_state import code, frames, pstate, registers
from axlab.notebook.walk import address_in
from axlab.shell.inspecting import vcpu_of
from axlab.units import format_duration

WIDTH, LEFT, RIGHT, ROW = 880, 16, 408, 17
COLUMN = 186
STEPS = {"step": stepping.step, "over": stepping.step_over}


@dataclass
class VcpuView(Scene):
    """A vCPU of the VM with this id. `seen` are its registers when it was last looked at, by (VM, vCPU)."""

    vm: int
    vcpu: int = 0
    seen: dict[Any, dict[str, int]] = field(default_factory=dict, repr=False)
    changed: list[str] = field(default_factory=list, repr=False)

    def remember(self, memory: dict[str, Any]) -> None:
        self.seen = memory.setdefault("registers", self.seen)

    def data(self) -> dict[str, Any]:
        """`registers` by name, `changed`: the names of those that changed since the last look at other values;
        `pstate`, `code` and `frames` as in `vcpu_state`. Without the VM, only its `title`.
        """
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None or self.vcpu >= len(vm.vcpus):
            return {"title": f"VM[{self.vm}], vCPU {self.vcpu}", "state": "The VM does not exist any more."}
        vcpu = vcpu_of(vm, self.vcpu)
        now = registers(vcpu.cpu)
        before = self.seen.get((self.vm, self.vcpu), now)
        if now != before:
            self.changed = [name for name, value in now.items() if value != before.get(name)]
        self.seen[self.vm, self.vcpu] = now
        waits = f" ({vcpu.wait_reason})" if vcpu.wait_reason else ""
        on = f" on pCPU {vcpu.task.pcpu}" if vcpu.task is not None and vcpu.state == "Running" else ""
        return {
            "title": f"{vm.label} {vm.name}, vCPU {vcpu.id}",
            "state": f"VM {vm.state}, vCPU {vcpu.state}{waits}{on} · {format_duration(self.lab.hypervisor.now)} · "
            f"{vcpu.instructions} instructions executed",
            "registers": now,
            "changed": self.changed,
            "pstate": pstate(vcpu.cpu),
            "code": code(vm, vcpu),
            "frames": frames(vm, vcpu),
        }

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None:
            return []
        runs = vm.state == "Running"
        why = "" if runs else f"VM[{vm.id}] is {vm.state}; only a running VM executes instructions"
        buttons = [
            Control("button", "Step", {"do": "step"}, runs, why or "Execute one instruction"),
            Control("button", "Step over", {"do": "over"}, runs, why or "Execute one instruction; a call to its end"),
        ]
        if self.lab.history is not None:
            hint = f"vm back {vm.id}: as it was one instruction ago"
            buttons.insert(0, Control("button", "Step back", {"do": "back"}, hint=hint))
        places = Control("field", "Run to", {"do": "run"}, runs, why or "An address or a symbol; Enter runs there")
        others = tuple(str(vcpu.id) for vcpu in vm.vcpus)
        choice = Control("choice", "vCPU", {"do": "look"}, value=str(self.vcpu), options=others)
        return [*buttons, places, *([choice] if len(others) > 1 else [])]

    def receive(self, message: Message) -> Answer:
        """`do`: step, over, back, run (to an address or symbol), or look (at another vCPU). Raises AxError."""
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None:
            raise AxError(f"VM[{self.vm}] does not exist any more")
        vcpu = vcpu_of(vm, self.vcpu)
        what = word(message, "do")
        if what in STEPS:
            return STEPS[what](self.lab, vm, vcpu)
        if what == "run":
            return stepping.run_to(self.lab, vm, vcpu, address_in(vm, word(message, "value")))
        if what == "back":
            return obey(self.lab, f"vm back {self.vm}")
        if what == "look" and word(message, "value") in {str(one.id) for one in vm.vcpus}:
            self.vcpu, self.changed = int(message["value"]), []
            return Answer()
        raise unknown(message)


def vcpu_picture(lab: Any, vm: Any, vcpu: int = 0) -> Picture:
    """A vCPU of a VM, as it is now. Raises AxError where the VM has no such vCPU."""
    vcpu_of(vm, vcpu)
    return VcpuView(lab, vm.id, vcpu).picture()


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a vCPU's data."""
    title = data["title"]
    parts = [
        d.words(LEFT, 26, d.fitted(title, WIDTH - 2 * LEFT, 14), size=14, bold=True),
        d.words(LEFT, 46, d.fitted(data["state"], WIDTH - 2 * LEFT, 11), size=11),
    ]
    if "registers" not in data:
        return Picture(d.document(WIDTH, 66, title, parts), f"{title}: {data['state']}", f"{title}\n{data['state']}")
    left, drawn = _registers(data, 76)
    parts += drawn
    below, drawn = _pstate(data["pstate"], left + 26)
    parts += drawn
    right, drawn = _code(data, 76)
    parts += drawn
    lowest, drawn = _frames(data["frames"], right + 26)
    parts += drawn
    here = next((one for one in data["code"] if one["address"] == data["registers"]["pc"] & ~3), None)
    changed = ", ".join(data["changed"]) or "nothing"
    alt = (
        f"{title}: {data['state']}. PC {data['registers']['pc']:#x}: {here['text'] if here else 'not readable'}. "
        f"Changed since the last look: {changed}."
    )
    return Picture(d.document(WIDTH, max(below, lowest) + 8, title, parts), alt, text(data))


def text(data: dict[str, Any]) -> str:
    """The same as lines; what changed has a star."""
    names = data["registers"]
    lines = [data["title"], data["state"]]
    marked = [f"{name:>9} {value:016x}{'*' if name in data['changed'] else ' '}" for name, value in names.items()]
    lines += ["  ".join(marked[at : at + 3]).rstrip() for at in range(0, len(marked), 3)]
    lines.append("PSTATE: " + ", ".join(f"{name} {meaning}" for name, _, meaning in data["pstate"]))
    for one in data["code"]:
        lines += [f"{one['label']}:"] if one["label"] else []
        mark = "=>" if one["address"] == names["pc"] & ~3 else "  "
        target = f"  <{one['target']}>" if one["target"] else ""
        lines.append(f"{mark} {one['address']:#010x}: {one['text']}{target}")
    lines.append("Call stack:")
    return "\n".join(lines + [f"  {one['by']:<6} {one['address']:#x} {one['name']}".rstrip() for one in data["frames"]])


def _section(x: float, y: float, title: str, width: float) -> list[str]:
    return [d.words(x, y, title, size=11, bold=True), d.rule(x, y + 6, x + width, y + 6, opacity=0.5)]


def _registers(data: dict[str, Any], y: float) -> tuple[float, list[str]]:
    """Two columns of registers, then the system registers; what changed stands on colour."""
    names = list(data["registers"])
    general = [name for name in names if not name.endswith("_EL1")]
    system = [name for name in names if name.endswith("_EL1")]
    parts = _section(LEFT, y, "Registers", 2 * COLUMN - 8)
    lowest = y
    for group, top in ((general, y + 22), (system, y + 22 + ROW * -(-len(general) // 2) + 8)):
        rows = -(-len(group) // 2)
        for place, name in enumerate(group):
            x, row = LEFT + COLUMN * (place // rows), top + ROW * (place % rows)
            changed = name in data["changed"]
            if changed:
                parts.append(d.box(x - 4, row - 12, COLUMN - 6, 16, d.ORANGE, radius=3))
            ink = d.PAPER if changed else d.INK
            parts.append(d.words(x, row, name, size=10, mono=True, fill=ink, bold=True))
            digits = f"{data['registers'][name]:016x}"
            parts.append(d.words(x + COLUMN - 14, row, digits, size=10.5, mono=True, anchor="end", fill=ink))
            lowest = max(lowest, row)
    return lowest, parts


def _pstate(fields: list[list[Any]], y: float) -> tuple[float, list[str]]:
    """A chip for each field, filled where it is set, and its meaning below."""
    parts = _section(LEFT, y, "PSTATE", 2 * COLUMN - 8)
    y += 18
    wide = (2 * COLUMN - 8) / 5
    for place, (name, is_set, meaning) in enumerate(fields):
        order = place if place < 4 else place + 1 if place < 8 else {8: 4, 9: 9}[place]
        x, top = LEFT + wide * (order % 5), y + 40 * (order // 5)
        parts.append(d.box(x, top, 26, 18, d.BLUE if is_set else "none", stroke=d.BLUE if is_set else d.INK, radius=3))
        parts.append(
            d.words(x + 13, top + 13, name, size=11, anchor="middle", bold=True, fill=d.PAPER if is_set else d.INK)
        )
        parts.append(d.words(x, top + 30, d.fitted(meaning, wide - 2, 8.5), size=8.5))
    return y + 84, parts


def _code(data: dict[str, Any], y: float) -> tuple[float, list[str]]:
    """Instructions, the next one on colour; in a live view each is a button that runs there."""
    wide = WIDTH - LEFT - RIGHT
    inside = f", in {data['frames'][0]['name']}" if data["frames"][0]["name"] else ""
    parts = _section(RIGHT, y, d.fitted(f"Code around PC{inside}", wide, 11), wide)
    y += 22
    deep = max(d.width_of(f"{one['address']:#010x}", 10.5, mono=True) for one in data["code"])
    for one in data["code"]:
        if one["label"]:
            parts.append(d.words(RIGHT + 4, y, d.fitted(f"{one['label']}:", wide, 11, mono=True), size=11, mono=True,
                                 fill=d.GREEN, bold=True))  # fmt: skip
            y += ROW
        here = one["address"] == data["registers"]["pc"] & ~3
        ink = d.PAPER if here else d.INK
        at = RIGHT + 8 + deep + 14
        target = f"  <{one['target']}>" if one["target"] else ""
        said = d.fitted(one["text"] + target, WIDTH - LEFT - at - 4, 10.5, mono=True)
        row = [
            d.box(RIGHT, y - 12, wide, 16, d.BLUE, radius=3, opacity=1 if here else 0),
            d.words(RIGHT + 4, y, f"{one['address']:#010x}", size=10.5, mono=True, fill=ink),
            d.words(at, y, said, size=10.5, mono=True, fill=ink, bold=here),
        ]
        run = {"do": "run", "value": f"{one['address']:#x}"}
        parts.append(d.touchable("".join(row), run, f"{one['address']:#x}: {one['text']}; run to it"))
        y += ROW
    return y - ROW, parts


def _frames(found: list[dict[str, Any]], y: float) -> tuple[float, list[str]]:
    wide = WIDTH - LEFT - RIGHT
    parts = _section(RIGHT, y, "Call stack", wide)
    y += 22
    for one in found:
        at = f"{one['by']:<6} {one['address']:#018x}"
        parts.append(d.words(RIGHT + 4, y, at, size=10.5, mono=True))
        x = RIGHT + 4 + d.width_of(at, 10.5, mono=True) + 14
        name = one["name"] or "(no symbol)"
        parts.append(
            d.words(
                x, y, d.fitted(name, WIDTH - LEFT - x, 10.5, mono=True), size=10.5, mono=True, bold=bool(one["name"])
            )
        )
        y += ROW
    return y - ROW + 6, parts
