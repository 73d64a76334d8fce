"""Guests as sources: those that come with AxLab, and a person's own in assembly or C. They are built when used.

A guest in assembly may include `axlab.S`, one in C has `axlab.h`: both lie beside this file.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.machine.isa.assembler import Assembled

ASSEMBLY, C = ".S", ".c"
SUFFIXES = (ASSEMBLY, ".s", C)
BUILT_IN = ("demo",)
LOAD_ADDRESS = 0x4008_0000


def source(name: str) -> str:
    """The assembly source of a built-in guest; `KeyError` where there is none of that name."""
    if name not in BUILT_IN:
        raise KeyError(name)
    return shipped(f"{name}.S")


def shipped(name: str) -> str:
    """A text file that lies beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def assemble_guest(source: str, name: str) -> Assembled:
    """A guest in assembly, at `LOAD_ADDRESS`. Raises `SourceErrors` with its lines."""
    from axlab.machine.isa.assembler import assemble

    return assemble(source, LOAD_ADDRESS, name, {"axlab.S": shipped("axlab.S")})


def build(name: str) -> bytes:
    """The flat binary of a built-in guest, to be loaded at `LOAD_ADDRESS` and entered at its first byte."""
    return assembled(name).code


def assembled(name: str) -> Assembled:
    """A built-in guest as its assembler made it: bytes, and where its labels are."""
    return assemble_guest(source(name), f"{name}.S")
