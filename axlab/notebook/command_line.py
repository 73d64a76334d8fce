"""A command line as a picture: what each word is by the command's declaration, and the values that the handler gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.shell.arguments import VmReference
from axlab.shell.binding import Invocation, Role
from axlab.shell.shell import Shell

SIZE, SMALL = 15, 11
LEFT, TOP = 16, 34
BRACKET, LABEL = 8, 26  # below the baseline of the line
ROW = 20
WIDEST = 160  # characters of a line that is drawn

COLOURS = {
    "command": d.BLUE,
    "flag": d.ORANGE,
    "option": d.PURPLE,
    "value": d.PURPLE,
    "argument": d.GREEN,
    "end": d.INK,
}
MEANINGS = {"end": "end of options"}


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring columns of the line that are one thing: its kind, what it is called, and its text."""

    kind: str
    label: str
    start: int
    end: int
    text: str


def command_line(shell: Shell, text: str) -> Picture:
    """How the shell reads one command. Raises AxError for what is no command, as the shell does.

    >>> command_line(lab.shell, "vm start --force 0 1 --detach")
    """
    invocations = shell.parse(text)
    if len(invocations) != 1:
        raise AxError(f"one command is drawn, and this is {len(invocations)}: {text!r}")
    if len(text) > WIDEST or "\n" in text:
        raise AxError(f"a line of at most {WIDEST} characters is drawn")
    return draw(text, parts_of(invocations[0]), values_of(invocations[0]))


def parts_of(invocation: Invocation) -> list[Part]:
    """The words of a line with what they are; the words of the command's name are one part."""
    parts: list[Part] = []
    for role in invocation.roles:
        word = role.word
        if role.kind == "command" and parts:
            first = parts.pop()
            parts.append(Part("command", "command", first.start, word.end, f"{first.text} {word.text}"))
        elif parts and parts[-1].end > word.start:  # a cluster of flags, or --option=value
            last = parts.pop()
            parts.append(Part(role.kind, f"{last.label}, {label(role)}", last.start, word.end, last.text))
        else:
            parts.append(Part(role.kind, label(role), word.start, word.end, word.text))
    return parts


def label(role: Role) -> str:
    """What a word is called below the line."""
    meaning = MEANINGS.get(role.kind, role.kind)
    return f"{meaning} {role.of}" if role.of else meaning


def values_of(invocation: Invocation) -> list[tuple[str, str]]:
    """The parameters of the handler and their values, as Python writes them."""
    return [(name, shown(value)) for name, value in invocation.values.items()]


def shown(value: Any) -> str:
    """A value as Python writes it; a reference to a VM by its word."""
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return f"VM {value.text}" if isinstance(value, VmReference) else repr(value)


def draw(text: str, parts: list[Part], values: list[tuple[str, str]]) -> Picture:
    """The line with a bracket below each part, and the values below that."""
    at = [LEFT + d.width_of(text[:place], SIZE, mono=True) for place in range(len(text) + 1)]  # a CJK character is wide
    levels = _levels(parts, at)
    bottom = TOP + LABEL + ROW * (max(levels, default=0) + 1)
    drawn = [
        d.words(at[place], TOP, character, size=SIZE, mono=True, fill=_colour(parts, place))
        for place, character in enumerate(text)
        if not character.isspace()
    ]
    for part, level in zip(parts, levels, strict=True):
        drawn.append(_bracket(part, level, at[part.start], at[part.end]))
    for row, (name, value) in enumerate(values):
        y = bottom + 12 + row * ROW
        drawn.append(d.words(LEFT, y, f"{name} =", size=12, mono=True))
        drawn.append(d.words(LEFT + 110, y, d.fitted(value, 560, 12, mono=True), size=12, mono=True, bold=True))
    ends = [at[part.start] + d.width_of(part.label, SMALL) for part in parts]
    width = max(700, at[-1], *ends) + LEFT
    words = "; ".join(f"{part.text!r} is {part.label}" for part in parts)
    lines = [f"{part.text!r:<24} {part.label}" for part in parts] + [f"{name} = {value}" for name, value in values]
    alt = f"How the shell reads {text!r}: {words}"
    return Picture(d.document(width, bottom + ROW * len(values) + 12, alt, drawn), alt, "\n".join([text, "", *lines]))


def _levels(parts: list[Part], at: list[float]) -> list[int]:
    """How deep each label hangs: below all labels on its right that it would run into."""
    levels: list[int] = []
    for place in reversed(range(len(parts))):
        end = at[parts[place].start] + d.width_of(parts[place].label, SMALL) + 10
        right = zip(parts[place + 1 :], levels, strict=True)
        levels.insert(0, max((level + 1 for part, level in right if at[part.start] < end), default=0))
    return levels


def _bracket(part: Part, level: int, begin: float, end: float) -> str:
    colour, y = COLOURS[part.kind], TOP + BRACKET
    lines = d.rule(begin + 1, y, end - 1, y, colour=colour, line=2)
    if level:
        lines += d.rule(begin + 2, y, begin + 2, TOP + LABEL + ROW * level - 9, colour=colour)
    return lines + d.words(begin + 1, TOP + LABEL + ROW * level, part.label, size=SMALL, fill=colour)


def _colour(parts: list[Part], place: int) -> str:
    return next((COLOURS[part.kind] for part in parts if part.start <= place < part.end), d.INK)
