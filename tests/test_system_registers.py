"""System registers: what there is, who may access it, and that ID registers say what is true."""

from __future__ import annotations

import pytest
from cpu_setup import RAM, cpu_with, run_to_trap, run_to_vector

from axlab.machine.features import Features
from axlab.machine.isa.system_names import ENCODINGS
from axlab.machine.register_table import EL2_REGISTERS, TABLE, SystemRegister
from axlab.machine.system_registers import REGISTERS, reset_values
from axlab.machine.traps import ExceptionClass as EC

NAMES = [register.name for register in TABLE]


def read(name: str, **features: object) -> int:
    cpu = cpu_with(f"mrs x0, {name}\n hvc #9", **features)  # type: ignore[arg-type]
    cpu.sys["CPACR_EL1"] = 3 << 20
    assert run_to_trap(cpu).iss == 9, name
    return cpu.x[0]


def test_every_register_is_named_and_encoded_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len(REGISTERS) == len(TABLE)
    assert not set(NAMES) & set(EL2_REGISTERS)


@pytest.mark.parametrize("register", TABLE, ids=NAMES)
def test_el1_can_read_and_write_exactly_what_the_table_says(register: SystemRegister) -> None:
    for operation, letter in ((f"mrs x0, {register.name}", "r"), (f"msr {register.name}, x1", "w")):
        cpu = cpu_with(f"{operation}\n hvc #9")
        cpu.memory.write_int(RAM, 4, word_of(register, letter))
        cpu.sys["CPACR_EL1"] = 3 << 20
        cpu.x[1] = read_value(register)
        trap = run_to_trap(cpu)
        if letter in register.el1:
            assert trap.iss == 9, operation
        else:
            assert cpu.sys["ESR_EL1"] >> 26 == EC.UNKNOWN, operation


def word_of(register: SystemRegister, letter: str) -> int:
    """MRS X0 or MSR from X1."""
    op0, op1, crn, crm, op2 = ENCODINGS[register.name]
    access = 0xD5300000 if letter == "r" else 0xD5100001
    return access | (op0 & 1) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5


def read_value(register: SystemRegister) -> int:
    """A value that may be written without leaving the program: no MMU, no masked or taken interrupt."""
    return (
        0xFFFF if register.name not in ("SCTLR_EL1", "SPSel", "VBAR_EL1", "CNTV_CTL_EL0", "CNTP_CTL_EL0") else 1 << 12
    )


def test_el0_gets_nothing_that_the_table_does_not_give_it() -> None:
    for register in TABLE:
        for letter in "rw":
            if letter not in register.el0:
                cpu = cpu_with("nop\n svc #9")
                cpu.memory.write_int(RAM, 4, word_of(register, letter))
                cpu.el = cpu.sp_sel = 0
                assert run_to_vector(cpu) == 0x400
                assert cpu.sys["ESR_EL1"] >> 26 == EC.UNKNOWN, (register.name, letter)


def test_registers_of_el2_and_el3_and_unimplemented_ones_are_undefined() -> None:
    unknown = [name for name, code in ENCODINGS.items() if code not in REGISTERS and code[:3] != (3, 0, 0)]
    assert len(unknown) > 100
    for name in unknown:
        op0, op1, crn, crm, op2 = ENCODINGS[name]
        cpu = cpu_with("nop")
        cpu.memory.write_int(RAM, 4, 0xD5300000 | (op0 & 1) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5)
        run_to_vector(cpu)
        assert cpu.sys["ESR_EL1"] >> 26 == EC.UNKNOWN, name


def test_reserved_id_registers_read_as_zero() -> None:
    for name in ("s3_0_c0_c4_4", "s3_0_c0_c7_7", "s3_0_c0_c1_0", "id_aa64zfr0_el1", "id_aa64mmfr2_el1"):
        assert read(name) == 0


def test_id_registers_say_what_is_implemented() -> None:
    assert read("midr_el1") == 0x410FD034
    assert read("mpidr_el1") == 1 << 31
    assert read("id_aa64pfr0_el1") == 0x0100_0011
    assert read("id_aa64pfr0_el1", fp=False, gic_version=2) == 0x00FF_0011
    assert read("id_aa64isar0_el1") == 1 << 16
    assert read("id_aa64isar0_el1", lse=True) == 1 << 16 | 2 << 20
    assert read("id_aa64mmfr0_el1") == 0x0010_0024
    assert read("id_aa64dfr0_el1") >> 8 & 0xF == 0


