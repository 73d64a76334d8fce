"""A table walk as a picture: the address cut into indexes, every descriptor that was read, and the bits of the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError
from axlab.machine.descriptor_fields import fields_of
from axlab.machine.walks import Step, Walk
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, unknown, word
from axlab.shell.inspecting import vcpu_of, walked

WIDTH, LEFT = 880, 16
ROW = 20
STAGE_COLOURS = {1: d.BLUE, 2: d.GREEN}
COLUMNS = (("STAGE", LEFT), ("TABLE", 100), ("INDEX", 236), ("DESCRIPTOR", 290), ("MEANING", 444))
ACCESSES = ("r", "w", "x")
VIRTUAL, PHYSICAL = "virtual", "physical"
PAGE_SHIFT = 12


@dataclass
class WalkScene(Scene):
    """How a vCPU of a VM translates an address now.

    `chosen` is the step whose bits are shown; None: the last of each stage.
    """

    vm: int
    address: int
    physical: bool = False
    access: str = "r"
    vcpu: int = 0
    chosen: int | None = None

    def data(self) -> dict[str, Any]:
        """The walk as plain data; see `walk_data`. Without the VM, only `fault`."""
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None or self.vcpu >= len(vm.vcpus):
            return {"title": f"VM[{self.vm}]", "steps": [], "setup": [], "chosen": None, "cuts": [], "ok": False,
                    "ipa": None, "pa": None, "end": "The VM does not exist any more."}  # fmt: skip
        vcpu = vcpu_of(vm, self.vcpu)
        found = walk_data(walked(vcpu, self.address, self.physical, self.access), vcpu.cpu.sys["MAIR_EL1"])
        return found | {"title": f"{vm.label} {vm.name}, vCPU {vcpu.id}", "chosen": self.chosen}

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        return address_controls(self.address, self.physical, self.access)

    def receive(self, message: Message) -> Answer:
        """`step`: show its bits; `set` address, space or access with a `value`. Raises AxError."""
        if "step" in message:
            step = message["step"]
            if step is not None and (type(step) is not int or not 0 <= step < len(self.data()["steps"])):
                raise unknown(message)
            self.chosen = step
            return Answer()
        setting, value = word(message, "set"), word(message, "value")
        if setting == "address":
            self.address = address_in(self.lab.vm(self.vm), value)
        elif setting == "space" and value in (VIRTUAL, PHYSICAL):
            self.physical = value == PHYSICAL
        elif setting == "access" and value in ACCESSES:
            self.access = value
        else:
            raise unknown(message)
        self.chosen = None
        return Answer()


def address_controls(address: int | None, physical: bool, access: str) -> list[Control]:
    """The controls that say what is translated."""
    return [
        Control("field", "Address", {"set": "address"}, value="" if address is None else f"{address:#x}",
                hint="A guest address; Enter shows how it is translated"),
        Control("choice", "of the guest's", {"set": "space"}, value=PHYSICAL if physical else VIRTUAL,
                options=(VIRTUAL, PHYSICAL), hint="A virtual address goes through both stages"),
        Control("choice", "to", {"set": "access"}, value=access, options=ACCESSES, hint="r read, w write, x execute"),
    ]  # fmt: skip


def parse_address(text: str) -> int:
    """An address as a person writes it. Raises AxError."""
    try:
        value = int(text.strip().replace("_", ""), 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise AxError(f"{text.strip()!r} is no address; write one such as 0x40080000")
    return value


def address_in(vm: Any, text: str) -> int:
    """An address of a VM, as a number or a symbol. Raises AxError."""
    found: int | None = vm.symbols.address_of(text.strip())
    if found is not None:
        return found
    try:
        return parse_address(text)
    except AxError as error:
        raise AxError(f"{error.message}, or a symbol of {vm.label}") from None


def walk_picture(lab: Any, vm: Any, address: int, physical: bool = False, access: str = "r", vcpu: int = 0) -> Picture:
    """How a vCPU of a VM translates an address now, as a picture. Raises AxError where it has no such vCPU."""
    vcpu_of(vm, vcpu)
    return WalkScene(lab, vm.id, address, physical, access, vcpu).picture()


def walk_data(walk: Walk, mair: int) -> dict[str, Any]:
    """A walk as plain data.

    `setup`: lines; `steps`: dicts of stage, level, table, index, descriptor, kind, meaning, for_table and `fields`
    [name, bits, digits, meaning]; `cuts`: the address cut up by each stage; `end`: where it ended, `ok` or not; `ipa`
    and `pa`: the addresses that it came to, or None.
    """
    steps = [step_data(step, mair) for step in walk.steps]
    start = walk.va if walk.va is not None else walk.ipa
    cuts = [cut(1, start, walk.steps)] if walk.va is not None else []
    cuts.append(cut(2, walk.ipa, walk.steps))
    return {
        "setup": list(walk.setup),
        "steps": steps,
        "cuts": [one for one in cuts if one],
        "end": walk.end,
        "ok": walk.fault is None,
        "ipa": walk.ipa,
        "pa": walk.pa,
    }


def step_data(step: Step, mair: int) -> dict[str, Any]:
    fields = [[one.name, one.bits, one.digits, one.meaning] for one in fields_of(step, mair)]
    return {
        "stage": step.stage,
        "level": step.level,
        "table": step.table,
        "index": step.index,
        "descriptor": step.descriptor,
        "kind": step.kind,
        "meaning": step.meaning,
        "for_table": step.for_table,
        "fields": fields,
    }


def cut(stage: int, address: int | None, steps: tuple[Step, ...]) -> dict[str, Any]:
    """The address that a stage translates, cut into the indexes of its levels and the offset; {} if it walked none."""
    own = [step for step in steps if step.stage == stage and not step.for_table]
    if not own or address is None:
        return {}
    last = own[-1]
    offset = address & (last.size - 1) if last.size else 0
    parts = [[f"level {step.level} index", f"{step.index}"] for step in own]
    parts += [["offset", f"{offset:#x}"]] if last.size else []
    return {"stage": stage, "address": address, "parts": parts}


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a walk's data."""
    height, parts = walk_parts(data, 0)
    title = f"Walk of {data['title']}"
    asked = data["setup"][0] if data["setup"] else ""
    alt = f"{title}: {asked}. {len(data['steps'])} descriptors were read. {data['end']}"
    return Picture(d.document(WIDTH, height, title, parts), alt, text(data))


