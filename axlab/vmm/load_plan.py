"""What goes where in a guest's memory before it starts: images, RAM disk, device tree, entry point.

A plan is made before anything of the VM is built, so that a VM whose images do not fit is refused
with nothing half-created; carrying it out is copying bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.machine.memory_map import BOARD, Region
from axlab.units import PAGE_SIZE, format_memory_size
from axlab.vmm import config_schema as schema
from axlab.vmm.config import ConfigError, Finding, MemoryRegion, VmConfig
from axlab.vmm.guest_tree import build_tree, patch_tree
from axlab.vmm.images import Image, load_image, read_file
from axlab.vmm.symbols import Symbols

if TYPE_CHECKING:
    from axlab.vmm.vm import VmRegion

TREE_ROOM = 2 << 20
"""A generated tree lies this far below the end of RAM (Linux maps 2 MB for it)."""

IMAGE_ALIGNMENT = 2 << 20
"""An arm64 Image is loaded text_offset bytes behind a boundary of this (Linux, booting.rst)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes for guest memory; `size` counts the zeros behind them (.bss), too."""

    gpa: int
    data: bytes
    size: int
    what: str

    @property
    def end(self) -> int:
        return self.gpa + self.size


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The start state of a guest: copy `pieces`, enter at `entry` with `dtb` in x0.

    `symbols` are the image's names (an ELF file's as linked); `kernel` is where the image's first byte is.
    """

    pieces: tuple[Piece, ...]
    entry: int
    dtb: int
    kernel: int
    symbols: Symbols = field(default_factory=Symbols)

    def fits(self, regions: Iterable[MemoryRegion | VmRegion]) -> bool:
        """Whether RAM covers all that is copied. A plan that was read from a file may say anything."""
        ram = list(regions)
        return all(covered(ram, piece.gpa, max(piece.size, len(piece.data))) for piece in self.pieces)


class Planner:
    """Gathers pieces and problems; every problem of the images is found in one go."""

    def __init__(self, config: VmConfig) -> None:
        self.config = config
        self.pieces: list[Piece] = []
        self.problems: list[Finding] = []

    def problem(self, key: str, message: str) -> None:
        self.problems.append(self.config.problem(f"kernel.{key}", message))

    def place(self, key: str, gpa: int, data: bytes, size: int, what: str) -> None:
        """A piece, if it lies in one region of RAM (regions that touch count as one) and on nothing else."""
        piece = Piece(gpa, data, size, what)
        other = next((known for known in self.pieces if known.gpa < piece.end and gpa < known.end), None)
        if not covered(self.config.kernel.memory_regions, gpa, size):
            self.problem(key, f"{what} of {size:#x} bytes at {gpa:#x} does not fit the guest's RAM ({self.ram()})")
        elif other is not None:
            self.problem(
                key, f"{what} at {gpa:#x}-{piece.end:#x} overlaps {other.what} at {other.gpa:#x}-{other.end:#x}"
            )
        else:
            self.pieces.append(piece)

    def ram(self) -> str:
        return ", ".join(f"{region.gpa:#x}-{region.end:#x}" for region in self.config.kernel.memory_regions)

    def image(self, key: str) -> Image | None:
        """The image that a key names; what is wrong with it is a problem at that key."""
        try:
            return load_image(self.path(key))
        except AxError as error:
            self.problem(key, f"{error.source} {error.message}")
            return None

    def bytes_of(self, key: str) -> bytes:
        """The plain bytes of a file; what is wrong with it is a problem at that key."""
        try:
            data = read_file(self.path(key))
        except AxError as error:
            self.problem(key, f"{error.source} {error.message}")
            return b""
        if not data:
            self.problem(key, f"{self.path(key)} is empty")
        return data

    def path(self, key: str) -> Path:
        return self.config.resolve(getattr(self.config.kernel, key))


def covered(regions: Iterable[MemoryRegion | VmRegion], gpa: int, size: int) -> bool:
    """Whether RAM covers all `size` bytes at an address, in one region or in several that touch."""
    for region in sorted(regions, key=lambda known: known.gpa):
        if region.gpa <= gpa < region.end:
            size -= region.end - gpa
            gpa = region.end
            if size <= 0:
                return True
    return size <= 0


def plan(config: VmConfig, board: Iterable[Region] = BOARD) -> LoadPlan:
    """Read all images of a configuration and say where they go. Raises `ConfigError` with all problems."""
    planner = Planner(config)
    kernel, entry, image = place_kernel(planner)
    place_bios(planner)
    dtb = place_tree_and_ramdisk(planner, entry, tuple(board))
    if planner.problems:
        raise ConfigError(planner.problems)
    assert image is not None
    symbols = image.symbols if image.kind == "elf" else image.symbols.moved(kernel)
    return LoadPlan(tuple(planner.pieces), entry, dtb, kernel, symbols)


def problems(config: VmConfig, board: Iterable[Region] = BOARD) -> list[Finding]:
    """What stands in the way of loading a configuration's images: nothing, if all is well."""
    try:
        plan(config, board)
    except ConfigError as error:
        return error.findings
    return []


