"""What goes to EL2: hypervisor calls, what HCR_EL2 and its kind trap, and stage 2's aborts, with their syndromes."""

from __future__ import annotations

import pytest
from cpu_setup import (
    DATA,
    DEVICE,
    RAM,
    RAM_SIZE,
    STAGE2,
    TABLES,
    VECTORS,
    cpu_with,
    run_to_trap,
    run_to_vector,
    turn_mmu_on,
    turn_stage2_on,
)

from axlab.machine.cpu import Cpu
from axlab.machine.tlb import MAX_REFUSED
from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import load_store_syndrome

ISV = 1 << 24


def at_el0(cpu: Cpu) -> Cpu:
    cpu.el = cpu.sp_sel = 0
    return cpu


def test_hvc_goes_to_el2_with_its_number_and_returns_behind_itself() -> None:
    cpu = cpu_with("nop\n hvc #0xabc")
    trap = run_to_trap(cpu)
    assert (trap.kind, trap.ec, trap.iss, cpu.pc) == ("sync", EC.HVC, 0xABC, RAM + 8)
    assert (cpu.sys["ESR_EL2"], cpu.sys["ELR_EL2"], cpu.sys["SPSR_EL2"]) == (trap.esr, RAM + 8, 0xF << 6 | 5)


def test_hvc_is_undefined_at_el0_and_where_hcr_hcd_is_set() -> None:
    assert run_to_vector(at_el0(cpu_with("hvc #0"))) == 0x400
    cpu = cpu_with("hvc #5")
    cpu.memory.write_int(VECTORS + 0x200, 4, 0x1400_0000)  # b .
    cpu.sys["HCR_EL2"] |= 1 << 29
    assert cpu.run(2) is None
    assert cpu.sys["ESR_EL1"] >> 26 == EC.UNKNOWN


def test_a_trapped_smc_returns_to_itself() -> None:
    cpu = cpu_with("smc #3")
    cpu.sys["HCR_EL2"] |= 1 << 19
    trap = run_to_trap(cpu)
    assert (trap.ec, trap.iss, cpu.pc) == (EC.SMC, 3, RAM)


@pytest.mark.parametrize(("source", "bit", "ti"), [("wfi", 13, 0), ("wfe", 14, 1)])
def test_waiting_traps_if_el2_says_so_and_else_goes_on(source: str, bit: int, ti: int) -> None:
    cpu = cpu_with(f"{source}\n hvc #9")
    assert run_to_trap(cpu).iss == 9
    cpu = cpu_with(source)
    cpu.sys["HCR_EL2"] |= 1 << bit
    trap = run_to_trap(cpu)
    assert (trap.ec, trap.iss, cpu.pc) == (EC.WFX, 0x1E << 20 | ti, RAM)


def test_wfi_does_not_wait_when_an_interrupt_is_pending_though_masked() -> None:
    cpu = cpu_with("wfi\n hvc #9")
    cpu.sys["HCR_EL2"] |= 1 << 13
    cpu.gic.priorities.enabled[1] = True
    cpu.gic.priorities.set_mask(0xFF)
    cpu.gic.load([1 << 62 | 1 << 60 | 0x80 << 48 | 40] + [0] * 15, 1)
    assert run_to_trap(cpu).iss == 9


def test_wfe_does_not_wait_after_an_event() -> None:
    cpu = cpu_with("sevl\n wfe\n wfe")
    cpu.sys["HCR_EL2"] |= 1 << 14
    assert run_to_trap(cpu).ec == EC.WFX
    assert cpu.pc == RAM + 8


