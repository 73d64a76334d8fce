"""Where the grammars are: every language of AxLab is a text file in the folder `grammars`.

A checkout keeps that folder beside the package; a wheel carries the same files inside it. One
copy serves both, so whoever reads a grammar asks here.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def folder() -> Traversable:
    """The folder of grammars: inside an installed package, else at the top of the checkout."""
    packaged = files("axlab").joinpath("grammars")
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "grammars"


def read_grammar(name: str) -> str:
    """The text of a grammar, such as `read_grammar("shell.lark")`. Raises `FileNotFoundError`."""
    return folder().joinpath(name).read_text(encoding="utf-8")
