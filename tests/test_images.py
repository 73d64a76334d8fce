"""Guest images: what a file is, and why one that is none is refused."""

from __future__ import annotations

import gzip
import os
import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from guest_files import NOP, arm64_image, elf

from axlab.errors import AxError
from axlab.vmm import images
from axlab.vmm.images import Segment, load_image, parse_image

SOURCE = """\
    .global _start, second
_start: nop
second: b .
    .data
word: .quad 7
    .bss
    .skip 0x2000
"""


def refused(data: bytes) -> str:
    with pytest.raises(AxError) as raised:
        parse_image(data, "x.bin")
    return str(raised.value).removeprefix("x.bin: ")


# --- what is an image ------------------------------------------------------------------------------


def test_bytes_without_a_header_are_a_flat_binary() -> None:
    image = parse_image(NOP * 8)
    assert (image.kind, image.segments, image.entry) == ("flat", (Segment(0, NOP * 8, 32),), None)


def test_an_arm64_image_says_how_much_memory_it_takes() -> None:
    image = parse_image(arm64_image(text_offset=0x8_0000))
    assert (image.kind, image.text_offset, image.size) == ("arm64", 0x8_0000, 0x2_0000)
    assert image.segments[0].size == 0x2_0000


def test_an_old_arm64_image_without_a_size_has_its_files() -> None:
    image = parse_image(arm64_image(size=0))
    assert (image.text_offset, image.size) == (0x8_0000, 0x1000 + 64)


def test_a_gzip_compressed_image_is_what_is_inside() -> None:
    assert parse_image(gzip.compress(arm64_image())) == parse_image(arm64_image())


def test_an_efi_zboot_image_is_what_is_inside() -> None:
    payload = gzip.compress(arm64_image())
    header = b"MZ\0\0zimg" + struct.pack("<II8x8s", 64, len(payload), b"gzip").ljust(56, b"\0")
    assert parse_image(header + payload + b"padding") == parse_image(arm64_image())
    assert refused(header.replace(b"gzip", b"zstd") + payload) == (
        "is an EFI image compressed with zstd; unpack it to an arm64 Image first"
    )


def test_an_elf_file_is_loaded_by_physical_addresses_and_entered_where_its_entry_lies() -> None:
    image = parse_image(elf(vaddr=0xFFFF_0000_0008_0000, paddr=0x4008_0000, entry=0xFFFF_0000_0008_0004))
    assert image.segments == (Segment(0x4008_0000, NOP, 0x1000),)
    assert image.entry == 0x4008_0004


def test_an_entry_that_is_physical_already_stays_and_none_is_none() -> None:
    assert parse_image(elf(vaddr=0xFFFF_0000_0008_0000, entry=0x4008_0004)).entry == 0x4008_0004
    assert parse_image(elf(entry=0)).entry is None


def test_a_linked_elf_file_has_segments_entry_and_symbols(tmp_path: Path, needs: Callable[[str, str], str]) -> None:
    gcc = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    (tmp_path / "a.s").write_text(SOURCE)
    words = [
        gcc,
        "-nostdlib",
        "-static",
        "-Wl,-Ttext=0x40080000,-Tdata=0x40090000,--build-id=none",
        "-o",
        "a.elf",
        "a.s",
    ]
    subprocess.run(words, cwd=tmp_path, check=True)
    image = load_image(tmp_path / "a.elf")
    assert (image.kind, image.entry) == ("elf", 0x4008_0000)
    assert {name: image.symbols.address_of(name) for name in ("_start", "second", "word")} == {
        "_start": 0x4008_0000,
        "second": 0x4008_0004,
        "word": 0x4009_0000,
    }
    assert not [name for name in image.symbols.names if name.startswith("$")]
    assert any(s.address == 0x4009_0000 and s.size > len(s.data) for s in image.segments)
    subprocess.run([gcc, "-c", "-o", "a.o", "a.s"], cwd=tmp_path, check=True)
    with pytest.raises(AxError, match=r"is an object file \(.o\); link it to an executable first"):
        load_image(tmp_path / "a.o")


def test_debians_u_boot_is_a_flat_binary(needs: Callable[[str, str], str]) -> None:
    path = needs("/usr/lib/u-boot/qemu_arm64/u-boot.bin", "u-boot-qemu")
    assert load_image(path).kind == "flat"


# --- what is none ----------------------------------------------------------------------------------

