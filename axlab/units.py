"""Addresses, times and sizes: their types, and how people write them.

Virtual time is an integer number of nanoseconds. A size is an integer number of bytes.
"""

from __future__ import annotations

import re
from typing import NewType

from axlab.errors import AxError

GuestVirtAddr = NewType("GuestVirtAddr", int)
GuestPhysAddr = NewType("GuestPhysAddr", int)  # the Arm manual's IPA
HostPhysAddr = NewType("HostPhysAddr", int)
Nanoseconds = NewType("Nanoseconds", int)

PAGE_SIZE = 4096

TIME_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
SIZE_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_duration(text: str) -> Nanoseconds:
    """`10ms`, `1.5s`, `250us`, `2m` -> nanoseconds of virtual time."""
    match = re.fullmatch(r"([0-9]{1,40}(?:\.[0-9]{1,40})?)(ns|us|µs|ms|s|m)", text.strip())
    if match is None:
        raise AxError(f"{text!r} is no duration; write a number and a unit, such as 10ms, 250us or 1.5s")
    whole, _, fraction = match[1].partition(".")
    unit = TIME_UNITS[match[2]]
    return Nanoseconds(int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0))


def format_duration(ns: int) -> str:
    """Nanoseconds in the largest unit that keeps the number above 1: `1.5 ms`."""
    for unit in ("s", "ms", "us"):
        if abs(ns) >= TIME_UNITS[unit]:
            return f"{ns / TIME_UNITS[unit]:.6g} {unit}"
    return f"{ns} ns"


def parse_size(text: str) -> int:
    """`512M`, `0x1000`, `2GB`, `64KiB` -> bytes."""
    match = re.fullmatch(r"(0[xX][0-9a-fA-F_]{1,40}|[0-9][0-9_]{0,40})\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise AxError(f"{text!r} is no size; write bytes, or a number with K, M or G, such as 128M")
    return int(match[1].replace("_", ""), 0 if match[1][:2].lower() == "0x" else 10) * SIZE_UNITS[match[2].upper()]


def format_memory_size(size: int) -> str:
    """Bytes as AxVisor prints them: `512B 256KB 512MB 3GB`, truncating."""
    for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >> shift:
            return f"{size >> shift}{unit}"
    return f"{size}B"
