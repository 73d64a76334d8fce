"""The file of a snapshot: a line, a header that people can read, four compressed sections, a checksum.

docs/snapshot-format.md describes it byte for byte. Reading never trusts: whatever is wrong is an `AxError` that says
what. Writing is atomic: until the new file is complete and on the disk, the old one is there.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

from axlab.errors import AxError

MAGIC = b"AxLab snapshot "
VERSION = 1
FIRST_LINE = MAGIC + b"%d\n" % VERSION
SECTIONS = (b"stat", b"blob", b"pmap", b"page")  # the document, its blobs, which page has which content, contents
SECTION = Struct("<4sQQ")  # name, packed size, size
DIGEST = 32
HEADER_LIMIT = 1 << 20
MOST = 1 << 36  # bytes of a section that a lab can have
SUFFIX = ".axsnap"


@dataclass(frozen=True)
class Contents:
    """What a file holds. `header` is for people and lists; `sections` are the bytes of each section, by name."""

    header: dict[str, Any]
    sections: dict[bytes, bytes]


def write(path: Path, contents: Contents) -> int:
    """Write a file, all or nothing. Returns its size; raises `AxError`."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                size = write_to(stream, contents)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(path.parent)
        for left in path.parent.glob(f".{path.name}.*.part"):  # of writers that were killed
            left.unlink(missing_ok=True)
    except OSError as error:
        raise AxError(f"the snapshot {path} cannot be written: {reason(error)}") from None
    return size


def sync_folder(folder: Path) -> None:
    """Let a rename be on the disk, where the system knows how."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_to(stream: BinaryIO, contents: Contents) -> int:
    """Write the bytes of a file to a stream; returns how many."""
    digest = sha256()
    size = 0
    for part in parts(contents):
        digest.update(part)
        size += stream.write(part)
    return size + stream.write(digest.digest())


def parts(contents: Contents) -> Iterable[bytes]:
    """All of a file but its checksum."""
    yield FIRST_LINE
    yield json.dumps(contents.header).encode("ascii") + b"\n"
    for name in SECTIONS:
        data = contents.sections[name]
        packed = zlib.compress(data, 1)
        yield SECTION.pack(name, len(packed), len(data))
        yield packed


def read(path: Path) -> Contents:
    """Read a file. Raises `AxError` where it is missing, foreign, cut short or damaged."""
    data = memoryview(load(path))
    end = len(data) - DIGEST
    place = first_line(path, bytes(data[: len(FIRST_LINE) + 20]))
    header, place = header_at(path, data, place)
    packed: dict[bytes, tuple[int, int, int]] = {}
    for wanted in SECTIONS:
        if place + SECTION.size > end:
            raise cut_short(path)
        name, stored, size = SECTION.unpack(data[place : place + SECTION.size])
        if name != wanted or size > MOST or stored > MOST:
            raise damaged(path, f"there is no section {wanted.decode()} where one begins")
        place += SECTION.size
        if place + stored > end:
            raise cut_short(path)
        packed[name] = place, stored, size
        place += stored
    if place != end:
        raise damaged(path, f"{end - place} bytes too many are in it")
    if sha256(data[:end]).digest() != data[end:]:
        raise damaged(path, "its checksum is not that of its contents")
    return Contents(
        header, {name: unpacked(path, name, data[at : at + n], size) for name, (at, n, size) in packed.items()}
    )


def load(path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise AxError(f"there is no snapshot {path}") from None
    except OSError as error:
        raise AxError(f"the snapshot {path} cannot be read: {reason(error)}") from None


def first_line(path: Path, start: bytes) -> int:
    """Where the first line ends. Raises `AxError` for a file of something else, or of another version."""
    if not start.startswith(MAGIC):
        raise AxError(f"{path} is no snapshot of AxLab: it does not begin with {MAGIC.decode().strip()!r}")
    if not start.startswith(FIRST_LINE):
        version = start[len(MAGIC) :].split(b"\n")[0][:20].decode("ascii", "replace")
        raise AxError(f"{path} is a snapshot of format {version!a}; this AxLab reads format {VERSION}")
    return len(FIRST_LINE)


def header_at(path: Path, data: memoryview, place: int) -> tuple[dict[str, Any], int]:
    """The header, and where it ends."""
    line, newline, _ = bytes(data[place : place + HEADER_LIMIT]).partition(b"\n")
    if not newline:
        raise cut_short(path)
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise damaged(path, "its header is no JSON") from None
    if not isinstance(header, dict):
        raise damaged(path, "its header is no object")
    return header, place + len(line) + 1


def read_header(path: Path) -> dict[str, Any]:
    """Only the header, unchecked: for lists. Raises `AxError`."""
    try:
        with path.open("rb") as stream:
            start = stream.read(HEADER_LIMIT)
    except OSError as error:
        raise AxError(f"the snapshot {path} cannot be read: {reason(error)}") from None
    return header_at(path, memoryview(start), first_line(path, start))[0]


def unpacked(path: Path, name: bytes, data: memoryview, size: int) -> bytes:
    """The bytes of a section, which are as many as it says."""
    unpacker = zlib.decompressobj()
    try:
        result = unpacker.decompress(data, size + 1)
    except zlib.error:
        raise damaged(path, f"its section {name.decode()} cannot be unpacked") from None
    if len(result) != size or not unpacker.eof:
        raise damaged(path, f"its section {name.decode()} is longer or shorter than it says")
    return result


def cut_short(path: Path) -> AxError:
    return AxError(f"the snapshot {path} is cut short: its end is missing")


def damaged(path: Path, what: str) -> AxError:
    return AxError(f"the snapshot {path} is damaged: {what}")


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
