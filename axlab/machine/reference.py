"""The tables of `docs/machine.md`, printed from the tables that the machine itself reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from axlab.languages import read_grammar
from axlab.machine.features import Features
from axlab.machine.isa.system_names import ENCODINGS
from axlab.machine.isa.table import Row, load_table
from axlab.machine.memory_map import BOARD, VIRTIO_FIRST_INTID, VIRTIO_SLOTS, Region
from axlab.machine.register_table import TABLE, SystemRegister
from axlab.machine.system_operations import OPERATIONS

GROUP = re.compile(r"// -{4} (.*?) -+$")


def board_table() -> str:
    """What answers at which physical address, by address; the virtio slots are one row."""
    rows = [
        (f"`{known.base:#011_x}`", size(known.size), known.name, str(known.intid or ""), f"`{known.node}`", gic(known))
        for known in BOARD
        if known.kind != "virtio"
    ]
    slots = [known for known in BOARD if known.kind == "virtio"]
    last = VIRTIO_FIRST_INTID + VIRTIO_SLOTS - 1
    rows.append((f"`{slots[0].base:#011_x}`", f"{len(slots)} x {size(slots[0].size)}", "virtio0 to virtio31",
                 f"{VIRTIO_FIRST_INTID} to {last}", f"`{slots[0].node}` and on", ""))  # fmt: skip
    return markdown(("address", "size", "name", "INTID", "device tree", "only with"), sorted(rows))


def size(count: int) -> str:
    """A size in the largest unit that divides it."""
    for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)):
        if count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} B"


def gic(known: Region) -> str:
    return f"GICv{known.gic}" if known.gic else ""


def instruction_table() -> str:
    """The groups of `grammars/a64.isa`: how many encodings, and the mnemonics of the manual's sections."""
    rows = load_table().rows
    groups: dict[str, list[Row]] = {}
    current: list[Row] = []
    for line in read_grammar("a64.isa").splitlines():
        heading = GROUP.match(line)
        if heading:
            current = groups.setdefault(re.split(r": a | \(scalar", heading[1])[0], [])
        elif line.split(" ", 1)[0] in rows:
            current.append(rows[line.split(" ", 1)[0]])
    return markdown(
        ("group", "rows", "instructions"),
        [(name, str(len(members)), ", ".join(mnemonics(members))) for name, members in groups.items()],
    )


def mnemonics(rows: Iterable[Row]) -> list[str]:
    """The instructions by the headings of the manual's sections, without what stands in brackets there."""
    names = {name.strip() for row in rows for name in row.section.strip('"').split(" (")[0].split(",")}
    return sorted(names)


def register_table() -> str:
    """Every system register that EL0 or EL1 can access, as the CPU's own table has it."""
    return markdown(
        ("register", "encoding", "EL0", "EL1", "first value"),
        [(f"`{known.name}`", encoding(known), known.el0, known.el1, first_value(known)) for known in TABLE],
    )


def encoding(register: SystemRegister) -> str:
    """S<op0>_<op1>_C<n>_C<m>_<op2>, as assemblers write a register without a name."""
    op0, op1, crn, crm, op2 = ENCODINGS[register.name]
    return f"S{op0}_{op1}_C{crn}_C{crm}_{op2}"


def first_value(register: SystemRegister) -> str:
    """The value after reset with FP and a GICv3; nothing where it is computed."""
    if register.read is not None and not register.reset:
        return ""
    value = register.reset(Features()) if callable(register.reset) else register.reset
    return f"`{value:#x}`" if value else "0"


def operation_table() -> str:
    """The system operations, by what they begin with."""
    families: dict[str, list[str]] = {}
    for operation in OPERATIONS.values():
        family, _, name = operation.name.upper().partition(" ")
        families.setdefault(family, []).append(name)
    return markdown(("instruction", "operations"), [(name, ", ".join(found)) for name, found in families.items()])


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "board": board_table,
    "instructions": instruction_table,
    "registers": register_table,
    "operations": operation_table,
}


def with_tables(page: str) -> str:
    """The page with every table between `<!-- table NAME -->` and `<!-- end -->` printed anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- table {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(begin)
        if found:
            page = before + begin + table() + end + rest.partition(end)[2]
    return page
