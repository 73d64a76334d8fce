"""Guest images: what a file is, where its bytes go, and why a file that is none is refused.

Everything here reads untrusted bytes: sizes are checked before anything is allocated, and nothing
but `AxError` is raised.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axlab import guests
from axlab.errors import AxError
from axlab.units import format_memory_size
from axlab.vmm.symbols import Symbols, labels

FILE_LIMIT = 1 << 30
"""Largest image file in bytes."""

SOURCE_LIMIT = 4 << 20
"""Largest source of a guest in bytes."""

UNPACKED_LIMIT = 256 << 20
"""Largest image after decompression in bytes; a larger one is a mistake or an attack."""

BUILT_IN = "axlab:"
"""A kernel_path that begins so names a guest that comes with AxLab: `axlab:demo`."""

ARM64_MAGIC = 0x644D5241
"""`ARM\\x64` at offset 56 (Linux, Documentation/arch/arm64/booting.rst)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes to load. `address` is physical for ELF, else an offset from the load address; `size` counts the
    zeros behind `data`, too."""

    address: int
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """A guest image. `entry` is physical, and None where the file does not say (flat, arm64: the load address).

    `text_offset` and `size` are the arm64 header's: from a 2 MB boundary to the first byte, and
    bytes in memory. `symbols` have the virtual addresses of an ELF file, else offsets from the load address.
    A source in assembly or C becomes an "elf" image: it lies where it was built for.
    """

    kind: Literal["flat", "arm64", "elf"]
    segments: tuple[Segment, ...]
    entry: int | None = None
    text_offset: int = 0
    size: int = 0
    symbols: Symbols = field(default_factory=Symbols)


def load_image(path: str | Path) -> Image:
    """The image in a file, or the built-in guest `axlab:NAME`. Raises `AxError`: what is wrong, what would be right.

    A file that ends in `.S` or `.c` is a source, which is built.
    """
    if str(path).startswith(BUILT_IN):
        return built_in(str(path).removeprefix(BUILT_IN))
    if Path(path).suffix in guests.SUFFIXES:
        return from_source(Path(path))
    return parse_image(read_file(Path(path)), str(path))


def built_in(name: str) -> Image:
    """A guest that comes with AxLab, assembled now. Raises `AxError` for an unknown name."""
    if name not in guests.BUILT_IN:
        known = ", ".join(BUILT_IN + known for known in guests.BUILT_IN)
        raise AxError(f"no guest of that name comes with AxLab; there is {known}", source=BUILT_IN + name)
    built = guests.assembled(name)
    names = labels(built.symbols, built.code_labels).moved(-built.origin)
    return Image("flat", (Segment(0, built.code, len(built.code)),), size=len(built.code), symbols=names)


def from_source(path: Path) -> Image:
    """The image of a source. Raises `AxError`, with the lines and carets of what is wrong in it."""
    try:
        source = read_file(path, SOURCE_LIMIT).decode("utf-8")
    except UnicodeDecodeError:
        raise AxError("is no UTF-8 text", source=str(path)) from None
    if path.suffix == guests.C:
        from axlab.guests.c_compiler import compile_c

        return parse_image(compile_c(source, path.name).elf, str(path))
    made = guests.assemble_guest(source, path.name)
    if not made.code:
        raise AxError("has no instruction", source=str(path))
    segment = Segment(made.origin, made.code, len(made.code))
    entry = made.symbols.get("_start", made.origin)
    return Image("elf", (segment,), entry, size=segment.size, symbols=labels(made.symbols))


def read_file(path: Path, limit: int = FILE_LIMIT) -> bytes:
    """All bytes of a regular file of at most `limit` bytes. Raises `AxError` with the reason."""
    try:
        if path.is_dir():
            raise AxError("is a directory; name the image file in it", source=str(path))
        if path.exists() and not path.is_file():
            raise AxError("is no regular file", source=str(path))
        size = path.stat().st_size
        if size > limit:
            raise AxError(f"has {format_memory_size(size)}; the limit is {format_memory_size(limit)}", source=str(path))
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        raise AxError("no such file", source=str(path)) from None
    except (OSError, ValueError) as error:
        raise AxError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=str(path)) from None


def parse_image(data: bytes, source: str = "<image>") -> Image:
    """What the bytes of an image file mean. Raises `AxError`."""
    if not data:
        raise AxError("is empty; an image is a flat binary, an arm64 Image or an ELF file", source=source)
    data = unpacked(data, source)
    if data[:4] == b"\x7fELF":
        from axlab.vmm.elf_image import parse_elf

        return parse_elf(data, source)
    if len(data) >= 64 and struct.unpack_from("<I", data, 56)[0] == ARM64_MAGIC:
        return parse_arm64(data, source)
    refuse_others(data, source)
    return Image("flat", (Segment(0, data, len(data)),), size=len(data))


# --- compression -----------------------------------------------------------------------------------


def unpacked(data: bytes, source: str) -> bytes:
    """The image inside a gzip file or an EFI zboot image; other files as they are."""
    if data[:2] == b"MZ" and data[4:8] == b"zimg" and len(data) >= 32:
        offset, size = struct.unpack_from("<II", data, 8)
        method = data[24:32].rstrip(b"\0").decode("ascii", "replace")
        if method != "gzip":
            raise AxError(f"is an EFI image compressed with {method}; unpack it to an arm64 Image first", source=source)
        return gunzip(data[offset : offset + size], source)
    return gunzip(data, source) if data[:2] == b"\x1f\x8b" else data


def gunzip(data: bytes, source: str) -> bytes:
    """The content of a gzip file, at most UNPACKED_LIMIT bytes of it."""
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(data, UNPACKED_LIMIT + 1)
    except zlib.error as error:
        raise AxError(f"is a damaged gzip file: {error}", source=source) from None
    if len(content) > UNPACKED_LIMIT:
        raise AxError(f"unpacks to more than {format_memory_size(UNPACKED_LIMIT)}", source=source)
    if not stream.eof:
        raise AxError("is a gzip file that is cut off; copy or build it again", source=source)
    if not content:
        raise AxError("is a gzip file of nothing", source=source)
    return content


# --- arm64 Image -----------------------------------------------------------------------------------


def parse_arm64(data: bytes, source: str) -> Image:
    """A Linux arm64 Image: a 64-byte header, then the kernel; it runs where it is loaded."""
    text_offset, size, flags = struct.unpack_from("<QQQ", data, 8)
    if flags & 1:
        raise AxError("is a big-endian arm64 Image; AxLab runs little-endian guests", source=source)
    if size == 0:  # kernels before 3.17: the header knew neither
        text_offset, size = 0x80000, len(data)
    if text_offset >= 2 << 20 or size > 4 << 30:
        raise AxError(f"has a damaged arm64 header: text_offset {text_offset:#x}, image_size {size:#x}", source=source)
    needed = pe_file_size(data)
    if needed > len(data):
        raise AxError(f"is cut off: {len(data)} bytes of {needed}; copy or build it again", source=source)
    size = max(size, len(data))
    return Image("arm64", (Segment(0, data, size),), text_offset=text_offset, size=size)


def pe_file_size(data: bytes) -> int:
    """How long the file must be by its EFI header's sections; 0 for an Image without one."""
    offset: int = struct.unpack_from("<I", data, 60)[0]
    if data[:2] != b"MZ" or data[offset : offset + 4] != b"PE\0\0" or offset + 24 > len(data):
        return 0
    count, optional = struct.unpack_from("<H12xH", data, offset + 6)
    table: int = offset + 24 + optional
    if table + 40 * count > len(data):
        return table + 40 * int(count)
    rows = (struct.unpack_from("<II", data, table + 40 * i + 16) for i in range(count))
    return max((int(raw) + int(start) for raw, start in rows), default=0)


