"""Loads, stores and fetches the long way: translation, alignment, page crossings, devices.

`Cpu.load` and `Cpu.store` come here when the TLB has no view for the access. All checks of an access are
made before its first byte moves, so that an abort leaves memory and registers as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine import mmu, stops
from axlab.machine.bus import Access, NothingThere
from axlab.machine.exceptions import GuestException, alignment_fault, external_abort, stage2_abort, translation_abort
from axlab.machine.isa.bits import M64
from axlab.machine.mmu import Translation, TranslationFault
from axlab.machine.tlb import PAGE_MASK
from axlab.machine.traps import ExceptionClass as EC

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

SCTLR_A = 1 << 1  # all misaligned accesses fault
DC_ZVA_SIZE = 64
ZEROS = bytes(DC_ZVA_SIZE)


def translate(cpu: Cpu, address: int, access: str, el: int) -> Translation:
    """What the MMU says of the page of `address`; an abort where it refuses.

    Stage 2's refusals are kept as translations are: a driver's next access is to the same device.
    """
    translations = cpu.tlb.translations
    key = (address >> 12, access, el)
    found = translations.get(key)
    if found is None:
        refused = cpu.tlb.refused.get(key)
        if refused is not None and refused.stands(cpu.memory):
            raise stage2_abort(cpu, access, address, refused.fsc, refused.ipa | address & PAGE_MASK)
        try:
            found = mmu.translate(cpu, address, access, el)
        except TranslationFault as fault:
            refusal = mmu.refusal_of(cpu, fault)
            if refusal is not None:
                cpu.tlb.add_refusal(*key, refusal, fault.span)
            raise translation_abort(cpu, fault) from None
        cpu.tlb.add_translation(*key, found)
    return found


def physical_address(cpu: Cpu, address: int, access: str) -> int:
    """The physical address behind a virtual one, for a data access of the current EL."""
    address &= M64
    return translate(cpu, address, access, cpu.el).pa | address & PAGE_MASK


def check_alignment(cpu: Cpu, address: int, size: int, access: str, page: Translation) -> None:
    """A misaligned access needs Normal memory, and SCTLR_EL1.A to be 0."""
    if address & size - 1 and not may_be_misaligned(cpu, page):
        raise alignment_fault(cpu, address, access)


def may_be_misaligned(cpu: Cpu, page: Translation) -> bool:
    """Whether accesses to a page may be at any address: the same for a whole translation regime."""
    return not (page.is_device or cpu.sys["SCTLR_EL1"] & SCTLR_A)


def load(cpu: Cpu, address: int, size: int, el: int) -> int:
    """Read `size` bytes (1, 2, 4, 8 or 16), little-endian, as EL `el`; who watches is told."""
    value = read(cpu, address & M64, size, el)
    if cpu.is_observed:
        stops.loaded(cpu, address & M64, size, value)
    return value


def read(cpu: Cpu, address: int, size: int, el: int) -> int:
    """A load, of which nobody is told."""
    page = translate(cpu, address, "r", el)
    check_alignment(cpu, address, size, "r", page)
    offset = address & PAGE_MASK
    if offset + size > PAGE_MASK + 1:
        return load_across(cpu, address, size, el)
    physical = page.pa | offset
    if not cpu.memory.contains(page.pa, PAGE_MASK + 1):
        return read_device(cpu, address, physical, size)
    memory = cpu.memory.page(physical >> 12)
    if el == cpu.el and address >> 12 not in cpu.readers[1] and stops.may_be_viewed(cpu, address, "r"):
        cpu.tlb.add_reader(address >> 12, memory, may_be_misaligned(cpu, page))
    return int.from_bytes(memory[offset : offset + size], "little")


def load_across(cpu: Cpu, address: int, size: int, el: int) -> int:
    """A load that lies in two pages: both must be readable before either is read."""
    low = PAGE_MASK + 1 - (address & PAGE_MASK)
    following = address + low & M64
    check_alignment(cpu, address, size, "r", translate(cpu, following, "r", el))
    value = 0
    for index in range(size):
        value |= read(cpu, address + index & M64, 1, el) << 8 * index
    return value


def store(cpu: Cpu, address: int, size: int, value: int, el: int) -> None:
    """Write the low `size` bytes (1, 2, 4, 8 or 16) of `value`, little-endian, as EL `el`; who watches is told."""
    address &= M64
    if not cpu.is_observed:
        write(cpu, address, size, value, el)
        return
    was = stops.before_store(cpu, address, size, el)
    write(cpu, address, size, value, el)
    stops.stored(cpu, address, size, value, was)


def write(cpu: Cpu, address: int, size: int, value: int, el: int) -> None:
    """A store, of which nobody is told."""
    page = translate(cpu, address, "w", el)
    check_alignment(cpu, address, size, "w", page)
    offset = address & PAGE_MASK
    if offset + size > PAGE_MASK + 1:
        return store_across(cpu, address, size, value, el)
    physical = page.pa | offset
    if not cpu.memory.contains(page.pa, PAGE_MASK + 1):
        return write_device(cpu, address, physical, size, value)
    memory = cpu.memory.writable(physical >> 12)
    memory[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    if cpu.monitor.reservations:
        cpu.monitor.stored(cpu, physical, size)
    frame = physical >> 12
    if frame in cpu.memory.watched:
        cpu.memory.stored(frame, offset, size)
    elif el == cpu.el and frame not in cpu.monitor.watched(cpu) and stops.may_be_viewed(cpu, address, "w"):
        cpu.tlb.add_writer(address >> 12, frame, memory, may_be_misaligned(cpu, page))
    return None


def store_across(cpu: Cpu, address: int, size: int, value: int, el: int) -> None:
    """A store that lies in two pages: both must be writable before either is written."""
    low = PAGE_MASK + 1 - (address & PAGE_MASK)
    following = address + low & M64
    check_alignment(cpu, address, size, "w", translate(cpu, following, "w", el))
    for index in range(size):
        write(cpu, address + index & M64, 1, value >> 8 * index, el)


def store_pair(cpu: Cpu, address: int, size: int, first: int, second: int) -> None:
    """Two stores side by side, where the second may be refused: then the first is not made either."""
    address &= M64
    following = address + size & M64
    for at in (address, following):
        check_alignment(cpu, at, size, "w", translate(cpu, at, "w", cpu.el))
    translate(cpu, max(following, following + size - 1 & ~PAGE_MASK) & M64, "w", cpu.el)  # the second one's end
    cpu.store(address, size, first)
    cpu.store(following, size, second)


def read_device(cpu: Cpu, va: int, physical: int, size: int) -> int:
    """A load from outside RAM: the board's bus answers, and the slice ends. A Q register is two accesses."""
    try:
        value = cpu.bus.access(Access(physical, min(size, 8), cpu=cpu.index))
        if size == 16:
            value |= cpu.bus.access(Access(physical + 8, 8, cpu=cpu.index)) << 64
    except NothingThere:
        raise external_abort(cpu, va, "r") from None
    cpu.end_slice()
    return value


