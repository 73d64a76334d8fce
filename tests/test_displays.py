"""Pictures: what they show, in words too, and in a form that an untrusted notebook keeps."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab.errors import AxError
from axlab.notebook.memory_map import COLOURS, draw, stacked, text
from axlab.notebook.memory_spans import MEANINGS, Span, merged, rights
from axlab.notebook.picture import Picture
from axlab.trace.summary import ExitSummary, ReasonSum

M = 1 << 20
GUEST = [
    Span("flash0", 0, 64 * M, "passthrough", 0),
    Span("GICD", 0x800_0000, 0x1_0000, "mediated"),
    Span("RAM rwx", 0x4000_0000, 128 * M, "ram", 0x2_3800_0000),
]
HOST = [
    Span("flash0", 0, 64 * M, "passthrough"),
    Span("free", 0x4000_0000, 0x1_F800_0000, "free"),
    Span("RAM of VM[0]", 0x2_3800_0000, 128 * M, "ram"),
]
SUMMARY = ExitSummary((ReasonSum("MmioWrite", 120, 1000), ReasonSum("Halt", 3, 9)))


def test_a_picture_is_an_image_that_holds_its_data_and_its_words() -> None:
    bundle = Picture("<svg/>", 'a <map> of "VM"', "the text")._repr_mimebundle_()
    assert bundle["text/plain"] == "the text"
    assert bundle["text/html"].startswith('<img alt="a &lt;map&gt; of &quot;VM&quot;" src="data:image/svg+xml;base64,')
    data = re.search(r"base64,([^\"]*)", bundle["text/html"])
    assert data is not None and base64.b64decode(data[1]) == b"<svg/>"


def test_a_picture_can_be_saved_and_says_where_it_cannot(tmp_path: Path) -> None:
    Picture("<svg/>", "", "").save(tmp_path / "map.svg")
    assert (tmp_path / "map.svg").read_text() == "<svg/>"
    with pytest.raises(AxError, match="cannot be written to .*: No such file or directory"):
        Picture("<svg/>", "", "").save(tmp_path / "missing" / "map.svg")


def test_a_memory_map_names_every_span_with_its_address() -> None:
    svg = draw("VM[0] demo", GUEST, HOST)
    words = "".join(ElementTree.fromstring(svg).itertext())
    for span in GUEST + HOST:
        assert span.name in words and f"{span.base:#010x}" in words
    assert svg.count("<polygon") == 2  # one for each span that stage 2 leads on
    assert words.count("identical") - words.count("[identical]") == 1  # the label, beside the hints
    assert "hole, 64MB" in words


def test_a_memory_map_explains_the_kinds_that_it_shows_and_no_others() -> None:
    words = "".join(ElementTree.fromstring(draw("VM", GUEST, HOST)).itertext())
    shown = {span.kind for span in GUEST + HOST}
    assert {kind for kind, meaning in MEANINGS.items() if meaning in words} == shown


def test_every_kind_of_span_has_a_colour() -> None:
    assert set(COLOURS) == set(MEANINGS)


def test_the_map_as_text_is_by_address() -> None:
    assert text("VM[0] demo", GUEST, HOST).splitlines() == [
        "Guest physical addresses of VM[0] demo",
        "  0x0000000000   64MB  flash0 -> HPA 0x0 [identical]",
        "  0x0008000000   64KB  GICD",
        "  0x0040000000  128MB  RAM rwx -> HPA 0x238000000",
        "Host physical addresses",
        "  0x0000000000   64MB  flash0",
        "  0x0040000000    7GB  free",
        "  0x0238000000  128MB  RAM of VM[0]",
    ]


def test_names_from_outside_cannot_break_the_picture() -> None:
    svg = draw("<script>&", [Span("<b>'\"&", 0, 4096, "ram", 0)], [Span("]]>", 0, 4096, "ram")])
    assert "<b>'\"&" in "".join(ElementTree.fromstring(svg).itertext())


spans = st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, 1 << 34)), max_size=12)


@given(spans)
def test_boxes_never_overlap_and_grow_upwards_with_their_addresses(pairs: list[tuple[int, int]]) -> None:
    boxes = stacked(sorted((Span("x", base, size, "ram") for base, size in pairs), key=lambda one: one.base), 500)
    for lower, upper in zip(boxes, boxes[1:], strict=False):
        assert upper.y + upper.height <= lower.y
    ElementTree.fromstring(draw("t", [box.span for box in boxes], []))


def test_numbered_neighbours_are_drawn_as_one() -> None:
    slots = [Span(f"virtio{n}", 0xA00_0000 + 512 * n, 512, "passthrough", 0xA00_0000 + 512 * n) for n in range(32)]
    assert merged(slots) == [Span("virtio0-31", 0xA00_0000, 16384, "passthrough", 0xA00_0000)]
    assert merged([Span("GICD", 0, 4096, "mediated"), Span("GICC", 4096, 4096, "mediated")]) != [
        Span("GICD", 0, 8192, "mediated")
    ]


def test_rights_are_letters() -> None:
    assert [rights(flags) for flags in (7, 1, 5, 0)] == ["rwx", "r--", "r-x", "---"]


def test_the_map_paints_no_background_and_uses_no_black_or_white_for_words() -> None:
    root = ElementTree.fromstring(draw("VM", GUEST, HOST))
    box = root.attrib["viewBox"].split()
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        style = element.attrib.get("style", "") + "fill:" + element.attrib.get("fill", "")
        assert not (name == "rect" and element.attrib.get("width") == box[2]), "a background hides dark or light"
        if name == "text" and element.attrib.get("fill") != "#ffffff":  # white words stand on coloured boxes only
            assert "#808080" in style
