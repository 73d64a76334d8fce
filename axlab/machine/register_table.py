"""The table of system registers: one row each, in the groups in which the Arm manual (D17) describes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from axlab.machine.features import Features
from axlab.machine.gic_interface import INTERFACE_REGISTERS, INTERFACE_TRAPS
from axlab.machine.isa.bits import M32, M64
from axlab.machine.timer import TIMER_REGISTERS

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

Read = Callable[["Cpu"], int]
Write = Callable[["Cpu", int], None]
Asks = Callable[["Cpu"], bool]


@dataclass(frozen=True, slots=True)
class SystemRegister:
    """A system register.

    `el0` and `el1` say what the ELs may do: "r", "w", "rw" or "". `reset` is its first value, or a function of
    the CPU's features; `writable` the bits that a write changes. `read` and `write` replace plain storage in
    `cpu.sys`. `read_traps` and `write_traps` are bits of HCR_EL2; `el2_trap` is any other reason to trap to EL2.
    `el0_enabled`: whether EL1 lets EL0 access it. `exists`: whether the CPU has it.
    `selects_regime`: addresses may be translated differently after a write.
    """

    name: str
    el0: str = ""
    el1: str = "rw"
    reset: int | Callable[[Features], int] = 0
    writable: int = M64
    read: Read | None = None
    write: Write | None = None
    read_traps: int = 0
    write_traps: int = 0
    el0_enabled: Asks | None = None
    el2_trap: Asks | None = None
    exists: Asks | None = None
    is_fp: bool = False
    selects_regime: bool = False


# HCR_EL2
HCR_FMO = 1 << 3
HCR_IMO = 1 << 4
HCR_TID1 = 1 << 16
HCR_TID2 = 1 << 17
HCR_TID3 = 1 << 18
HCR_TACR = 1 << 21
HCR_TVM = 1 << 26
HCR_TDZ = 1 << 28
HCR_TRVM = 1 << 30
# SCTLR_EL1
SCTLR_UMA = 1 << 9
SCTLR_DZE = 1 << 14
SCTLR_UCT = 1 << 15
# MDCR_EL2
MDCR_TPMCR = 1 << 5
MDCR_TPM = 1 << 6
MDCR_TDA = 1 << 9
MDCR_TDOSA = 1 << 10
MDCR_TDRA = 1 << 11


def sctlr_has(bit: int) -> Asks:
    """Whether a bit of SCTLR_EL1 is set."""
    return lambda cpu: bool(cpu.sys["SCTLR_EL1"] & bit)


def mdcr_has(bits: int) -> Asks:
    """Whether one of these bits of MDCR_EL2 is set."""
    return lambda cpu: bool(cpu.sys["MDCR_EL2"] & bits)


# Special-purpose registers: parts of PSTATE, and what exceptions save (C5.2)


def write_nzcv(cpu: Cpu, value: int) -> None:
    cpu.set_nzcv(value >> 28 & 0xF)


def write_daif(cpu: Cpu, value: int) -> None:
    cpu.set_daif(value >> 6 & 0xF)


def write_sp_sel(cpu: Cpu, value: int) -> None:
    cpu.sp_sel = value & 1


def read_sp_el0(cpu: Cpu) -> int:
    return cpu.sp_el0


def write_sp_el0(cpu: Cpu, value: int) -> None:
    cpu.sp_el0 = value


SPECIAL = (
    SystemRegister("NZCV", el0="rw", read=lambda cpu: cpu.nzcv << 28, write=write_nzcv),
    SystemRegister(
        "DAIF", el0="rw", read=lambda cpu: cpu.daif << 6, write=write_daif, el0_enabled=sctlr_has(SCTLR_UMA)
    ),
    SystemRegister("CurrentEL", el1="r", read=lambda cpu: cpu.el << 2),
    SystemRegister("SPSel", read=lambda cpu: cpu.sp_sel, write=write_sp_sel),
    SystemRegister("SP_EL0", read=read_sp_el0, write=write_sp_el0, exists=lambda cpu: bool(cpu.sp_sel)),
    SystemRegister("ELR_EL1"),
    SystemRegister("SPSR_EL1", writable=0xF030_03FF),
    SystemRegister("FPCR", el0="rw", writable=0x07C0_0000, is_fp=True),  # traps of FP exceptions: none
    SystemRegister("FPSR", el0="rw", writable=0x0800_009F, is_fp=True),
)

# Translation and memory control (D17.2): EL2 may trap writes (TVM) and reads (TRVM)

# SCTLR_EL1: M, A, C, SA, SA0, UMA, I, DZE, UCT, nTWI, nTWE, WXN, UCI. Data is little-endian: EE and E0E are 0.
SCTLR_WRITABLE = 0x040D_D21F
SCTLR_RES1 = 0x30D0_0980
SCTLR_RESET = SCTLR_RES1 | 0x0005_0018  # nTWI, nTWE, SA, SA0
TCR_WRITABLE = 0x7F_FFBF_FFBF | 1 << 22


def virtual_memory(name: str, **options: object) -> SystemRegister:
    """A register of stage 1 translation."""
    return replace(
        SystemRegister(name, write_traps=HCR_TVM, read_traps=HCR_TRVM),
        **options,  # type: ignore[arg-type]
    )


TRANSLATION = (
    virtual_memory("SCTLR_EL1", reset=SCTLR_RESET, writable=SCTLR_WRITABLE, selects_regime=True),
    virtual_memory("TTBR0_EL1", writable=M64 & ~1, selects_regime=True),
    virtual_memory("TTBR1_EL1", writable=M64 & ~1, selects_regime=True),
    virtual_memory("TCR_EL1", writable=TCR_WRITABLE, selects_regime=True),
    virtual_memory("MAIR_EL1", selects_regime=True),
    virtual_memory("AMAIR_EL1", writable=0),
    virtual_memory("ESR_EL1", writable=M32),
    virtual_memory("FAR_EL1"),
    virtual_memory("AFSR0_EL1", writable=0),
    virtual_memory("AFSR1_EL1", writable=0),
    virtual_memory("CONTEXTIDR_EL1", writable=M32),
)


# Other control, thread and exception registers


def read_isr(cpu: Cpu) -> int:
    """ISR_EL1: which interrupts are pending, masked or not."""
    return cpu.gic.irq_pending() << 7 | cpu.gic.fiq_pending() << 6


CONTROL = (
    SystemRegister("CPACR_EL1", writable=3 << 20, el2_trap=lambda cpu: bool(cpu.sys["CPTR_EL2"] >> 31 & 1)),
    SystemRegister("VBAR_EL1", writable=M64 & ~0x7FF),
    SystemRegister("ISR_EL1", el1="r", read=read_isr),
    SystemRegister("PAR_EL1"),
    SystemRegister("ACTLR_EL1", writable=0, read_traps=HCR_TACR, write_traps=HCR_TACR),
    SystemRegister("TPIDR_EL0", el0="rw"),
    SystemRegister("TPIDRRO_EL0", el0="r"),
    SystemRegister("TPIDR_EL1"),
)

# Identification: exactly what is implemented. The model is a Cortex-A53 without AArch32

CORTEX_A53 = 0x410F_D034


def aa64pfr0(features: Features) -> int:
    """EL0 and EL1 in AArch64 only; FP and AdvSIMD 0, or 0xF where they are missing; GIC system registers."""
    fp = 0x0 if features.fp else 0xF
    return 1 | 1 << 4 | fp << 16 | fp << 20 | (features.gic_version == 3) << 24


def aa64isar0(features: Features) -> int:
    """CRC32; the atomics of FEAT_LSE."""
    return 1 << 16 | (2 << 20 if features.lse else 0)


AA64MMFR0 = 4 | 2 << 4 | 1 << 20  # 44 bits of physical address, 16-bit ASIDs; granules of 4, 16 and 64 KB
AA64DFR0 = 6 | 5 << 12 | 3 << 20 | 1 << 28  # 6 breakpoints, 4 watchpoints, 2 of the first context-aware; no PMU
CTR = 0x8444_8004  # cache lines of 64 bytes
CLIDR = 0x0A20_0023  # separate L1, unified L2
CCSIDR = {0: 0x700F_E01A, 1: 0x201F_E00A, 2: 0x707F_E07A}  # by CSSELR_EL1: L1 data, L1 instruction, L2
DCZID = 4  # DC ZVA zeroes 64 bytes


def read_dczid(cpu: Cpu) -> int:
    """DCZID_EL0: DZP is set where DC ZVA is not allowed."""
    allowed = cpu.el == 1 or cpu.sys["SCTLR_EL1"] & SCTLR_DZE
    if cpu.sys["HCR_EL2"] & HCR_TDZ:
        allowed = False
    return DCZID | (0 if allowed else 1 << 4)


def read_ccsidr(cpu: Cpu) -> int:
    return CCSIDR.get(cpu.sys["CSSELR_EL1"], 0)


def id_register(name: str, reset: int | Callable[[Features], int] = 0) -> SystemRegister:
    """An ID register of the group that HCR_EL2.TID3 traps."""
    return SystemRegister(name, el1="r", reset=reset, read_traps=HCR_TID3)


IDENTIFICATION = (
    SystemRegister("MIDR_EL1", el1="r", reset=CORTEX_A53, read=lambda cpu: cpu.sys["VPIDR_EL2"]),
    SystemRegister("MPIDR_EL1", el1="r", read=lambda cpu: cpu.sys["VMPIDR_EL2"]),
    SystemRegister("REVIDR_EL1", el1="r", read_traps=HCR_TID1),
    SystemRegister("AIDR_EL1", el1="r", read_traps=HCR_TID1),
    id_register("ID_AA64PFR0_EL1", aa64pfr0),
    id_register("ID_AA64PFR1_EL1"),
    id_register("ID_AA64DFR0_EL1", AA64DFR0),
    id_register("ID_AA64DFR1_EL1"),
    id_register("ID_AA64ISAR0_EL1", aa64isar0),
    id_register("ID_AA64ISAR1_EL1"),
    id_register("ID_AA64MMFR0_EL1", AA64MMFR0),
    id_register("ID_AA64MMFR1_EL1"),
    SystemRegister("CTR_EL0", el0="r", el1="r", reset=CTR, read_traps=HCR_TID2, el0_enabled=sctlr_has(SCTLR_UCT)),
    SystemRegister("DCZID_EL0", el0="r", el1="r", read=read_dczid),
    SystemRegister("CLIDR_EL1", el1="r", reset=CLIDR, read_traps=HCR_TID2),
    SystemRegister("CCSIDR_EL1", el1="r", read=read_ccsidr, read_traps=HCR_TID2),
    SystemRegister("CSSELR_EL1", writable=0xF, read_traps=HCR_TID2, write_traps=HCR_TID2),
)

# Debug and performance monitors: storage without effect, because many kernels initialise them


def write_oslar(cpu: Cpu, value: int) -> None:
    """OSLAR_EL1 locks and unlocks; OSLSR_EL1.OSLK shows it."""
    cpu.sys["OSLSR_EL1"] = cpu.sys["OSLSR_EL1"] & ~2 | (value & 1) << 1


def debug(name: str, el1: str = "rw", reset: int = 0, writable: int = M32, trap: int = MDCR_TDA) -> SystemRegister:
    return SystemRegister(name, el1=el1, reset=reset, writable=writable, el2_trap=mdcr_has(trap))


def monitor(name: str, trap: int = MDCR_TPM) -> SystemRegister:
    """A register of the performance monitors."""
    return SystemRegister(
        name,
        el0="r" if name == "PMUSERENR_EL0" else "rw" if name.endswith("EL0") else "",
        writable=M32 if name != "PMCCNTR_EL0" else M64,
        el0_enabled=None if name == "PMUSERENR_EL0" else lambda cpu: bool(cpu.sys["PMUSERENR_EL0"] & 1),
        el2_trap=mdcr_has(trap),
    )


DEBUG = (
    debug("MDSCR_EL1"),
    debug("MDCCINT_EL1"),
    debug("MDRAR_EL1", el1="r", trap=MDCR_TDA | MDCR_TDRA),
    debug("DBGCLAIMSET_EL1", el1="rw", writable=0),
    debug("DBGCLAIMCLR_EL1", el1="rw", writable=0),
    debug("DBGAUTHSTATUS_EL1", el1="r"),
    debug("DBGPRCR_EL1", trap=MDCR_TDA | MDCR_TDOSA),
    debug("OSDLR_EL1", writable=1, trap=MDCR_TDA | MDCR_TDOSA),
    debug("OSLSR_EL1", el1="r", reset=0b1010, trap=MDCR_TDA | MDCR_TDOSA),
    replace(debug("OSLAR_EL1", el1="w", trap=MDCR_TDA | MDCR_TDOSA), write=write_oslar),
    *[debug(f"DBGBVR{n}_EL1", writable=M64) for n in range(6)],
    *[debug(f"DBGBCR{n}_EL1") for n in range(6)],
    *[debug(f"DBGWVR{n}_EL1", writable=M64) for n in range(4)],
    *[debug(f"DBGWCR{n}_EL1") for n in range(4)],
    monitor("PMCR_EL0", MDCR_TPM | MDCR_TPMCR),
    *[
        monitor(name)
        for name in (
            "PMCNTENSET_EL0",
            "PMCNTENCLR_EL0",
            "PMOVSCLR_EL0",
            "PMOVSSET_EL0",
            "PMSELR_EL0",
            "PMCCNTR_EL0",
            "PMUSERENR_EL0",
            "PMINTENSET_EL1",
            "PMINTENCLR_EL1",
            "PMCCFILTR_EL0",
        )  # fmt: skip
    ],
)

# The generic timer (D11): CNTKCTL_EL1 lets EL0 in, CNTHCTL_EL2 lets EL1 in to the physical timer

KCTL_PCTEN, KCTL_VCTEN, KCTL_VTEN, KCTL_PTEN = 1 << 0, 1 << 1, 1 << 8, 1 << 9
HCTL_PCTEN, HCTL_PCEN = 1 << 0, 1 << 1

TIMER_EL0 = {
    "CNTFRQ_EL0": ("r", KCTL_PCTEN | KCTL_VCTEN, 0),
    "CNTPCT_EL0": ("r", KCTL_PCTEN, HCTL_PCTEN),
    "CNTVCT_EL0": ("r", KCTL_VCTEN, 0),
    **{f"CNTP_{part}_EL0": ("rw", KCTL_PTEN, HCTL_PCEN) for part in ("CTL", "CVAL", "TVAL")},
    **{f"CNTV_{part}_EL0": ("rw", KCTL_VTEN, 0) for part in ("CTL", "CVAL", "TVAL")},
}


def timer(name: str) -> SystemRegister:
    """A register of the timer that EL0 can be given."""
    access, user, enabled = TIMER_EL0[name]
    read, write = TIMER_REGISTERS[name]
    return SystemRegister(
        name,
        el0=access,
        el1=access,
        read=cast("Read", read),
        write=cast("Write", write),
        el0_enabled=lambda cpu: bool(cpu.sys["CNTKCTL_EL1"] & user),
        el2_trap=(lambda cpu: not cpu.sys["CNTHCTL_EL2"] & enabled) if enabled else None,
    )


TIMER = (
    *[timer(name) for name in TIMER_EL0],
    SystemRegister("CNTKCTL_EL1", write=cast("Write", TIMER_REGISTERS["CNTKCTL_EL1"][1])),
)

# The GIC's CPU interface (IHI 0069, 9.2): the virtual one; a guest's SGIs are the hypervisor's to send


def interface(name: str) -> SystemRegister:
    """A register of the GIC's CPU interface."""
    read, write = INTERFACE_REGISTERS[name]
    sends_sgi = "SGI" in name
    trapped = INTERFACE_TRAPS.get(name, 0)
    return SystemRegister(
        name,
        el1=("r" if read else "") + ("w" if write else ""),
        read=cast("Read | None", read),
        write=cast("Write | None", write),
        write_traps=HCR_FMO | HCR_IMO if sends_sgi else 0,
        el2_trap=lambda cpu: bool(cpu.gic.hcr & trapped),
        exists=lambda cpu: cpu.features.gic_version == 3,
    )


INTERFACE = tuple(interface(name) for name in INTERFACE_REGISTERS)

TABLE: tuple[SystemRegister, ...] = (
    *SPECIAL,
    *TRANSLATION,
    *CONTROL,
    *IDENTIFICATION,
    *DEBUG,
    *TIMER,
    *INTERFACE,
)

# EL2's own: the hypervisor reads and writes them in `cpu.sys`; EL1 cannot. By name their first values.
EL2_REGISTERS: dict[str, int] = {
    "HCR_EL2": 0,
    "VTTBR_EL2": 0,
    "VTCR_EL2": 0,
    "VPIDR_EL2": CORTEX_A53,
    "VMPIDR_EL2": 1 << 31,
    "CPTR_EL2": 0,
    "MDCR_EL2": 0,
    "HSTR_EL2": 0,
    "CNTHCTL_EL2": HCTL_PCTEN | HCTL_PCEN,
    "CNTVOFF_EL2": 0,
    "ESR_EL2": 0,
    "FAR_EL2": 0,
    "HPFAR_EL2": 0,
    "ELR_EL2": 0,
    "SPSR_EL2": 0,
}
