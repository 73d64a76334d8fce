"""What holds for every picture: it can be read, nothing is cut off, nothing stands on something else."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

from axlab.notebook.drawing import MONO, width_of
from axlab.notebook.picture import Picture

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


def words_of(picture: Picture) -> str:
    """All words of a picture."""
    return " ".join(ElementTree.fromstring(picture.svg).itertext())


def labels(picture: Picture) -> dict[Rectangle, str]:
    """Where each line of text stands, as wide as it can come out."""
    found = {}
    for element in ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}text"):
        text, size = element.text or "", float(element.attrib["font-size"])
        wide = width_of(text, size, element.attrib["font-family"] == MONO)
        x, y = float(element.attrib["x"]), float(element.attrib["y"])
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[element.attrib["text-anchor"]]
        if text.strip():
            found[left, y - 0.72 * size, left + wide, y + 0.16 * size] = text
    return found


def check_picture(picture: Picture) -> None:
    """The SVG is well-formed, no label is cut or overlaps another, and there are words for who cannot see it."""
    root = ElementTree.fromstring(picture.svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 {width:g} {height:g}"
    assert picture.alt and picture.text and root[0].text
    placed = labels(picture)
    for (left, top, right, bottom), text in placed.items():
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, f"{text!r} is cut"
    for (one, first), (two, second) in combinations(placed.items(), 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, f"{first!r} stands on {second!r}"
