"""The few shapes that every picture is made of, and the colours that all of them share.

Colours are mid-tones that read on white and on nearly black, and that the colour-blind tell apart (after Okabe and
Ito; `tests/test_palette.py` holds them to numbers). What comes from outside, names above all, is escaped here.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

from axlab.shell.render import harmless

INK = "#808080"  # words and lines
FAINT = 0.35  # opacity of what is there but does not matter now
BLUE, GREEN, ORANGE, PURPLE, RED = "#2f78b7", "#00886a", "#b35a1a", "#9a5b90", "#c8453b"
AMBER, SLATE, GREY = "#b08a1e", "#6c8fb0", "#8f8f8f"
PAPER = "#ffffff"  # words on a coloured box

SANS = "DejaVu Sans, Verdana, sans-serif"
MONO = "DejaVu Sans Mono, Menlo, Consolas, monospace"
NARROW, WIDE = set("iIjlftr.,:;'|!()[]{} /"), set("mwMW@%&")


def escaped(words: str) -> str:
    """Text for the inside of an element or an attribute: no markup, no control characters."""
    return html.escape(harmless(words).replace("\n", " ").replace("\t", " "))


def document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A whole SVG picture."""
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' "
            f"width='{width:g}' height='{height:g}' role='img'>",
            f"<title>{escaped(title)}</title>",
            *(part for part in parts if part),
            "</svg>",
        ]
    )


def words(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 12,
    anchor: str = "start",
    fill: str = INK,
    bold: bool = False,
    italic: bool = False,
    mono: bool = False,
) -> str:
    """A line of text; `y` is its baseline."""
    style = " font-weight='bold'" * bold + " font-style='italic'" * italic
    return (
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' fill='{fill}' font-size='{size:g}'{style} "
        f"font-family='{MONO if mono else SANS}' xml:space='preserve'>{escaped(text)}</text>"
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str = "none",
    *,
    stroke: str = "",
    line: float = 1.0,
    dashed: bool = False,
    radius: float = 2,
    opacity: float = 1,
    hint: str = "",
) -> str:
    """A rectangle. `hint` is shown where a pointer rests on it."""
    edge = f" stroke='{stroke}' stroke-width='{line:g}'" if stroke else ""
    edge += " stroke-dasharray='4 3'" * dashed
    faint = f" fill-opacity='{opacity:g}'" if opacity != 1 else ""
    return (
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='{radius:g}' fill='{fill}'{faint}{edge}>"
        f"{f'<title>{escaped(hint)}</title>' if hint else ''}</rect>"
    )


def rule(x0: float, y0: float, x1: float, y1: float, *, colour: str = INK, line: float = 1, opacity: float = 1) -> str:
    """A straight line."""
    faint = f" stroke-opacity='{opacity:g}'" if opacity != 1 else ""
    return f"<path d='M{x0:g} {y0:g}L{x1:g} {y1:g}' stroke='{colour}' stroke-width='{line:g}' fill='none'{faint}/>"


def arrow(points: list[tuple[float, float]], *, colour: str = INK, line: float = 1.2) -> str:
    """A line through points, with a head at the last."""
    (x0, y0), (x1, y1) = points[-2:]
    length = max(1e-9, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    back = (x1 - 9 * ux, y1 - 9 * uy)
    left, right = (back[0] - 4 * uy, back[1] + 4 * ux), (back[0] + 4 * uy, back[1] - 4 * ux)
    path = "L".join(f"{x:g} {y:g}" for x, y in [*points[:-1], back])
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((x1, y1), left, right))
    return (
        f"<path d='M{path}' stroke='{colour}' stroke-width='{line:g}' fill='none'/>"
        f"<polygon points='{head}' fill='{colour}'/>"
    )


def touchable(parts: str, message: dict[str, Any], label: str) -> str:
    """A part of the picture that a live view makes a button: what it sends, and what it is called."""
    return (
        f"<g data-send='{html.escape(json.dumps(message))}' tabindex='0' role='button' "
        f"aria-label='{escaped(label)}'>{parts}</g>"
    )


def width_of(text: str, size: float, mono: bool = False) -> float:
    """About how wide a text is; never less than it comes out in the fonts above."""
    return sum(_advance(character, mono) for character in text) * size


def _advance(character: str, mono: bool) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.25 if mono else 1.02
    if mono:
        return 0.603
    if character in NARROW:
        return 0.42
    return 0.98 if character in WIDE else 0.69 if character.isupper() else 0.64


def fitted(text: str, width: float, size: float, mono: bool = False) -> str:
    """The text, shortened with an ellipsis where it is wider than `width`."""
    text = harmless(text).replace("\n", " ")
    if width_of(text, size, mono) <= width:
        return text
    while text and width_of(text + "…", size, mono) > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, width: float, size: float, mono: bool = False) -> list[str]:
    """The text in lines that are at most `width` wide, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, size, mono) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(word, width, size, mono))
    return lines


def legend(x: float, y: float, entries: Iterable[tuple[str, str]], size: float = 11, swatch: float = 12) -> str:
    """Colours and what they mean, side by side from `x` on."""
    parts = []
    for colour, meaning in entries:
        dashed = colour == "none"
        parts.append(box(x, y - 10, swatch, 12, colour, stroke=INK if dashed else "", dashed=dashed))
        parts.append(words(x + swatch + 6, y, meaning, size=size))
        x += swatch + 6 + width_of(meaning, size) + 16
    return "".join(parts)
