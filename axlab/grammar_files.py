"""Where the languages of AxLab are: text files, one copy for the checkout and the wheel."""

from __future__ import annotations

from pathlib import Path


def grammar_path(name: str) -> Path:
    """The file of a grammar: installed as package data in `axlab/grammars`, in a checkout beside the package."""
    package = Path(__file__).parent
    installed = package / "grammars" / name
    return installed if installed.exists() else package.parent / "grammars" / name


def grammar_text(name: str) -> str:
    """The text of a grammar, for example `grammar_text("a64.isa")`."""
    return grammar_path(name).read_text(encoding="utf-8")
