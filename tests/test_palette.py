"""The colours of pictures: they read on light and on dark, and the colour-blind tell them apart."""

from __future__ import annotations

from itertools import combinations

import pytest

from axlab.notebook import drawing as d

LIGHT, DARK = "#ffffff", "#111111"
TONES = {
    "blue": d.BLUE,
    "green": d.GREEN,
    "orange": d.ORANGE,
    "purple": d.PURPLE,
    "amber": d.AMBER,
    "slate": d.SLATE,
    "grey": d.GREY,
}
WORDS = TONES | {"red": d.RED, "ink": d.INK}
# Machado, Oliveira, Fernandes 2009, severity 1.0; rows are red, green, blue of the colour as it is seen.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
Colour = tuple[float, float, float]


def linear(colour: str) -> Colour:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def seen(colour: str, vision: str) -> Colour:
    of = linear(colour)
    red, green, blue = (max(0.0, sum(a * b for a, b in zip(row, of, strict=True))) for row in VISIONS[vision])
    return red, green, blue


def lab(colour: Colour) -> Colour:
    """CIELAB, D65."""
    red, green, blue = colour
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def distance(one: str, other: str, vision: str) -> float:
    pairs = zip(lab(seen(one, vision)), lab(seen(other, vision)), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    bright, dim = sorted(
        (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other))), reverse=True
    )
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("name", WORDS)
def test_every_colour_reads_on_light_and_on_dark(name: str) -> None:
    assert min(contrast(WORDS[name], ground) for ground in (LIGHT, DARK)) >= 3


@pytest.mark.parametrize("vision", VISIONS)
def test_tones_that_stand_beside_each_other_are_told_apart(vision: str) -> None:
    close = {pair: round(distance(TONES[pair[0]], TONES[pair[1]], vision)) for pair in combinations(TONES, 2)}
    assert {pair: apart for pair, apart in close.items() if apart < 10} == {}
