"""What the tests of the instruction table share: words of a row, and what other tools make of words."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

from axlab.machine.isa.table import Row, load_table


def words_of(row: Row, count: int, random_source: random.Random) -> list[int]:
    """Random words of a row, with the extreme values of a field more often than chance has them."""
    words: list[int] = []
    for _ in range(100 * count):
        word = random_source.getrandbits(32) & ~row.mask | row.value | row.should
        for lsb, width in row.fields.values():
            if random_source.random() < 0.1:
                ones = (1 << width) - 1
                word = word & ~(ones << lsb) | random_source.choice((0, 1 & ones, ones)) << lsb
        if row.allocated(row.values(word)):
            words.append(word)
            if len(words) == count:
                break
    return words


def words_of_all(count: int, seed: int) -> list[tuple[Row, int]]:
    """`count` random words of every row."""
    source = random.Random(seed)
    return [(row, word) for row in load_table().rows.values() for word in words_of(row, count, source)]


def machine_code(words: list[int]) -> bytes:
    """Words in memory."""
    return struct.pack(f"<{len(words)}I", *words)


def objdump(program: str, words: list[int], folder: Path) -> list[str]:
    """What binutils' disassembler says of words that stand at 0, 4, 8..."""
    binary = folder / "words.bin"
    binary.write_bytes(machine_code(words))
    command = [program, "-D", "-z", "-b", "binary", "-m", "aarch64", str(binary)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s*[0-9a-f]+:\s+[0-9a-f]{8}\s+(.*)$", listing, re.MULTILINE)
    assert len(found) == len(words)
    return found


NUMBER = re.compile(r"(?<![\w.])#?(-?0x[0-9a-f]+|-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)(?![\w.])")


def number(match: re.Match[str]) -> str:
    """Numbers in one spelling: without `#`, decimal, modulo 2^64."""
    text = match.group(1)
    if "x" in text:
        return str(int(text, 16) % 2**64)
    return str(float(text)) if "." in text or "e" in text else str(int(text) % 2**64)


def normal(text: str) -> str:
    """A text of an instruction in one spelling: lower case, one space, no comments, numbers without base."""
    text = re.sub(r"//.*|<.*>", "", text).lower()
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\{ ?([^}]*?) ?\}", lambda match: "{" + spread(match.group(1)) + "}", text)
    return NUMBER.sub(number, text)


def spread(registers: str) -> str:
    """`v0.8b-v2.8b` as `v0.8b, v1.8b, v2.8b`."""
    match = re.fullmatch(r"v(\d+)(\.\w+)-v(\d+)\.\w+", registers)
    if not match:
        return registers
    first, shape, last = int(match.group(1)), match.group(2), int(match.group(3))
    return ", ".join(f"v{n}{shape}" for n in range(first, last + 1))