HCR = {
    "TACR": 21, "TSW": 22, "TPC": 23, "TPU": 24, "TTLB": 25, "TVM": 26, "TDZ": 28, "TRVM": 30, "TID1": 16, "TID2": 17,
    "TID3": 18, "IMO": 4, "FMO": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("bit", "source"),
    [
        ("TVM", "msr sctlr_el1, x0"),
        ("TVM", "msr ttbr0_el1, x0"),
        ("TVM", "msr contextidr_el1, x0"),
        ("TRVM", "mrs x0, tcr_el1"),
        ("TRVM", "mrs x0, far_el1"),
        ("TACR", "mrs x0, actlr_el1"),
        ("TACR", "msr actlr_el1, x0"),
        ("TSW", "dc cisw, x0"),
        ("TPC", "dc civac, x0"),
        ("TPU", "ic iallu"),
        ("TTLB", "tlbi vmalle1"),
        ("TTLB", "tlbi vaae1is, x0"),
        ("TDZ", "dc zva, x0"),
        ("TID1", "mrs x0, revidr_el1"),
        ("TID2", "mrs x0, ctr_el0"),
        ("TID2", "msr csselr_el1, x0"),
        ("TID3", "mrs x0, id_aa64pfr0_el1"),
        ("TID3", "mrs x0, s3_0_c0_c7_7"),
        ("IMO", "msr icc_sgi1r_el1, x0"),
        ("FMO", "msr icc_sgi0r_el1, x0"),
    ],
)
def test_hcr_el2_traps_what_it_names_and_nothing_else(bit: str, source: str) -> None:
    cpu = cpu_with(f"{source}\n hvc #9")
    cpu.x[0] = DATA
    cpu.sys["HCR_EL2"] |= sum(1 << place for name, place in HCR.items() if name not in (bit, "FMO", "IMO"))
    turn_mmu_on(cpu)
    if not any(name in source for name in ("sctlr", "ttbr0", "sgi")):  # those would have their effect
        assert run_to_trap(cpu).iss == 9
    cpu = cpu_with(f"{source}\n hvc #9")
    cpu.sys["HCR_EL2"] |= 1 << HCR[bit]
    trap = run_to_trap(cpu)
    assert (trap.ec, cpu.pc) == (EC.SYSTEM_REGISTER, RAM)
    assert trap.iss & 1 == source.startswith("mrs")


def test_the_syndrome_of_a_trapped_write_has_register_and_source() -> None:
    cpu = cpu_with("msr icc_sgi1r_el1, x23")
    cpu.sys["HCR_EL2"] |= 1 << 4
    trap = run_to_trap(cpu)
    assert trap.iss == 3 << 20 | 5 << 17 | 0 << 14 | 12 << 10 | 23 << 5 | 11 << 1


@pytest.mark.parametrize(
    ("register", "bit", "trapping", "source"),
    [
        ("CNTHCTL_EL2", 0, 0, "mrs x0, cntpct_el0"),
        ("CNTHCTL_EL2", 1, 0, "msr cntp_cval_el0, x0"),
        ("CPTR_EL2", 31, 1, "mrs x0, cpacr_el1"),
        ("MDCR_EL2", 9, 1, "mrs x0, mdscr_el1"),
        ("MDCR_EL2", 10, 1, "msr oslar_el1, x0"),
        ("MDCR_EL2", 6, 1, "mrs x0, pmcr_el0"),
    ],
)
def test_the_other_controls_of_el2_trap_too(register: str, bit: int, trapping: int, source: str) -> None:
    for value in (trapping, 1 - trapping):
        cpu = cpu_with(f"{source}\n hvc #9")
        cpu.sys[register] = cpu.sys[register] & ~(1 << bit) | value << bit
        trap = run_to_trap(cpu)
        assert trap.ec == (EC.SYSTEM_REGISTER if value == trapping else EC.HVC)


def test_cptr_el2_tfp_traps_the_vectors() -> None:
    cpu = cpu_with("movi v0.4s, #1")
    cpu.sys.update(CPTR_EL2=1 << 10, CPACR_EL1=3 << 20)
    trap = run_to_trap(cpu)
    assert (trap.ec, trap.iss) == (EC.FP_ACCESS, 0x1E << 20)


def test_semihosting_leaves_the_cpu_behind_its_instruction() -> None:
    cpu = cpu_with("hlt #0xf000", semihosting=True)
    assert (run_to_trap(cpu).kind, cpu.pc) == ("semihosting", RAM + 4)


# Stage 2


