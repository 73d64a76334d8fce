"""What lines of text say by themselves, whatever is known where they stand.

Most lines of code occur again and again, with the same registers and numbers: four of five that are written were
written before. So each is taken apart once, and kept for a while.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from axlab.machine.translator.values import M32, M64

KEPT = 1 << 14  # lines

VARIABLE = r"(?:x\d+|sp|[a-z]+_\d+)"
ASSIGNMENT = re.compile(rf"({VARIABLE})=(.*)")
MASKED_OR_NAMED = re.compile(rf"\(({VARIABLE})&({M32}|{M64})\)|\b(x\d+|[a-z]+_\d+)\b")
ARITHMETIC = re.compile(r"[0-9()+\-*&|^<>~]{1,119}")
TERM = r"(\w+|\(\w+<<\d+\))"
SUM = re.compile(rf"\(\({TERM}(\+-?|-){TERM}\)&({M32}|{M64})\)")
SIGNED = re.compile(rf"(\()?\(\((\w+|\(\w+&\d+\))\^(\d+)\)-\3\)(?(1)(?:&{M64}\)))")
STEP = re.compile(r"\((\w+)([+-])(-?\d+)\)")
ACCESS = re.compile(r"\b[RW][1248]\[([a-z]\w*)>>12\]")
WRAPPED = re.compile(rf"({VARIABLE}=|if )\((.*)\)(:?)")
CELL = re.compile(r"\b(?:call|CPU|E1|T|X|Z|x\d+|sp|b|FA|FB|FK|F|[RW][1248A]|[LN][0-9a-f]+)\b")
ASSIGNED = re.compile(r"(?:^|[ ;:])(x\d+|sp|b|FA|FB|FK)(?:=(?!=)|[-+]=)")


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of text. `target` and `source` are those of an assignment, or "" and the line."""

    target: str
    source: str
    number: int | None  # the value of a source without names
    names: frozenset[str]  # that the source reads, if not within a mask
    masked: tuple[str, ...]  # those within one
    accessed: tuple[str, ...]  # names of addresses whose memory is accessed through a view
    total: tuple[str, str, int] | None  # a source that is a sum of two within a mask
    signed: re.Match[str] | None  # a source that is a sign extension
    origin: tuple[str, int] | None  # a source that is a name and a positive offset
    aligned_with: str  # the name that a multiple of 16 has to be, so that the source is one


@lru_cache(KEPT)
def statement(line: str) -> Statement:
    """What a line says."""
    match = ASSIGNMENT.fullmatch(line)
    target, source = match.groups() if match else ("", line)
    found = MASKED_OR_NAMED.findall(source)
    total = SUM.fullmatch(source)
    step = STEP.fullmatch(source)
    return Statement(
        target,
        source,
        eval(source, {"__builtins__": {}}) if match and ARITHMETIC.fullmatch(source) else None,
        frozenset(name for _, _, name in found),
        tuple(name for name, _, _ in found if name),
        tuple(ACCESS.findall(line)),
        (total[1], total[3], int(total[4])) if total and total[2] == "+" else None,
        SIGNED.fullmatch(source),
        (step[1], int(step[3])) if step and step[2] == "+" else None,
        aligned_with(source),
    )


def aligned_with(source: str) -> str:
    """The name that has to be aligned for a source to be: the same, or that and a multiple of 16; "" for others."""
    source = source[1:].removesuffix(f"&{M64})") if source.endswith(f"&{M64})") else source
    step = STEP.fullmatch(source)
    if step is None:
        return source
    return step[1] if int(step[3]) % 16 == 0 else ""


@lru_cache(KEPT)
def cells_of(line: str) -> tuple[frozenset[str], frozenset[str]]:
    """The cells that a line names, and those that it assigns."""
    return frozenset(CELL.findall(line)), frozenset(ASSIGNED.findall(line))


@lru_cache(KEPT)
def compact(line: str) -> str:
    """The line without brackets around all that it assigns or tests: they cost time when it is compiled."""
    match = WRAPPED.fullmatch(line)
    if match is None or min(accumulate((c == "(") - (c == ")") for c in match[2])) < 0:
        return line
    return match[1] + match[2] + match[3]
