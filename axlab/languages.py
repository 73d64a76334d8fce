"""Where the grammars are: every language of AxLab is a text file in the folder `grammars`.

A checkout keeps that folder beside the package; a wheel carries the same files inside it. One
copy serves both, so whoever reads a grammar asks here.
"""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """The folder of grammars: inside an installed package, else at the top of the checkout."""
    package = Path(__file__).parent
    packaged = package / "grammars"
    return packaged if packaged.is_dir() else package.parent / "grammars"


def read_grammar(name: str) -> str:
    """The text of a grammar, such as `read_grammar("shell.lark")`. Raises `FileNotFoundError`."""
    return (folder() / name).read_text(encoding="utf-8")
