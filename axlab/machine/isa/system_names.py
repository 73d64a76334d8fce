"""The names and encodings of the system registers and system instructions of ARMv8.0-A (Arm ARM C5, D13).

All of them are known to assembler and disassembler, whether this machine implements them or not. The ID
registers of later architectures are named too: ARMv8.0 reads their encodings as zero.
"""

from __future__ import annotations

Encoding = tuple[int, int, int, int, int]
"""op0, op1, CRn, CRm, op2."""

ENCODINGS: dict[str, Encoding] = {
    # Identification.
    "MIDR_EL1": (3, 0, 0, 0, 0), "MPIDR_EL1": (3, 0, 0, 0, 5), "REVIDR_EL1": (3, 0, 0, 0, 6),
    "ID_PFR0_EL1": (3, 0, 0, 1, 0), "ID_PFR1_EL1": (3, 0, 0, 1, 1), "ID_DFR0_EL1": (3, 0, 0, 1, 2),
    "ID_AFR0_EL1": (3, 0, 0, 1, 3), "ID_MMFR0_EL1": (3, 0, 0, 1, 4), "ID_MMFR1_EL1": (3, 0, 0, 1, 5),
    "ID_MMFR2_EL1": (3, 0, 0, 1, 6), "ID_MMFR3_EL1": (3, 0, 0, 1, 7), "ID_ISAR0_EL1": (3, 0, 0, 2, 0),
    "ID_ISAR1_EL1": (3, 0, 0, 2, 1), "ID_ISAR2_EL1": (3, 0, 0, 2, 2), "ID_ISAR3_EL1": (3, 0, 0, 2, 3),
    "ID_ISAR4_EL1": (3, 0, 0, 2, 4), "ID_ISAR5_EL1": (3, 0, 0, 2, 5), "ID_MMFR4_EL1": (3, 0, 0, 2, 6),
    "ID_ISAR6_EL1": (3, 0, 0, 2, 7), "MVFR0_EL1": (3, 0, 0, 3, 0), "MVFR1_EL1": (3, 0, 0, 3, 1),
    "MVFR2_EL1": (3, 0, 0, 3, 2), "ID_PFR2_EL1": (3, 0, 0, 3, 4), "ID_DFR1_EL1": (3, 0, 0, 3, 5),
    "ID_MMFR5_EL1": (3, 0, 0, 3, 6), "ID_AA64PFR0_EL1": (3, 0, 0, 4, 0), "ID_AA64PFR1_EL1": (3, 0, 0, 4, 1),
    "ID_AA64ZFR0_EL1": (3, 0, 0, 4, 4), "ID_AA64SMFR0_EL1": (3, 0, 0, 4, 5), "ID_AA64DFR0_EL1": (3, 0, 0, 5, 0),
    "ID_AA64DFR1_EL1": (3, 0, 0, 5, 1), "ID_AA64AFR0_EL1": (3, 0, 0, 5, 4), "ID_AA64AFR1_EL1": (3, 0, 0, 5, 5),
    "ID_AA64ISAR0_EL1": (3, 0, 0, 6, 0), "ID_AA64ISAR1_EL1": (3, 0, 0, 6, 1), "ID_AA64ISAR2_EL1": (3, 0, 0, 6, 2),
    "ID_AA64MMFR0_EL1": (3, 0, 0, 7, 0), "ID_AA64MMFR1_EL1": (3, 0, 0, 7, 1), "ID_AA64MMFR2_EL1": (3, 0, 0, 7, 2),
    "CCSIDR_EL1": (3, 1, 0, 0, 0), "CLIDR_EL1": (3, 1, 0, 0, 1), "AIDR_EL1": (3, 1, 0, 0, 7),
    "CSSELR_EL1": (3, 2, 0, 0, 0), "CTR_EL0": (3, 3, 0, 0, 1), "DCZID_EL0": (3, 3, 0, 0, 7),
    # EL0 and EL1.
    "SCTLR_EL1": (3, 0, 1, 0, 0), "ACTLR_EL1": (3, 0, 1, 0, 1), "CPACR_EL1": (3, 0, 1, 0, 2),
    "TTBR0_EL1": (3, 0, 2, 0, 0), "TTBR1_EL1": (3, 0, 2, 0, 1), "TCR_EL1": (3, 0, 2, 0, 2),
    "SPSR_EL1": (3, 0, 4, 0, 0), "ELR_EL1": (3, 0, 4, 0, 1), "SP_EL0": (3, 0, 4, 1, 0), "SPSel": (3, 0, 4, 2, 0),
    "CurrentEL": (3, 0, 4, 2, 2), "AFSR0_EL1": (3, 0, 5, 1, 0), "AFSR1_EL1": (3, 0, 5, 1, 1),
    "ESR_EL1": (3, 0, 5, 2, 0), "FAR_EL1": (3, 0, 6, 0, 0), "PAR_EL1": (3, 0, 7, 4, 0),
    "MAIR_EL1": (3, 0, 10, 2, 0), "AMAIR_EL1": (3, 0, 10, 3, 0), "VBAR_EL1": (3, 0, 12, 0, 0),
    "RVBAR_EL1": (3, 0, 12, 0, 1), "RMR_EL1": (3, 0, 12, 0, 2), "ISR_EL1": (3, 0, 12, 1, 0),
    "CONTEXTIDR_EL1": (3, 0, 13, 0, 1), "TPIDR_EL1": (3, 0, 13, 0, 4), "NZCV": (3, 3, 4, 2, 0),
    "DAIF": (3, 3, 4, 2, 1), "FPCR": (3, 3, 4, 4, 0), "FPSR": (3, 3, 4, 4, 1), "TPIDR_EL0": (3, 3, 13, 0, 2),
    "TPIDRRO_EL0": (3, 3, 13, 0, 3),
    # EL2.
    "VPIDR_EL2": (3, 4, 0, 0, 0), "VMPIDR_EL2": (3, 4, 0, 0, 5), "SCTLR_EL2": (3, 4, 1, 0, 0),
    "ACTLR_EL2": (3, 4, 1, 0, 1), "HCR_EL2": (3, 4, 1, 1, 0), "MDCR_EL2": (3, 4, 1, 1, 1),
    "CPTR_EL2": (3, 4, 1, 1, 2), "HSTR_EL2": (3, 4, 1, 1, 3), "HACR_EL2": (3, 4, 1, 1, 7),
    "TTBR0_EL2": (3, 4, 2, 0, 0), "TCR_EL2": (3, 4, 2, 0, 2), "VTTBR_EL2": (3, 4, 2, 1, 0),
    "VTCR_EL2": (3, 4, 2, 1, 2), "DACR32_EL2": (3, 4, 3, 0, 0), "SPSR_EL2": (3, 4, 4, 0, 0),
    "ELR_EL2": (3, 4, 4, 0, 1), "SP_EL1": (3, 4, 4, 1, 0), "SPSR_irq": (3, 4, 4, 3, 0), "SPSR_abt": (3, 4, 4, 3, 1),
    "SPSR_und": (3, 4, 4, 3, 2), "SPSR_fiq": (3, 4, 4, 3, 3), "IFSR32_EL2": (3, 4, 5, 0, 1),
    "AFSR0_EL2": (3, 4, 5, 1, 0), "AFSR1_EL2": (3, 4, 5, 1, 1), "ESR_EL2": (3, 4, 5, 2, 0),
    "FPEXC32_EL2": (3, 4, 5, 3, 0), "FAR_EL2": (3, 4, 6, 0, 0), "HPFAR_EL2": (3, 4, 6, 0, 4),
    "MAIR_EL2": (3, 4, 10, 2, 0), "AMAIR_EL2": (3, 4, 10, 3, 0), "VBAR_EL2": (3, 4, 12, 0, 0),
    "RVBAR_EL2": (3, 4, 12, 0, 1), "RMR_EL2": (3, 4, 12, 0, 2), "TPIDR_EL2": (3, 4, 13, 0, 2),
    # EL3.
    "SCTLR_EL3": (3, 6, 1, 0, 0), "ACTLR_EL3": (3, 6, 1, 0, 1), "SCR_EL3": (3, 6, 1, 1, 0),
    "SDER32_EL3": (3, 6, 1, 1, 1), "CPTR_EL3": (3, 6, 1, 1, 2), "MDCR_EL3": (3, 6, 1, 3, 1),
    "TTBR0_EL3": (3, 6, 2, 0, 0), "TCR_EL3": (3, 6, 2, 0, 2), "SPSR_EL3": (3, 6, 4, 0, 0),
    "ELR_EL3": (3, 6, 4, 0, 1), "SP_EL2": (3, 6, 4, 1, 0), "AFSR0_EL3": (3, 6, 5, 1, 0),
    "AFSR1_EL3": (3, 6, 5, 1, 1), "ESR_EL3": (3, 6, 5, 2, 0), "FAR_EL3": (3, 6, 6, 0, 0),
    "MAIR_EL3": (3, 6, 10, 2, 0), "AMAIR_EL3": (3, 6, 10, 3, 0), "VBAR_EL3": (3, 6, 12, 0, 0),
    "RVBAR_EL3": (3, 6, 12, 0, 1), "RMR_EL3": (3, 6, 12, 0, 2), "TPIDR_EL3": (3, 6, 13, 0, 2),
    # ThumbEE, which only the first issues of ARMv8.0 have.
    "TEECR32_EL1": (2, 2, 0, 0, 0), "TEEHBR32_EL1": (2, 2, 1, 0, 0),
    # Debug.
    "OSDTRRX_EL1": (2, 0, 0, 0, 2), "MDCCINT_EL1": (2, 0, 0, 2, 0), "MDSCR_EL1": (2, 0, 0, 2, 2),
    "OSDTRTX_EL1": (2, 0, 0, 3, 2), "OSECCR_EL1": (2, 0, 0, 6, 2), "MDRAR_EL1": (2, 0, 1, 0, 0),
    "OSLAR_EL1": (2, 0, 1, 0, 4), "OSLSR_EL1": (2, 0, 1, 1, 4), "OSDLR_EL1": (2, 0, 1, 3, 4),
    "DBGPRCR_EL1": (2, 0, 1, 4, 4), "DBGCLAIMSET_EL1": (2, 0, 7, 8, 6), "DBGCLAIMCLR_EL1": (2, 0, 7, 9, 6),
    "DBGAUTHSTATUS_EL1": (2, 0, 7, 14, 6), "MDCCSR_EL0": (2, 3, 0, 1, 0), "DBGDTR_EL0": (2, 3, 0, 4, 0),
    "DBGDTRRX_EL0": (2, 3, 0, 5, 0), "DBGDTRTX_EL0": (2, 3, 0, 5, 0), "DBGVCR32_EL2": (2, 4, 0, 7, 0),
    "DSPSR_EL0": (3, 3, 4, 5, 0), "DLR_EL0": (3, 3, 4, 5, 1),
    # Performance monitors.
    "PMINTENSET_EL1": (3, 0, 9, 14, 1), "PMINTENCLR_EL1": (3, 0, 9, 14, 2), "PMCR_EL0": (3, 3, 9, 12, 0),
    "PMCNTENSET_EL0": (3, 3, 9, 12, 1), "PMCNTENCLR_EL0": (3, 3, 9, 12, 2), "PMOVSCLR_EL0": (3, 3, 9, 12, 3),
    "PMSWINC_EL0": (3, 3, 9, 12, 4), "PMSELR_EL0": (3, 3, 9, 12, 5), "PMCEID0_EL0": (3, 3, 9, 12, 6),
    "PMCEID1_EL0": (3, 3, 9, 12, 7), "PMCCNTR_EL0": (3, 3, 9, 13, 0), "PMXEVTYPER_EL0": (3, 3, 9, 13, 1),
    "PMXEVCNTR_EL0": (3, 3, 9, 13, 2), "PMUSERENR_EL0": (3, 3, 9, 14, 0), "PMOVSSET_EL0": (3, 3, 9, 14, 3),
    "PMCCFILTR_EL0": (3, 3, 14, 15, 7),
    # Generic timer.
    "CNTKCTL_EL1": (3, 0, 14, 1, 0), "CNTFRQ_EL0": (3, 3, 14, 0, 0), "CNTPCT_EL0": (3, 3, 14, 0, 1),
    "CNTVCT_EL0": (3, 3, 14, 0, 2), "CNTP_TVAL_EL0": (3, 3, 14, 2, 0), "CNTP_CTL_EL0": (3, 3, 14, 2, 1),
    "CNTP_CVAL_EL0": (3, 3, 14, 2, 2), "CNTV_TVAL_EL0": (3, 3, 14, 3, 0), "CNTV_CTL_EL0": (3, 3, 14, 3, 1),
    "CNTV_CVAL_EL0": (3, 3, 14, 3, 2), "CNTVOFF_EL2": (3, 4, 14, 0, 3), "CNTHCTL_EL2": (3, 4, 14, 1, 0),
    "CNTHP_TVAL_EL2": (3, 4, 14, 2, 0), "CNTHP_CTL_EL2": (3, 4, 14, 2, 1), "CNTHP_CVAL_EL2": (3, 4, 14, 2, 2),
    "CNTPS_TVAL_EL1": (3, 7, 14, 2, 0), "CNTPS_CTL_EL1": (3, 7, 14, 2, 1), "CNTPS_CVAL_EL1": (3, 7, 14, 2, 2),
    # GIC CPU interface (GICv3).
    "ICC_PMR_EL1": (3, 0, 4, 6, 0), "ICC_IAR0_EL1": (3, 0, 12, 8, 0), "ICC_EOIR0_EL1": (3, 0, 12, 8, 1),
    "ICC_HPPIR0_EL1": (3, 0, 12, 8, 2), "ICC_BPR0_EL1": (3, 0, 12, 8, 3), "ICC_AP0R0_EL1": (3, 0, 12, 8, 4),
    "ICC_AP0R1_EL1": (3, 0, 12, 8, 5), "ICC_AP0R2_EL1": (3, 0, 12, 8, 6), "ICC_AP0R3_EL1": (3, 0, 12, 8, 7),
    "ICC_AP1R0_EL1": (3, 0, 12, 9, 0), "ICC_AP1R1_EL1": (3, 0, 12, 9, 1), "ICC_AP1R2_EL1": (3, 0, 12, 9, 2),
    "ICC_AP1R3_EL1": (3, 0, 12, 9, 3), "ICC_DIR_EL1": (3, 0, 12, 11, 1), "ICC_RPR_EL1": (3, 0, 12, 11, 3),
    "ICC_SGI1R_EL1": (3, 0, 12, 11, 5), "ICC_ASGI1R_EL1": (3, 0, 12, 11, 6), "ICC_SGI0R_EL1": (3, 0, 12, 11, 7),
    "ICC_IAR1_EL1": (3, 0, 12, 12, 0), "ICC_EOIR1_EL1": (3, 0, 12, 12, 1), "ICC_HPPIR1_EL1": (3, 0, 12, 12, 2),
    "ICC_BPR1_EL1": (3, 0, 12, 12, 3), "ICC_CTLR_EL1": (3, 0, 12, 12, 4), "ICC_SRE_EL1": (3, 0, 12, 12, 5),
    "ICC_IGRPEN0_EL1": (3, 0, 12, 12, 6), "ICC_IGRPEN1_EL1": (3, 0, 12, 12, 7), "ICH_AP0R0_EL2": (3, 4, 12, 8, 0),
    "ICH_AP0R1_EL2": (3, 4, 12, 8, 1), "ICH_AP0R2_EL2": (3, 4, 12, 8, 2), "ICH_AP0R3_EL2": (3, 4, 12, 8, 3),
    "ICH_AP1R0_EL2": (3, 4, 12, 9, 0), "ICH_AP1R1_EL2": (3, 4, 12, 9, 1), "ICH_AP1R2_EL2": (3, 4, 12, 9, 2),
    "ICH_AP1R3_EL2": (3, 4, 12, 9, 3), "ICC_SRE_EL2": (3, 4, 12, 9, 5), "ICH_HCR_EL2": (3, 4, 12, 11, 0),
    "ICH_VTR_EL2": (3, 4, 12, 11, 1), "ICH_MISR_EL2": (3, 4, 12, 11, 2), "ICH_EISR_EL2": (3, 4, 12, 11, 3),
    "ICH_ELRSR_EL2": (3, 4, 12, 11, 5), "ICH_VMCR_EL2": (3, 4, 12, 11, 7), "ICC_CTLR_EL3": (3, 6, 12, 12, 4),
    "ICC_SRE_EL3": (3, 6, 12, 12, 5), "ICC_IGRPEN1_EL3": (3, 6, 12, 12, 7),
    **{f"DBGBVR{n}_EL1": (2, 0, 0, n, 4) for n in range(16)},
    **{f"DBGBCR{n}_EL1": (2, 0, 0, n, 5) for n in range(16)},
    **{f"DBGWVR{n}_EL1": (2, 0, 0, n, 6) for n in range(16)},
    **{f"DBGWCR{n}_EL1": (2, 0, 0, n, 7) for n in range(16)},
    **{f"PMEVCNTR{n}_EL0": (3, 3, 14, 8 + n // 8, n % 8) for n in range(31)},
    **{f"PMEVTYPER{n}_EL0": (3, 3, 14, 12 + n // 8, n % 8) for n in range(31)},
    **{f"ICH_LR{n}_EL2": (3, 4, 12, 12 + n // 8, n % 8) for n in range(16)},
}

WRITTEN_AS = {"DBGDTRRX_EL0": "DBGDTRTX_EL0"}
"""Registers that have another name when they are written."""

PSTATE_FIELDS: dict[str, tuple[int, int]] = {"SPSel": (0, 5), "DAIFSet": (3, 6), "DAIFClr": (3, 7)}
"""The fields of PSTATE that MSR (immediate) writes: op1, op2."""

OPERATIONS: dict[str, tuple[int, int, int, int]] = {
    "dc ivac": (0, 7, 6, 1), "dc isw": (0, 7, 6, 2), "at s1e1r": (0, 7, 8, 0), "at s1e1w": (0, 7, 8, 1),
    "at s1e0r": (0, 7, 8, 2), "at s1e0w": (0, 7, 8, 3), "dc csw": (0, 7, 10, 2), "dc cisw": (0, 7, 14, 2),
    "tlbi vae1is": (0, 8, 3, 1), "tlbi aside1is": (0, 8, 3, 2), "tlbi vaae1is": (0, 8, 3, 3),
    "tlbi vale1is": (0, 8, 3, 5), "tlbi vaale1is": (0, 8, 3, 7), "tlbi vae1": (0, 8, 7, 1),
    "tlbi aside1": (0, 8, 7, 2), "tlbi vaae1": (0, 8, 7, 3), "tlbi vale1": (0, 8, 7, 5),
    "tlbi vaale1": (0, 8, 7, 7), "dc zva": (3, 7, 4, 1), "ic ivau": (3, 7, 5, 1), "dc cvac": (3, 7, 10, 1),
    "dc cvau": (3, 7, 11, 1), "dc civac": (3, 7, 14, 1), "at s1e2r": (4, 7, 8, 0), "at s1e2w": (4, 7, 8, 1),
    "at s12e1r": (4, 7, 8, 4), "at s12e1w": (4, 7, 8, 5), "at s12e0r": (4, 7, 8, 6), "at s12e0w": (4, 7, 8, 7),
    "tlbi ipas2e1is": (4, 8, 0, 1), "tlbi ipas2le1is": (4, 8, 0, 5), "tlbi vae2is": (4, 8, 3, 1),
    "tlbi vale2is": (4, 8, 3, 5), "tlbi ipas2e1": (4, 8, 4, 1), "tlbi ipas2le1": (4, 8, 4, 5),
    "tlbi vae2": (4, 8, 7, 1), "tlbi vale2": (4, 8, 7, 5), "at s1e3r": (6, 7, 8, 0), "at s1e3w": (6, 7, 8, 1),
    "tlbi vae3is": (6, 8, 3, 1), "tlbi vale3is": (6, 8, 3, 5), "tlbi vae3": (6, 8, 7, 1),
    "tlbi vale3": (6, 8, 7, 5),
}
"""The aliases of SYS that take an address or another value in a register: op1, CRn, CRm, op2."""

OPERATIONS_ON_ALL: dict[str, tuple[int, int, int, int]] = {
    "ic ialluis": (0, 7, 1, 0), "ic iallu": (0, 7, 5, 0), "tlbi vmalle1is": (0, 8, 3, 0),
    "tlbi vmalle1": (0, 8, 7, 0), "tlbi alle2is": (4, 8, 3, 0), "tlbi alle1is": (4, 8, 3, 4),
    "tlbi vmalls12e1is": (4, 8, 3, 6), "tlbi alle2": (4, 8, 7, 0), "tlbi alle1": (4, 8, 7, 4),
    "tlbi vmalls12e1": (4, 8, 7, 6), "tlbi alle3is": (6, 8, 3, 0), "tlbi alle3": (6, 8, 7, 0),
}
"""The aliases of SYS that take no register."""
