"""What the extra `scale` brings, imported when it is needed, with a clear word where it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from axlab.errors import AxError

EXTRA = "python -m pip install 'axlab[scale]'"


def library(name: str, purpose: str) -> Any:
    """The module of that name. Raises `AxError` that says what it is for and how to install it."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise AxError(f"{purpose} needs the package {package}, which is not installed: {EXTRA}") from None
