"""What a trace holds, column by column: one table that the recorder, the frames and the docs read.

The kinds are the event types of `axlab.events`, and what was executed (below); their columns are the fields
of those types. A field means the same in every kind, so it is described once, by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from axlab import events
from axlab.trace.deliveries import Latency
from axlab.trace.scheduling import Turns
from axlab.trace.spans import Span


@dataclass(frozen=True, slots=True)
class Block(events.Event):
    """Instructions that lie behind one another, and were executed so; never emitted, but a row of a recording."""

    vm: int
    vcpu: int
    pc: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Instruction(events.Event):
    """One instruction that was executed; never emitted, but a row of a recording."""

    vm: int
    vcpu: int
    pc: int


@dataclass(frozen=True, slots=True)
class MemoryAccess(events.Event):
    """A load or store of an instruction, by its virtual address, in RAM or at a device that is passed through. At an
    emulated device the vCPU leaves the guest instead: that is a row of `mmio`, and none here. Never emitted, but a
    row of a recording.
    """

    vm: int
    vcpu: int
    pc: int
    address: int
    width: int
    value: int
    is_write: bool


@dataclass(frozen=True, slots=True)
class SeenExit(events.Exit):
    """An exit as the view `exits()` has it: with what happened around it."""

    away: int = -1
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Hot:
    """Code of a VM that was executed: a block from `pc` on, or a function that begins there."""

    vm: int
    pc: int
    symbol: str
    times: int
    instructions: int
    share: float


@dataclass(frozen=True, slots=True)
class Covered:
    """Code of a VM: a function, or a page where no symbol is known, from `pc` on."""

    vm: int
    pc: int
    symbol: str
    size: int
    covered: int
    share: float


# The name of a kind of rows, and the event type whose fields are its columns.
KINDS: dict[str, type[events.Event]] = {
    "exits": events.Exit,
    "vm_states": events.VmState,
    "vcpu_states": events.VcpuState,
    "interrupts": events.Interrupt,
    "hypercalls": events.Hypercall,
    "mmio": events.Mmio,
    "console": events.Console,
    "psci": events.Psci,
    "faults": events.Fault,
    "log": events.Log,
}
EXECUTED: dict[str, type[events.Event]] = {"blocks": Block, "instructions": Instruction, "accesses": MemoryAccess}
ROWS = KINDS | EXECUTED
# The views: what is found out from those rows.
VIEWS: dict[str, type[Any]] = {
    "exits()": SeenExit,
    "timeline()": Span,
    "latency()": Latency,
    "sched()": Turns,
    "hot()": Hot,
    "coverage()": Covered,
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a column is kept and shown: `code` of its `array`, `dtype` in a DataFrame."""

    code: str
    dtype: str


