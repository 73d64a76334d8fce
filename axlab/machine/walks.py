"""A table walk step by step, in the manual's words: what was read where, and what it means.

    >>> print(walk(cpu, 0x8000_0000))
    VA 0x80000000, read at EL1
    stage 1: TTBR0_EL1, 4 KiB granule, 39-bit input from level 1
    stage 2: off (HCR_EL2.VM = 0), PA = IPA
      stage 1 level 1 table 0x40100000 [2] = 0x40101003: table at 0x40101000
      stage 1 level 2 table 0x40101000 [0] = 0x80000701: block 2 MiB at 0x80000000, EL1 read write, ...
    PA 0x80000000, Normal, Write-Back, read write execute

The walk is the one that the CPU makes: `mmu.resolve` notes every descriptor that it reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from axlab.machine import descriptors as d
from axlab.machine import memory_type, mmu

SHAREABILITY = ("non-shareable", "reserved", "outer shareable", "inner shareable")
OUTER_SHAREABLE = 2
PAR_FAILED = 1 << 0
PAR_RES1 = 1 << 11
ACCESS_NAMES = {"r": "read", "w": "write", "x": "fetch"}


@dataclass(frozen=True, slots=True)
class Step:
    """One descriptor of a walk. `table` and `address` are IPAs in stage 1 and PAs in stage 2.

    `kind` is table, block, page, reserved or invalid. `attributes` are the fields in words. `for_table`:
    a step of stage 2 that was needed to read a descriptor of stage 1.
    """

    stage: int
    level: int
    table: int
    index: int
    address: int
    descriptor: int
    kind: str
    output: int
    size: int
    attributes: tuple[str, ...]
    for_table: bool = False

    @property
    def meaning(self) -> str:
        """`table at 0x40101000`, `block 2 MiB at 0x40200000, AF, EL1 read write, ...`."""
        if self.kind in ("invalid", "reserved"):
            return self.kind
        size = f" {size_name(self.size)}" if self.size else ""
        return ", ".join([f"{self.kind}{size} at {self.output:#x}", *self.attributes])

    def __str__(self) -> str:
        indent = "    " if self.for_table else "  "
        where = f"{indent}stage {self.stage} level {self.level} table {self.table:#x}"
        return f"{where} [{self.index}] = {self.descriptor:#x}: {self.meaning}"


@dataclass(frozen=True, slots=True)
class Walk:
    """A whole walk: how it was set up, its steps, and where it ended, in a translation or in a fault.

    `pa` and `ipa` are the addresses of the byte asked for; None where the walk did not get so far.
    """

    va: int | None
    access: str
    el: int
    setup: tuple[str, ...]
    steps: tuple[Step, ...]
    ipa: int | None = None
    pa: int | None = None
    allows: int = 0
    memory: int = 0
    fault: mmu.TranslationFault | None = None

    @property
    def end(self) -> str:
        """The last line: the physical address and what it is, or the fault."""
        if self.fault is not None and self.va is None:
            return f"stage 2 {self.fault.kind} fault, level {self.fault.level}, IPA {self.ipa:#x}"
        if self.fault is not None:
            return str(self.fault)
        return f"PA {self.pa:#x}, {memory_type.describe(self.memory)}, {allowed(self.allows)}"

    def __str__(self) -> str:
        return "\n".join([*self.setup, *map(str, self.steps), self.end])


def size_name(size: int) -> str:
    """`4 KiB`, `2 MiB`, `1 GiB`: sizes of blocks and pages are whole."""
    return next(f"{size >> shift} {unit}" for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")) if size >> shift)


def allowed(bits: int) -> str:
    """`read write execute`, or those of them that `bits` allow."""
    names = [name for bit, name in ((1, "read"), (2, "write"), (4, "execute")) if bits & bit]
    return " ".join(names) or "nothing"


def walk(cpu: mmu.Mmu, va: int, access: str = "r", el: int = 1) -> Walk:
    """How `va` is translated for an access "r", "w" or "x" from EL0 or EL1. Changes nothing, raises nothing."""
    log: list[mmu.Fetch] = []
    setup = (f"VA {va:#x}, {ACCESS_NAMES[access]} at EL{el}", stage1_setup(cpu, va), stage2_setup(cpu))
    try:
        translation = mmu.resolve(cpu, va, access, el, log)
    except mmu.TranslationFault as fault:
        ipa = fault.ipa if fault.stage == 2 and not fault.s1ptw else None
        return Walk(va, access, el, setup, steps(cpu, log), ipa, fault=fault)
    offset = va & mmu.PAGE_OFFSET
    return Walk(
        va,
        access,
        el,
        setup,
        steps(cpu, log),
        translation.ipa | offset,
        translation.pa | offset,
        translation.allows,
        translation.attributes,
    )


def walk_stage2(cpu: mmu.Mmu, ipa: int, access: str = "r") -> Walk:
    """How stage 2 translates a guest physical address."""
    log: list[mmu.Fetch] = []
    setup = (f"IPA {ipa:#x}, {ACCESS_NAMES[access]}", stage2_setup(cpu, always=True))
    try:
        page = mmu.stage2(cpu, mmu.Request(0, access, 2, ipa), log)
    except mmu.TranslationFault as fault:
        return Walk(None, access, 1, setup, steps(cpu, log), ipa, fault=fault)
    pa = page.pa | ipa & mmu.PAGE_OFFSET
    kind = memory_type.mair_byte(page.mem_attr)
    return Walk(None, access, 1, setup, steps(cpu, log), ipa, pa, page.allows, kind)


def stage1_setup(cpu: mmu.Mmu, va: int) -> str:
    """Which register, granule and input size stage 1 uses for `va`, or why it is off."""
    hcr = cpu.sys["HCR_EL2"]
    if hcr & mmu.HCR_DC:
        return "stage 1: off (HCR_EL2.DC = 1), IPA = VA"
    if hcr & mmu.HCR_TGE:
        return "stage 1: off (HCR_EL2.TGE = 1), IPA = VA"
    if not cpu.sys["SCTLR_EL1"] & mmu.SCTLR_M:
        return "stage 1: off (SCTLR_EL1.M = 0), IPA = VA"
    upper = bool(va >> 55 & 1)
    return "stage 1: " + describe_regime(d.stage1_regime(cpu.sys["TCR_EL1"], upper), f"TTBR{int(upper)}_EL1")


def stage2_setup(cpu: mmu.Mmu, always: bool = False) -> str:
    if not (always or cpu.sys["HCR_EL2"] & (mmu.HCR_VM | mmu.HCR_DC)):
        return "stage 2: off (HCR_EL2.VM = 0), PA = IPA"
    return "stage 2: " + describe_regime(d.stage2_regime(cpu.sys["VTCR_EL2"]), "VTTBR_EL2")


def describe_regime(regime: d.Regime, register: str) -> str:
    if regime.disabled:
        return regime.disabled
    granule = f"{1 << regime.granule_bits - 10} KiB granule"
    return f"{register}, {granule}, {regime.input_bits}-bit input from level {regime.levels[0].number}"


def steps(cpu: mmu.Mmu, log: list[mmu.Fetch]) -> tuple[Step, ...]:
    return tuple(explain(cpu, fetch) for fetch in log)


def explain(cpu: mmu.Mmu, fetch: mmu.Fetch) -> Step:
    """What a descriptor says, in words."""
    descriptor, level = fetch.descriptor, fetch.level
    kind = descriptor_kind(descriptor, level)
    output, size = 0, 0
    attributes: list[str] = []
    if kind == "table":
        output = descriptor & fetch.regime.table_mask
        attributes = table_attributes(descriptor) if fetch.regime.stage == 1 else []
    elif kind in ("block", "page"):
        size = 1 << level.shift
        output = descriptor & (1 << 48) - size
        of_stage = stage1_attributes(descriptor, cpu.sys["MAIR_EL1"]) if fetch.regime.stage == 1 else None
        attributes = of_stage or stage2_attributes(descriptor)
    return Step(
        fetch.regime.stage,
        level.number,
        fetch.table,
        (fetch.address - fetch.table) // 8,
        fetch.address,
        descriptor,
        kind,
        output,
        size,
        tuple(attributes),
        fetch.request.s1ptw,
    )


def descriptor_kind(descriptor: int, level: d.Level) -> str:
    """table, block, page, invalid, or reserved: a block where the level has none."""
    kind = descriptor & 3
    if not kind & d.VALID:
        return "invalid"
    if kind == level.leaf:
        return "page" if level.number == 3 else "block"
    return "table" if kind == 3 else "reserved"


def table_attributes(descriptor: int) -> list[str]:
    """What a stage 1 table takes away from everything below it."""
    names = {
        d.AP_TABLE_NO_EL0: "APTable: not for EL0",
        d.AP_TABLE_READ_ONLY: "APTable: read-only",
        d.PXN_TABLE: "PXNTable",
        d.UXN_TABLE: "UXNTable",
    }
    return [name for bit, name in names.items() if descriptor & bit]


def stage1_attributes(descriptor: int, mair: int) -> list[str]:
    index = descriptor >> 2 & 7
    rights = "read-only" if descriptor & d.AP_READ_ONLY else "read write"
    who = "EL1 and EL0" if descriptor & d.AP_EL0 else "EL1"
    words = [f"{who} {rights}", f"AttrIndx {index} ({memory_type.describe(mair >> 8 * index & 0xFF)})"]
    return words + common_attributes(descriptor) + flags(descriptor, {d.NOT_GLOBAL: "nG", d.PXN: "PXN", d.UXN: "UXN"})


def stage2_attributes(descriptor: int) -> list[str]:
    rights = allowed(descriptor >> 6 & 3)
    words = [f"S2AP {rights}", f"MemAttr {memory_type.describe(memory_type.mair_byte(descriptor >> 2 & 15))}"]
    return words + common_attributes(descriptor) + flags(descriptor, {d.UXN: "XN"})


def common_attributes(descriptor: int) -> list[str]:
    accessed = "AF" if descriptor & d.ACCESS_FLAG else "AF = 0"
    return [SHAREABILITY[descriptor >> 8 & 3], accessed, *flags(descriptor, {d.CONTIGUOUS: "contiguous"})]


def flags(descriptor: int, names: dict[int, str]) -> list[str]:
    return [name for bit, name in names.items() if descriptor & bit]


def address_translate(cpu: mmu.Mmu, va: int, stages: str, write: bool, el: int) -> int:
    """What an AT instruction leaves in PAR_EL1: `stages` "1" (AT S1E0*, S1E1*) or "12". DDI 0487, D13.2.97.

    Raises `TranslationFault` where AT itself takes an exception: of stage 1 alone, when stage 2 fails or
    memory does not answer on the walk.
    """
    log: list[mmu.Fetch] = []
    access = "w" if write else "r"
    try:
        if stages == "1":
            pa, _, kind, _ = mmu.stage1(cpu, va, access, el, log)
        else:
            translation = mmu.resolve(cpu, va, access, el, log)
            pa, kind = translation.pa, translation.attributes
    except mmu.TranslationFault as fault:
        if fault.kind == "external" or (stages == "1" and fault.stage == 2):
            raise
        return failed_par(fault)
    return kind << 56 | pa & d.ADDRESS_FIELD | PAR_RES1 | shareability(log, kind) << 7


def failed_par(fault: mmu.TranslationFault) -> int:
    """PAR_EL1 with F = 1: what the fault was, and of which stage."""
    return PAR_FAILED | PAR_RES1 | fault.fsc << 1 | int(fault.s1ptw) << 8 | int(fault.stage == 2) << 9


def shareability(log: list[mmu.Fetch], kind: int) -> int:
    """SH of the memory: what is not cacheable is shared by all; else the most that a stage says."""
    if kind < memory_type.FIRST_NORMAL or kind == memory_type.NORMAL_NON_CACHEABLE:
        return OUTER_SHAREABLE
    leaves = [fetch for fetch in log if fetch.descriptor & 3 == fetch.level.leaf and not fetch.request.s1ptw]
    found = {fetch.descriptor >> 8 & 3 for fetch in leaves}
    return next((sh for sh in (2, 3) if sh in found), 0)
