"""Accesses that were found to be misaligned more than once: a call instead of an element of a view.

A misaligned access has no index in its view, and leaves its block for the stepper: 6 us. Where that happens again
and again, the block is translated anew with calls of `PACKED`, which need 0.2 us and take any address within a page.
"""

from __future__ import annotations

import re
from struct import Struct

OFTEN = 3  # times after which an instruction is translated to a call

# They read or write the bytes of a page at an offset, or raise `struct.error` where the access leaves the page.
PACKED: dict[str, object] = {
    f"{name}_{size}": getattr(Struct(f"<{count}{code}"), method)
    for size, code in ((2, "H"), (4, "I"), (8, "Q"))
    for name, count, method in (
        ("load", 1, "unpack_from"), ("store", 1, "pack_into"),
        ("load_pair", 2, "unpack_from"), ("store_pair", 2, "pack_into"),
    )
}  # fmt: skip

PLACE = r"\[(?P<a>\w+)>>12\]"
OFFSET = r"I(?P=n)\[(?P=a)&4095\]"
LOAD = re.compile(rf"R(?P<n>[248]){PLACE}\[{OFFSET}\]")
STORE = re.compile(rf"W(?P<n>[248]){PLACE}\[{OFFSET}\]=(?P<v>.*)")
LOAD_PAIR = re.compile(rf"p=R(?P<n>[48]){PLACE};i={OFFSET};q=p\[i\];r=p\[i\+1\]")
STORE_PAIR = re.compile(rf"p=W(?P<n>[48]){PLACE};i={OFFSET};p\[i\+1\]=(?P<second>.*);p\[i\]=(?P<first>.*)")


def at_any_alignment(line: str) -> str:
    """The line with calls of `PACKED` for accesses that need to be aligned."""
    line = LOAD_PAIR.sub(r"q,r=load_pair_\g<n>(RA[\g<a>>>12],\g<a>&4095)", line)
    line = STORE_PAIR.sub(r"store_pair_\g<n>(WA[\g<a>>>12],\g<a>&4095,\g<first>,\g<second>)", line)
    line = STORE.sub(r"store_\g<n>(WA[\g<a>>>12],\g<a>&4095,\g<v>)", line)
    return LOAD.sub(r"load_\g<n>(RA[\g<a>>>12],\g<a>&4095)[0]", line)
