"""Guests that come with AxLab, as AArch64 assembly; they are assembled when they are used."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.machine.isa.assembler import Assembled

BUILT_IN = ("demo",)
LOAD_ADDRESS = 0x4008_0000


def source(name: str) -> str:
    """The assembly source of a built-in guest; `KeyError` where there is none of that name."""
    if name not in BUILT_IN:
        raise KeyError(name)
    return files(__package__).joinpath(f"{name}.S").read_text(encoding="utf-8")


def build(name: str) -> bytes:
    """The flat binary of a built-in guest, to be loaded at `LOAD_ADDRESS` and entered at its first byte."""
    return assembled(name).code


def assembled(name: str) -> Assembled:
    """A built-in guest as its assembler made it: bytes, and where its labels are."""
    from axlab.machine.isa.assembler import assemble

    return assemble(source(name), origin=LOAD_ADDRESS, name=f"{name}.S")
