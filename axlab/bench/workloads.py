"""Five small programs to measure with. Each ends with a result in x19 and PSCI SYSTEM_OFF.

They are flat binaries for the beginning of RAM, entered at the first byte with the MMU off. The three in
assembly are assembled here; the two in C need a cross compiler.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from axlab import guests
from axlab.errors import AxError
from axlab.machine.isa.assembler import assemble

ORIGIN = 0x4000_0000
RAM_SIZE = 16 << 20
RESULT = 19  # the register of the result
SYSTEM_OFF = 0x8400_0008
HVC_0 = bytes.fromhex("020000d4")

COMPILER = "aarch64-linux-gnu-gcc"
OBJCOPY = "aarch64-linux-gnu-objcopy"
OPTIONS = (
    "-O2", "-mgeneral-regs-only", "-ffreestanding", "-nostdlib", "-static", "-Wl,--build-id=none",
    "-Wl,--no-warn-rwx-segments",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workload:
    """A program by its source file, and the result that it must have."""

    name: str
    source: str
    result: int

    @property
    def missing(self) -> str:
        """What is not installed that would build it; empty if it can be built."""
        return "" if self.source.endswith(".S") or shutil.which(COMPILER) else "gcc-aarch64-linux-gnu"

    def build(self) -> bytes:
        """The flat binary. Raises `AxError` where the compiler fails."""
        return compiled(self.source) if self.source.endswith(".c") else assembled(self.source, ORIGIN)


WORKLOADS = (
    Workload("alu", "alu.S", 0x7_A11E_D884),
    Workload("copy", "copy.S", 0x10_0000),
    Workload("fib", "fib.S", 0x1_DA31),
    Workload("sha256", "sha256.c", 0x0CCF_E3CC),
    Workload("crc32", "crc32.c", 0xE6B0_4BF8),
)


def available() -> list[Workload]:
    """The workloads that can be built here."""
    return [workload for workload in WORKLOADS if not workload.missing]


@cache
def assembled(source: str, origin: int) -> bytes:
    """A source file of this package, assembled."""
    return code_of(source_of(source), origin, source)


def source_of(name: str) -> str:
    """The text of a source file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def code_of(text: str, origin: int, name: str) -> bytes:
    """A source, assembled, with what guests in assembly share."""
    return assemble(text, origin=origin, name=name, includes={"axlab.S": guests.shipped("axlab.S")}).code


@cache
def compiled(source: str) -> bytes:
    """A C file of this package with `start.S` before it, as a flat binary. Raises `AxError`."""
    with as_file(files(__package__)) as folder, tempfile.TemporaryDirectory(prefix="axlab-bench-") as scratch:
        linked, flat = Path(scratch) / "linked", Path(scratch) / "flat"
        sources = [str(folder / "start.S"), str(folder / source)]
        run(COMPILER, *OPTIONS, f"-Wl,-T,{folder / 'flat.ld'}", "-o", str(linked), *sources)
        run(OBJCOPY, "-O", "binary", str(linked), str(flat))
        return flat.read_bytes()


def run(*words: str) -> None:
    """Run a program of the cross compiler."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AxError(f"{words[0]} failed: {done.stderr.strip()}")


def end_of(code: bytes) -> int:
    """The address of the HVC that ends a workload."""
    return ORIGIN + next(place for place in range(0, len(code), 4) if code[place : place + 4] == HVC_0)
