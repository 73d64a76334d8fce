"""Exceptions to EL1: which, where to, what the syndrome registers say, and how one returns."""

from __future__ import annotations

import pytest
from cpu_setup import DATA, DEVICE, NOWHERE, RAM, VECTORS, cpu_with, map_page, run_to_trap, run_to_vector, turn_mmu_on

from axlab.machine.cpu import Cpu
from axlab.machine.traps import ExceptionClass as EC

IL = 1 << 25


def at_el0(cpu: Cpu) -> Cpu:
    """The same CPU, about to execute at EL0."""
    cpu.el = cpu.sp_sel = 0
    cpu.daif = 0
    return cpu


def esr(cpu: Cpu) -> tuple[int, int]:
    """(exception class, ISS) of ESR_EL1."""
    assert cpu.sys["ESR_EL1"] & IL
    return cpu.sys["ESR_EL1"] >> 26, cpu.sys["ESR_EL1"] & 0x1FF_FFFF


@pytest.mark.parametrize(
    ("source", "expected", "return_to"),
    [
        ("svc #0x1234", (EC.SVC, 0x1234), 4),
        ("brk #0x4321", (EC.BRK, 0x4321), 0),
        ("udf #7", (EC.UNKNOWN, 0), 0),
        (".word 0xffffffff", (EC.UNKNOWN, 0), 0),
        ("hlt #0xf000", (EC.UNKNOWN, 0), 0),
        ("hlt #1", (EC.UNKNOWN, 0), 0),
        ("smc #0", (EC.UNKNOWN, 0), 0),
        ("dcps1", (EC.UNKNOWN, 0), 0),
        ("drps", (EC.UNKNOWN, 0), 0),
        ("ldadd x0, x1, [x2]", (EC.UNKNOWN, 0), 0),
        ("mrs x0, hcr_el2", (EC.UNKNOWN, 0), 0),
        ("fmov x0, d0", (EC.FP_ACCESS, 0x1E << 20), 0),
    ],
)
def test_an_instruction_takes_its_exception_to_el1(source: str, expected: tuple[int, int], return_to: int) -> None:
    cpu = cpu_with(source)
    assert run_to_vector(cpu) == 0x200
    assert esr(cpu) == expected
    assert cpu.sys["ELR_EL1"] == RAM + return_to


@pytest.mark.parametrize(("el", "sp_sel", "group"), [(0, 0, 0x400), (1, 0, 0x000), (1, 1, 0x200)])
def test_the_vector_and_the_saved_state_follow_from_where_it_happened(el: int, sp_sel: int, group: int) -> None:
    cpu = cpu_with("svc #0")
    cpu.el, cpu.sp_sel, cpu.nzcv, cpu.daif = el, sp_sel, 0b1010, 0b0101
    assert run_to_vector(cpu) == group
    assert cpu.sys["SPSR_EL1"] == 0b1010 << 28 | 0b0101 << 6 | el << 2 | sp_sel
    assert (cpu.el, cpu.sp_sel, cpu.daif) == (1, 1, 0xF)


def test_eret_gives_back_what_was_saved() -> None:
    cpu = cpu_with("eret")
    cpu.sys.update(ELR_EL1=RAM + 0x100, SPSR_EL1=0b0110 << 28 | 0b1000 << 6 | 0b00000)
    cpu.run(1)
    assert (cpu.pc, cpu.el, cpu.nzcv, cpu.daif) == (RAM + 0x100, 0, 0b0110, 0b1000)


@pytest.mark.parametrize("mode", [0b10000, 0b01001, 0b01101, 0b00001, 0b00010, 0b00111])
def test_a_return_to_a_mode_that_is_not_there_is_an_illegal_state(mode: int) -> None:
    cpu = cpu_with("eret")
    cpu.sys.update(ELR_EL1=RAM + 0x100, SPSR_EL1=mode | 0b1000 << 28)
    assert run_to_vector(cpu) == 0x200
    assert esr(cpu) == (EC.ILLEGAL_STATE, 0)
    assert cpu.sys["ELR_EL1"] == RAM + 0x100
    assert cpu.sys["SPSR_EL1"] >> 20 & 1
    assert cpu.sys["SPSR_EL1"] >> 28 == 0b1000
    assert cpu.il == 0


