"""Address translation: stage 1 (the guest's tables), stage 2 (the hypervisor's), and what they forbid.

    VA --stage 1: TTBR0/1_EL1, TCR_EL1--> IPA --stage 2: VTTBR_EL2, VTCR_EL2--> PA

The addresses of stage 1's tables are IPAs too: each is translated by stage 2 before its descriptor can be
read, so a walk of 4 levels under one of 3 reads up to 4 * (3 + 1) + 3 = 19 descriptors. DDI 0487, D5.

`translate` is what the CPU calls on a TLB miss. `axlab.machine.walks` shows the same walk step by step: it
runs the functions below with a list in which every descriptor that is read is noted.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from struct import Struct
from typing import NamedTuple, Protocol

from axlab.machine import descriptors as d
from axlab.machine import memory_type
from axlab.machine.memory import Memory

READ, WRITE, EXECUTE = 1, 2, 4
ACCESS = {"r": READ, "w": WRITE, "x": EXECUTE}

# HCR_EL2
HCR_VM = 1 << 0  # stage 2 is on
HCR_PTW = 1 << 2  # stage 1's tables must not lie in Device memory
HCR_DC = 1 << 12  # stage 1 is off and everything is cacheable; stage 2 is on
HCR_TGE = 1 << 27  # stage 1 is off
# SCTLR_EL1
SCTLR_M = 1 << 0
SCTLR_I = 1 << 12
SCTLR_WXN = 1 << 19

PAGE_OFFSET = 0xFFF
PAGE_BASE = ~PAGE_OFFSET
ALL_ONES = (1 << 64) - 1
TAG_REMOVED = (1 << 56) - 1

read_descriptor = Struct("<Q").unpack_from

# Fault status codes: DFSC and IFSC of ESR_ELx, FST of PAR_EL1. The level is in bits 1..0.
FAULT_STATUS = {
    "address_size": 0b000000,
    "translation": 0b000100,
    "access_flag": 0b001000,
    "permission": 0b001100,
    "external": 0b010100,  # on a table walk
    "alignment": 0b100001,
}


class Stage2Page(NamedTuple):
    """What stage 2 says of a 4 KiB page of IPAs: cached, because every walk of stage 1 asks for the same few."""

    pa: int
    allows: int  # READ | WRITE | EXECUTE
    mem_attr: int  # MemAttr[3:0] of the descriptor
    level: int


class Mmu(Protocol):
    """What the MMU needs of a CPU. `stage2_pages` is its stage 2 TLB, by IPA >> 12: who changes stage 2 empties it."""

    sys: dict[str, int]
    memory: Memory
    stage2_pages: dict[int, Stage2Page]


class Request(NamedTuple):
    """What is being translated, as a fault reports it. `s1ptw`: to read a descriptor of stage 1."""

    va: int
    access: str
    stage: int
    ipa: int = 0
    s1ptw: bool = False


class Fetch(NamedTuple):
    """A descriptor that was read. `address` is that of the descriptor, an IPA in stage 1, a PA in stage 2."""

    request: Request
    regime: d.Regime
    level: d.Level
    table: int
    address: int
    descriptor: int


class Translation(NamedTuple):
    """Where a 4 KiB page is: bases of the page, accesses that it `allows`, memory type in MAIR's encoding.

    2 ** `span` bytes is the size of the page or block of stage 1 that holds it: what one TLBI by address ends.
    """

    pa: int
    ipa: int
    allows: int  # READ | WRITE | EXECUTE
    attributes: int
    span: int = 12

    @property
    def is_device(self) -> bool:
        return self.attributes < memory_type.FIRST_NORMAL

    @property
    def readable(self) -> bool:
        return bool(self.allows & READ)

    @property
    def writable(self) -> bool:
        return bool(self.allows & WRITE)

    @property
    def executable(self) -> bool:
        return bool(self.allows & EXECUTE)


class TranslationFault(Exception):
    """An access that cannot be translated: a fault of the guest, or of stage 2 for the hypervisor.

    `kind` is a key of FAULT_STATUS, `level` that of the table walk. `ipa` is set in stage 2: what was
    being translated, the address of a stage 1 descriptor if `s1ptw`. `span` is that of stage 1's block or page.
    """

    span = 12

    def __init__(self, request: Request, kind: str, level: int) -> None:
        super().__init__(request, kind, level)
        self.stage = request.stage
        self.kind = kind
        self.level = level
        self.va = request.va
        self.ipa = request.ipa
        self.s1ptw = request.s1ptw
        self.access = request.access

    @property
    def fsc(self) -> int:
        """The fault status code: DFSC or IFSC."""
        return FAULT_STATUS[self.kind] | (self.level if self.kind != "alignment" else 0)

    def __str__(self) -> str:
        walk = ", on a walk of stage 1" if self.s1ptw else ""
        ipa = f" (IPA {self.ipa:#x})" if self.stage == 2 else ""
        return f"stage {self.stage} {self.kind} fault, level {self.level}, VA {self.va:#x}{ipa}{walk}"


class Refusal(NamedTuple):
    """What stage 2 has said of the page `ipa`, to which stage 1 leads: a fault status code.

    `walk` are the descriptors that say so, by their addresses. Hardware walks again after a fault; here it is enough
    that they are what they were.
    """

    fsc: int
    ipa: int
    walk: tuple[tuple[int, int], ...]

    def stands(self, memory: Memory) -> bool:
        """Whether stage 2's tables still say so."""
        for address, descriptor in self.walk:
            content = memory.pages.get(address >> 12)
            if descriptor != (0 if content is None else read_descriptor(content, address & PAGE_OFFSET)[0]):
                return False
        return True