def text(data: dict[str, Any]) -> str:
    """The walk as lines."""
    lines = [data["title"], *data["setup"]]
    for step in data["steps"]:
        indent = "    " if step["for_table"] else "  "
        where = f"{indent}stage {step['stage']} level {step['level']} table {step['table']:#x} [{step['index']}]"
        lines.append(f"{where} = {step['descriptor']:#x}: {step['meaning']}")
    return "\n".join([*lines, data["end"]])


def walk_parts(data: dict[str, Any], top: float) -> tuple[float, list[str]]:
    """What a walk is drawn of, from `top` down, and where it ends."""
    asked = f": {data['setup'][0]}" if data["setup"] else ""
    parts = [d.words(LEFT, top + 26, d.fitted(f"{data['title']}{asked}", WIDTH - 2 * LEFT, 14), size=14, bold=True)]
    y = top + 48
    for line in data["setup"][1:]:
        parts.append(d.words(LEFT, y, line, size=11))
        y += 17
    for one in data["cuts"]:
        parts += _cut(one, y + 4)
        y += 50
    if data["steps"]:
        y += 14
        parts += [d.words(x, y, name, size=10, bold=True) for name, x in COLUMNS]
        parts.append(d.rule(LEFT, y + 6, WIDTH - LEFT, y + 6, opacity=0.5))
        if any(step["for_table"] for step in data["steps"]):
            note = "indented: how stage 2 finds the table of stage 1 below"
            parts.append(d.words(WIDTH - LEFT, y, note, size=10, anchor="end", italic=True))
        y += 10
    for number, step in enumerate(data["steps"]):
        height, drawn = _step(step, number, y, number == data["chosen"])
        parts.append(drawn)
        y += height
    mark, colour = ("✓", d.GREEN) if data["ok"] else ("✗", d.RED)
    for line in d.wrapped(f"{mark} {data['end']}", WIDTH - 2 * LEFT, 13):
        y += 22
        parts.append(d.words(LEFT, y, line, size=13, bold=True, fill=colour))
    below, fields = _fields(data, y + 34)
    return below, parts + fields


