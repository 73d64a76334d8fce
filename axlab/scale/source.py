"""The text of what a sweep runs: a function with all that it uses of its author's. It changes when that changes."""

from __future__ import annotations

import inspect
import json
import sysconfig
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from axlab.errors import AxError
from axlab.scale.parameters import plain

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def source_of(function: Any) -> str:
    """The source of a callable, of the functions and classes that it names, and of the plain values among them.

    Functions of Python, of installed libraries and of AxLab are left out: those are known by their versions.
    """
    known: dict[str, str] = {}
    _collect("", function, known)
    return "\n".join(f"{name} = {text}" for name, text in sorted(known.items()))


def _collect(name: str, thing: Any, known: dict[str, str]) -> None:
    """Put the text of `thing` under `name` into `known`, then that of what it uses."""
    if name in known or _installed(thing):
        return
    if isinstance(thing, FunctionType | type):
        known[name] = _text(thing)
        used = _used(thing) if isinstance(thing, FunctionType) else _methods(name, thing)
    elif isinstance(thing, partial):
        known[name] = f"partial({_value(list(thing.args))}, {_value(thing.keywords)})"
        used = iter([(f"{name}.func", thing.func)])
    elif callable(thing):
        known[name] = _value(getattr(thing, "__dict__", {}))
        used = iter([(f"{name}.type", type(thing))])
    else:
        known[name] = _value(thing)
        return
    for inner, value in used:
        _collect(inner, value, known)


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values of the globals and of the surrounding variables that a function uses."""
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            pass


def _methods(name: str, owner: type) -> Iterator[tuple[str, Any]]:
    return ((f"{name}.{inner}", value) for inner, value in vars(owner).items() if isinstance(value, FunctionType))


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(constant) for constant in inner))


def _installed(thing: Any) -> bool:
    """Whether something is Python's, an installed library's or AxLab's; no plain value is."""
    if inspect.ismodule(thing) or inspect.isbuiltin(thing):
        return True
    owner = thing if isinstance(thing, FunctionType | type) else type(thing)
    if owner.__module__ == "builtins":
        return isinstance(thing, type)
    return owner is not partial and is_installed(inspect.getmodule(owner))


def is_installed(module: ModuleType | None) -> bool:
    """Whether a module is Python's, an installed library's, or AxLab's."""
    if module is None or module.__name__ == "__main__":
        return False
    file = getattr(module, "__file__", None)
    return module.__name__.partition(".")[0] == "axlab" or (file is not None and file.startswith(LIBRARIES))


def _text(thing: Any) -> str:
    """The source; where there is none (typed at a prompt), what it was compiled to."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return _compiled(thing.__code__) if isinstance(thing, FunctionType) else thing.__qualname__


def _compiled(code: CodeType) -> str:
    constants = [_compiled(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"


def _value(thing: Any) -> str:
    """A plain value as text; of anything else the type, because it has no text that stays the same."""
    try:
        return json.dumps(plain(thing, ""), sort_keys=True)
    except (AxError, RecursionError):
        return f"<{type(thing).__qualname__}>"