Log = list[Fetch] | None


def translate(cpu: Mmu, va: int, access: str, el: int) -> Translation:
    """Translate `va` for an access "r", "w" or "x" from EL0 or EL1; raises `TranslationFault`."""
    return resolve(cpu, va, access, el, None)


def resolve(cpu: Mmu, va: int, access: str, el: int, log: Log) -> Translation:
    """Both stages. With a `log` every descriptor is read from memory and noted there."""
    ipa, allows, attributes, span = stage1(cpu, va, access, el, log)
    if not cpu.sys["HCR_EL2"] & (HCR_VM | HCR_DC):
        return Translation(ipa & PAGE_BASE, ipa & PAGE_BASE, allows, attributes, span)
    try:
        page = stage2(cpu, Request(va, access, 2, ipa), log)
    except TranslationFault as fault:
        fault.span = span
        raise
    kind = memory_type.combine(attributes, page.mem_attr)
    return Translation(page.pa, ipa & PAGE_BASE, allows & page.allows, kind, span)


def stage1(cpu: Mmu, va: int, access: str, el: int, log: Log) -> tuple[int, int, int, int]:
    """The IPA of `va`, the accesses that stage 1 allows, the memory type as a byte of MAIR_EL1, the block's span."""
    sys = cpu.sys
    request = Request(va, access, 1)
    upper = va >> 55 & 1
    tcr = sys["TCR_EL1"]
    tagged = tcr >> 37 + upper & 1  # TBI0, TBI1: the top byte is no address, bit 55 stands for it
    sctlr = sys["SCTLR_EL1"]
    if not sctlr & SCTLR_M or sys["HCR_EL2"] & (HCR_DC | HCR_TGE):
        return stage1_off(cpu, va & TAG_REMOVED if tagged else va, request)

    regime = d.stage1_regime(tcr, bool(upper))
    address = va ^ ALL_ONES if upper else va  # what must be zero above the input size
    if regime.disabled or (address & TAG_REMOVED if tagged else address) >> regime.input_bits:
        raise TranslationFault(request, "translation", 0)
    table = sys["TTBR1_EL1" if upper else "TTBR0_EL1"]
    descriptor, level, ipa = descend(cpu, regime, va, table, request, log)
    user_and_read_only = descriptor >> 6 & 3
    allows = stage1_allows(el, user_and_read_only, descriptor >> 53 & 3, bool(sctlr & SCTLR_WXN))
    if not allows & ACCESS[access]:
        raise TranslationFault(request, "permission", level)
    span = regime.granule_bits + (3 - level) * (regime.granule_bits - 3)
    return ipa, allows, sys["MAIR_EL1"] >> (descriptor >> 2 & 7) * 8 & 0xFF, span


def stage1_off(cpu: Mmu, address: int, request: Request) -> tuple[int, int, int, int]:
    """Without stage 1 the IPA is the VA: data is Device memory, and instructions are fetched from Normal memory.

    HCR_EL2.DC makes both Normal Write-Back memory. DDI 0487, D5.2.9.
    """
    if address >> d.PHYSICAL_ADDRESS_BITS:
        raise TranslationFault(request, "address_size", 0)
    if cpu.sys["HCR_EL2"] & HCR_DC:
        return address, READ | WRITE | EXECUTE, memory_type.NORMAL_WRITE_BACK, 12
    if request.access == "x":
        cached = cpu.sys["SCTLR_EL1"] & SCTLR_I
        kind = memory_type.NORMAL_WRITE_THROUGH if cached else memory_type.NORMAL_NON_CACHEABLE
        return address, EXECUTE, kind, 12
    return address, READ | WRITE, memory_type.DEVICE_NGNRNE, 12


@lru_cache(maxsize=64)
def stage1_allows(el: int, ap: int, xn: int, wxn: bool) -> int:
    """What EL0 or EL1 may do to memory with these AP[2:1] and UXN:PXN. DDI 0487, D5.4.

    What EL0 can write, EL1 never executes; with SCTLR_EL1.WXN nobody executes what they can write.
    """
    read_only, user = ap & 2, ap & 1
    user_writes = user and not read_only
    if el == 0:
        readable, writable, executable = user, user_writes, not xn & 2
    else:
        readable, writable, executable = 1, not read_only, not (xn & 1 or user_writes)
    if wxn and writable:
        executable = False
    return (READ if readable else 0) | (WRITE if writable else 0) | (EXECUTE if executable else 0)


