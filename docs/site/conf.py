"""The configuration of the documentation site; `docs/site/build.py` lays out the pages and calls Sphinx."""

from __future__ import annotations

import re
from typing import Any

from axlab import __version__

project = "AxLab"
copyright = "the authors of AxLab; Apache-2.0"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "AxLab"
html_copy_source = False

nb_execution_mode = "off"  # notebooks were run and compared already, and show what they gave then
nb_mime_priority_overrides = [("html", "text/html", 0)]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
highlight_language = "none"  # a block without a language is a terminal, assembly, or a listing
suppress_warnings = [
    "ref.python",  # several layers have a `Table` or a `Vm`, and a signature names it without its module
    "mystnb.unknown_mime_type",  # application/vnd.axlab+json, which stands beside the HTML
    "misc.highlighting_failure",  # IPython's lexer does not know assembly in a %%guest cell
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True

SPAN = re.compile(r"(`[^`]+`)")
SPECIAL = re.compile(r"([*|\\]|_(?=\W|$))")


def as_restructured(lines: list[str]) -> list[str]:
    """A docstring of AxLab, which is plain text with `names` in backquotes, as reStructuredText.

    Blocks that are indented are shown as they are; examples behind >>> are Sphinx's own.
    """
    result: list[str] = []
    literal = False
    for line in lines:
        if line.startswith((" ", "\t")):
            if not literal and not (result and result[-1].startswith(">>>")):
                result += ["", "::", ""]
                literal = True
            result.append(line if literal else line)
            continue
        if literal and line.strip():
            result.append("")
            literal = False
        result.append(line if line.startswith(">>>") else inline(line))
    return result


def inline(line: str) -> str:
    """A line with its code spans as literals, and with nothing else that is markup."""
    parts = SPAN.split(line)
    return "".join(f"``{part[1:-1]}``" if index % 2 else SPECIAL.sub(r"\\\1", part) for index, part in enumerate(parts))


def docstring(app: Any, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_restructured(list(lines))


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", docstring)