@pytest.mark.parametrize(
    ("source", "syndrome"),
    [  # SAS 23:22, SSE 21, SRT 20:16, SF 15, AR 14
        ("ldr x7, [x1]", 3 << 22 | 7 << 16 | 1 << 15),
        ("ldr w7, [x1]", 2 << 22 | 7 << 16),
        ("ldrb w7, [x1]", 0 << 22 | 7 << 16),
        ("ldrsh x7, [x1]", 1 << 22 | 1 << 21 | 7 << 16 | 1 << 15),
        ("ldrsh w7, [x1]", 1 << 22 | 1 << 21 | 7 << 16),
        ("ldrsw x7, [x1]", 2 << 22 | 1 << 21 | 7 << 16 | 1 << 15),
        ("str xzr, [x1, x2]", 3 << 22 | 31 << 16 | 1 << 15),
        ("strh w3, [x1, w2, uxtw #1]", 1 << 22 | 3 << 16),
        ("stur w3, [x1, #0]", 2 << 22 | 3 << 16),
        ("ldtr x3, [x1]", 3 << 22 | 3 << 16 | 1 << 15),
        ("ldar w3, [x1]", 2 << 22 | 3 << 16 | 1 << 14),
        ("stlr x3, [x1]", 3 << 22 | 3 << 16 | 1 << 15 | 1 << 14),
    ],
)
def test_an_access_of_one_register_that_stage_2_refuses_has_a_full_syndrome(source: str, syndrome: int) -> None:
    cpu = cpu_with(source)
    turn_stage2_on(cpu)
    cpu.x[1] = DEVICE + 0x18
    before = list(cpu.x)
    trap = run_to_trap(cpu)
    assert trap.ec == EC.DATA_ABORT_LOWER
    assert trap.iss == ISV | syndrome | source.startswith("st") << 6 | 0b000101
    assert (trap.far, trap.hpfar) == (DEVICE + 0x18, DEVICE >> 8)
    assert (cpu.pc, cpu.x) == (RAM, before)
    assert (cpu.sys["FAR_EL2"], cpu.sys["HPFAR_EL2"], cpu.sys["ESR_EL2"]) == (trap.far, trap.hpfar, trap.esr)


@pytest.mark.parametrize(
    "source",
    [
        "ldp x2, x3, [x1]",
        "stp x2, x3, [x1]",
        "ldr x2, [x1], #8",
        "str x2, [x1, #0]!",
        "ldr q2, [x1]",
        "ldxr x2, [x1]",
        "stxr w2, x3, [x1]",
        "ldadd x2, x3, [x1]",
        "cas x2, x3, [x1]",
        "dc civac, x1",
        "ld1 {v0.16b}, [x1]",
    ],
)
def test_other_accesses_that_stage_2_refuses_have_none(source: str) -> None:
    cpu = cpu_with(source, lse=True)
    turn_stage2_on(cpu)
    cpu.sys["CPACR_EL1"] = 3 << 20
    cpu.x[1] = DEVICE
    before = list(cpu.x)
    trap = run_to_trap(cpu)
    assert trap.ec == EC.DATA_ABORT_LOWER
    assert trap.iss & (ISV | 0x3F) == 0b000101
    assert cpu.x == before


def test_a_literal_load_has_a_syndrome_too() -> None:
    assert load_store_syndrome(0x58000003) == ISV | 3 << 22 | 3 << 16 | 1 << 15
    assert load_store_syndrome(0x98000003) == ISV | 2 << 22 | 1 << 21 | 3 << 16 | 1 << 15


def test_a_fetch_that_stage_2_refuses_is_an_instruction_abort() -> None:
    cpu = cpu_with("br x1")
    turn_stage2_on(cpu)
    cpu.x[1] = 0x2000_0000
    trap = run_to_trap(cpu)
    assert (trap.ec, trap.iss, trap.far, trap.hpfar) == (EC.INSTRUCTION_ABORT_LOWER, 0b000101, 0x2000_0000, 0x20_0000)


def test_a_walk_of_stage_1_that_stage_2_refuses_says_so() -> None:
    cpu = cpu_with("ldr x0, [x1]")
    turn_mmu_on(cpu)
    turn_stage2_on(cpu)
    cpu.run(0)
    cpu.memory.write_int(0x4060_0000 + 24, 8, 0x1234_5000 | 3)  # the fourth gigabyte's table is nowhere
    cpu.x[1] = 0xC000_0000
    trap = run_to_trap(cpu)
    assert trap.ec == EC.DATA_ABORT_LOWER
    assert trap.iss & (ISV | 1 << 7) == 1 << 7
    assert (trap.far, trap.hpfar) == (0xC000_0000, 0x1234_5000 >> 8)


def test_stage_2_permissions_are_permission_faults() -> None:
    cpu = cpu_with("ldr w0, [x1]\n str w0, [x1]")
    turn_stage2_on(cpu)
    entry = STAGE2 + 0x1000 + 8
    cpu.memory.write_int(entry, 8, cpu.memory.read_int(entry, 8) & ~(1 << 7))
    cpu.x[1] = DATA
    trap = run_to_trap(cpu)
    assert (cpu.pc, trap.iss & 0x7F) == (RAM + 4, 1 << 6 | 0b001110)


