"""The memory map of a VM as a picture: its address space beside the board's, and stage 2 between them.

Addresses grow upwards. Sizes are drawn on a logarithmic scale, because a register block and a gigabyte
stand beside each other; a gap between two boxes is a gap between their addresses.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from math import log2
from typing import Any

from axlab.notebook.memory_spans import MEANINGS, Span, guest_spans, host_spans
from axlab.notebook.picture import Picture
from axlab.units import format_memory_size

# Mid-tones that read on dark and on light, and that the colour-blind can tell apart (after Okabe and Ito).
COLOURS = {
    "ram": "#2f78b7",
    "reserved": "#6c8fb0",
    "mediated": "#b5651d",
    "passthrough": "#00886a",
    "tables": "#9a5b90",
    "other": "#6f6f9c",
    "free": "none",
}
INK = "#808080"
WIDTH, TOP = 860, 46
GUEST_X, HOST_X, BOX = 130, 500, 230
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
MONO = "font-family='DejaVu Sans Mono, Menlo, Consolas, monospace'"


@dataclass(frozen=True, slots=True)
class Box:
    """A span with its place in the picture."""

    span: Span
    y: float
    height: float


def memory_map(lab: Any, vm: Any) -> Picture:
    """The memory map of a VM of a lab."""
    guest, host = guest_spans(vm), host_spans(lab, vm)
    title = f"{vm.label} {vm.name}"
    words = "; ".join(str(span) for span in guest)
    return Picture(
        draw(title, guest, host),
        f"Memory map of {title}. Guest physical addresses: {words}",
        text(title, guest, host),
    )


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
        y -= _height(span) + (14 if before and before.end != span.base else 2)
        boxes.append(Box(span, y, _height(span)))
    return boxes


def _height(span: Span) -> float:
    return round(20 + 3 * log2(max(1.0, span.size / 4096)), 1)


def _total(spans: list[Span]) -> float:
    return -min((box.y for box in stacked(spans, 0)), default=0)


def draw(title: str, guest: list[Span], host: list[Span]) -> str:
    """The picture as SVG text."""
    bottom = TOP + max(_total(guest), _total(host), 40)
    left, right = stacked(guest, bottom), stacked(host, bottom)
    kinds = [kind for kind in COLOURS if any(box.span.kind == kind for box in left + right)]
    height = bottom + 22 + 18 * len(kinds)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:g}' "
        f"width='{WIDTH}' height='{height:g}' role='img'>",
        f"<title>{html.escape(title)}: memory map</title>",
        _heading(GUEST_X, f"{title}: guest physical"),
        _heading(HOST_X, "board: host physical"),
        *(_link(box, right) for box in left if box.span.target is not None),
        *(_box(box, GUEST_X, GUEST_X - 8, "end") for box in left),
        *(_box(box, HOST_X, HOST_X + BOX + 8, "start") for box in right),
        *(_legend(kind, bottom + 26 + 18 * row) for row, kind in enumerate(kinds)),
        "</svg>",
    ]
    return "\n".join(parts)


def _heading(x: float, words: str) -> str:
    return (
        f"<text x='{x + BOX / 2:g}' y='22' text-anchor='middle' fill='{INK}' font-size='14' font-weight='bold' "
        f"{FONT}>{html.escape(words)}</text>"
    )


def _box(box: Box, x: float, label_x: float, anchor: str) -> str:
    """A box with its name and size inside and its base address beside its lower edge."""
    span, colour = box.span, COLOURS[box.span.kind]
    ink, edge = (INK, f"stroke='{INK}' stroke-dasharray='4 3'") if colour == "none" else ("#ffffff", "")
    middle = box.y + box.height / 2 + 4
    return (
        f"<rect x='{x}' y='{box.y:g}' width='{BOX}' height='{box.height:g}' rx='2' fill='{colour}' {edge}/>"
        f"<text x='{x + 8}' y='{middle:g}' fill='{ink}' font-size='12' {FONT}>{html.escape(span.name)}</text>"
        f"<text x='{x + BOX - 8}' y='{middle:g}' text-anchor='end' fill='{ink}' font-size='11' {FONT}>"
        f"{format_memory_size(span.size)}</text>"
        f"<text x='{label_x:g}' y='{box.y + box.height - 2:g}' text-anchor='{anchor}' fill='{INK}' font-size='11' "
        f"{MONO}>{span.base:#010x}</text>"
    )


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
    return (
        f"<polygon points='{corners}' fill='{COLOURS[span.kind]}' fill-opacity='0.28'/>"
        f"<text x='{x0 + 6}' y='{box.y + box.height / 2 + 4:g}' fill='{INK}' font-size='11' {FONT}>{label}</text>"
    )


def _legend(kind: str, y: float) -> str:
    edge = f"stroke='{INK}' stroke-dasharray='3 2'" if COLOURS[kind] == "none" else ""
    return (
        f"<rect x='{GUEST_X}' y='{y - 10:g}' width='12' height='12' rx='2' fill='{COLOURS[kind]}' {edge}/>"
        f"<text x='{GUEST_X + 20}' y='{y:g}' fill='{INK}' font-size='11' {FONT}>{MEANINGS[kind]}</text>"
    )
