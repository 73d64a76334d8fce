"""Accesses that were found to be misaligned more than once: a call instead of an element of a view.

A misaligned access has no index in its view, and leaves its block for the stepper: 6 us. Where that happens again
and again, the block is translated anew with these functions, which need 0.5 us and take any address within a page.
"""

from __future__ import annotations

import re

from axlab.machine.tlb import PAGE_MASK

OFTEN = 3  # times after which an instruction is translated to a call

Pages = dict[int, bytearray]  # those where an access need not be aligned

PLACE = r"\[\((?P<a>\w+)>>12\)\]"
OFFSET = r"I(?P=n)\[\((?P=a)&4095\)\]"
LOAD = re.compile(rf"R(?P<n>[248]){PLACE}\[{OFFSET}\]")
STORE = re.compile(rf"W(?P<n>[248]){PLACE}\[{OFFSET}\]=(?P<v>.*)")
LOAD_PAIR = re.compile(rf"p=R(?P<n>[48]){PLACE};i={OFFSET};q=p\[i\];r=p\[i\+1\]")
STORE_PAIR = re.compile(rf"p=W(?P<n>[48]){PLACE};i={OFFSET};p\[i\+1\]=(?P<second>.*);p\[i\]=(?P<first>.*)")


def at_any_alignment(line: str) -> str:
    """The line with calls of `load_bytes` and `store_bytes` for accesses that need to be aligned."""
    line = LOAD_PAIR.sub(r"q=load_bytes(RA,\g<a>,\g<n>);r=load_bytes(RA,\g<a>+\g<n>,\g<n>)", line)
    line = STORE_PAIR.sub(r"store_bytes(WA,\g<a>,2*\g<n>,(\g<second>)<<8*\g<n>|(\g<first>))", line)
    line = STORE.sub(r"store_bytes(WA,\g<a>,\g<n>,\g<v>)", line)
    return LOAD.sub(r"load_bytes(RA,\g<a>,\g<n>)", line)


def load_bytes(pages: Pages, address: int, size: int) -> int:
    """Read `size` bytes. A KeyError where a page is missing, or another one is touched."""
    page = pages[address >> 12]
    offset = address & PAGE_MASK
    if offset + size > PAGE_MASK + 1:
        raise KeyError
    return int.from_bytes(page[offset : offset + size], "little")


def store_bytes(pages: Pages, address: int, size: int, value: int) -> None:
    """Write `size` bytes. A KeyError where a page is missing, or another one is touched: then nothing is written."""
    page = pages[address >> 12]
    offset = address & PAGE_MASK
    if offset + size > PAGE_MASK + 1:
        raise KeyError
    page[offset : offset + size] = value.to_bytes(size, "little")