# --- what is none ----------------------------------------------------------------------------------

OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0x202, b"HdrS", "is a Linux kernel for x86; AxLab runs AArch64 guests"),
    (0x24, b"\x18\x28\x6f\x01", "is a Linux zImage for 32-bit Arm; AxLab runs AArch64 guests"),
    (0, b"MZ", "is a Windows or EFI program (PE); an image is a flat binary, an arm64 Image or an ELF file"),
    (0, b"\xd0\x0d\xfe\xed", "is a device tree or FIT image; a device tree is named by kernel.dtb_path"),
    (0, b"\x27\x05\x19\x56", "is a U-Boot uImage; name the image that it was made from"),
    (0, b"\xfd7zXZ\0", "is compressed with xz; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first"),
    (0, b"BZh", "is compressed with bzip2; unpack it first"),
    (0, b"\x04\x22\x4d\x18", "is compressed with lz4; unpack it first"),
    (0, b"\x02\x21\x4c\x18", "is compressed with lz4; unpack it first"),
    (0, b"\x89LZO\0", "is compressed with lzop; unpack it first"),
    (0, b"PK\x03\x04", "is a zip archive; unpack it first"),
    (0, b"!<arch>\n", "is an archive (a .deb or .a file); unpack it first"),
    (0, b"070701", "is a cpio archive, such as an initrd; that is named by kernel.ramdisk_path"),
    (0, b"QFI\xfb", "is a qcow2 disk image; an image is a flat binary, an arm64 Image or an ELF file"),
    (0, b"\xcf\xfa\xed\xfe", "is a macOS program (Mach-O); an image is a flat binary, an arm64 Image or an ELF file"),
    (0, b"\0asm", "is a WebAssembly module"),
    (257, b"ustar", "is a tar archive; unpack it first"),
)
TEXT = frozenset(b"\t\n\r\f" + bytes(range(0x20, 0x7F)))


def refuse_others(data: bytes, source: str) -> None:
    """Raise `AxError` for a file that is known to be something else than a flat binary."""
    for offset, magic, what in OTHERS:
        if data[offset : offset + len(magic)] == magic:
            raise AxError(what, source=source)
    if TEXT.issuperset(data[:4096]):
        raise AxError("is a text file; an image is a flat binary, an arm64 Image or an ELF file", source=source)
    if len(data) < 4:
        raise AxError(f"has {len(data)} bytes, not even one instruction (4 bytes); it is cut off", source=source)