def test_eret_is_undefined_at_el0() -> None:
    cpu = at_el0(cpu_with("eret"))
    assert run_to_vector(cpu) == 0x400
    assert esr(cpu) == (EC.UNKNOWN, 0)


def test_an_exception_in_a_handler_nests() -> None:
    cpu = cpu_with("svc #1")
    cpu.memory.write_int(VECTORS + 0x200, 4, 0xD4000041)  # svc #2
    cpu.run(2)
    assert (cpu.pc, esr(cpu)) == (VECTORS + 0x200, (EC.SVC, 2))
    assert cpu.sys["ELR_EL1"] == VECTORS + 0x204


# Memory


@pytest.mark.parametrize(("instruction", "wnr"), [("ldr x0, [x1]", 0), ("str x0, [x1]", 1), ("stp x0, x2, [x1]", 1)])
def test_an_access_to_nothing_mapped_is_a_translation_fault(instruction: str, wnr: int) -> None:
    cpu = cpu_with(instruction)
    turn_mmu_on(cpu)
    cpu.x[1] = 0x1_0000_0000
    run_to_vector(cpu)
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0b000101 | wnr << 6)
    assert cpu.sys["FAR_EL1"] == 0x1_0000_0000


def test_an_access_where_nothing_answers_is_an_external_abort() -> None:
    for address in (NOWHERE, DEVICE + 0x800):
        cpu = cpu_with("str w0, [x1]")
        cpu.x[1] = address
        run_to_vector(cpu)
        assert esr(cpu) == (EC.DATA_ABORT_SAME, 0x10 | 1 << 6)
        assert cpu.sys["FAR_EL1"] == address


def test_a_fetch_where_nothing_answers_is_an_external_abort() -> None:
    cpu = cpu_with("br x1")
    cpu.x[1] = NOWHERE
    run_to_vector(cpu)
    assert esr(cpu) == (EC.INSTRUCTION_ABORT_SAME, 0x10)
    assert (cpu.sys["FAR_EL1"], cpu.sys["ELR_EL1"]) == (NOWHERE, NOWHERE)


def test_el0_faults_are_faults_from_a_lower_level() -> None:
    cpu = at_el0(cpu_with("ldr x0, [x1]\n br x1"))
    turn_mmu_on(cpu)
    cpu.x[1] = map_page(cpu, 0, 0)
    assert run_to_vector(cpu) == 0x400
    assert esr(cpu) == (EC.DATA_ABORT_LOWER, 0b001111)
    cpu = at_el0(cpu_with("br x1"))
    turn_mmu_on(cpu)
    cpu.x[1] = DATA
    assert run_to_vector(cpu) == 0x400
    assert esr(cpu) == (EC.INSTRUCTION_ABORT_LOWER, 0b001110)


@pytest.mark.parametrize(
    "instruction", ["ldr x0, [x1]", "strh w0, [x1]", "ldp w0, w2, [x1]", "ldxr x0, [x1]", "ldar x0, [x1]"]
)
def test_without_an_mmu_data_is_device_memory_and_must_be_aligned(instruction: str) -> None:
    cpu = cpu_with(instruction)
    cpu.x[1] = DATA + 1
    run_to_vector(cpu)
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0x21 | ("st" in instruction) << 6)
    assert cpu.sys["FAR_EL1"] == DATA + 1


