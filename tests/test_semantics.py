"""Every instruction of the table has exactly one meaning, and a meaning has the row's fields as its parameters."""

from __future__ import annotations

import inspect

import pytest
from cpu_setup import DATA, cpu_with, run_to_trap

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


@pytest.mark.parametrize(
    ("instruction", "memory", "operand", "result"),
    [  # bytes, halfwords and words are compared as signed numbers of their own width
        ("ldsmaxb", 0x80, 0x01, 0x01),
        ("ldsmaxb", 0x01, 0x80, 0x01),
        ("ldsmaxh", 0x0005, 0xFFFF_FFFF, 0x0005),
        ("ldsmax", 0x8000_0000, 0x1, 0x1),
        ("ldsminb", 0x01, 0x80, 0x80),
        ("ldsminh", 0x0005, 0x1_FFFF, 0xFFFF),
        ("ldsmin", 0x1, 0x8000_0000, 0x8000_0000),
        ("ldumaxb", 0x01, 0x80, 0x80),
        ("lduminh", 0x0005, 0x1_FFFF, 0x0005),
    ],
)
def test_atomic_minima_and_maxima_know_the_sign(instruction: str, memory: int, operand: int, result: int) -> None:
    cpu = cpu_with(f"{instruction} w0, w2, [x1]\n hvc #0", lse=True)
    cpu.x[0], cpu.x[1] = operand, DATA
    cpu.memory.write_int(DATA, 4, memory)
    run_to_trap(cpu)
    assert (cpu.memory.read_int(DATA, 4), cpu.x[2]) == (result, memory)


def test_the_two_checksums_are_different_ones() -> None:
    cpu = cpu_with("crc32b w2, w0, w1\n crc32cb w3, w0, w1\n crc32x w4, w0, x1\n crc32cx w5, w0, x1\n hvc #0")
    cpu.x[0], cpu.x[1] = 0xFFFF_FFFF, int.from_bytes(b"12345678", "little")
    run_to_trap(cpu)
    assert [value ^ 0xFFFF_FFFF for value in cpu.x[2:6]] == [0x83DCEFB7, 0x90F599E3, 0x9AE0DAAF, 0x6087809A]


def test_the_compare_of_a_conditional_compare_is_a_full_one() -> None:
    cpu = cpu_with("cmp x0, x0\n ccmp x0, #1, #0, eq\n mrs x1, nzcv\n ccmp x0, #1, #5, eq\n mrs x2, nzcv\n hvc #0")
    run_to_trap(cpu)
    assert (cpu.x[1] >> 28, cpu.x[2] >> 28) == (0b1000, 0b0101)
