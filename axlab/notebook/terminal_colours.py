"""Colours of a terminal: SGR parameters to styles, styles to CSS, on the console's own dark ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

GROUND, INK = "#1b1e23", "#d6d9de"
PALETTE = (
    "#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
    "#7f848e", "#ff8f98", "#b5e890", "#ffd98c", "#8cc8ff", "#e0a0f5", "#7fd6e0", "#ffffff",
)  # fmt: skip
STEPS = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Style:
    """How a character looks; colours are CSS ones, None for the console's own."""

    foreground: str | None = None
    background: str | None = None
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False
    hidden: bool = False


CHANGES: dict[int, dict[str, Any]] = {
    1: {"bold": True}, 2: {"faint": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"reverse": True},
    8: {"hidden": True}, 9: {"strike": True}, 21: {"underline": True}, 22: {"bold": False, "faint": False},
    23: {"italic": False}, 24: {"underline": False}, 27: {"reverse": False}, 28: {"hidden": False},
    29: {"strike": False}, 39: {"foreground": None}, 49: {"background": None},
    **{30 + n: {"foreground": PALETTE[n]} for n in range(8)}, **{40 + n: {"background": PALETTE[n]} for n in range(8)},
    **{90 + n: {"foreground": PALETTE[8 + n]} for n in range(8)},
    **{100 + n: {"background": PALETTE[8 + n]} for n in range(8)},
}  # fmt: skip


@lru_cache(maxsize=512)
def styled(style: Style, params: str) -> Style:
    """The style after SGR `params` (`1;31`). What is unknown changes nothing."""
    parts = params.replace(":", ";").split(";")
    numbers = iter([int(part) if part.isdecimal() and len(part) < 9 else 0 for part in parts])
    for number in numbers:
        if number == 0:
            style = Style()
        elif number == 38:
            style = replace(style, foreground=extended(numbers) or style.foreground)
        elif number == 48:
            style = replace(style, background=extended(numbers) or style.background)
        elif number in CHANGES:
            style = replace(style, **CHANGES[number])
    return style


def extended(numbers: Iterator[int]) -> str:
    """The colour of `38;5;N` or `38;2;R;G;B`; nothing where there is none."""
    kind = next(numbers, 0)
    if kind == 5:
        return indexed(next(numbers, 0) & 255)
    if kind == 2:
        red, green, blue = (next(numbers, 0) & 255 for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    return ""


def indexed(number: int) -> str:
    """One of 256 colours: 16 by name, a cube of 216, 24 greys."""
    if number < 16:
        return PALETTE[number]
    if number < 232:
        red, green, blue = ((number - 16) // place % 6 for place in (36, 6, 1))
        return f"#{STEPS[red]:02x}{STEPS[green]:02x}{STEPS[blue]:02x}"
    grey = 8 + 10 * (number - 232)
    return f"#{grey:02x}{grey:02x}{grey:02x}"


@lru_cache(maxsize=512)
def css(style: Style) -> str:
    """The style for a `style` attribute; nothing for a plain one."""
    front, back = style.foreground or INK, style.background or GROUND
    if style.reverse:
        front, back = back, front
    if style.hidden:
        front = back
    rules = {
        "color": front if front != INK else "",
        "background": back if back != GROUND else "",
        "font-weight": "bold" if style.bold else "",
        "opacity": "0.7" if style.faint else "",
        "font-style": "italic" if style.italic else "",
        "text-decoration": " ".join(
            word for word, on in (("underline", style.underline), ("line-through", style.strike)) if on
        ),
    }
    return ";".join(f"{name}:{value}" for name, value in rules.items() if value)