@pytest.mark.parametrize(
    ("instruction", "faults"),
    [
        ("ldr x0, [x1]", False),
        ("stp x0, x2, [x1]", False),
        ("ldxr x0, [x1]", True),
        ("stxr w0, x2, [x1]", True),
        ("ldar x0, [x1]", True),
        ("stlr x0, [x1]", True),
        ("ldxp w0, w2, [x3]", True),
        ("swp x0, x2, [x1]", True),
        ("casp x4, x5, x6, x7, [x3]", True),
        ("ldtr x0, [x1]", False),
    ],
)
def test_what_must_be_aligned_in_normal_memory(instruction: str, faults: bool) -> None:
    cpu = cpu_with(f"{instruction}\n hvc #0x999", lse=True)
    turn_mmu_on(cpu)
    cpu.x[1], cpu.x[3] = DATA + 4, DATA + 12
    trap = run_to_trap(cpu)
    assert (trap.iss != 0x999) == faults
    if faults:
        assert esr(cpu)[1] & 0x3F == 0x21


def test_sctlr_a_makes_every_misaligned_access_fault() -> None:
    cpu = cpu_with("ldr x0, [x1]")
    turn_mmu_on(cpu)
    cpu.sys["SCTLR_EL1"] |= 1 << 1
    cpu.x[1] = DATA + 4
    run_to_vector(cpu)
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0x21)


@pytest.mark.parametrize("instruction", ["ldr x0, [sp]", "stp x0, x1, [sp, #-16]!", "str q0, [sp]", "ldxr x0, [sp]"])
def test_the_stack_pointer_must_be_aligned_to_be_a_base(instruction: str) -> None:
    cpu = cpu_with(instruction)
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.sp_el1 += 8
    run_to_vector(cpu)
    assert esr(cpu) == (EC.SP_ALIGNMENT, 0)


def test_the_stack_pointer_may_be_misaligned_where_sctlr_allows_it() -> None:
    cpu = cpu_with("ldr x0, [sp]\n hvc #0x999")
    cpu.sp_el1 += 8
    cpu.sys["SCTLR_EL1"] &= ~(1 << 3)
    assert run_to_trap(cpu).iss == 0x999


def test_a_branch_to_a_misaligned_address_faults_at_that_address() -> None:
    cpu = cpu_with("br x1")
    cpu.x[1] = RAM + 6
    run_to_vector(cpu)
    assert esr(cpu) == (EC.PC_ALIGNMENT, 0)
    assert (cpu.sys["ELR_EL1"], cpu.sys["FAR_EL1"]) == (RAM + 6, RAM + 6)


def test_unprivileged_accesses_have_the_rights_of_el0() -> None:
    cpu = cpu_with("ldr x0, [x1]\n ldtr x0, [x1]")
    turn_mmu_on(cpu)
    cpu.x[1] = map_page(cpu, 0, 0)
    run_to_vector(cpu)
    assert cpu.sys["ELR_EL1"] == RAM + 4
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0b001111)


def test_cache_maintenance_of_an_unmapped_address_is_an_abort_that_says_so() -> None:
    cpu = cpu_with("dc civac, x1")
    turn_mmu_on(cpu)
    cpu.x[1] = 0x1_0000_0000
    run_to_vector(cpu)
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0b000101 | 1 << 8 | 1 << 6)


def test_dc_zva_zeroes_its_64_bytes_and_needs_normal_memory() -> None:
    cpu = cpu_with("dc zva, x1\n hvc #0x999")
    cpu.x[1] = DATA + 0x47
    cpu.memory.write(DATA, b"\xff" * 256)
    assert run_to_vector(cpu) == 0x200
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0x21 | 1 << 6)
    cpu.pc = RAM
    turn_mmu_on(cpu)
    assert run_to_trap(cpu).iss == 0x999
    assert cpu.memory.read(DATA, 256) == b"\xff" * 64 + bytes(64) + b"\xff" * 128


# What EL1 keeps from EL0


