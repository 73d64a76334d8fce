"""Which part of what vCPUs do is recorded: ranges of addresses, and a window of virtual time."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError
from axlab.machine.instruction_trace import COUNT_MASK, address_of, run_of
from axlab.units import parse_duration

FOREVER = (1 << 63) - 1
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Scope:
    """`addresses` are ranges (first, last), none for all; times are virtual ns, from `begin` to before `end`."""

    addresses: tuple[Range, ...] = ()
    begin: int = 0
    end: int = FOREVER

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.addresses and self.begin <= 0 and self.end >= FOREVER

    def has(self, time: int, address: int) -> bool:
        """Whether something at this time and address is recorded."""
        there = not self.addresses or any(first <= address <= last for first, last in self.addresses)
        return there and self.begin <= time < self.end

    def instructions(self, time: int, pc: int, count: int, ns: int) -> Iterator[tuple[int, int]]:
        """Of a run of instructions the parts that are recorded, as (place of the first in the run, how many)."""
        first = max(0, -((time - self.begin) // ns))
        last = min(count, -((time - self.end) // ns))
        for low, high in self.addresses or [(pc, pc + 4 * count)]:
            begin = max(first, -((pc - low) // 4))
            end = min(last, (high - pc) // 4 + 1)
            if begin < end:
                yield begin, end - begin


def kept_runs(runs: array[int], marks: array[int], ns: int, scope: Scope) -> tuple[array[int], array[int]]:
    """What a scope keeps of `InstructionTrace`'s columns: a new mark wherever something before was left out."""
    found, entries = array("Q"), array("Q")
    expected = -1
    for at in range(0, len(marks), 3):
        first, executed, time = marks[at : at + 3]
        end = marks[at + 3] if at + 3 < len(marks) else len(runs)
        if time >= scope.end:
            break
        for run in runs[first:end]:
            count, pc = run & COUNT_MASK, address_of(run)
            for begin, kept in scope.instructions(time, pc, count, ns):
                if time + begin * ns != expected:
                    entries.extend((len(found), executed + begin, time + begin * ns))
                found.append(run_of(pc + 4 * begin, kept))
                expected = time + (begin + kept) * ns
            time += count * ns
            executed += count
    return found, entries


def scope_of(addresses: Any, window: Any, address_of_name: Callable[[str], range | None]) -> Scope:
    """A scope from what a person wrote. Raises `AxError`.

    `addresses`: "0x40080000..0x40080fff", the name of a function, a range, or a list of these. `window`: a pair of
    moments of virtual time, in ns or as "10ms"; None in it is the beginning or the end. None: everything.
    """
    several = isinstance(addresses, list | tuple)
    wanted = [] if addresses is None else list(addresses) if several else [addresses]
    begin, end = (None, None) if window is None else pair(window)
    scope = Scope(
        joined(address_range(one, address_of_name) for one in wanted),
        0 if begin is None else moment(begin),
        FOREVER if end is None else moment(end),
    )
    if scope.end <= scope.begin:
        raise AxError(f"the window from {begin} to {end} is empty: it ends before it begins")
    return scope


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The ranges in their order, those that touch as one."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def pair(window: Any) -> tuple[Any, Any]:
    """The two ends of a window; of a text "10ms..20ms" its halves."""
    parts = window.split("..") if isinstance(window, str) else list(window) if isinstance(window, Iterable) else []
    if len(parts) != 2:
        raise AxError(f'{window!r} is no window of time; write it as "10ms..20ms"')
    return (parts[0] or None), (parts[1] or None)


def moment(value: Any) -> int:
    """Virtual ns from a number or a text such as "10ms"."""
    return parse_duration(value) if isinstance(value, str) else int(value)


def address_range(wanted: Any, address_of_name: Callable[[str], range | None]) -> Range:
    """(first, last) of a range of addresses, or of a function."""
    if isinstance(wanted, range):
        return wanted.start, wanted.stop - 1
    if not isinstance(wanted, str):
        raise AxError(f'{wanted!r} is no range of addresses; write it as "0x40080000..0x40080fff", or name a function')
    written = re.fullmatch(r"(0x[0-9a-fA-F_]+|\d+)(?:\.\.|-)(0x[0-9a-fA-F_]+|\d+)", wanted)
    if written:
        first, last = (int(part.replace("_", ""), 0) for part in written.groups())
        if last < first:
            raise AxError(f"the range {wanted} ends before it begins")
        return first, last
    extent = address_of_name(wanted)
    if extent is None:
        raise AxError(
            f"{wanted!r} is no range of addresses and no symbol; write it as 0x40080000..0x40080fff, or add symbols"
        )
    return extent.start, extent.stop - 1