def test_what_the_cpu_is_can_be_made_up_by_el2() -> None:
    cpu = cpu_with("mrs x0, midr_el1\n mrs x1, mpidr_el1\n hvc #9")
    cpu.sys.update(VPIDR_EL2=0x1234, VMPIDR_EL2=0x8000_0102)
    run_to_trap(cpu)
    assert cpu.x[:2] == [0x1234, 0x8000_0102]


def test_without_gic_system_registers_they_are_undefined() -> None:
    cpu = cpu_with("mrs x0, icc_pmr_el1", gic_version=2)
    run_to_vector(cpu)
    assert cpu.sys["ESR_EL1"] >> 26 == EC.UNKNOWN


def test_pstate_is_read_and_written_by_its_fields() -> None:
    cpu = cpu_with(
        """
        msr nzcv, x1
        mrs x2, nzcv
        msr daifclr, #0xf
        msr daifset, #5
        mrs x3, daif
        mrs x4, CurrentEL
        msr SPSel, #0
        mrs x5, SPSel
        hvc #9
        """
    )
    cpu.x[1] = 0xA000_0000
    assert run_to_trap(cpu).iss == 9
    assert cpu.x[2:6] == [0xA000_0000, 5 << 6, 1 << 2, 0]


def test_sp_el0_is_undefined_while_it_is_the_stack_pointer() -> None:
    cpu = cpu_with("msr SPSel, #0\n mrs x0, sp_el0")
    assert run_to_vector(cpu) == 0x000


def test_each_stack_pointer_is_its_own() -> None:
    cpu = cpu_with("mov sp, x1\n msr SPSel, #0\n mov sp, x2\n msr SPSel, #1\n mrs x3, sp_el0\n mov x4, sp\n hvc #9")
    cpu.x[1], cpu.x[2] = 0x1110, 0x2220
    run_to_trap(cpu)
    assert cpu.x[3:5] == [0x2220, 0x1110]


def test_reserved_bits_keep_their_values() -> None:
    cpu = cpu_with("msr sctlr_el1, x1\n mrs x2, sctlr_el1\n msr vbar_el1, x3\n mrs x4, vbar_el1\n hvc #9")
    cpu.x[1] = 1 << 25 | 1 << 24 | 1 << 12  # EE and E0E: there is no big-endian data
    cpu.x[3] = 0x1FFF
    run_to_trap(cpu)
    assert cpu.x[2] == 0x30D0_0980 | 1 << 12
    assert cpu.x[4] == 0x1800


def test_the_counter_is_virtual_time() -> None:
    cpu = cpu_with("mrs x0, cntvct_el0\n mrs x1, cntpct_el0\n mrs x2, cntfrq_el0\n hvc #9")
    cpu.enter(16_000)
    cpu.sys["CNTVOFF_EL2"] = 1000
    run_to_trap(cpu)
    assert cpu.x[:3] == [0, 1006, 62_500_000]


def test_cache_sizes_follow_the_selected_cache() -> None:
    cpu = cpu_with("msr csselr_el1, x1\n mrs x0, ccsidr_el1\n hvc #9")
    cpu.x[1] = 2
    run_to_trap(cpu)
    assert cpu.x[0] == 0x707F_E07A


def test_address_translation_leaves_its_answer_in_par_el1() -> None:
    cpu = cpu_with("at s1e1r, x1\n mrs x0, par_el1\n hvc #9")
    cpu.x[1] = RAM + 0x1234
    run_to_trap(cpu)
    assert cpu.x[0] & 0xFFFF_FFFF_F000 == RAM + 0x1000
    assert cpu.x[0] & 1 == 0


def test_the_os_lock_is_seen_in_its_status() -> None:
    cpu = cpu_with("msr oslar_el1, xzr\n mrs x0, oslsr_el1\n msr oslar_el1, x1\n mrs x2, oslsr_el1\n hvc #9")
    cpu.x[1] = 1
    run_to_trap(cpu)
    assert (cpu.x[0], cpu.x[2]) == (0b1000, 0b1010)


def test_reset_values_are_numbers_for_every_combination_of_features() -> None:
    for fp in (True, False):
        for version in (2, 3):
            values = reset_values(Features(fp=fp, gic_version=version))
            assert all(isinstance(value, int) for value in values.values())
