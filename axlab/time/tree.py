"""The history of a lab as plain data and as text: for lists, sliders and pictures."""

from __future__ import annotations

from typing import Any

from axlab.time.branches import Command
from axlab.time.history import History
from axlab.units import format_duration


def tree_of(history: History) -> list[dict[str, Any]]:
    """The branches, by number: `fork` and `end` are virtual times in ns, `here` marks the one that the lab is in.

    `commands` are those that were given in the branch itself: time and text.
    """
    return [
        {
            "branch": branch.number,
            "parent": branch.parent,
            "fork": branch.fork.now,
            "end": (history.end if branch is history.branches.here else branch.end).now,
            "here": branch is history.branches.here,
            "commands": [{"time": one.place.now, "text": text_of(one)} for one in branch.commands[branch.done :]],
        }
        for branch in history.branches.known.values()
    ]


def timeline_of(history: History) -> dict[str, Any]:
    """What a slider over time needs: virtual times in ns. `to` of the history goes to any from `start` to `end`."""
    return {
        "start": history.known()[0].place.now,
        "now": history.place.now,
        "end": history.end.now,
        "branch": history.branches.current,
        "checkpoints": sorted({one.place.now for one in history.known()}),
        "commands": [{"time": one.place.now, "text": text_of(one)} for one in history.commands],
    }


def text_of(command: Command) -> str:
    """A command in few words: `console_input 0 b'ls\\n'`."""
    return " ".join([command.name, *(word_of(value) for value in command.arguments.values())])


def word_of(value: Any) -> str:
    """An argument in a word."""
    if hasattr(value, "base"):  # a configuration
        return f"{value.base.id} {value.base.name}"
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def lines_of(branches: list[dict[str, Any]], parent: int | None = None, depth: int = 0) -> list[str]:
    """The tree as text: a line for each branch, indented below the one that it left."""
    lines = []
    for branch in branches:
        if branch["parent"] == parent:
            mark = "*" if branch["here"] else " "
            given = branch["commands"]
            what = f": {given[0]['text']}" if given else ""
            more = f" and {len(given) - 1} more" if len(given) > 1 else ""
            times = f"{format_duration(branch['fork'])} to {format_duration(branch['end'])}"
            lines.append(f"{mark} {'  ' * depth}{branch['branch']}  {times}{what}{more}")
            lines += lines_of(branches, branch["branch"], depth + 1)
    return lines