@pytest.mark.parametrize(
    ("source", "bit", "iss"),
    [
        ("wfi", 16, 0x1E << 20),
        ("wfe", 18, 0x1E << 20 | 1),
    ],
)
def test_el1_may_trap_el0s_waiting(source: str, bit: int, iss: int) -> None:
    cpu = at_el0(cpu_with(f"{source}\n svc #9"))
    cpu.sys["SCTLR_EL1"] &= ~(1 << bit)
    run_to_vector(cpu)
    assert esr(cpu) == (EC.WFX, iss)
    cpu = at_el0(cpu_with(f"{source}\n svc #9"))
    cpu.sys["SCTLR_EL1"] |= 1 << bit
    run_to_vector(cpu)
    assert esr(cpu) == (EC.SVC, 9)


@pytest.mark.parametrize(
    ("source", "register", "bit"),
    [
        ("mrs x0, ctr_el0", "SCTLR_EL1", 15),
        ("dc zva, x1", "SCTLR_EL1", 14),
        ("dc cvau, x1", "SCTLR_EL1", 26),
        ("ic ivau, x1", "SCTLR_EL1", 26),
        ("msr daifset, #1", "SCTLR_EL1", 9),
        ("mrs x0, daif", "SCTLR_EL1", 9),
        ("mrs x0, cntvct_el0", "CNTKCTL_EL1", 1),
        ("mrs x0, cntpct_el0", "CNTKCTL_EL1", 0),
        ("msr cntv_ctl_el0, xzr", "CNTKCTL_EL1", 8),
        ("msr cntp_ctl_el0, xzr", "CNTKCTL_EL1", 9),
    ],
)
def test_el1_may_keep_system_instructions_from_el0(source: str, register: str, bit: int) -> None:
    for allowed in (0, 1):
        cpu = at_el0(cpu_with(f"{source}\n svc #9"))
        turn_mmu_on(cpu)
        cpu.x[1] = DATA
        cpu.sys[register] = cpu.sys[register] & ~(1 << bit) | allowed << bit
        assert run_to_vector(cpu) == 0x400
        assert esr(cpu)[0] == (EC.SVC if allowed else EC.SYSTEM_REGISTER)


def test_the_syndrome_of_a_system_access_names_register_and_direction() -> None:
    cpu = at_el0(cpu_with("mrs x17, ctr_el0"))
    cpu.sys["SCTLR_EL1"] &= ~(1 << 15)
    run_to_vector(cpu)
    assert esr(cpu)[1] == 3 << 20 | 1 << 17 | 3 << 14 | 0 << 10 | 17 << 5 | 0 << 1 | 1


@pytest.mark.parametrize(
    ("fpen", "el", "traps"), [(0, 1, True), (1, 1, False), (1, 0, True), (2, 0, True), (3, 0, False)]
)
def test_cpacr_decides_who_may_use_the_vectors(fpen: int, el: int, traps: bool) -> None:
    cpu = cpu_with("movi v0.4s, #1\n svc #9")
    cpu.el, cpu.sp_sel = el, el
    cpu.sys["CPACR_EL1"] = fpen << 20
    run_to_vector(cpu)
    assert esr(cpu) == ((EC.FP_ACCESS, 0x1E << 20) if traps else (EC.SVC, 9))


def test_a_cpu_without_vectors_has_no_such_instructions() -> None:
    for source in ("movi v0.4s, #1", "ldr q0, [x1]", "mrs x0, fpcr"):
        cpu = cpu_with(source, fp=False)
        cpu.sys["CPACR_EL1"] = 3 << 20
        run_to_vector(cpu)
        assert esr(cpu) == (EC.UNKNOWN, 0)


def test_an_injected_abort_looks_like_the_guests_own() -> None:
    cpu = cpu_with("nop")
    cpu.inject_abort(0x1234, write=True)
    assert cpu.pc == VECTORS + 0x200
    assert esr(cpu) == (EC.DATA_ABORT_SAME, 0x10 | 1 << 6)
    assert (cpu.sys["FAR_EL1"], cpu.sys["ELR_EL1"]) == (0x1234, RAM)
