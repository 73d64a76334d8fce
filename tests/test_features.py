"""What a CPU may lack: each switch changes its ID register and every instruction of its kind."""

from __future__ import annotations

import random

import pytest
from cpu_setup import RAM, VECTORS, cpu_with

from axlab.machine.cpu import Cpu
from axlab.machine.isa.table import Row, load_table
from axlab.machine.traps import ExceptionClass as EC

LSE = ("CAS", "CASP", "LDADD", "LDCLR", "LDEOR", "LDSET", "LDSMAX", "LDSMIN", "LDUMAX", "LDUMIN", "SWP")
BOTH = pytest.mark.parametrize("translates", [False, True], ids=["stepped", "translated"])


def is_undefined(row: Row, translates: bool, seed: int, **features: bool) -> bool:
    """Whether a random instruction of the row is UNDEFINED, and leaves everything else as it was."""
    rng = random.Random(seed)
    while not row.allocated(tuple((values := {n: rng.getrandbits(w) for n, (_, w) in row.fields.items()}).values())):
        pass
    cpu = cpu_with("nop", **features)
    cpu.memory.write_int(RAM, 4, row.encode(values))
    cpu.translates = translates
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.x = [rng.getrandbits(64) for _ in range(31)]
    before = list(cpu.x)
    cpu.run(1)
    return exception(cpu) == (EC.UNKNOWN, 0) and cpu.x == before and cpu.sys["ELR_EL1"] == RAM


def exception(cpu: Cpu) -> tuple[int, int] | None:
    """Class and syndrome of the exception just taken, if one was."""
    if cpu.pc != VECTORS + 0x200:
        return None
    return cpu.sys["ESR_EL1"] >> 26, cpu.sys["ESR_EL1"] & 0x1FF_FFFF


@BOTH
def test_without_fp_every_simd_and_fp_instruction_is_undefined(translates: bool) -> None:
    rows = [row for row in load_table().rows.values() if row.chapter == "C7.2"]
    assert len(rows) > 100
    for seed, row in enumerate(rows):
        assert is_undefined(row, translates, seed, fp=False), row.name


@BOTH
def test_without_lse_every_atomic_is_undefined(translates: bool) -> None:
    for seed, name in enumerate(LSE):
        assert is_undefined(load_table().rows[name], translates, seed, lse=False), name
        assert not is_undefined(load_table().rows[name], translates, seed, lse=True), name


@BOTH
def test_hlt_is_undefined_but_for_the_call_of_the_host(translates: bool) -> None:
    def run(source: str, semihosting: bool) -> tuple[str, tuple[int, int] | None]:
        cpu = cpu_with(source, semihosting=semihosting)
        cpu.translates = translates
        trap = cpu.run(1)
        return trap.kind if trap else "", exception(cpu)

    assert run("hlt #0xf000", True) == ("semihosting", None)
    assert run("hlt #0xf000", False) == ("", (EC.UNKNOWN, 0))
    assert run("hlt #0xf001", True) == ("", (EC.UNKNOWN, 0))


@pytest.mark.parametrize(
    ("features", "register", "value"),
    [
        ({}, "ID_AA64PFR0_EL1", 0x0100_0011),
        ({"fp": False}, "ID_AA64PFR0_EL1", 0x01FF_0011),
        ({"gic_version": 2}, "ID_AA64PFR0_EL1", 0x0000_0011),
        ({}, "ID_AA64ISAR0_EL1", 0x0001_0000),
        ({"lse": True}, "ID_AA64ISAR0_EL1", 0x0021_0000),
    ],
)
def test_the_id_registers_say_what_is_there(features: dict[str, object], register: str, value: int) -> None:
    cpu = cpu_with(f"mrs x0, {register}\n", **features)
    cpu.run(1)
    assert cpu.x[0] == value


@pytest.mark.parametrize(("version", "is_there"), [(3, True), (2, False)])
def test_the_gics_registers_are_there_with_a_gicv3_alone(version: int, is_there: bool) -> None:
    cpu = cpu_with("mrs x0, icc_pmr_el1", gic_version=version)
    cpu.run(1)
    assert exception(cpu) == (None if is_there else (EC.UNKNOWN, 0))