def _cut(one: dict[str, Any], y: float) -> list[str]:
    """The address as a row of boxes: `IPA 0x40080000 =`, the indexes of its levels, the offset."""
    colour = STAGE_COLOURS[one["stage"]]
    label = f"{'VA' if one['stage'] == 1 else 'IPA'} {one['address']:#x}"
    parts = [d.words(LEFT, y + 15, label, size=12, mono=True, fill=colour, bold=True)]
    x = max(210, LEFT + d.width_of(label, 12, mono=True) + 16)
    room = (WIDTH - LEFT - x) / len(one["parts"])
    for name, value in one["parts"]:
        width = min(room - 4, 130)
        parts.append(d.box(x, y, width, 22, colour, radius=3))
        parts.append(
            d.words(x + width / 2, y + 15, value, size=12, mono=True, anchor="middle", fill=d.PAPER, bold=True)
        )
        parts.append(d.words(x + width / 2, y + 34, d.fitted(name, width + 2, 10), size=10, anchor="middle"))
        x += width + 4
    return parts


def _step(step: dict[str, Any], number: int, y: float, chosen: bool) -> tuple[float, str]:
    """One descriptor: a row, in a live view a button."""
    colour = STAGE_COLOURS[step["stage"]]
    x = [x for _, x in COLUMNS]
    indent = 12 if step["for_table"] else 0
    size = 10 if step["for_table"] else 11
    room = WIDTH - LEFT - x[4]
    meaning = [d.fitted(step["meaning"], room, size)] if indent else d.wrapped(step["meaning"], room, size)
    height = ROW - 2 + 14 * (len(meaning) - 1) + (0 if step["for_table"] else 4)
    base = y + 15
    name = f"{step['stage']}, level {step['level']}"
    parts = [
        d.box(LEFT, y, WIDTH - 2 * LEFT, height, colour, radius=3, opacity=0.22 if chosen else 0),
        d.box(LEFT + indent, y + 3, 3, height - 5, colour, radius=1),
        d.words(LEFT + indent + 8, base, name, size=size, fill=colour, bold=not step["for_table"]),
        d.words(x[1], base, f"{step['table']:#x}", size=size, mono=True),
        d.words(x[2], base, f"[{step['index']}]", size=size, mono=True),
        d.words(x[3], base, f"{step['descriptor']:#018x}", size=size, mono=True),
        *(d.words(x[4], base + 14 * n, line, size=size) for n, line in enumerate(meaning)),
    ]
    label = f"stage {name}: {step['meaning']}; show its bits"
    return height, d.touchable("".join(parts), {"step": number}, label)


def shown_steps(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps whose bits are spelled out: the chosen one, else the last of each stage."""
    steps = data["steps"]
    if data["chosen"] is not None and data["chosen"] < len(steps):
        return [steps[data["chosen"]]]
    own = {step["stage"]: step for step in steps if not step["for_table"]}
    return [own[stage] for stage in sorted(own)]


def _fields(data: dict[str, Any], y: float) -> tuple[float, list[str]]:
    """The bits of the shown descriptors, side by side, the highest on top as the manual draws them."""
    parts, lowest = [], y - 20
    shown = shown_steps(data)
    wide = (WIDTH - 2 * LEFT - 16) / max(2, len(shown))
    for place, step in enumerate(shown):
        x, row = LEFT + place * (wide + 16), y
        colour = STAGE_COLOURS[step["stage"]]
        title = f"Stage {step['stage']} level {step['level']}: bits of {step['descriptor']:#x}"
        parts.append(d.words(x, row, title, size=11, bold=True, fill=colour))
        parts.append(d.rule(x, row + 6, x + wide, row + 6, opacity=0.5))
        for name, bits, digits, meaning in reversed(step["fields"]):
            row += 19
            parts.append(d.words(x + 46, row, bits, size=10, mono=True, anchor="end"))
            parts.append(d.words(x + 58, row, name, size=10, bold=True))
            parts.append(d.words(x + 134, row, digits, size=10, mono=True))
            parts.append(d.words(x + 226, row, d.fitted(meaning, wide - 226, 10), size=10))
        lowest = max(lowest, row)
    return lowest + 18, parts
