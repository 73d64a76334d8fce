"""Device trees: what is written is read again, dtc agrees, and garbage is refused."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from axlab.errors import AxError
from axlab.machine.fdt import DEPTH_LIMIT, Node, cells, cells64, pack, parse, parse_tree, strings

SOURCE = """\
/dts-v1/;
/memreserve/ 0x40000000 0x1000;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    model = "test";
    chosen { bootargs = "console=ttyAMA0"; };
    soc { empty; uart@9000000 { reg = <0x0 0x9000000 0x0 0x1000>; compatible = "arm,pl011", "arm,primecell"; }; };
};
"""


def example() -> Node:
    root = Node("", {"#address-cells": cells(2), "#size-cells": cells(2), "model": strings("test")})
    root.add("chosen", {"bootargs": strings("console=ttyAMA0")})
    soc = root.add("soc", {"empty": b""})
    soc.add("uart@9000000", {"reg": cells64(0x900_0000, 0x1000), "compatible": strings("arm,pl011", "arm,primecell")})
    return root


NAMES = st.text("abz019,._+-@#", min_size=1, max_size=8)
NODES = st.recursive(
    st.builds(Node, NAMES, st.dictionaries(NAMES, st.binary(max_size=9), max_size=3)),
    lambda inner: st.builds(
        Node, NAMES, st.dictionaries(NAMES, st.binary(max_size=9), max_size=3), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)


@given(NODES, st.lists(st.tuples(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=2))
def test_what_is_packed_is_parsed_again(root: Node, reservations: list[tuple[int, int]]) -> None:
    tree = parse_tree(pack(root, reservations, 3))
    assert (tree.root, tree.reservations, tree.boot_cpu) == (root, reservations, 3)


def test_dtc_reads_what_is_packed(needs: Callable[[str, str], str]) -> None:
    dtc = needs("dtc", "device-tree-compiler")
    done = subprocess.run([dtc, "-I", "dtb", "-O", "dts"], input=pack(example()), capture_output=True, check=True)
    text = done.stdout.decode()
    assert 'compatible = "arm,pl011\\0arm,primecell"' in text
    assert "uart@9000000 {" in text


def test_what_dtc_compiles_is_parsed(needs: Callable[[str, str], str]) -> None:
    dtc = needs("dtc", "device-tree-compiler")
    blob = subprocess.run(
        [dtc, "-q", "-I", "dts", "-O", "dtb", "-p", "64"], input=SOURCE.encode(), capture_output=True, check=True
    ).stdout
    tree = parse_tree(blob)
    assert tree.root == example()
    assert tree.reservations == [(0x4000_0000, 0x1000)]
    old = subprocess.run(
        [dtc, "-q", "-I", "dts", "-O", "dtb", "-V", "16"], input=SOURCE.encode(), capture_output=True, check=True
    ).stdout
    assert parse(old) == example()


def test_nodes_are_found_by_path_with_or_without_unit_address() -> None:
    root = example()
    assert root.find("/") is root
    uart = root.find("/soc/uart")
    assert uart is not None
    assert uart is root.find("/soc/uart@9000000")
    assert uart.cells("reg") == [0, 0x900_0000, 0, 0x1000]
    assert uart.strings("compatible") == ["arm,pl011", "arm,primecell"]
    assert uart.strings("absent") == uart.cells("absent") == []
    assert root.find("/soc/rtc/deeper") is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda b: b"", "is no device tree blob (no d00dfeed at its beginning); compile a .dts file with dtc"),
        (lambda b: b"/dts-v1/;" + bytes(40), "is no device tree blob"),
        (lambda b: b[:-1], "is a device tree that is cut off: "),
        (
            lambda b: b[:20] + struct.pack(">II", 3, 2) + b[28:],
            "is a device tree of version 3; AxLab reads versions 16 and 17",
        ),
        (
            lambda b: b[:8] + struct.pack(">I", 1 << 20) + b[12:],
            "is a damaged device tree: a part lies outside the blob",
        ),
        (lambda b: b[:8] + struct.pack(">I", 57) + b[12:], "is a damaged device tree: a part lies outside the blob"),
        (
            lambda b: b.replace(cells(3, 4, 0), cells(3, 0xFFFF_FFFF, 0)),
            "is a damaged device tree: 4294967295 bytes at",
        ),
        (lambda b: b.replace(cells(3, 4, 0), cells(3, 4, 0x7777)), "is a damaged device tree: a name has no end"),
        (lambda b: b.replace(cells(2, 9), cells(2, 2)), "is a damaged device tree: token 0x2 at"),
    ],
)
def test_a_damaged_blob_is_refused_with_what_is_wrong(damage: Callable[[bytes], bytes], said: str) -> None:
    with pytest.raises(AxError) as raised:
        parse(damage(pack(example())), "x.dtb")
    assert str(raised.value).startswith(f"x.dtb: {said}")


def test_deep_nesting_is_refused() -> None:
    root = node = Node("")
    for _ in range(DEPTH_LIMIT):
        node = node.add("n", {})
    with pytest.raises(AxError, match="nodes are nested deeper than 64"):
        parse(pack(root))


def test_garbage_is_refused_and_nothing_else_is_raised(volume: Callable[[int], int]) -> None:
    chance = random.Random(17)
    blob = pack(example(), [(1, 2)])
    for _ in range(volume(20_000)):
        data = bytearray(blob)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice([0, 1, 2, 3, 9, 0xFF, chance.randrange(256)])
        try:
            parse(bytes(data[: chance.choice([len(data), chance.randrange(len(data))])]))
        except AxError:
            pass