def write_device(cpu: Cpu, va: int, physical: int, size: int, value: int) -> None:
    """A store to outside RAM: the board's bus takes it, and the slice ends."""
    width = min(size, 8)
    try:
        for done in range(0, size, 8):
            part = value >> 8 * done & (1 << 8 * width) - 1
            cpu.bus.access(Access(physical + done, width, part, is_write=True, cpu=cpu.index))
    except NothingThere:
        raise external_abort(cpu, va, "w") from None
    cpu.end_slice()


def zero_block(cpu: Cpu, address: int) -> None:
    """DC ZVA: zero the 64 bytes around `address`. It needs Normal memory."""
    address &= M64
    page = translate(cpu, address, "w", cpu.el)
    if page.is_device:
        raise alignment_fault(cpu, address, "w")
    block = address & -DC_ZVA_SIZE
    direct = cpu.writers[1].get(address >> 12)
    if direct is not None:
        direct[block & PAGE_MASK : (block & PAGE_MASK) + DC_ZVA_SIZE] = ZEROS
        return
    for offset in range(0, DC_ZVA_SIZE, 8):
        cpu.store(block + offset, 8, 0)


def maintain(cpu: Cpu, address: int, access: str) -> None:
    """Cache maintenance by address: only the translation matters. An abort says CM, and WnR, which it sets."""
    try:
        translate(cpu, address, access, cpu.el)
    except GuestException as fault:
        fault.iss |= 1 << 8 | 1 << 6
        raise


def without_tag(cpu: Cpu, address: int) -> int:
    """The manual's BranchAddr: where TCR_EL1 says that the top byte is a tag, bit 55 replaces it."""
    upper = address >> 55 & 1
    if not cpu.sys["TCR_EL1"] >> 37 + upper & 1:
        return address
    return address | 0xFF << 56 if upper else address & (1 << 56) - 1


def fetch(cpu: Cpu) -> int:
    """The instruction word at pc, the long way; its page can be fetched from directly afterwards."""
    pc = cpu.pc = without_tag(cpu, cpu.pc & M64)
    if pc & 3:
        raise GuestException(1, EC.PC_ALIGNMENT, far=pc)
    page = translate(cpu, pc, "x", cpu.el)
    if not cpu.memory.contains(page.pa, PAGE_MASK + 1):
        raise external_abort(cpu, pc, "x")
    cpu.tlb.add_code(pc >> 12, cpu.memory.page(page.pa >> 12))
    return cpu.tlb.code[pc >> 12][(pc & PAGE_MASK) >> 2]
