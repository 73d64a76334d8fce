"""What a word may mean: the types of arguments and options.

A type is a small value with `convert(text)`, which returns a Python value or raises `ValueError` with
what would be right, and `metavar`, its name in usage texts. `kind` tells completion where to look.
References to VMs and vCPUs are only read here; `selection.py` looks them up when the command runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from axlab.errors import AxError, nearest
from axlab.shell.files import name_problem
from axlab.shell.literals import unescape_literal
from axlab.units import Nanoseconds, parse_duration, parse_size


class ArgumentType(Protocol):
    """What a command's declaration asks of a type."""

    @property
    def metavar(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def convert(self, text: str) -> Any: ...


@dataclass(frozen=True)
class Text:
    """Any word, as it is."""

    metavar: str = "TEXT"
    kind: ClassVar[str] = "text"

    def convert(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class FilterText:
    """The filter language, or a part of it: words that belong together are joined by who reads them."""

    metavar: str = "FILTER"
    kind: ClassVar[str] = "filter"

    def convert(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Typed:
    """Bytes as they are typed on a console: `\\n` and the like mean what they mean in Python."""

    metavar: str = "TEXT"
    kind: ClassVar[str] = "text"

    def convert(self, text: str) -> bytes:
        return unescape_literal(text)


@dataclass(frozen=True)
class Number:
    """A whole number, decimal or 0x hexadecimal, within limits."""

    minimum: int = 0
    maximum: int = (1 << 64) - 1
    metavar: str = "NUMBER"
    kind: ClassVar[str] = "number"

    def convert(self, text: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,30}|0[xX][0-9a-fA-F_]{1,40}", text) is None:
            raise ValueError(f"{text!r} is no whole number; write it as 16 or 0x10")
        value = int(text, 0 if text[:2].lower() == "0x" else 10) if not text.endswith("_") else self.minimum - 1
        if not self.minimum <= value <= self.maximum:
            most = f"{self.maximum:#x}" if self.maximum >> 32 else self.maximum
            raise ValueError(f"{text} is not between {self.minimum} and {most}")
        return value


@dataclass(frozen=True)
class Address:
    """An address of the guest: 0x4008_0000 or decimal."""

    metavar: str = "ADDR"
    kind: ClassVar[str] = "address"

    def convert(self, text: str) -> int:
        if re.fullmatch(r"0[xX][0-9a-fA-F]+(_[0-9a-fA-F]+)*|[0-9]+", text) is None or len(text) > 40:
            raise ValueError(f"{text!r} is no address; write it as 0x40080000")
        value = int(text.replace("_", ""), 16 if text[:2].lower() == "0x" else 10)
        if value >> 64:
            raise ValueError(f"{text} has more than 64 bits")
        return value


@dataclass(frozen=True)
class Size:
    """A number of bytes: 64, 0x40, 4K."""

    maximum: int
    metavar: str = "LEN"
    kind: ClassVar[str] = "size"

    def convert(self, text: str) -> int:
        value = parse_size(text) if len(text) < 30 else self.maximum + 1
        if not 0 < value <= self.maximum:
            raise ValueError(f"{text} is not between 1 and {self.maximum}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]
    metavar: str = "CHOICE"
    kind: ClassVar[str] = "choice"

    def convert(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}{nearest(text, list(self.choices))}")
        return text


@dataclass(frozen=True)
class Duration:
    """A span of virtual time: 50ms, 1.5s."""

    metavar: str = "DURATION"
    kind: ClassVar[str] = "duration"

    def convert(self, text: str) -> Nanoseconds:
        return parse_duration(text)


@dataclass(frozen=True)
class FilePath:
    """A file or folder. `where` is `lab` (inside the lab's folder) or `host` (readable from anywhere)."""

    where: str = "lab"
    metavar: str = "FILE"
    kind: ClassVar[str] = "path"

    def convert(self, text: str) -> str:
        if not text:
            raise ValueError("a file name is wanted, and this is empty")
        if problem := name_problem(text):
            raise ValueError(problem)
        return text


@dataclass(frozen=True)
class VmReference:
    """VMs as they were named: `id` (first), `range` (first to last), `name`, or `all`."""

    text: str
    kind: str
    first: int = 0
    last: int = 0


ID = re.compile(r"[0-9]{1,9}")
RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


@dataclass(frozen=True)
class Vm:
    """A VM by id or name; with `several`, also a range `0-3` or `all`.

    `operation` is a column of the lifecycle table: completion then offers only VMs that admit it.
    """

    several: bool = False
    operation: str = ""
    metavar: str = "VM_ID"
    kind: ClassVar[str] = "vm"

    def convert(self, text: str) -> VmReference:
        reference = read_reference(text)
        if reference.kind in ("range", "all") and not self.several:
            raise ValueError(f"one VM is wanted here, and {text!r} names several; write its id or name")
        return reference


def read_reference(text: str) -> VmReference:
    """An id, a range, `all` or a name. Raises ValueError for a range that ends before it begins."""
    if text == "all":
        return VmReference(text, "all")
    if ID.fullmatch(text):
        return VmReference(text, "id", int(text), int(text))
    if match := RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise ValueError(f"the range {text} ends before it begins; write {last}-{first}")
        return VmReference(text, "range", first, last)
    return VmReference(text, "name")


@dataclass(frozen=True)
class VcpuReference:
    """One vCPU as it was named: `0.1` or `guest.1`."""

    text: str
    vm: VmReference
    vcpu: int


@dataclass(frozen=True)
class Vcpu:
    """A vCPU: VM, a dot, and the number of the vCPU."""

    metavar: str = "VM.CPU"
    kind: ClassVar[str] = "vcpu"

    def convert(self, text: str) -> VcpuReference:
        vm, dot, number = text.rpartition(".")
        if not dot or not vm or ID.fullmatch(number) is None:
            raise ValueError(f"{text!r} is no vCPU; write VM.CPU, such as 0.1 for vCPU 1 of VM 0")
        return VcpuReference(text, Vm().convert(vm), int(number))


@dataclass(frozen=True)
class Many:
    """Values of one type with commas between them: `0,1,3`."""

    of: ArgumentType

    @property
    def metavar(self) -> str:
        return f"{self.of.metavar},..."

    @property
    def kind(self) -> str:
        return self.of.kind

    def convert(self, text: str) -> list[Any]:
        return [self.of.convert(part) for part in text.split(",")]


def converted(kind: ArgumentType, text: str) -> Any:
    """`kind.convert(text)`, where any complaint is a ValueError."""
    try:
        return kind.convert(text)
    except AxError as error:
        raise ValueError(error.message) from None