def test_an_access_that_the_hypervisor_maps_is_done_when_it_is_made_again() -> None:
    cpu = cpu_with("ldp x2, x3, [x1], #16\n hvc #9")
    turn_stage2_on(cpu)
    cpu.x[1] = 0x8000_0000
    assert run_to_trap(cpu).ec == EC.DATA_ABORT_LOWER
    cpu.memory.write_int(STAGE2 + 16, 8, RAM | 1 << 10 | 3 << 6 | 0xF << 2 | 1)
    assert run_to_trap(cpu).iss == 9
    assert cpu.x[1] == 0x8000_0010
    assert cpu.x[2] == cpu.memory.read_int(RAM, 8)


# Pages that stage 2 refused before


@pytest.mark.parametrize("translates", [False, True])
@pytest.mark.parametrize("with_stage1", [False, True])
def test_a_second_access_to_a_page_that_stage_2_refuses_traps_as_the_first_one_would(
    with_stage1: bool, translates: bool
) -> None:
    def trap_of(*offsets: int) -> tuple[object, dict[str, int]]:
        cpu = cpu_with("ldr w3, [x1]\n strh w4, [x2]\n ldrb w5, [x1, #1]\n ldp x6, x7, [x1]")
        cpu.translates = translates
        if with_stage1:
            turn_mmu_on(cpu)
        turn_stage2_on(cpu)
        for offset in offsets:
            cpu.pc, cpu.x[1], cpu.x[2] = RAM + offset, DEVICE + 8 * offset, DEVICE + 8 * offset
            trap = run_to_trap(cpu)
        return trap, dict(cpu.sys)

    for last in (0, 4, 8, 12):
        assert trap_of(0, 4, 8, 12, last) == trap_of(last)


def test_a_page_that_stage_2_refused_is_there_once_the_hypervisor_maps_it() -> None:
    cpu = cpu_with("ldr x0, [x1]\n hvc #9")
    turn_stage2_on(cpu)
    cpu.x[1] = RAM + RAM_SIZE
    for _ in range(2):
        assert run_to_trap(cpu).ec == EC.DATA_ABORT_LOWER
    cpu.memory.write_int(DATA, 8, 42)
    cpu.memory.write_int(STAGE2 + 0x1000 + 8 * (RAM_SIZE >> 21), 8, DATA | 1 << 10 | 3 << 6 | 0xF << 2 | 1)
    assert (run_to_trap(cpu).iss, cpu.x[0]) == (9, 42)


def test_a_guest_that_looks_for_devices_everywhere_fills_no_memory_with_what_is_kept_of_that() -> None:
    cpu = cpu_with("ldr w0, [x1]")
    turn_stage2_on(cpu)
    for number in range(2 * MAX_REFUSED):
        cpu.x[1] = 0x8000_0000 + (number << 12)
        assert run_to_trap(cpu).hpfar == cpu.x[1] >> 8
    assert len(cpu.tlb.refused) == MAX_REFUSED


@pytest.mark.parametrize("tlbi", ["tlbi vmalle1", "tlbi vae1, x2"])
def test_a_page_that_stage_2_refused_is_another_one_once_the_guest_maps_it_elsewhere(tlbi: str) -> None:
    cpu = cpu_with(f"ldr x0, [x1]\n {tlbi}\n ldr x0, [x1]\n hvc #9")
    turn_mmu_on(cpu)
    turn_stage2_on(cpu)
    gigabyte = TABLES + 16  # the third one leads to where stage 2 has nothing
    cpu.memory.write_int(gigabyte, 8, 0xC000_0000 | 1 << 10 | 1)
    cpu.flush_tlb()
    cpu.x[1] = 0x8000_0000
    cpu.x[2] = 0x8012_3000 >> 12  # any page of the block
    assert run_to_trap(cpu).hpfar == 0xC000_0000 >> 8
    cpu.memory.write_int(gigabyte, 8, RAM | 1 << 10 | 1)
    assert run_to_trap(cpu).hpfar == 0xC000_0000 >> 8  # nobody has said so yet
    cpu.pc += 4
    trap = run_to_trap(cpu)
    assert (trap.ec, trap.iss) == (EC.HVC, 9)
    assert cpu.x[0] == cpu.memory.read_int(RAM, 8)
