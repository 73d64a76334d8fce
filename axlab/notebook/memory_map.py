"""A VM's memory as a picture: its address space beside the board's, stage 2 between them, and the walk to an address.

Addresses grow upwards. Sizes are drawn on a logarithmic scale, because a register block and a gigabyte
stand beside each other; a gap between two boxes is a hole: nothing answers there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import log2
from typing import Any

from axlab.notebook import drawing as d
from axlab.notebook.memory_spans import MEANINGS, Span, guest_spans, host_spans
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, unknown
from axlab.notebook.walk import WalkScene, address_controls, walk_parts
from axlab.notebook.walk import text as walk_text
from axlab.units import format_memory_size

COLOURS = {
    "ram": d.BLUE,
    "reserved": d.SLATE,
    "mediated": d.ORANGE,
    "passthrough": d.GREEN,
    "channel": d.RED,
    "tables": d.PURPLE,
    "other": d.GREY,
    "free": "none",
}
WIDTH, TOP = 880, 46
GUEST_X, HOST_X, BOX = 130, 510, 230
HOLE = 16


@dataclass(frozen=True, slots=True)
class Box:
    """A span with its place in the picture."""

    span: Span
    y: float
    height: float

    def y_of(self, address: int) -> float:
        """Where an address within it is drawn."""
        return self.y + self.height * (1 - (address - self.span.base) / self.span.size)


@dataclass
class MemoryMap(Scene):
    """The memory of the VM with this id. `walk`: the address whose translation is shown, too."""

    vm: int
    walk: WalkScene | None = field(default=None)

    def data(self) -> dict[str, Any]:
        """`guest` and `host`: spans by address, as dicts; `walk`: that of `WalkScene`, or None.

        A VM that is gone has no spans.
        """
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None:
            return {"title": f"VM[{self.vm}]", "guest": [], "host": [], "walk": None}
        return {
            "title": f"{vm.label} {vm.name}",
            "guest": [asdict(span) for span in guest_spans(vm)],
            "host": [asdict(span) for span in host_spans(self.lab, vm)],
            "walk": None if self.walk is None else self.walk.data(),
        }

    def draw(self, data: dict[str, Any]) -> Picture:
        return picture_of(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        walk = self.walk or WalkScene(self.lab, self.vm, 0, physical=True)
        return address_controls(None if self.walk is None else walk.address, walk.physical, walk.access)

    def receive(self, message: Message) -> Answer:
        """`address` (of a box: a guest physical one), or what a walk understands. Raises AxError."""
        if "address" in message:
            if type(message["address"]) is not int or not 0 <= message["address"] < 1 << 64:
                raise unknown(message)
            self.walk = WalkScene(self.lab, self.vm, message["address"], physical=True)
            return Answer()
        walk = self.walk or WalkScene(self.lab, self.vm, 0, physical=True)
        answer = walk.receive(message)
        self.walk = walk
        return answer


def memory_map(lab: Any, vm: Any) -> Picture:
    """The memory map of a VM of a lab."""
    return MemoryMap(lab, vm.id).picture()


def picture_of(data: dict[str, Any]) -> Picture:
    """The picture of a memory map's data."""
    title = data["title"]
    guest, host = ([Span(**span) for span in data[side]] for side in ("guest", "host"))
    words = "; ".join(str(span) for span in guest) or "none"
    alt = f"Memory map of {title}. Guest physical addresses: {words}"
    walk = data["walk"]
    if walk is not None:
        alt += f". Walk: {walk['end']}"
    lines = text(title, guest, host) + (f"\n{walk_text(walk)}" if walk is not None else "")
    return Picture(draw(title, guest, host, walk), alt, lines)


def text(title: str, guest: list[Span], host: list[Span]) -> str:
    """The same map as lines, by address."""
    lines = [f"Guest physical addresses of {title}"]
    lines += [f"  {span}" for span in guest]
    lines += ["Host physical addresses", *(f"  {span}" for span in host)]
    return "\n".join(lines)


def stacked(spans: list[Span], bottom: float) -> list[Box]:
    """Boxes one above the other, the lowest address at the bottom."""
    boxes: list[Box] = []
    y = bottom
    for before, span in zip([None, *spans], spans, strict=False):
        y -= _height(span) + (HOLE if before and before.end != span.base else 2)
        boxes.append(Box(span, y, _height(span)))
    return boxes


def _height(span: Span) -> float:
    return round(20 + 3 * log2(max(1.0, span.size / 4096)), 1)


def _total(spans: list[Span]) -> float:
    return -min((box.y for box in stacked(spans, 0)), default=0)