def place_kernel(planner: Planner) -> tuple[int, int, Image | None]:
    """The kernel image: address of its first byte, entry point, and the image itself."""
    config = planner.config
    image = planner.image("kernel_path")
    if image is None:
        return 0, 0, None
    base = load_address(planner, image)
    if base is None:
        return 0, 0, image
    name = Path(config.kernel.kernel_path).name
    for segment in image.segments:
        gpa = segment.address if image.kind == "elf" else base + segment.address
        key = "kernel_path" if image.kind == "elf" or config.kernel.kernel_load_addr is None else "kernel_load_addr"
        planner.place(key, gpa, segment.data, segment.size, name)
    first = min(segment.address for segment in image.segments) if image.kind == "elf" else base
    entry = config.kernel.entry_point
    if entry is None:
        entry = image.entry if image.kind == "elf" else base
    if entry is None:
        planner.problem("kernel_path", f"{name} names no entry point; write for example: entry_point = {first:#x}")
        return first, 0, image
    home = config.region_of(entry)
    if home is None or not home.flags & schema.FLAG_EXECUTE:
        key = "kernel_path" if config.kernel.entry_point is None else "entry_point"
        planner.problem(key, f"the entry point {entry:#x} is outside the guest's executable RAM ({planner.ram()})")
    return first, entry, image


def load_address(planner: Planner, image: Image) -> int | None:
    """Where the image's first byte goes: as configured, else where its kind wants to be."""
    kernel = planner.config.kernel
    if image.kind == "elf":
        return 0
    if kernel.kernel_load_addr is not None:
        return kernel.kernel_load_addr
    if kernel.entry_point is not None:
        return kernel.entry_point
    if image.kind == "arm64":
        for region in kernel.memory_regions:
            start = -(-region.gpa // IMAGE_ALIGNMENT) * IMAGE_ALIGNMENT + image.text_offset
            if region.contains(start, image.size):
                return start
        planner.problem(
            "kernel_path", f"no RAM region has room for an Image of {format_memory_size(image.size)} ({planner.ram()})"
        )
        return None
    region = kernel.memory_regions[0]
    planner.problem(
        "kernel_path",
        f"{kernel.kernel_path} is a flat binary, which does not say where it goes; "
        f"write for example: kernel_load_addr = {region.gpa:#x}",
    )
    return None


def place_bios(planner: Planner) -> None:
    """A firmware image beside the kernel."""
    kernel = planner.config.kernel
    if kernel.bios_path and kernel.enable_bios and kernel.bios_load_addr is not None:
        data = planner.bytes_of("bios_path")
        if data:
            planner.place("bios_load_addr", kernel.bios_load_addr, data, len(data), Path(kernel.bios_path).name)


def place_tree_and_ramdisk(planner: Planner, entry: int, board: tuple[Region, ...]) -> int:
    """RAM disk and device tree; the tree tells where the RAM disk is. Its address."""
    kernel = planner.config.kernel
    ramdisk = planner.bytes_of("ramdisk_path") if kernel.ramdisk_path else b""
    given = planner.bytes_of("dtb_path") if kernel.dtb_path else b""
    if planner.problems:
        return 0
    # The tree's size does not depend on the addresses in it, so it is built twice: once to be measured.
    try:
        length = len(tree(planner, given, board, (0, len(ramdisk)) if ramdisk else None))
        dtb = kernel.dtb_load_addr
        if dtb is None:
            dtb = free_below(planner, entry, length, TREE_ROOM)
        initrd = None
        if ramdisk:
            start = kernel.ramdisk_load_addr
            if start is None:
                start = free_below(planner, entry, len(ramdisk), PAGE_SIZE, under=dtb)
            initrd = (start, start + len(ramdisk))
            planner.place(
                "ramdisk_load_addr" if kernel.ramdisk_load_addr is not None else "ramdisk_path",
                start,
                ramdisk,
                len(ramdisk),
                Path(kernel.ramdisk_path or "").name,
            )
        blob = tree(planner, given, board, initrd)
    except AxError as error:
        planner.problem("dtb_path", f"{error.source} {error.message}")
        return 0
    key = "dtb_load_addr" if kernel.dtb_load_addr is not None else "memory_regions"
    planner.place(key, dtb, blob, len(blob), "the device tree")
    return dtb


def tree(planner: Planner, given: bytes, board: tuple[Region, ...], initrd: tuple[int, int] | None) -> bytes:
    """The guest's tree: the person's own, or one made from the configuration."""
    if given:
        return patch_tree(given, planner.config, initrd, str(planner.path("dtb_path")))
    return build_tree(planner.config, board, initrd)


def free_below(planner: Planner, entry: int, size: int, room: int, under: int | None = None) -> int:
    """An address near the end of the RAM region that holds the entry, below `under`, on no other piece.

    Where that region is full or read-only, it is one of the others, the largest first. The preferred
    address is `room` bytes (or the pages that `size` needs, if more) below the end; where a piece lies
    there, the pages directly below the end, and then those below each piece.
    """
    home = planner.config.region_of(entry)
    others = sorted(planner.config.kernel.memory_regions, key=lambda known: -known.size)
    regions = [known for known in (home, *others) if known is not None and known.flags & schema.FLAG_WRITE]
    found = (free_in(planner, region, size, room, under) for region in regions)
    return next((start for start in found if start is not None), others[0].gpa)


def free_in(planner: Planner, region: MemoryRegion, size: int, room: int, under: int | None) -> int | None:
    """The address in one region, or None where it is full."""
    end = under if under is not None and region.gpa < under <= region.end else region.end
    pages = -(-size // PAGE_SIZE) * PAGE_SIZE
    tops = [end, *sorted((piece.gpa for piece in planner.pieces if piece.gpa <= end), reverse=True)]
    candidates = [end - max(room, pages), *((top - pages) // PAGE_SIZE * PAGE_SIZE for top in tops)]
    for start in candidates:
        hit = any(piece.gpa < start + pages and start < piece.end for piece in planner.pieces)
        if start >= region.gpa and not hit:
            return start
    return None
