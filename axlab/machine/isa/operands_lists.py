"""Lists of vector registers and what moves through them: LD1 to LD4, ST1 to ST4, TBL (Arm ARM C3.2.10, C7.2)."""

from __future__ import annotations

from collections.abc import Callable

from axlab.machine.isa.operands import Kind, Mismatch, Reader, Spelling, Values
from axlab.machine.isa.operands_registers import X_ZR, read_zr
from axlab.machine.isa.operands_vectors import ARRANGEMENTS, LETTERS, NAME, read_index


def show_list(first: int, count: int, shape: str) -> str:
    """`{v0.8b, v1.8b}` or `{v0.8b-v3.8b}`."""
    names = [f"v{first + n & 31}.{shape}" for n in range(count)]
    return f"{{{names[0]}-{names[-1]}}}" if count > 2 and first + count <= 32 else "{" + ", ".join(names) + "}"


def read_list(reader: Reader, count: int) -> tuple[int, str]:
    """A list of `count` consecutive registers of one shape: the first, and the shape without `v.`."""
    start = reader.position
    reader.expect("{")
    found: list[tuple[int, str]] = []
    while not found or reader.skip(","):
        found += read_range(reader)
    reader.expect("}")
    numbers = [number for number, _ in found]
    if len({shape for _, shape in found}) != 1 or numbers != [numbers[0] + n & 31 for n in range(len(numbers))]:
        raise Mismatch("the registers of a list are consecutive and have one shape", start, 1)
    if len(numbers) != count:
        raise Mismatch(f"expected a list of {count}, not {len(numbers)}", start, 0)
    return found[0]


def read_range(reader: Reader) -> list[tuple[int, str]]:
    """One register, or `v0.8b-v3.8b`, which the grammar takes for a subtraction."""
    item = reader.item()
    node = item.expression if item is not None and item.kind == "value" else None
    names = [part.name.lower() for part in node.parts] if node is not None and node.kind == "-" else [reader.peek()]
    matches = [NAME.fullmatch(name) for name in names]
    reader.position += 1
    ends = [(int(match.group(2)), (match.group(3) or " ")[1:]) for match in matches if match and match.group(1) == "v"]
    if len(ends) != len(names):
        raise reader.wrong("expected a vector register", back=1)
    (first, shape), last = ends[0], ends[-1][0]
    return [(first + n & 31, shape) for n in range((last - first & 31) + 1)]


STRUCTURES = {0: (4, 4), 2: (1, 4), 4: (3, 3), 6: (1, 3), 7: (1, 1), 8: (2, 2), 10: (1, 2)}
"""opcode of LDn (multiple structures): elements of a structure, registers."""

SHAPES = {shape[2:]: values for values, shape in ARRANGEMENTS.items()}


def show_structure_list(rt: int, opcode: int, size: int, q: int) -> str:
    """The registers of LDn (multiple structures)."""
    return show_list(rt, STRUCTURES[opcode][1], ARRANGEMENTS[size, q][2:])


def read_structure_list(reader: Reader, rt: int | None, opcode: int, size: int | None, q: int | None) -> Values:
    """The registers of LDn (multiple structures)."""
    rt, shape = read_list(reader, STRUCTURES[opcode][1])
    if shape not in SHAPES:
        raise reader.wrong(f"there is no arrangement {shape}", back=1, weight=1)
    return rt, opcode, *SHAPES[shape]


def replicated(o: int, r: int) -> int:
    """How many registers LDnR and LDn (single structure) take."""
    return (o << 1 | r) + 1


def read_replicate_list(reader: Reader, rt: int | None, o: int, r: int, size: int | None, q: int | None) -> Values:
    """The registers of LDnR."""
    rt, shape = read_list(reader, replicated(o, r))
    if shape not in SHAPES:
        raise reader.wrong(f"there is no arrangement {shape}", back=1, weight=1)
    return rt, o, r, *SHAPES[shape]


def lane_scale(opcode: int, size: int) -> int:
    """The log2 of a lane's bytes in LDn (single structure)."""
    return opcode >> 1 if opcode < 4 else 2 + (size & 1)


def show_lane_list(rt: int, opcode: int, r: int, q: int, s: int, size: int) -> str:
    """`{v0.s, v1.s}[2]`."""
    scale = lane_scale(opcode, size)
    return f"{show_list(rt, replicated(opcode & 1, r), LETTERS[scale])}[{(q << 3 | s << 2 | size) >> scale}]"


def read_lane_list(reader: Reader, rt: int | None, opcode: int, r: int, *known: int | None) -> Values:
    """`{v0.s, v1.s}[2]`."""
    start = reader.position
    rt, shape = read_list(reader, replicated(opcode & 1, r))
    scale = LETTERS.find(shape) if len(shape) == 1 else -1
    if scale < 0 or min(scale, 2) != opcode >> 1:
        raise Mismatch("expected lanes such as V0.S", start)
    bits = read_index(reader, 16 >> scale) << scale | (scale == 3)
    return rt, opcode, r, bits >> 3, bits >> 2 & 1, bits & 3


def step(total: Callable[..., int]) -> Kind:
    """What a post-indexed LDn adds: a register, or all the bytes that it moved (Rm=31)."""

    def show(rm: int, *fields: int) -> str:
        return f"#{total(*fields)}" if rm == 31 else X_ZR[rm]

    def read(reader: Reader, rm: int | None, *fields: int) -> Values:
        if reader.peek():
            number = read_zr(reader, None, 1)[0]
            if number == 31:
                raise reader.wrong("expected X0-X30 or a number", back=1, weight=1)
            return number, *fields
        reader.integer(total(*fields), total(*fields))
        return 31, *fields

    return Kind(show, read, "<#bytes|Xm>")


def read_table_list(reader: Reader, rn: int | None, length: int | None) -> Values:
    """The table of TBL and TBX: one to four registers."""
    for count in range(1, 5):
        start = reader.position
        try:
            rn, shape = read_list(reader, count)
        except Mismatch:
            reader.position = start
            continue
        if shape == "16b":
            return rn, count - 1
    raise reader.wrong("expected one to four registers such as {V0.16B, V1.16B}", weight=1)


KINDS: dict[str, Kind | Spelling] = {
    "structures": Spelling({(opcode,): str(elements) for opcode, (elements, _) in STRUCTURES.items()}),
    "single_structures": Spelling(
        {(opcode, r): str(replicated(opcode & 1, r)) for opcode in range(6) for r in range(2)}
    ),
    "replicated_structures": Spelling({(o, r): str(replicated(o, r)) for o in range(2) for r in range(2)}),
    "structure_list": Kind(show_structure_list, read_structure_list, "{<V@>.<T>, ...}"),
    "replicate_list": Kind(
        lambda rt, o, r, size, q: show_list(rt, replicated(o, r), ARRANGEMENTS[size, q][2:]),
        read_replicate_list,
        "{<V@>.<T>, ...}",
    ),
    "lane_list": Kind(show_lane_list, read_lane_list, "{<V@>.<T>, ...}[<index>]"),
    "table_list": Kind(lambda rn, length: show_list(rn, length + 1, "16b"), read_table_list, "{<V@>.16B, ...}"),
    "step_structures": step(lambda opcode, q: STRUCTURES[opcode][1] * (8 << q)),
    "step_lane": step(lambda opcode, r, size: replicated(opcode & 1, r) << lane_scale(opcode, size)),
    "step_replicate": step(lambda o, r, size: replicated(o, r) << size),
}
