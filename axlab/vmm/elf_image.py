"""ELF images: segments by physical address, the entry translated, the symbols."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

from axlab.errors import AxError
from axlab.units import format_memory_size
from axlab.vmm.images import FILE_LIMIT, Image, Segment
from axlab.vmm.symbols import Symbol, Symbols, symbols_of

SEGMENT_LIMIT = 1024
MACHINES = {
    3: "32-bit x86",
    8: "MIPS",
    20: "PowerPC",
    21: "64-bit PowerPC",
    22: "S/390",
    40: "32-bit Arm",
    62: "x86-64",
    243: "RISC-V",
    247: "BPF",
    258: "LoongArch",
}
SYMBOL = struct.Struct("<IBBHQQ")
SHT_SYMTAB = 2
SHF_EXECINSTR = 1 << 2
STT_OBJECT, STT_SECTION, STT_FILE = 1, 3, 4


def parse_elf(data: bytes, source: str) -> Image:
    """An ELF file for AArch64. Raises `AxError` for anything else, and for a damaged one."""
    refuse_by_ident(data, source)
    try:
        headers = program_headers(data, source)
    except AxError:
        raise
    except Exception as error:  # noqa: BLE001 -- pyelftools raises many kinds on garbage
        raise AxError(f"is a damaged ELF file: {error or type(error).__name__}", source=source) from None
    loads = [header for header in headers if header["p_type"] == "PT_LOAD" and header["p_memsz"]]
    if not loads:
        raise AxError("is an ELF file with nothing to load (no PT_LOAD segment)", source=source)
    segments = tuple(segment(data, header, source) for header in loads)
    entry = physical_entry(struct.unpack_from("<Q", data, 24)[0], loads, source)
    return Image("elf", segments, entry, size=sum(s.size for s in segments), symbols=symbols(data))


def refuse_by_ident(data: bytes, source: str) -> None:
    """The first 20 bytes say for whom the file is."""
    if len(data) < 64:
        raise AxError(f"is an ELF file that is cut off: {len(data)} bytes, less than its header", source=source)
    order = "<" if data[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    name = MACHINES.get(machine, "AArch64" if machine == 183 else f"machine {machine}")
    if machine != 183:
        raise AxError(f"is an ELF file for {name}; AxLab runs AArch64 guests", source=source)
    if data[4] != 2:
        raise AxError("is a 32-bit ELF file (ILP32); build it for 64-bit AArch64", source=source)
    if data[5] != 1:
        raise AxError("is a big-endian ELF file; build it for little-endian AArch64", source=source)
    if kind == 1:
        raise AxError("is an object file (.o); link it to an executable first", source=source)
    if kind not in (2, 3):
        raise AxError(f"is an ELF file of type {kind}, no executable", source=source)


def program_headers(data: bytes, source: str) -> list[Any]:
    """The program headers, read by pyelftools."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(BytesIO(data))
    count = elf["e_phnum"]
    if count > SEGMENT_LIMIT:
        raise AxError(f"is an ELF file with {count} segments; at most {SEGMENT_LIMIT} make sense", source=source)
    headers = [elf.get_segment(index).header for index in range(count)]
    if any(header["p_type"] == "PT_INTERP" for header in headers):
        raise AxError(
            "is a program for an operating system (it names a dynamic linker); a guest is a kernel "
            "or a bare-metal program",
            source=source,
        )
    total = sum(header["p_filesz"] for header in headers)
    if total > FILE_LIMIT:
        raise AxError(f"is an ELF file whose segments have {format_memory_size(total)}", source=source)
    return headers


def segment(data: bytes, header: Any, source: str) -> Segment:
    """One PT_LOAD segment at its physical address."""
    start, length, size, at = header["p_offset"], header["p_filesz"], header["p_memsz"], header["p_paddr"]
    if start + length > len(data):
        raise AxError(
            f"is an ELF file that is cut off: {len(data)} bytes of {start + length}; copy or build it again",
            source=source,
        )
    if length > size or at + size > 1 << 64:
        raise AxError(f"is a damaged ELF file: a segment at {at:#x} of {length:#x} bytes in {size:#x}", source=source)
    return Segment(at, data[start : start + length], size)


def physical_entry(entry: int, loads: list[Any], source: str) -> int | None:
    """Where e_entry is in physical memory: it is virtual, and the segment that holds it knows."""
    for header in loads:
        if header["p_vaddr"] <= entry < header["p_vaddr"] + header["p_memsz"]:
            return int(header["p_paddr"] + entry - header["p_vaddr"])
    if any(header["p_paddr"] <= entry < header["p_paddr"] + header["p_memsz"] for header in loads):
        return entry
    if entry == 0:  # the linker was told of no entry
        return None
    raise AxError(
        f"has its entry point {entry:#x} outside its segments; link it again, or set kernel.entry_point", source=source
    )


def symbols(data: bytes) -> Symbols:
    """The symbol table; nothing where it is missing or damaged. Read with `struct`: a kernel has 150,000."""
    shoff, shentsize, shnum = struct.unpack_from("<Q10xHH", data, 40)
    if shentsize != 64 or shoff + 64 * shnum > len(data):
        return Symbols()
    sections = [struct.unpack_from("<IIQ8xQQI", data, shoff + 64 * i) for i in range(shnum)]
    code = {number for number, section in enumerate(sections) if section[2] & SHF_EXECINSTR}
    found: list[Symbol] = []
    for _, kind, _, offset, size, link in sections:
        if kind == SHT_SYMTAB and link < shnum and offset + size <= len(data):
            names = sections[link]
            found += named(data[offset : offset + size], data[names[3] : names[3] + names[4]], code)
    return symbols_of(found)


def named(table: bytes, names: bytes, code: set[int]) -> list[Symbol]:
    """One symbol table: defined names, without the mapping symbols `$x`, `$d` (AAELF64, 5.5.4).

    `code` are the numbers of the sections with instructions.
    """
    found = []
    for name, info, _, section, value, size in SYMBOL.iter_unpack(table[: len(table) // SYMBOL.size * SYMBOL.size]):
        if name and section and info & 15 not in (STT_SECTION, STT_FILE):
            end = names.find(b"\0", name, name + 1024)
            text = names[name:end].decode("utf-8", "replace") if end > name else ""
            if text and not text.startswith("$"):
                found.append(Symbol(text, value, size, section in code and info & 15 != STT_OBJECT))
    return found
