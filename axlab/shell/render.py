"""How results look: blocks of lines, tables and console output, as text and as HTML.

Names and console bytes come from guests and files and are not trusted: HTML is escaped, and a
terminal never receives a control sequence that it would obey. Colours are mid-tones that read on
dark and on light.
"""

from __future__ import annotations

import html as markup
import json
import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from axlab.errors import display_width
from axlab.shell.screen import as_seen, terminal_text

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

GREEN, RED, AMBER, BLUE, GREY = "#2e9e4f", "#d1453b", "#b7860b", "#3b82c4", "#888"
TONES = {"✓": GREEN, "✗": RED, "⚠": AMBER, "ℹ": BLUE, "Error:": RED}
ANSI = {GREEN: "32", RED: "31", AMBER: "33", BLUE: "36"}

FRAME = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);line-height:1.35"
PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:0;background:transparent;color:inherit;" + FRAME
CELL = "text-align:left;padding:1px 14px 1px 0;white-space:pre"


@dataclass(frozen=True)
class Lines:
    """Lines of text; the sign that a line begins with gives its colour."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under titles. `widths` are the least widths of the columns in terminal cells."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class Console:
    """What a guest printed; `name` is the VM's where several print, and stands before each line, else empty."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Code:
    """Text that is shown exactly as it is: JSON, TOML, a listing."""

    text: str


Block = Lines | Table | Console | Code


def harmless(text: str) -> str:
    """The text with every control character (but newline and tab) written as an escape."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses and mappings as dicts, bytes as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def json_text(data: Any) -> str:
    """Indented by 2; control characters and lone surrogates are written as escapes."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def padded(text: str, width: int) -> str:
    """`text` with blanks up to `width` terminal cells."""
    return text + " " * (width - display_width(text))


def table_lines(table: Table) -> list[str]:
    """Left-aligned columns over a rule of dashes; a column grows with its content."""
    rows = [tuple(harmless(cell).replace("\n", " ").replace("\t", " ") for cell in row) for row in table.rows]
    least = table.widths or (0,) * len(table.titles)
    widths = [
        max(width, *(display_width(row[column]) for row in (table.titles, *rows))) for column, width in enumerate(least)
    ]
    rule = tuple("-" * width for width in widths)
    return [
        " ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (table.titles, rule, *rows)
    ]


def block_text(block: Block) -> str:
    if isinstance(block, Lines):
        return "\n".join(harmless(line) for line in block.lines)
    if isinstance(block, Table):
        return "\n".join(table_lines(block))
    if isinstance(block, Console):
        return prefixed(block.name, as_seen(block.data.decode("utf-8", "replace")).rstrip("\n"))
    return harmless(block.text).rstrip("\n")


def harmless_console(data: bytes, terminal: bool) -> str:
    """A piece of console output for a stream. A terminal gets colours and line drawing, nothing that answers back."""
    text = data.decode("utf-8", "replace")
    return terminal_text(text) if terminal else as_seen(text)


def prefixed(name: str, text: str) -> str:
    """Each line behind the VM's name; as it is without one."""
    return "\n".join(f"{harmless(name)}| {line}" for line in text.split("\n")) if name else text


def joined(blocks: list[Block]) -> list[Block]:
    """Blocks with neighbouring pieces of one VM's console, and neighbouring lines, put together."""
    result: list[Block] = []
    for block in blocks:
        last = result[-1] if result else None
        if isinstance(block, Console) and isinstance(last, Console) and last.name == block.name:
            result[-1] = Console(block.name, last.data + block.data)
        elif isinstance(block, Lines) and isinstance(last, Lines):
            result[-1] = Lines(last.lines + block.lines)
        else:
            result.append(block)
    return result


def text(blocks: list[Block]) -> str:
    """All blocks below each other."""
    return "\n".join(block_text(block) for block in joined(blocks))


def tone(line: str) -> str:
    """The colour of a line, by the sign that it begins with; nothing for an ordinary one."""
    words = line.split(maxsplit=1)
    return TONES.get(words[0], "") if words else ""


def coloured(text: str) -> str:
    """Text for a colour terminal: lines with a sign in its colour."""
    lines = text.split("\n")
    return "\n".join(f"\x1b[{ANSI[tone(line)]}m{line}\x1b[0m" if tone(line) else line for line in lines)


def escaped(text: str) -> str:
    return markup.escape(harmless(text))


def line_html(line: str) -> str:
    colour = tone(line)
    return f'<span style="color:{colour}">{escaped(line)}</span>' if colour else escaped(line)


def table_html(table: Table) -> str:
    head = "".join(f'<th style="{CELL};border-bottom:1px solid {GREY}">{escaped(title)}</th>' for title in table.titles)
    rows = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{escaped(cell)}</td>' for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f'<table style="border-collapse:collapse;margin:2px 0;{FRAME}">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def block_html(block: Block) -> str:
    if isinstance(block, Lines):
        return f'<pre style="{PRE}">' + "\n".join(line_html(line) for line in block.lines) + "</pre>"
    if isinstance(block, Table):
        return table_html(block)
    if isinstance(block, Console):
        body = markup.escape(block_text(block))
        return f'<pre style="{PRE};border-left:3px solid {GREY};padding-left:8px">{body}</pre>'
    return f'<pre style="{PRE}">{markup.escape(block_text(block))}</pre>'


def html(blocks: list[Block], ok: bool = True) -> str:
    """All blocks; what failed has a red edge."""
    edge = "" if ok else f"border-left:3px solid {RED};padding-left:8px"
    return f'<div style="{edge}">' + "".join(block_html(block) for block in joined(blocks)) + "</div>"
