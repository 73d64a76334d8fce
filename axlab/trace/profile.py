"""Where vCPUs spent their instructions: by address, by block, by function. By numpy; imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy

from axlab.trace.columns import Covered, Hot
from axlab.trace.executed import BLOCKS, Recording
from axlab.trace.executed_columns import columns, executed_runs

PAGE = 4096


Known = tuple[str, int, int]
SymbolAt = Callable[[int], "Any"]
"""An address -> the symbol that contains it (with name, address and size), or None."""


def profile(recordings: Iterable[Recording]) -> tuple[Any, Any]:
    """(addresses, times): every instruction that was executed, by address, and how often."""
    found = [frequencies(*executed_runs(recording)[1:]) for recording in recordings]
    if not found:
        return numpy.empty(0, "u8"), numpy.empty(0, "i8")
    pc, count, often = (numpy.concatenate(parts) for parts in zip(*found))
    within = numpy.arange(count.sum()) - numpy.repeat(numpy.cumsum(count) - count, count)
    every = numpy.repeat(pc, count) + (within * 4).astype("u8")
    addresses, place = numpy.unique(every, return_inverse=True)
    return addresses, numpy.bincount(place, numpy.repeat(often, count), len(addresses)).astype("i8")


def frequencies(starts: Any, lengths: Any) -> tuple[Any, Any, Any]:
    """(address, length, how often) of each run that there is."""
    addresses, place = numpy.unique(starts, return_inverse=True)
    most = int(lengths.max(initial=0)) + 1
    runs, often = numpy.unique(place * most + lengths, return_counts=True)
    return addresses[runs // most], runs % most, often


def hot_blocks(vm: int, recordings: list[Recording], symbol_at: SymbolAt) -> list[Hot]:
    """The blocks that one VM executed, those with the most instructions first. `times`: how often each was."""
    _, _, _, pcs, counts = columns(recordings, BLOCKS)
    total = int(counts.sum())
    rows = zip(*(part.tolist() for part in frequencies(pcs, counts)), strict=True)
    found = [Hot(vm, pc, named(symbol_at(pc), pc), times, n * times, n * times / total) for pc, n, times in rows]
    return sorted(found, key=lambda one: (-one.instructions, one.pc))


def hot_functions(vm: int, recordings: list[Recording], symbol_at: SymbolAt) -> list[Hot]:
    """The functions that one VM executed (pages, where no symbol is known), those with the most instructions first.

    `times` is how often the function's most frequent instruction was executed.
    """
    addresses, times = profile(recordings)
    total = int(times.sum())
    found = []
    for (name, begin, _), group in grouped(addresses, symbol_at):
        mine = times[group]
        count = int(mine.sum())
        found.append(Hot(vm, begin, name, int(mine.max()), count, count / total))
    return sorted(found, key=lambda one: (-one.instructions, one.pc))


def coverage(vm: int, recordings: list[Recording], symbol_at: SymbolAt, symbols: Iterable[Any] = ()) -> list[Covered]:
    """What one VM executed of its code, by address. `symbols` are the functions that are wanted, executed or not."""
    addresses, _ = profile(recordings)
    groups = {begin: (name, size, len(group)) for (name, begin, size), group in grouped(addresses, symbol_at)}
    for symbol in symbols:
        groups.setdefault(symbol.address, (symbol.name, symbol.size, 0))
    return [
        Covered(vm, begin, name, size, covered, min(1.0, 4 * covered / size))
        for begin, (name, size, covered) in sorted(groups.items())
    ]


def grouped(addresses: Any, symbol_at: SymbolAt) -> list[tuple[Known, list[int]]]:
    """The places of addresses by the symbol that contains them, or by page: ((name, begin, size), places)."""
    groups: dict[Known, list[int]] = {}
    for place, address in enumerate(addresses.tolist()):
        found = symbol_at(address)
        known = (found.name, found.address, found.size) if found else ("", address // PAGE * PAGE, PAGE)
        groups.setdefault(known, []).append(place)
    return list(groups.items())


def named(symbol: Any, address: int) -> str:
    """`main+0x10`, or nothing where no symbol is known."""
    if symbol is None:
        return ""
    return f"{symbol.name}+{address - symbol.address:#x}" if address != symbol.address else str(symbol.name)
