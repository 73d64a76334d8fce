"""Completion behind `%vm`, in `%%vm` cells and after `x = %vm`: the shell's own, in IPython's terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics

LINE = re.compile(r"^\s*(?:[^\W\d]\w*\s*=\s*)?%(vm|axlab)\s(.*)$", re.DOTALL)
CELL = re.compile(r"^\s*%%(vm|axlab)\b")
KEPT = re.compile(r"^\s*[^\W\d]\w*\s*<<\s*")


def command_before(text: str, line: int, column: int) -> tuple[str, str] | None:
    """(magic, command so far) where the cursor stands in a command, else None."""
    lines = text.split("\n")
    before = lines[line][:column]
    match = LINE.match(before)
    if match:
        return match[1], KEPT.sub("", match[2])
    match = CELL.match(lines[0])
    return (match[1], KEPT.sub("", before)) if match and line else None


def matcher_for(magics: AxLabMagics) -> Any:
    """A matcher for IPython's completer that asks the shell of the magics' lab."""

    @context_matcher()  # type: ignore[untyped-decorator]
    def axlab_matcher(context: CompletionContext) -> dict[str, Any]:
        found = command_before(context.full_text, context.cursor_line, context.cursor_position)
        if found is None:
            return {"completions": []}
        return {"completions": candidates(magics, *found, context.token), "suppress": True}

    return axlab_matcher


def candidates(magics: AxLabMagics, magic: str, command: str, token: str) -> list[SimpleCompletion]:
    """What could stand at the end of a command, as replacements for IPython's `token`."""
    from axlab.notebook.lab_commands import names

    shell = magics.lab.shell
    own = names() if magic == "axlab" else []
    first = command.split(maxsplit=1)[:1]
    whole = command
    if magic == "vm" and not (first and first[0] in shell.tree.root.children and " " in command):
        whole = f"vm {command}"
    found = [(one.text, one.start) for one in shell.complete(whole, len(whole))]
    if not command.strip() or (first and not command[len(first[0]) :]):
        found += [(name, len(whole) - len(command.lstrip())) for name in own if name.startswith(command.strip())]
    completions = []
    for text, start in found:
        written = whole[start:]
        surplus = len(written) - len(token)
        if surplus >= 0 and text.startswith(written[:surplus]):
            completions.append(SimpleCompletion(text[surplus:], type="axlab"))
        elif surplus < 0:
            completions.append(SimpleCompletion(token[:-len(written) or None] + text, type="axlab"))
    return completions