REFUSED = {
    "empty": (b"", "is empty; an image is a flat binary, an arm64 Image or an ELF file"),
    "three bytes": (NOP[:3], "has 3 bytes, not even one instruction (4 bytes); it is cut off"),
    "text": (b"#!/bin/sh\necho\n", "is a text file; an image is a flat binary, an arm64 Image or an ELF file"),
    "an x86 kernel": (bytes(0x202) + b"HdrS" + bytes(64), "is a Linux kernel for x86; AxLab runs AArch64 guests"),
    "a 32-bit Arm kernel": (
        bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(64),
        "is a Linux zImage for 32-bit Arm; AxLab runs AArch64 guests",
    ),
    "a PE program": (
        b"MZ" + bytes(200),
        "is a Windows or EFI program (PE); an image is a flat binary, an arm64 Image or an ELF file",
    ),
    "a device tree": (
        b"\xd0\x0d\xfe\xed" + bytes(60),
        "is a device tree or FIT image; a device tree is named by kernel.dtb_path",
    ),
    "xz": (b"\xfd7zXZ\0" + bytes(60), "is compressed with xz; unpack it first"),
    "a RAM disk": (
        b"070701" + b"0" * 100 + b"\0",
        "is a cpio archive, such as an initrd; that is named by kernel.ramdisk_path",
    ),
    "a big-endian Image": (arm64_image(flags=1), "is a big-endian arm64 Image; AxLab runs little-endian guests"),
    "a damaged Image": (
        arm64_image(text_offset=1 << 40),
        "has a damaged arm64 header: text_offset 0x10000000000, image_size 0x20000",
    ),
    "gzip cut off": (gzip.compress(arm64_image())[:-9], "is a gzip file that is cut off; copy or build it again"),
    "gzip of nothing": (gzip.compress(b""), "is a gzip file of nothing"),
    "ELF cut off in its header": (elf()[:40], "is an ELF file that is cut off: 40 bytes, less than its header"),
    "ELF cut off": (elf(filesz=0x800), "is an ELF file that is cut off: 124 bytes of 2168; copy or build it again"),
    "ELF for x86-64": (elf(machine=62), "is an ELF file for x86-64; AxLab runs AArch64 guests"),
    "ELF for 32-bit Arm": (elf(machine=40, bits=1), "is an ELF file for 32-bit Arm; AxLab runs AArch64 guests"),
    "32-bit ELF": (elf(bits=1), "is a 32-bit ELF file (ILP32); build it for 64-bit AArch64"),
    "an object file": (elf(kind=1), "is an object file (.o); link it to an executable first"),
    "a core file": (elf(kind=4), "is an ELF file of type 4, no executable"),
    "nothing to load": (elf(p_type=4), "is an ELF file with nothing to load (no PT_LOAD segment)"),
    "a dynamic program": (
        elf(p_type=3),
        "is a program for an operating system (it names a dynamic linker); a guest is a kernel or a bare-metal program",
    ),
    "an entry nowhere": (
        elf(entry=0x1000),
        "has its entry point 0x1000 outside its segments; link it again, or set kernel.entry_point",
    ),
    "a segment larger than itself": (
        elf(memsz=2),
        "is a damaged ELF file: a segment at 0x40080000 of 0x4 bytes in 0x2",
    ),
    "segments without number": (elf(count=5000), "is an ELF file with 5000 segments; at most 1024 make sense"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_image_is_refused_with_what_it_is(case: str) -> None:
    data, said = REFUSED[case]
    assert refused(data) == said


def test_a_big_endian_elf_file_is_refused() -> None:
    data = bytearray(elf(order=2))
    data[16:20] = struct.pack(">HH", 2, 183)
    assert refused(bytes(data)) == "is a big-endian ELF file; build it for little-endian AArch64"


def test_an_image_shorter_than_its_sections_is_cut_off() -> None:
    data = bytearray(arm64_image(body=0x400))
    data[:2] = b"MZ"
    struct.pack_into("<I", data, 60, 64)
    data[64:68] = b"PE\0\0"
    struct.pack_into("<H12xH", data, 70, 1, 0)
    struct.pack_into("<II", data, 64 + 24 + 16, 0x800, 0x400)
    assert refused(bytes(data)) == f"is cut off: {len(data)} bytes of {0xC00}; copy or build it again"


def test_an_image_shorter_than_its_table_of_sections_is_cut_off() -> None:
    data = bytearray(arm64_image(body=0x20))
    data[:2] = b"MZ"
    struct.pack_into("<I", data, 60, 64)
    data[64:68] = b"PE\0\0"
    struct.pack_into("<H", data, 70, 9)
    assert refused(bytes(data)).startswith(f"is cut off: {len(data)} bytes of ")


def test_a_decompression_bomb_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "UNPACKED_LIMIT", 1 << 20)
    assert refused(gzip.compress(bytes(4 << 20))) == "unpacks to more than 1MB"


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a directory; name the image file in it"), (tmp_path / "none", "no such file")):
        with pytest.raises(AxError) as raised:
            load_image(path)
        assert str(raised.value) == f"{path}: {said}"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(AxError, match="is no regular file"):
            load_image(tmp_path / "fifo")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(AxError, match="has 2GB; the limit is 1GB"):
        load_image(path)


def test_an_unknown_built_in_guest_is_named_with_those_that_are_there() -> None:
    with pytest.raises(AxError) as raised:
        load_image("axlab:dmo")
    assert str(raised.value) == "axlab:dmo: no guest of that name comes with AxLab; there is axlab:demo"


def test_mutated_images_are_images_or_refused(volume: Callable[[int], int]) -> None:
    chance = random.Random(5_000)
    seeds = [
        elf(),
        elf(count=2),
        arm64_image(body=64),
        gzip.compress(arm64_image(body=64)),
        NOP * 8,
        b"MZ\0\0zimg" + bytes(80),
        b"MZ" + arm64_image(body=200)[2:],
    ]
    for _ in range(volume(5_000) * 4):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(data))
            width = chance.choice([1, 1, 2, 4, 8])
            data[at : at + width] = chance.choice([b"\xff" * width, bytes(width), chance.randbytes(width)])
        try:
            image = parse_image(bytes(data[: chance.choice([len(data), chance.randrange(len(data) + 1)])]))
        except AxError as error:
            assert error.message
        else:
            assert sum(len(segment.data) for segment in image.segments) <= 1 << 20
