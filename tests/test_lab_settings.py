"""The settings of a lab: what `Lab(...)` and `lab.toml` take, and what they say to anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from axlab.errors import AxError
from axlab.lab import SETTINGS, Lab
from axlab.units import parse_duration, parse_size

WRONG: dict[str, list[Any]] = {
    "cpus": ["two", 0, 9, True, 1.5],
    "ram": [0, -1, 5, 1.5, "100G", "5X", "", [], True, "1K", "9" * 5000],
    "gic_version": [1, 4, "3"],
    "ns_per_instruction": [0, -5, "100"],
    "scheduler": ["round", 3],
    "seed": [-1, "7", 1.5, 1 << 63],
    "boot_delay": ["yes", 1],
    "code_cache": ["off", 1, 0],
    "history": ["on", 1, 0],
    "tick": [5, "0ms", "5", "1h", "", True, "1ns"],
}
RIGHT: dict[str, list[Any]] = {
    "cpus": [1, 8],
    "ram": ["128M", 1 << 30, "8G"],
    "gic_version": [2, 3],
    "ns_per_instruction": [1, 1_000_000],
    "scheduler": ["fifo", "rr", "fair", "random"],
    "seed": [0, 7],
    "boot_delay": [True, False],
    "code_cache": [True, False],
    "history": [True, False],
    "tick": ["1us", "10ms", "1s"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_setting_is_named_with_its_value(key: str, value: Any) -> None:
    with pytest.raises(AxError):
        Lab(**{key: value})


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in RIGHT.items() for value in values])
def test_a_right_setting_makes_a_lab(key: str, value: Any) -> None:
    assert Lab(**{key: value}).now == 0


def test_every_setting_is_tried_here() -> None:
    assert set(WRONG) == set(RIGHT) == SETTINGS


def test_lab_toml_is_named_in_its_errors(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("ram = 5\n", encoding="utf-8")
    with pytest.raises(AxError) as caught:
        Lab.open(tmp_path)
    place = tmp_path / "lab.toml"
    assert str(caught.value) == f'{place}: ram = 5 is wrong: whole MiB, at most 8G, are wanted, such as "512M"'


@pytest.mark.parametrize("parse", [parse_duration, parse_size])
@pytest.mark.parametrize("text", ["9" * 5000, "9" * 5000 + "s", "1." + "9" * 5000 + "s"])
def test_endless_numbers_are_refused_like_other_mistakes(parse: Any, text: str) -> None:
    """Python itself refuses to read whole numbers of more than 4300 digits, with an error of its own."""
    with pytest.raises(AxError):
        parse(text)
