"""Parameters of a sweep: what people write becomes sets of plain values, or a clear refusal."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axlab.errors import AxError
from axlab.scale.parameters import parameter_sets, plain, read_grid, read_parameter, read_value

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def test_a_grid_is_every_combination_and_the_last_name_varies_fastest() -> None:
    sets = parameter_sets({"cpus": [1, 2], "scheduler": ["fifo", "rr"]})
    assert sets == [
        {"cpus": 1, "scheduler": "fifo"},
        {"cpus": 1, "scheduler": "rr"},
        {"cpus": 2, "scheduler": "fifo"},
        {"cpus": 2, "scheduler": "rr"},
    ]


def test_a_single_value_in_a_grid_is_a_list_of_one() -> None:
    assert parameter_sets({"scheduler": "fair", "seed": range(2)}) == [
        {"scheduler": "fair", "seed": 0},
        {"scheduler": "fair", "seed": 1},
    ]


def test_a_frame_is_one_run_for_each_row_in_plain_values() -> None:
    frame = pandas.DataFrame({"cpus": numpy.array([1, 2]), "load": [0.5, 1.0], "name": ["a", "b"]})
    sets = parameter_sets(frame)
    assert sets == [{"cpus": 1, "load": 0.5, "name": "a"}, {"cpus": 2, "load": 1.0, "name": "b"}]
    assert {type(value) for one in sets for value in one.values()} == {int, float, str}


def test_no_parameters_are_one_run() -> None:
    assert parameter_sets(None) == [{}]


@settings(max_examples=30)
@given(st.dictionaries(st.text(min_size=1), st.lists(VALUES, min_size=1, max_size=3), max_size=3))
def test_every_grid_of_plain_values_survives_json(grid: dict[str, list[Any]]) -> None:
    sets = parameter_sets(grid)
    assert json.loads(json.dumps(sets)) == sets
    assert len({json.dumps(one, sort_keys=True) for one in sets}) <= len(sets)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cpus": []}, "parameter cpus has no values; leave it out, or give it one"),
        ([], "there is no set of parameters, so there is nothing to run"),
        ([3], "parameters[0] is 3: a dict of name and value is wanted"),
        ([{"f": print}], "parameter f is a builtin_function_or_method, which cannot be kept: "
                         "numbers, text, true and false, lists and dicts can"),
        ("cpus", "'cpus' are no parameters: a dict of lists, a list of dicts or a DataFrame is wanted"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_parameters_is_refused(parameters: Any, message: str) -> None:
    with pytest.raises(AxError) as error:
        parameter_sets(parameters)
    assert error.value.message == message


def test_numpy_values_become_plain_ones() -> None:
    assert plain({"a": numpy.int64(3), "b": numpy.arange(2), "c": numpy.float32(0.5)}, "x") == {
        "a": 3,
        "b": [0, 1],
        "c": 0.5,
    }


def test_a_parameter_of_the_command_line_has_a_name_and_values() -> None:
    assert read_parameter("cpus=1,2,0x4") == ("cpus", [1, 2, 4])
    assert read_parameter('kernel.cmdline=quiet,"a, b"') == ("kernel.cmdline", ["quiet", "a, b"])
    assert read_parameter("load=0.5,true,fair") == ("load", [0.5, True, "fair"])


@given(st.integers(-(10**20), 10**20))
def test_a_whole_number_is_read_as_one(number: int) -> None:
    assert read_value(str(number)) == number


@given(st.text())
def test_any_text_is_read_as_a_plain_value(text: str) -> None:
    assert isinstance(read_value(text), int | float | str)


def test_seeds_are_a_parameter_from_0_on() -> None:
    assert read_grid(["cpus=1"], 3) == {"cpus": [1], "seed": [0, 1, 2]}


@pytest.mark.parametrize(
    ("texts", "seeds", "message"),
    [
        (["cpus"], None, "'cpus' is no parameter; write NAME=VALUE,VALUE, such as cpus=1,2,4"),
        (["a=1", "a=2"], None, "parameter a is given twice; write its values behind one another: a=A,B"),
        ([], 0, "0 seeds are no sweep: 1 or more are wanted"),
        (["seed=1"], 2, "the parameter seed is given twice: by its name, and by the number of seeds"),
    ],
)
def test_what_is_no_parameter_is_refused(texts: list[str], seeds: int | None, message: str) -> None:
    with pytest.raises(AxError) as error:
        read_grid(texts, seeds)
    assert error.value.message == message
