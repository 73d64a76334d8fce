"""Completion behind `%vm` and its like, in `%%vm` cells and after `x = %vm`: the shell's own, in IPython's terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from axlab.notebook.cells import COMMANDS, cell_tree
from axlab.notebook.scripts import prefix
from axlab.shell.completion import complete

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

GROUPS = ("vm", "vcpu", "machine", "axlab")
LINE = re.compile(rf"^\s*(?:[^\W\d]\w*\s*=\s*)?%({'|'.join(GROUPS)})\s(.*)$", re.DOTALL)
CELL = re.compile(rf"^\s*%%({'|'.join(GROUPS)})\b")
CELL_MAGICS = {command.name for command in COMMANDS}
KEPT = re.compile(r"^\s*[^\W\d]\w*\s*<<\s*")


def command_before(text: str, line: int, column: int) -> tuple[str, str] | None:
    """(magic, command so far) where the cursor stands in a command, else None.

    The magic is a group of commands, or one that takes a cell of another language, such as `%%guest`.
    """
    lines = text.split("\n")
    before = lines[line][:column]
    match = LINE.match(before)
    if match:
        return match[1], KEPT.sub("", match[2])
    words = before.split(None, 1)
    if line == 0 and len(words) == 2 and words[0] in CELL_MAGICS:
        return words[0], words[1]
    match = CELL.match(lines[0])
    return (match[1], KEPT.sub("", before)) if match and line else None


def matcher_for(magics: AxLabMagics) -> Any:
    """A matcher for IPython's completer that asks the shell of the magics' lab."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def axlab_matcher(context: CompletionContext) -> dict[str, Any]:
        found = command_before(context.full_text, context.cursor_line, context.cursor_position)
        if found is None:
            return {"completions": []}
        words, written = candidates(magics, *found)
        # What IPython replaces is its own token, which may be only the end of the shell's word.
        known = max(0, len(written) - len(context.token))
        fitting = [word[known:] for word in words if word.startswith(written[:known])]
        return {
            "completions": [SimpleCompletion(word, type="axlab") for word in fitting],
            "matched_fragment": written[known:],
            "suppress": True,
            "ordered": True,
        }

    return axlab_matcher


def candidates(magics: AxLabMagics, magic: str, command: str) -> tuple[list[str], str]:
    """The words that could stand at the end of a command, and what is written of them already."""
    from axlab.notebook.lab_commands import names, words_for

    shell = magics.lab.shell
    if magic in CELL_MAGICS:
        whole = f"{magic} {command}"
        found = complete(shell, whole, len(whole), cell_tree())
        return [one.text for one in found], whole[found[0].start :] if found else command
    first, blank, _ = command.lstrip().partition(" ")
    if magic == "axlab" and blank and first in names():
        written = command.rpartition(" ")[2]
        return [word for word in words_for(magics, first) if word.startswith(written)], written
    group = "" if magic == "axlab" else magic
    whole = (prefix(shell, first, group) if blank else f"{group} ".lstrip()) + command.lstrip()
    found = shell.complete(whole)
    own = [name for name in names() if name.startswith(first)] if magic == "axlab" and not blank else []
    written = whole[found[0].start :] if found else first
    return sorted({one.text for one in found} | set(own)) if own else [one.text for one in found], written
