"""What is known of registers and variables at a place in a block: constants, 32-bit values, alignment.

Instructions are folded one by one; what one leaves for the next to use is found here, in the text. An ADRP and
the ADD after it become one constant, W registers are not masked twice, and the stack pointer is checked once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from axlab.machine.translator.values import M32

ASSIGNMENT = re.compile(r"(x\d+|sp|[a-z]+_\d+)=(.*)")
MASKED_OR_NAMED = re.compile(r"\((x\d+|[a-z]+_\d+)&4294967295\)|\b(x\d+|[a-z]+_\d+)\b")
ARITHMETIC = re.compile(r"[0-9()+\-*&|^<>~]+")
WRAPPED = re.compile(r"\((.*)&18446744073709551615\)")
STEP = re.compile(r"\((\w+)[+-]-?(\d+)\)")


@dataclass(slots=True)
class Facts:
    """Facts by name. They hold from one line of a block to the next, and end at its branches' targets."""

    constants: dict[str, int] = field(default_factory=dict)
    narrow: set[str] = field(default_factory=set)  # values below 2**32
    aligned: set[str] = field(default_factory=set)  # multiples of 16

    def improve(self, line: str) -> str:
        """The line with constants for names, and without masks that change nothing."""
        if not self.constants and not self.narrow:
            return line
        match = ASSIGNMENT.fullmatch(line)
        if match:
            return f"{match[1]}={MASKED_OR_NAMED.sub(self.better, match[2])}"
        return MASKED_OR_NAMED.sub(self.better, line)

    def better(self, match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in self.constants:
            value = self.constants[name]
            return str(value & M32 if match[1] else value)
        return name if match[2] or name in self.narrow else match[0]

    def learn(self, line: str, narrow: bool) -> None:
        """What an assignment says of its target; `narrow` where folding found that it fits 32 bits."""
        match = ASSIGNMENT.fullmatch(line)
        if match is None:
            return
        name, source = match[1], match[2]
        aligned = self.is_aligned(source)
        self.forget(name)
        if len(source) < 120 and ARITHMETIC.fullmatch(source):
            self.constants[name] = eval(source, {"__builtins__": {}})
        elif narrow or source in self.narrow:
            self.narrow.add(name)
        if aligned:
            self.aligned.add(name)

    def is_aligned(self, source: str) -> bool:
        """Whether a source is an aligned value, or that and a multiple of 16."""
        wrapped = WRAPPED.fullmatch(source)
        source = wrapped[1] if wrapped else source
        step = STEP.fullmatch(source)
        if step is None:
            return source in self.aligned
        return step[1] in self.aligned and int(step[2]) % 16 == 0

    def forget(self, name: str) -> None:
        self.constants.pop(name, None)
        self.narrow.discard(name)
        self.aligned.discard(name)

    def forget_all(self) -> None:
        self.constants.clear()
        self.narrow.clear()
        self.aligned.clear()
