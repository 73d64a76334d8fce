"""What stands where: the guest physical addresses of a VM, the board's, and which lead to which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from axlab.machine.memory_map import BOARD
from axlab.units import format_memory_size

# kind -> what it means, in words; drawn in the colours of `memory_map.COLOURS`
MEANINGS = {
    "ram": "RAM, mapped by stage 2",
    "reserved": "RAM, mapped page by page when the guest touches it",
    "mediated": "device that the hypervisor answers for: an access is an exit",
    "passthrough": "device of the board, mapped by stage 2: no exits",
    "channel": "IVC channel, mapped into every VM that has it",
    "tables": "stage 2 tables: the mapping itself",
    "other": "RAM and tables of other VMs",
    "free": "RAM that nobody has",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A range of addresses: `target` is where stage 2 leads from its base (None: nowhere)."""

    name: str
    base: int
    size: int
    kind: str
    target: int | None = None

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.base + self.size

    def __str__(self) -> str:
        where = "" if self.target is None else f" -> HPA {self.target:#x}{' [identical]' * (self.target == self.base)}"
        return f"{self.base:#012x} {format_memory_size(self.size):>6}  {self.name}{where}"


def guest_spans(vm: Any) -> list[Span]:
    """The guest physical address space of a VM, by address."""
    ram = [
        Span(
            f"RAM {rights(region.flags)}",
            region.gpa,
            region.size,
            "reserved" if region.on_demand else "ram",
            region.hpa,
        )
        for region in vm.memory_regions
    ]
    mediated = [Span(claim.name, claim.base, claim.size, "mediated") for claim in vm.bus.claims]
    answered = {span.base for span in mediated}
    mapped = [
        Span(grant.region.name, grant.gpa, grant.region.size, "passthrough", grant.region.base)
        for grant in vm.granted
        if grant.gpa not in answered
    ]
    channels = [
        Span(f"IVC channel {held.channel.key:#x}", held.gpa, held.channel.size, "channel", held.channel.hpa)
        for held in vm.channels
    ]
    return sorted([*merged([*ram, *mediated, *mapped]), *channels], key=lambda span: span.base)


def host_spans(lab: Any, vm: Any) -> list[Span]:
    """The board's address space as far as a VM has part in it, and all of its RAM."""
    own_parts = {
        "tables": set(vm.stage2.tables),
        "ram": {region.hpa for region in vm.memory_regions},
        "channel": {held.channel.hpa for held in vm.channels},
    }
    used = []
    for part in lab.hypervisor.host_memory.reservations:
        kind = next((kind for kind, bases in own_parts.items() if part.base in bases), "other")
        own = {"tables": f"stage 2 tables of {vm.label}", "ram": f"RAM of {vm.label}"}
        name = own.get(kind) or part.owner.partition(" at ")[0]
        used.append(Span(name, part.base, part.size, kind))
    devices = [
        Span(span.name, span.target, span.size, "passthrough")
        for span in guest_spans(vm)
        if span.kind == "passthrough" and span.target is not None
    ]
    ram = next(region for region in BOARD if region.kind == "ram")
    return merged([*devices, *_with_holes(used, ram.base, ram.base + lab.board.memory.size)])


def _with_holes(used: Iterable[Span], base: int, end: int) -> list[Span]:
    """The spans of the host's RAM, and what is free between them."""
    spans, at = [], base
    for span in sorted(used, key=lambda one: one.base):
        if span.base > at:
            spans.append(Span("free", at, span.base - at, "free"))
        spans.append(span)
        at = max(at, span.end)
    return spans + ([Span("free", at, end - at, "free")] if at < end else [])


def merged(spans: Iterable[Span]) -> list[Span]:
    """By address; neighbours that differ in nothing but a number are one: `virtio0` to `virtio31`."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda one: one.base):
        last = result[-1] if result else None
        if last and last.end == span.base and last.kind == span.kind and _stem(last) == _stem(span):
            first, number = last.name.partition("-")[0], span.name[len(_stem(span)) :]
            name = f"{first}-{number}" if number else first
            result[-1] = Span(name, last.base, last.size + span.size, last.kind, last.target)
        else:
            result.append(span)
    return result


def _stem(span: Span) -> str:
    return re.sub(r"[0-9]+(-[0-9]+)?$", "", span.name)


def rights(flags: int) -> str:
    """Flags of a memory region as letters: 7 is `rwx`."""
    return "".join(letter if flags >> bit & 1 else "-" for bit, letter in enumerate("rwx"))
