"""What the names of the filter language mean: one table that the checker, completion and the reference page read.

A filter may name every documented column of a trace (`columns.py`). Beside those there are shorter names, below;
registers, symbols and the names of VMs are known where a filter is used on a lab (`Scope`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from axlab.trace.columns import DESCRIBED, ROWS, columns_of


@dataclass(frozen=True, slots=True)
class Name:
    """A name: the `column` that it stands for in each of `kinds`; its `type` and meaning.

    `alone`: it may stand for itself, and then means that something of its kind has happened. `guard` are the values
    of `reason` in rows where the column has this meaning. `words` are the values, where they are known.
    """

    name: str
    column: str
    kinds: tuple[str, ...]
    type: str
    meaning: str
    alone: bool = False
    guard: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


# Types. What can be compared: equal ones; a number with a register; a word with a name.
TYPE_OF_FORM = {
    "time": "time", "moment": "time", "count": "number", "id": "number", "word": "number", "signed": "number",
    "flag": "flag", "name": "word", "text": "text", "bytes": "text",
}  # fmt: skip

MMIO = ("MmioRead", "MmioWrite", "MmioOther")

# What is written for one or several types of exits, beside their own names (`MmioRead`, or mmio_read).
EXIT_GROUPS: dict[str, tuple[str, ...]] = {
    "mmio": MMIO,
    "sysreg": ("SysRegRead", "SysRegWrite"),
    "irq": ("ExternalInterrupt",),
    "ipi": ("SendIPI",),
    "wfi": ("Halt",),
    "page_fault": ("NestedPageFault",),
    "psci": ("CpuUp", "CpuDown", "CpuSuspend", "SystemDown", "SystemReset", "FirmwareCall"),
    "cpu_on": ("CpuUp",),
    "cpu_off": ("CpuDown",),
    "off": ("SystemDown",),
    "reset": ("SystemReset",),
}
EXITS = (
    "Hypercall", "MmioRead", "MmioWrite", "MmioOther", "SysRegRead", "SysRegWrite", "ExternalInterrupt", "CpuUp",
    "CpuDown", "CpuSuspend", "FirmwareCall", "Halt", "SendIPI", "NestedPageFault", "SystemDown", "SystemReset",
    "Semihosting", "FailEntry",
)  # fmt: skip
VM_STATES = ("Loading", "Loaded", "Running", "Suspended", "Stopping", "Stopped", "Failed")
VCPU_STATES = ("Free", "Ready", "Running", "Blocked")

SHORTER = (
    Name("exit", "reason", ("exits",), "word", "why a vCPU left the guest", alone=True, words=EXITS),
    Name("gpa", "address", ("exits", "mmio"), "number", "guest physical address of an access that left the guest",
         guard=(*MMIO, "NestedPageFault")),
    Name("hypercall", "number", ("hypercalls",), "number", "number of a hypercall", alone=True),
    Name("psci", "function", ("psci",), "word", "function of PSCI that was called", alone=True),
    Name("interrupt", "action", ("interrupts",), "word", "what became of an interrupt", alone=True,
         words=("raised", "injected", "taken", "ended")),
    Name("intid", "intid", ("interrupts",), "number", DESCRIBED["intid"].meaning),
    Name("mmio", "device", ("mmio",), "word", "device of the hypervisor that was accessed", alone=True),
    Name("write", "is_write", ("mmio", "accesses", "access"), "flag", "the access is a store"),
    Name("state", "new", ("vm_states",), "word", "state of a VM, when it changes", words=VM_STATES),
    Name("vcpu_state", "new", ("vcpu_states",), "word", "scheduling state of a vCPU, when it changes",
         words=VCPU_STATES),
    Name("fault", "message", ("faults",), "text", "what broke in a guest, in words", alone=True),
    Name("log", "message", ("log",), "text", "a line of the hypervisor's log", alone=True),
    Name("console", "data", ("console",), "text", "the line of the console, as far as it is printed", alone=True),
)  # fmt: skip

# Known only where a watch has seen an access, which is no kind of a trace's events.
ACCESS = "access"
OF_ACCESSES = {"address": "number", "value": "number", "width": "number", "was": "number", "pc": "number"}
CHANGES = {"state": "vm_states", "vcpu_state": "vcpu_states"}
EVERYWHERE = ("time", "vm", "vcpu", "pc")  # known whenever a vCPU stands still, too


@cache
def known_names() -> dict[str, Name]:
    """Every name that a filter may use, but for registers, symbols and VMs."""
    found = {name.name: name for name in SHORTER}
    for column, described in DESCRIBED.items():
        type_ = TYPE_OF_FORM.get(described.form)
        kinds = tuple(kind for kind, row in ROWS.items() if any(one.name == column for one in columns_of(row)))
        if type_ is None or not kinds or column in found:
            continue
        kinds += (ACCESS,) if column in OF_ACCESSES else ()
        type_ = "time" if described.unit == "ns" else type_
        found[column] = Name(column, column, kinds, type_, described.meaning)
    found["was"] = Name("was", "was", (ACCESS,), "number", "what a watched store found in memory")
    return found


@cache
def exit_words() -> dict[str, tuple[str, ...]]:
    """What may be written for exits, in lower case, and the types that it means."""
    return {**{snake(name): (name,) for name in EXITS}, **{name.lower(): (name,) for name in EXITS}, **EXIT_GROUPS}


def reference() -> str:
    """The table of names for the reference page, as Markdown; sorted, without registers, symbols and VMs."""
    lines = ["| name | type | known of | meaning |", "|---|---|---|---|"]
    for name in sorted(known_names().values(), key=lambda one: one.name):
        standing = "also while a vCPU stands" if name.name in EVERYWHERE else ""
        kinds = ["`vm watch`" if kind == ACCESS else kind for kind in name.kinds]
        of = "everything" if len(kinds) > 8 else ", ".join(kinds)
        known = "; ".join(part for part in (of, standing) if part)
        words = f" ({', '.join(name.words)})" if name.words and len(name.words) < 9 else ""
        lines.append(f"| `{name.name}` | {name.type} | {known} | {name.meaning.replace('<NA>', '`<NA>`')}{words} |")
    return "\n".join(lines) + "\n"


def snake(name: str) -> str:
    """`MmioRead` as mmio_read; a run of capitals is one word."""
    return "".join(
        "_" + letter.lower() if letter.isupper() and at and not name[at - 1].isupper() else letter.lower()
        for at, letter in enumerate(name)
    )


class SymbolTable(Protocol):
    """What a filter asks of symbols."""

    def address_of(self, name: str) -> int | None:
        """Where a name is."""

    def extent(self, name: str) -> range | None:
        """The addresses of a function."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""


@dataclass(frozen=True)
class Scope:
    """What a filter may name beside the columns of a trace.

    `registers` with their meanings; the symbols of the VM that it is about, and the ids of VMs by name.
    """

    registers: Mapping[str, str] = field(default_factory=dict)
    symbols: tuple[SymbolTable, ...] = ()
    vms: Mapping[str, int] = field(default_factory=dict)

    def address_of(self, name: str) -> int | None:
        """Where a symbol is."""
        found = (table.address_of(name) for table in self.symbols)
        return next((address for address in found if address is not None), None)

    def extent(self, name: str) -> range | None:
        """The addresses of a function."""
        found = (table.extent(name) for table in self.symbols)
        return next((extent for extent in found if extent is not None), None)

    def symbol_names(self) -> list[str]:
        """The names of all symbols."""
        return [name for table in self.symbols for name in table.names]
