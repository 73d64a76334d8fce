"""What a person would have seen of a terminal's output, as plain text.

Guests print for a terminal: carriage returns, backspaces, colours. A saved result keeps the outcome
on each line and obeys nothing else, so that no output of a guest can control the reader's terminal.
"""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"\x1b\[([0-9;?<=>]*)[ -/]*([@-~])"  # CSI: colours, cursor movement, erasing (ECMA-48 5.4)
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # strings to the terminal: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"  # other escapes
    r"|\x9b[0-9;?<=>]*[ -/]*[@-~]"
)
UNSAFE = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[[0-9;]*[mK])")
INVISIBLE = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def as_seen(text: str) -> str:
    """Lines as they stand after carriage returns and backspaces, without any control sequence."""
    text = SEQUENCE.sub(lambda match: "\x11K" if match[2] == "K" else "", text.replace("\x11", ""))
    return "\n".join(_line(line) for line in text.split("\n"))


def terminal_text(text: str) -> str:
    """Output for a live terminal: colours (SGR) and erasing stay, every other sequence and control goes."""
    kept = SEQUENCE.sub(lambda match: match[0] if match[2] in ("m", "K") and match[0][0] == "\x1b" else "", text)
    return UNSAFE.sub("", kept)


def _line(line: str) -> str:
    if not ("\r" in line or "\b" in line or "\x11" in line):
        return INVISIBLE.sub("", line)
    cells: list[str] = []
    column = 0
    characters = iter(line)
    for character in characters:
        if character == "\r":
            column = 0
        elif character == "\b":
            column = max(0, column - 1)
        elif character == "\x11":
            next(characters)
            del cells[column:]
        elif not INVISIBLE.match(character):
            cells[column : column + 1] = [character]
            column += 1
    return "".join(cells).rstrip() if "\r" in line.rstrip("\r") or "\b" in line else "".join(cells)
