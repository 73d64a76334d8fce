"""No text makes the configuration reader do anything but tell what it found."""

from __future__ import annotations

import datetime
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from axlab.vmm.config import parse_config
from axlab.vmm.config_positions import positions

SEEDS = [path.read_text() for path in sorted((Path(__file__).parent / "data" / "axvisor-configs").glob("*.toml"))]
PIECES = [
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "=",
    ",",
    ".",
    "#",
    "\n",
    "\\",
    "0x",
    "-1",
    "1e9",
    "true",
    "inf",
    "nan",
    "[[",
    '"""',
    "'''",
    "\0",
    "é",
    "\U0001f600",
    "1979-05-27",
    "9" * 30,
    "[base]",
    "[kernel]",
    "memory_regions = ",
    "[]",
    "{}",
    "_",
]


def mutated(text: str, chance: random.Random) -> str:
    """The text with a few characters, words or lines changed."""
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice([0, 1, 1, 2, 8, 60]))
        text = text[:at] + chance.choice([*PIECES, "", "", chr(chance.randrange(0x20, 0x300))]) + text[end:]
        if chance.random() < 0.3:
            lines = text.split("\n")
            chance.shuffle(lines) if chance.random() < 0.1 else lines.insert(
                chance.randrange(len(lines)), chance.choice(lines)
            )
            text = "\n".join(lines)
    return text


def test_mutated_files_give_findings_and_never_an_exception(volume: Callable[[int], int]) -> None:
    chance = random.Random(20_000)
    for _ in range(volume(20_000)):
        text = mutated(chance.choice(SEEDS), chance)
        checked = parse_config(text, "fuzz.toml", purpose=chance.choice(["check", "create"]))
        assert (checked.config is None) == bool(checked.errors)
        assert all(0 <= found.line <= text.count("\n") + 1 and found.message for found in checked.findings)
        if checked.config is not None:
            again = parse_config(checked.config.to_toml(), "fuzz.toml", purpose="check").config
            assert again == checked.config


LEAVES = st.sampled_from(
    [
        0,
        1,
        7,
        -1,
        33,
        0x1000,
        0x4000_0000,
        2**39,
        2**64,
        True,
        False,
        1.5,
        "",
        "/",
        "all",
        "emu",
        "é\n",
        "/pl011@9000000",
        "axlab:demo",
        datetime.date(2024, 2, 29),
    ]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["gpa", "size", "name", "\0"]), inner),
    max_leaves=5,
)
NAMES = {
    "base": ["id", "name", "vm_type", "cpu_num", "phys_cpu_ids", "phys_cpu_sets", "cpu_set", "x"],
    "kernel": ["entry_point", "kernel_path", "memory_regions", "image_location", "dtb_load_addr", "enable_bios"],
    "devices": ["interrupt_mode", "emu_devices", "passthrough_devices", "excluded_devices", "passthrough_addresses"],
    "axlab": ["gic_version", "fp"],
}


def toml(value: Any) -> str:
    """Any value in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if not 0xD800 <= ord(c) < 0xE000 else "s" for c in value) + '"'
    return str(value).lower()


@given(
    st.fixed_dictionaries({table: st.dictionaries(st.sampled_from(names), VALUES) for table, names in NAMES.items()})
)
def test_values_of_any_type_at_any_key_are_findings(document: dict[str, dict[str, Any]]) -> None:
    text = "".join(
        f"[{table}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())
        for table, keys in document.items()
    )
    tomllib.loads(text)
    parse_config(text)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of everything inside a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in [(*path, key), *paths(item, (*path, key))]]


@given(st.dictionaries(st.sampled_from(["a", "b.c", '"', "' #", "=", "", "]"]), VALUES, max_size=4), st.booleans())
def test_every_key_and_element_of_a_document_has_a_line(document: dict[str, Any], in_table: bool) -> None:
    text = ('\n[some."table"]\n' if in_table else "# = [\n") + "\n".join(
        f"{toml(key)} = {toml(value)} # ]" for key, value in document.items()
    )
    lines = positions(text)
    for path in paths(tomllib.loads(text)):
        assert path in lines, path