FORMS = {
    "time": Form("q", "int64"),  # beside it a Timedelta
    "moment": Form("q", "Int64"),  # -1, it never was, is shown as <NA>; beside it a Timedelta
    "length": Form("q", "Int64"),  # -1, it did not come to that, is shown as <NA>
    "count": Form("q", "Int64"),
    "share": Form("d", "float64"),
    "id": Form("i", "Int32"),  # -1, there is none, is shown as <NA>
    "word": Form("Q", "UInt64"),  # a 64-bit register or address
    "signed": Form("q", "Int64"),  # a 64-bit register whose sign counts
    "flag": Form("b", "boolean"),
    "name": Form("i", "category"),  # the place in the column's list of names
    "text": Form("i", "string"),
    "bytes": Form("B", "object"),
    "words": Form("Q", "object"),  # tuples
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, form (a key of `FORMS`), unit and meaning."""

    name: str
    form: str
    unit: str
    meaning: str


# fmt: off
DESCRIBED = {column.name: column for column in (
    Column("time",      "time",  "ns",      "virtual time since the lab was made"),
    Column("pcpu",      "id",    "",        "physical CPU; <NA>: none"),
    Column("vm",        "id",    "",        "VM; <NA>: the lab itself"),
    Column("vcpu",      "id",    "",        "vCPU of the VM; <NA>: none"),
    Column("reason",    "name",  "",        "why: of an exit its type; of a state what led to it or is waited for"),
    Column("pc",        "word",  "address", "guest virtual address of the instruction"),
    Column("esr",       "word",  "",        "ESR_EL2, the syndrome"),
    Column("far",       "word",  "address", "FAR_EL2, the guest virtual address of an abort"),
    Column("hpfar",     "word",  "",        "HPFAR_EL2, the guest physical page of an abort"),
    Column("cost",      "count", "ns",      "virtual time that the hypervisor took"),
    Column("address",   "word",  "address", "guest physical address (of accesses: virtual), or encoding of a register"),
    Column("width",     "count", "bytes",   "width of an access"),
    Column("value",     "word",  "",        "value read or written, hypercall number, or INTID"),
    Column("begin",     "time",  "ns",      "virtual time at which it began"),
    Column("end",       "time",  "ns",      "virtual time at which it ended; what still goes on: now"),
    Column("state",     "name",  "",        "scheduling state: Ready, Running or Blocked"),
    Column("old",       "name",  "",        "state before"),
    Column("new",       "name",  "",        "state after"),
    Column("intid",     "count", "",        "interrupt: SGI 0-15, PPI 16-31, SPI 32 and more"),
    Column("action",    "name",  "",        "raised, injected, taken or ended"),
    Column("number",    "word",  "",        "hypercall number"),
    Column("args",      "words", "",        "arguments, as registers hold them"),
    Column("result",    "signed", "",       "result; a negative one is an error (PSCI: DEN0022 5.2.2; hypercalls: -1)"),
    Column("is_write",  "flag",  "",        "a store, not a load"),
    Column("device",    "name",  "",        "device that answered; empty: nobody did"),
    Column("data",      "bytes", "",        "bytes, as they are"),
    Column("direction", "name",  "",        "output: printed by the guest; input: sent to it"),
    Column("function",  "name",  "",        "function of PSCI"),
    Column("message",   "text",  "",        "what happened, in words"),
    Column("level",     "name",  "",        "error, warn, info or debug"),
    Column("instructions", "count", "",     "how many were executed, of a block one behind the other, from pc on"),
    Column("away",      "length", "ns",     "from the exit until the guest ran again; <NA>: it never did"),
    Column("symbol",    "name",  "",        "symbol that contains pc, and how far behind it; empty: not known"),
    Column("raised",    "moment", "ns",     "virtual time at which it became pending; <NA>: not seen"),
    Column("injected",  "moment", "ns",     "virtual time at which a list register got it; <NA>: none did"),
    Column("taken",     "moment", "ns",     "virtual time at which the guest acknowledged it; <NA>: it never did"),
    Column("ended",     "moment", "ns",     "virtual time at which the guest ended it; <NA>: it never did"),
    Column("to_injected", "length", "ns",   "from raised to injected"),
    Column("to_taken",  "length", "ns",     "from raised to taken"),
    Column("handling",  "length", "ns",     "from taken to ended"),
    Column("running",   "count", "ns",      "time on a physical CPU"),
    Column("waiting",   "count", "ns",      "time in which it was ready and waited for a physical CPU"),
    Column("blocked",   "count", "ns",      "time in which it waited for something else"),
    Column("waits",     "count", "",        "how often it waited for a physical CPU"),
    Column("mean_wait", "count", "ns",      "how long it waited for a physical CPU on average"),
    Column("longest_wait", "count", "ns",   "how long it waited for a physical CPU at most"),
    Column("got",       "share", "",        "running / (running + waiting): of the time that it wanted, 0 to 1"),
    Column("times",     "count", "",        "how often: of a function, its most frequent instruction"),
    Column("share",     "share", "",        "part of all instructions executed, or of those that there are, 0 to 1"),
    Column("size",      "count", "bytes",   "bytes of code"),
    Column("covered",   "count", "",        "instructions that were executed at least once"),
)}
# fmt: on

# An event type of a third party: a field that is not described gets the form of its type.
FORM_OF_TYPE = {
    "int": "count",
    "str": "name",
    "bool": "flag",
    "bytes": "bytes",
    "tuple[int, ...]": "words",
}


KIND_OF = {event_type: kind for kind, event_type in ROWS.items()}


def kind_of(event_type: type[events.Event]) -> str:
    """The name of the kind that holds events of this type: of a third party's `DiskRead`, `disk_read`."""
    return KIND_OF.get(event_type) or re.sub(r"(?<!^)(?=[A-Z])", "_", event_type.__name__).lower()


def columns_of(event_type: type[Any]) -> tuple[Column, ...]:
    """The columns of an event type, or of the rows of a view, in the order of its fields."""
    return tuple(
        DESCRIBED.get(field.name) or Column(field.name, FORM_OF_TYPE.get(str(field.type), "text"), "", "")
        for field in fields(event_type)
    )


def document() -> list[tuple[str, Column]]:
    """(kind, column) of everything that a trace holds: what the reference page prints."""
    return [(kind, column) for kind, event_type in (ROWS | VIEWS).items() for column in columns_of(event_type)]


HEAD = """\
# Columns of traces

Written from the declarations in `axlab/trace/columns.py`; a test holds it to them. `lab.trace.frame(KIND)` has the
columns of a kind, a view those of a view. Beside each column of virtual time there is one of Timedeltas: `at` beside
`time`, `begin_at` beside `begin`, and so on.
"""


def reference() -> str:
    """The reference page of all columns: name, dtype, unit and meaning."""
    parts = [HEAD]
    for title, kinds in (("Kinds", ROWS), ("Views", VIEWS)):
        parts.append(f"## {title}\n")
        for kind, row_type in kinds.items():
            summary = (row_type.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
            described = "" if summary.startswith(f"{row_type.__name__}(") else f"{' '.join(summary.split())}\n\n"
            parts.append(f"### {kind}\n\n{described}| column | dtype | unit | meaning |\n|---|---|---|---|")
            parts += [_row(column) for column in columns_of(row_type)]
            parts.append("")
    return "\n".join(parts)


def _row(column: Column) -> str:
    cells = (f"`{column.name}`", f"`{FORMS[column.form].dtype}`", column.unit, column.meaning)
    return f"| {' | '.join(cell.replace('<', '&lt;') for cell in cells)} |"
