"""What is found wrong in a configuration, and how keys and values are written in what is said of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axlab.vmm.config import Finding, Purpose, Severity
from axlab.vmm.config_schema import Key

if TYPE_CHECKING:
    from axlab.vmm.config_positions import Path as KeyPath


@dataclass
class Report:
    """Collects findings; `lines` knows where every key stands."""

    file: str
    purpose: Purpose
    lines: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, path: KeyPath, message: str, severity: Severity = "error") -> None:
        self.findings.append(Finding(self.file, spelled(path), self.line_of(path), severity, message))

    def line_of(self, path: KeyPath) -> int:
        """The line of a path, or of the nearest thing around it that has one; 0 for nothing."""
        around = (path[:length] for length in range(len(path), 0, -1))
        return next((self.lines[spelled(part)] for part in around if spelled(part) in self.lines), 0)

    def error(self, path: KeyPath, message: str) -> None:
        """Wrong for everybody."""
        self.add(path, message)

    def warn(self, path: KeyPath, message: str) -> None:
        """Strange, but nothing stops."""
        self.add(path, message, "warning")

    def refuse(self, path: KeyPath, message: str) -> None:
        """Depends on the machine that runs it: `check` warns, `create` refuses."""
        self.add(path, message, "warning" if self.purpose == "check" else "error")

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


def spelled(path: KeyPath) -> str:
    """A path as people write it: `kernel.memory_regions[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else repr(part)
            text += f".{bare}" if text else bare
    return text


def shown(value: object, key: Key | None = None) -> str:
    """A value as it would stand in the file, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        if value.bit_length() > 80:
            return f"a number of {value.bit_length()} bits"
        return f"{value:#x}" if key is None or key.style != "count" else str(value)
    if isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value[:9])}]"
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def counted(number: int, what: str) -> str:
    """`1 field`, `2 fields`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
