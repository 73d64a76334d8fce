"""Every instruction of the table has exactly one meaning, and a meaning has the row's fields as its parameters."""

from __future__ import annotations

import inspect

from axlab.machine.isa.semantics import MODULES, SEMANTICS, rows_of
from axlab.machine.isa.table import load_table


def test_every_row_has_semantics_and_every_semantics_has_a_row() -> None:
    assert set(SEMANTICS) == set(load_table().rows)


def test_no_row_has_two_meanings() -> None:
    assert sum(len(rows_of(module)) for module in MODULES) == len(SEMANTICS)


def test_the_parameters_of_a_meaning_are_the_fields_of_its_row() -> None:
    for name, row in load_table().rows.items():
        parameters = list(inspect.signature(SEMANTICS[name]).parameters)
        assert parameters == ["cpu", *row.fields], name


def test_every_meaning_says_what_it_does() -> None:
    assert [name for name, function in SEMANTICS.items() if not function.__doc__] == []
