"""The semantics of all instructions: for every row of `a64.isa` the function that says what it does.

The functions are plain: they take a CPU and the row's fields in the row's order, and are written in the
primitives of `Cpu`. They are the only definition of what an instruction does; whoever else wants to know
(a translator) reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from axlab.machine.isa import (
    semantics_atomic,
    semantics_bits,
    semantics_branch,
    semantics_exclusive,
    semantics_integer,
    semantics_memory,
    semantics_simd_integer,
    semantics_simd_memory,
    semantics_simd_move,
    semantics_simd_shift,
    semantics_system,
)

MODULES: tuple[ModuleType, ...] = (
    semantics_integer,
    semantics_bits,
    semantics_branch,
    semantics_memory,
    semantics_exclusive,
    semantics_atomic,
    semantics_system,
    semantics_simd_memory,
    semantics_simd_move,
    semantics_simd_integer,
    semantics_simd_shift,
)


def rows_of(module: ModuleType) -> dict[str, Callable[..., None]]:
    """The functions of a module that belong to rows: they are defined there and begin with a capital letter."""
    return {
        name: value
        for name, value in vars(module).items()
        if name[0].isupper() and callable(value) and getattr(value, "__module__", "") == module.__name__
    }


SEMANTICS: dict[str, Callable[..., None]] = {
    name: function for module in MODULES for name, function in rows_of(module).items()
}

LSE = frozenset(rows_of(semantics_atomic))
"""Rows that only a CPU with FEAT_LSE has."""