def draw(title: str, guest: list[Span], host: list[Span], walk: dict[str, Any] | None = None) -> str:
    """The picture as SVG text; below the map, the walk to an address (data of a `WalkScene`)."""
    bottom = TOP + max(_total(guest), _total(host), 40)
    left, right = stacked(guest, bottom), stacked(host, bottom)
    kinds = [kind for kind in COLOURS if any(box.span.kind == kind for box in left + right)]
    height = bottom + 22 + 18 * len(kinds)
    parts = [
        _heading(GUEST_X, f"{title}: guest physical"),
        _heading(HOST_X, "board: host physical"),
        *(_link(box, right) for box in left if box.span.target is not None),
        *(_guest_box(box) for box in left),
        *(_box(box, HOST_X, HOST_X + BOX + 8, "start") for box in right),
        *_holes(left, GUEST_X),
        *_holes(right, HOST_X),
        *(
            d.legend(GUEST_X, bottom + 26 + 18 * row, [(COLOURS[kind], MEANINGS[kind])])
            for row, kind in enumerate(kinds)
        ),
    ]
    if walk is not None:
        parts += _way(walk, left, right)
        height, walked = walk_parts(walk, height)
        parts += walked
    return d.document(WIDTH, height, f"{title}: memory map", parts)


def _heading(x: float, words: str) -> str:
    return d.words(x + BOX / 2, 22, d.fitted(words, BOX + 130, 14), size=14, anchor="middle", bold=True)


def _guest_box(box: Box) -> str:
    """A box of the guest; a live view shows the walk to its first address."""
    label = f"{box.span.name} at {box.span.base:#x}: show how it is translated"
    return d.touchable(_box(box, GUEST_X, GUEST_X - 8, "end"), {"address": box.span.base}, label)


def _box(box: Box, x: float, label_x: float, anchor: str) -> str:
    """A box with its name and size inside and its base address beside its lower edge."""
    span, colour = box.span, COLOURS[box.span.kind]
    is_free = colour == "none"
    ink, middle = d.INK if is_free else d.PAPER, box.y + box.height / 2 + 4
    hint = f"{span}: {MEANINGS[span.kind]}"
    size = format_memory_size(span.size)
    room = BOX - 28 - d.width_of(size, 11)
    return (
        d.box(x, box.y, BOX, box.height, colour, stroke=d.INK if is_free else "", dashed=is_free, hint=hint)
        + d.words(x + 8, middle, d.fitted(span.name, room, 12), fill=ink)
        + d.words(x + BOX - 8, middle, size, size=11, anchor="end", fill=ink)
        + d.words(label_x, box.y + box.height - 2, f"{span.base:#010x}", size=11, anchor=anchor, mono=True)
    )


def _holes(boxes: list[Box], x: float) -> list[str]:
    """What stands between two boxes whose addresses do not touch."""
    return [
        d.words(
            x + BOX / 2, lower.y - 5, f"hole, {format_memory_size(upper.span.base - lower.span.end)}", size=9,
            anchor="middle", italic=True,
        )
        for lower, upper in zip(boxes, boxes[1:], strict=False)
        if upper.span.base > lower.span.end
    ]  # fmt: skip


def _link(box: Box, host: list[Box]) -> str:
    """The band from a guest span to where stage 2 leads."""
    span = box.span
    ends = [to for to in host if to.span.base <= (span.target or 0) < to.span.end]
    if not ends:
        return ""
    to, x0, x1 = ends[0], GUEST_X + BOX, HOST_X
    points = [(x0, box.y), (x1, to.y), (x1, to.y + to.height), (x0, box.y + box.height)]
    corners = " ".join(f"{x:g},{y:g}" for x, y in points)
    label = "identical" if span.target == span.base else ""
    return f"<polygon points='{corners}' fill='{COLOURS[span.kind]}' fill-opacity='0.28'/>" + (
        d.words(x0 + 6, box.y + box.height / 2 + 4, label, size=11) if label else ""
    )


def _way(walk: dict[str, Any], guest: list[Box], host: list[Box]) -> list[str]:
    """A line from the guest physical address of a walk to the host's; a dot alone where it ends in a fault."""
    start = next((box for box in guest if box.span.base <= (walk["ipa"] or -1) < box.span.end), None)
    end = next((box for box in host if box.span.base <= (walk["pa"] or -1) < box.span.end), None)
    if start is None:
        return []
    x, y = GUEST_X + BOX, start.y_of(walk["ipa"])
    dot = f"<circle cx='{x:g}' cy='{y:.1f}' r='4' fill='{d.RED}'/>"
    return [dot] + ([d.arrow([(x, y), (HOST_X, end.y_of(walk["pa"]))], colour=d.RED, line=2)] if end else [])
