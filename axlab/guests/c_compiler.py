"""Guests in C: compiled by a cross compiler, with the header and the start code that come with AxLab.

The compiler's complaints become AxLab's own errors: the line, a caret, and what is wrong.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from axlab.errors import AxError, SourceErrors

COMPILER = "aarch64-linux-gnu-gcc"
OPTIONS = (
    "-O1", "-g0", "-std=gnu17", "-Wall", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
    "-mgeneral-regs-only", "-mstrict-align", "-mno-outline-atomics", "-fno-stack-protector",
    "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-fno-asynchronous-unwind-tables",
    "-fdiagnostics-plain-output", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip
"""A frame pointer in every function gives a call stack; without the MMU all accesses must be aligned."""

DIAGNOSTIC = re.compile(r"^([^:\n]+):(\d+):(?:(\d+):)? (?:fatal )?(error|warning): (.*?)(?: \[-W\S*\])?$")
UNDEFINED = re.compile(r"undefined reference to [`'‘](\w+)['’]")
TWICE = re.compile(r"multiple definition of [`'‘](\w+)['’]")
WORD = re.compile(r"\w+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Compiled:
    """An ELF file, and what the compiler warned of."""

    elf: bytes
    warnings: tuple[str, ...] = ()


def compile_c(source: str, name: str) -> Compiled:
    """Compile and link a guest in C. Raises `SourceErrors` with its lines, `AxError` where there is no compiler."""
    if shutil.which(COMPILER) is None:
        raise AxError(
            f"a guest in C needs the compiler {COMPILER}, and it is not installed: apt-get install "
            "gcc-aarch64-linux-gnu (a guest in assembly needs nothing)"
        )
    with as_file(files(__package__)) as folder, tempfile.TemporaryDirectory(prefix="axlab-guest-") as scratch:
        (Path(scratch) / "guest.c").write_text(f'#line 1 "{file_name(name)}"\n{source}\n', encoding="utf-8")
        done = subprocess.run(
            [COMPILER, *OPTIONS, f"-I{folder}", f"-Wl,-T,{folder / 'guest.ld'}", "-o", "guest.elf", "guest.c",
             str(folder / "start.S"), str(folder / "support.c")],
            cwd=scratch, capture_output=True, encoding="utf-8", errors="replace", check=False,
            env=plain_environment(),
        )  # fmt: skip
        said = list(complaints(done.stderr, source, name))
        if done.returncode:
            wrong = [error for kind, error in said if kind == "error"]
            raise SourceErrors(wrong or [AxError(f"{COMPILER} failed: {done.stderr.strip()[-500:]}", source=name)])
        return Compiled(
            (Path(scratch) / "guest.elf").read_bytes(),
            tuple(f"{error.source}:{error.line}: {error.message}" for kind, error in said if kind == "warning"),
        )


def plain_environment() -> dict[str, str]:
    """What the compiler sees of the environment: where programs are. Its messages are English."""
    import os

    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def file_name(name: str) -> str:
    """A name as it can stand in quotes in a `#line`."""
    return re.sub(r'["\\\n]', "_", name)


def complaints(text: str, source: str, name: str) -> Iterator[tuple[str, AxError]]:
    """("error" or "warning", what and where) for everything that compiler and linker say."""
    lines = source.split("\n")
    seen: set[str] = set()
    for said in text.splitlines():
        if match := DIAGNOSTIC.match(said):
            number = int(match[2])
            here = match[1] == file_name(name) and 0 < number <= len(lines)
            column = int(match[3] or 1) - 1
            yield match[4], place(lines[number - 1] if here else "", match[1], number, column, match[5])
        elif (match := UNDEFINED.search(said) or TWICE.search(said)) and match[1] not in seen:
            seen.add(match[1])
            missing = match.re is UNDEFINED
            what = "is used, and nothing of that name is defined" if missing else "is defined twice; AxLab has one"
            yield "error", at_word(lines, match[1], name, f"{match[1]} {what}")


def place(line: str, name: str, number: int, column: int, message: str) -> AxError:
    """An error at a column, counted in bytes as the compiler does; the caret is as long as the word there."""
    column = len(line.encode()[:column].decode(errors="ignore"))
    word = WORD.match(line, column)
    before = len(line[:column].expandtabs())
    length = len(word[0]) if word else 1
    return AxError(message, source=name, line=number, text=line.expandtabs(), column=before, length=length)


def at_word(lines: list[str], word: str, name: str, message: str) -> AxError:
    """An error at the last place where a word stands: declarations come before uses."""
    for number, line in reversed(list(enumerate(lines, 1))):
        if found := re.search(rf"\b{word}\b", line):
            return place(line, name, number, len(line[: found.start()].encode()), message)
    return AxError(message, source=name)
