"""Escapes in text that is typed on a console: as in Python's string literals, read without evaluating anything."""

from __future__ import annotations

import re

from axlab.errors import AxError

SIMPLE = {
    "\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\n": "",
}  # fmt: skip
ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|N\{(?P<name>[^}]*)\}|(?P<one>.)|$)",
    re.DOTALL,
)


def unescape_literal(text: str) -> bytes:
    r"""`version\n`, `\x1b[A`, `\u2713` as bytes: UTF-8, but `\xNN` and octal are the byte itself.

    An unknown escape stays as it is, as in Python. Raises AxError for one that is broken off.
    """
    parts: list[bytes] = []
    place = 0
    for match in ESCAPE.finditer(text):
        parts.append(_bytes(text[place : match.start()]))
        parts.append(_meaning(match, text))
        place = match.end()
    return b"".join([*parts, _bytes(text[place:])])


def _bytes(text: str) -> bytes:
    """UTF-8; bytes of a command line that were none are themselves again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _meaning(match: re.Match[str], text: str) -> bytes:
    kind = match.lastgroup
    value = match[kind] if kind else ""
    if kind in ("octal", "byte"):
        return bytes([int(value, 8 if kind == "octal" else 16) & 0xFF])
    if kind in ("short", "long"):
        code = int(value, 16)
        if code > 0x10FFFF:
            raise _broken(match, text, "no character has this number")
        return chr(code).encode("utf-8", "surrogatepass")
    if kind == "name":
        import unicodedata

        try:
            return unicodedata.lookup(value).encode()
        except KeyError:
            raise _broken(match, text, f"no character is named {value}") from None
    if kind is None:
        raise _broken(match, text, "a backslash at the end quotes nothing; write \\\\ for a backslash")
    if value in "xuUN":
        raise _broken(match, text, f"\\{value} needs its hexadecimal digits or its name behind it")
    return _bytes(SIMPLE.get(value, f"\\{value}"))


def _broken(match: re.Match[str], text: str, message: str) -> AxError:
    return AxError(message, text=text, column=match.start(), length=len(match[0]))
