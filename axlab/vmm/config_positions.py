"""At which line of a TOML file every key and every array element stands: tomllib does not say.

The scanner reads text that tomllib has accepted, so it need not check anything.
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

Path = tuple[str | int, ...]

TOKEN = re.compile(
    r'(?P<text>"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:\\.|[^"\\])*"|\'[^\']*\')'
    r"|(?P<comment>#[^\n]*)|(?P<mark>[\[\]{},=.\n])|(?P<space>[ \t\r]+)|(?P<word>[^\s\[\]{},=\"'#.]+)",
    re.DOTALL,
)


class Token(NamedTuple):
    kind: str  # text, mark or word
    text: str
    line: int


def tokens(text: str) -> list[Token]:
    """The tokens of the file; dots are marks, so that dotted keys come apart (numbers do, too, harmlessly)."""
    found = []
    line = 1
    for match in TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind not in ("comment", "space"):
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
    return found


def unquoted(token: Token) -> str:
    """The key that a bare or quoted key token means."""
    if token.kind == "text":
        return str(next(iter(tomllib.loads(f"{token.text} = 0"))))
    return token.text


class Scanner:
    """One pass over the tokens; `lines` maps the path of every key and element to its line."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.next = 0
        self.lines: dict[Path, int] = {}
        self.array_tables: dict[Path, int] = {}

    def peek(self) -> Token:
        return self.tokens[self.next] if self.next < len(self.tokens) else Token("end", "", 0)

    def take(self) -> Token:
        token = self.peek()
        self.next += 1
        return token

    def skip_newlines(self) -> None:
        while self.peek().text == "\n":
            self.next += 1

    def scan(self) -> dict[Path, int]:
        """Headers and keys of the whole file."""
        table: Path = ()
        while self.peek().kind != "end":
            if self.peek().text == "\n":
                self.next += 1
            elif self.peek().text == "[":
                table = self.header()
            else:
                self.assignment(table)
        return self.lines

    def header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the path that the keys below it belong to."""
        line = self.take().line
        is_array = self.peek().text == "["
        if is_array:
            self.next += 1
        path: Path = ()
        for part in self.key_parts(stop="]"):
            path = self.entered((*path, part))
            self.lines.setdefault(path, line)
        self.next += 2 if is_array else 1
        if is_array:
            if isinstance(path[-1], int):
                path = path[:-1]
            self.array_tables[path] = self.array_tables.get(path, -1) + 1
            path = (*path, self.array_tables[path])
            self.lines.setdefault(path, line)
        return path

    def entered(self, path: Path) -> Path:
        """A path through an array of tables means its last element."""
        return (*path, self.array_tables[path]) if path in self.array_tables else path

    def key_parts(self, stop: str) -> list[str]:
        """The parts of a dotted key, up to `stop`."""
        parts = []
        while self.peek().text != stop and self.peek().kind != "end":
            token = self.take()
            if token.text != "." or token.kind == "text":
                parts.append(unquoted(token))
        return parts

    def assignment(self, table: Path) -> None:
        """`key = value` in a table, also an inline one."""
        line = self.peek().line
        path = table
        for part in self.key_parts(stop="="):
            path = (*path, part)
            self.lines.setdefault(path, line)
        self.next += 1
        self.value(path)

    def value(self, path: Path) -> None:
        """A value: only arrays and inline tables have something inside to find."""
        token = self.take()
        if token.text == "[" and token.kind == "mark":
            self.array(path)
        elif token.text == "{" and token.kind == "mark":
            self.inline_table(path)
        else:
            while self.peek().kind != "end" and self.peek().text not in ("\n", ",", "]", "}"):
                self.next += 1

    def array(self, path: Path) -> None:
        index = 0
        while True:
            self.skip_newlines()
            token = self.peek()
            if token.kind == "end" or token.text == "]" and token.kind == "mark":
                break
            if token.text == "," and token.kind == "mark":
                self.next += 1
                continue
            self.lines.setdefault((*path, index), token.line)
            self.value((*path, index))
            index += 1
        self.next += 1

    def inline_table(self, path: Path) -> None:
        while True:
            self.skip_newlines()
            token = self.peek()
            if token.kind == "end" or token.text == "}" and token.kind == "mark":
                break
            if token.text == "," and token.kind == "mark":
                self.next += 1
                continue
            self.assignment(path)
        self.next += 1


def positions(text: str) -> dict[Path, int]:
    """The line, from 1, of every key (`("kernel", "cmdline")`) and array element (`("a", "b", 0, 1)`)."""
    return Scanner(text).scan()