def refusal_of(cpu: Mmu, fault: TranslationFault) -> Refusal | None:
    """What to keep of a fault in order to know the next one without a walk; None where it is not one of a page."""
    if fault.stage == 1 or fault.s1ptw or fault.kind == "external":
        return None
    log: list[Fetch] = []
    with suppress(TranslationFault):
        stage2(cpu, Request(fault.va, fault.access, 2, fault.ipa), log)
    return Refusal(fault.fsc, fault.ipa & PAGE_BASE, tuple([(fetch.address, fetch.descriptor) for fetch in log]))


def stage2(cpu: Mmu, request: Request, log: Log) -> Stage2Page:
    """The page that holds `request.ipa`, if stage 2 maps it and allows the access."""
    ipa = request.ipa
    page = cpu.stage2_pages.get(ipa >> 12) if log is None else None
    if page is None:
        page = stage2_page(cpu, request, log)
        if log is None:
            cpu.stage2_pages[ipa >> 12] = page
    wanted = READ if request.s1ptw else ACCESS[request.access]
    table_in_device = request.s1ptw and page.mem_attr < 4 and cpu.sys["HCR_EL2"] & HCR_PTW
    if not page.allows & wanted or table_in_device:
        raise TranslationFault(request, "permission", page.level)
    return page


def stage2_page(cpu: Mmu, request: Request, log: Log) -> Stage2Page:
    """Walk stage 2. DDI 0487, D5.4.2 for S2AP and XN: EL0 and EL1 are the same here."""
    regime = d.stage2_regime(cpu.sys["VTCR_EL2"])
    if regime.disabled or request.ipa >> regime.input_bits:
        raise TranslationFault(request, "translation", 0)
    descriptor, level, pa = descend(cpu, regime, request.ipa, cpu.sys["VTTBR_EL2"], request, log)
    readable_writable = descriptor >> 6 & 3  # as READ and WRITE
    allows = readable_writable | (0 if descriptor & d.UXN else EXECUTE)
    return Stage2Page(pa & PAGE_BASE, allows, descriptor >> 2 & 15, level)


def descend(cpu: Mmu, regime: d.Regime, address: int, base: int, request: Request, log: Log) -> tuple[int, int, int]:
    """From the first table at `base` down to a block or page: its descriptor, its level, the output address.

    What the tables on the way take away (APTable, PXNTable, UXNTable) is taken from the descriptor. The
    order of the checks is the manual's: translation, address size, access flag.
    """
    hcr = cpu.sys["HCR_EL2"]
    nested = hcr & HCR_VM if regime.stage == 1 else 0
    known = cpu.stage2_pages if log is None and not hcr & HCR_PTW else {}
    pages = cpu.memory.pages
    output_bits = regime.output_bits
    table_mask = regime.table_mask
    taken = 0
    table = base & regime.base_mask
    if table >> output_bits:
        raise TranslationFault(request, "address_size", 0)
    for number, shift, index_mask, leaf in regime.levels:
        place = where = table + (address >> shift & index_mask) * 8
        if nested:
            page = known.get(place >> 12)
            if page is None or not page.allows & READ:
                page = stage2(cpu, Request(request.va, request.access, 2, place, True), log)
            where = page.pa | place & PAGE_OFFSET
        content = pages.get(where >> 12)
        if content is not None:
            descriptor = read_descriptor(content, where & PAGE_OFFSET)[0]
        elif cpu.memory.contains(where, 8):
            descriptor = 0
        else:
            raise TranslationFault(request, "external", number)
        if log is not None:
            log.append(Fetch(request, regime, regime.levels[number - 4], table, place, descriptor))
        kind = descriptor & 3
        if kind == 3 and number < 3:
            table = descriptor & table_mask
            if table >> output_bits:
                raise TranslationFault(request, "address_size", number)
            taken |= descriptor
        elif kind != leaf or not kind:
            raise TranslationFault(request, "translation", number)
        else:
            break
    output = descriptor & (1 << 48) - (1 << shift)
    if output >> output_bits:
        raise TranslationFault(request, "address_size", number)
    if not descriptor & d.ACCESS_FLAG:
        raise TranslationFault(request, "access_flag", number)
    if regime.stage == 1 and taken >> 59:
        descriptor = d.restrict(descriptor, taken)
    return descriptor, number, output | address & (1 << shift) - 1


def translate_stage2(cpu: Mmu, ipa: int, access: str = "r") -> Stage2Page:
    """The page that stage 2 maps an IPA to, for the hypervisor; raises `TranslationFault`."""
    return stage2(cpu, Request(0, access, 2, ipa), None)
