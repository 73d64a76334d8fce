"""From words to text, with the aliases that the manual prefers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from axlab.errors import AxError
from axlab.machine.isa.codec import load_codec
from axlab.machine.isa.operands import Place
from axlab.machine.isa.table import load_table


def disassemble(word: int, address: int = 0, symbols: Mapping[str, int] | None = None) -> str:
    """The text of an instruction word that stands at `address`; `.inst 0x...` where nothing is allocated.

    Targets of branches are addresses, or names where `symbols` (name to address) has one. Raises `AxError` for a
    number that is no word.
    """
    if not 0 <= word < 1 << 32:
        raise AxError(f"{word:#x} is no instruction word: it has 32 bits")
    names = {value: name for name, value in symbols.items()} if symbols else None
    return disassemble_at(word, Place(address, names))


def disassemble_at(word: int, place: Place) -> str:
    """The text of an instruction word."""
    found = load_table().decode(word)
    return load_codec().show(*found, place) if found else f".inst {word:#010x}"


def disassemble_bytes(
    code: bytes, origin: int = 0, symbols: Mapping[str, int] | None = None
) -> Iterator[tuple[int, int, str]]:
    """Address, word and text of every 4 bytes; of less than 4 at the end `.byte`s."""
    names = {value: name for name, value in symbols.items()} if symbols else None
    for offset in range(0, len(code) - len(code) % 4, 4):
        word = int.from_bytes(code[offset : offset + 4], "little")
        yield origin + offset, word, disassemble_at(word, Place(origin + offset, names))
    rest = code[len(code) - len(code) % 4 :]
    if rest:
        text = ".byte " + ", ".join(f"{byte:#04x}" for byte in rest)
        yield origin + len(code) - len(rest), int.from_bytes(rest, "little"), text


def disassemble_words(lines: Iterable[str], source: str = "") -> Iterator[str]:
    """A line of text for every line with a word in hexadecimal, as if it stood at 0; empty lines are skipped."""
    known: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        digits = line.strip()
        if not digits:
            continue
        text = known.get(digits)
        if text is None:
            text = disassemble_at(read_word(digits, line.rstrip("\n"), source, number), Place())
            if len(known) < 1 << 16:
                known[digits] = text
        yield text


def read_word(digits: str, line: str = "", source: str = "", number: int = 0) -> int:
    """A word in hexadecimal, with 0x or without. Raises `AxError`."""
    if not re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{1,8}", digits):
        raise AxError(
            f"{digits} is no word: up to 8 hexadecimal digits",
            source=source,
            line=number,
            text=line,
            column=max(line.find(digits), 0),
            length=len(digits),
        )
    return int(digits, 16)
