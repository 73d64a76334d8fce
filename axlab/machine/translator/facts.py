"""What is known of registers and variables at a place in a block: constants, bounds, alignment.

Instructions are folded one by one; what one leaves for the next to use is found here, in the text. An ADRP and
the ADD after it become one constant, the stack pointer is checked once, and masks are left out, or become a
comparison, which costs half as much, where bounds say how far a value can be beyond them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from axlab.machine.tlb import HIGHEST_VIEWED
from axlab.machine.translator.plan import ALIGNED
from axlab.machine.translator.values import M32, M64

VARIABLE = r"(?:x\d+|sp|[a-z]+_\d+)"
ASSIGNMENT = re.compile(rf"({VARIABLE})=(.*)")
MASKED_OR_NAMED = re.compile(rf"\(({VARIABLE})&({M32}|{M64})\)|\b(x\d+|[a-z]+_\d+)\b")
ARITHMETIC = re.compile(r"[0-9()+\-*&|^<>~]+")
TERM = r"(\w+|\(\w+<<\d+\))"
SUM = re.compile(rf"\(\({TERM}(\+-?|-){TERM}\)&({M32}|{M64})\)")
CORRECTED = re.compile(rf"({VARIABLE})=\(s if\(s:=([^:]*)\)(<=|>=|<)(\d+) else s([+-]\d+)\)")
OPPOSITE = {"<=": ">", ">=": "<", "<": ">="}
TEST = re.compile(r"if \((\w+|\((?:\w+|\((\w+)>>(\d+)\))&(\d+)\))(==|!=)0\):")
SHIFTED = re.compile(r"\((\w+)<<(\d+)\)")
SIGNED = re.compile(rf"(\()?\(\((\w+|\(\w+&\d+\))\^(\d+)\)-\3\)(?(1)(?:&{M64}\)))")
INVERTED = re.compile(rf"\(\(~(x\d+)\)&({M32}|{M64})\)")
STEP = re.compile(r"\((\w+)([+-])-?(\d+)\)")
ACCESS = re.compile(r"\b[RW][1248]\[(\w+)>>12\]")
ADDRESS = re.compile(r"a_\d+=")  # is used for nothing but an access: beyond the address space there are no views
NEAR = 1 << 32
REGISTER = re.compile(r"x\d+|sp|q|r")


@dataclass(slots=True)
class Facts:
    """Facts by name. They hold from one line of a block to the next, and end at its branches' targets.

    `high`: at most this, and not negative, which is true of all registers. `origins`: an address that is a
    register and an offset. What was accessed at an address with a view is at most `HIGHEST_VIEWED`.
    """

    constants: dict[str, int] = field(default_factory=dict)
    high: dict[str, int] = field(default_factory=dict)
    aligned: set[str] = field(default_factory=set)  # multiples of 16
    origins: dict[str, tuple[str, int]] = field(default_factory=dict)
    assumed: set[str] = field(default_factory=set)  # what is known of these is assumed at the head of a region
    used: set[str] = field(default_factory=set)  # of those, the ones on which text depends

    def copy(self) -> Facts:
        """The same facts, to be added to."""
        known = dict(self.constants), dict(self.high), set(self.aligned), dict(self.origins), set(self.assumed)
        return Facts(*known, self.used)

    def assume(self, bounds: dict[str, int], used: set[str]) -> None:
        """Begin with bounds of registers, and gather in `used` those that matter."""
        self.assumed, self.used = set(bounds), used
        self.high = {name: bound for name, bound in bounds.items() if name != ALIGNED}
        if ALIGNED in bounds:
            self.aligned.add("sp")

    def surely(self, name: str) -> int | None:
        """The most that a register can be, if that is known."""
        return self.constants.get(name, self.high.get(name))

    def improve(self, text: str) -> str:
        """The text with constants for names, and without masks that change nothing."""
        if not self.constants and not self.high:
            return text
        match = ASSIGNMENT.fullmatch(text)
        if match:
            return f"{match[1]}={MASKED_OR_NAMED.sub(self.better, match[2])}"
        return MASKED_OR_NAMED.sub(self.better, text)

    def better(self, match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name in self.constants:
            value = self.constants[name]
            return str(value & int(match[2]) if match[1] else value)
        if match[3]:
            return name
        bound = self.known(name)
        return name if bound is not None and bound <= int(match[2]) else match[0]

    def known(self, name: str) -> int | None:
        """The most that a name can be, if that is known; text will depend on it."""
        if name in self.assumed:
            self.used.add(name)
        return self.high.get(name)

    def cheaper(self, line: str) -> list[str]:
        """The line with comparisons for masks, and without those that bounds say are not needed; it may become two."""
        if line.startswith("if "):
            line = TEST.sub(tested, line)
        if "~" in line:
            line = INVERTED.sub(self.inverted, line)
        if "^" in line:
            line = SIGNED.sub(self.signed, line)
        if "&" in line:
            line = SUM.sub(self.sum, line)
        if "(s:=" in line and (whole := CORRECTED.fullmatch(line)):
            name, value, compared, limit, by = whole.groups()
            return [f"{name}={value}", f"if {name}{OPPOSITE[compared]}{limit}:{name}{by[0]}={by[1:]}"]
        return [line]

    def bound(self, text: str) -> int | None:
        """The most that a number, a name or a shifted name can be; None where it is not known or may be negative."""
        if text.isdigit():
            return int(text)
        if shifted := SHIFTED.fullmatch(text):
            below = self.bound(shifted[1])
            return None if below is None else below << int(shifted[2])
        known = self.known(text)
        return M64 if known is None and REGISTER.fullmatch(text) else known

    def sum(self, match: re.Match[str]) -> str:
        """A sum or difference within a mask."""
        left, operator, right, mask = match[1], match[2], match[3], int(match[4])
        a, b = self.bound(left), self.bound(right)
        if a is None or b is None or left.isdigit() and right.isdigit():
            return match[0]
        if operator == "+" and (a + b <= mask or min(a, b) <= NEAR and ADDRESS.match(match.string)):
            return f"({left}+{right})"
        if operator == "+" and a + b <= 2 * mask:
            return f"(s if(s:={left}+{right})<={mask} else s-{mask + 1})"
        if operator != "+" and a <= mask and b <= mask:
            return f"(s if(s:={left}-{right})>=0 else s+{mask + 1})"
        return match[0]

    def inverted(self, match: re.Match[str]) -> str:
        """The opposite of all bits of a value that is within the mask: one operation instead of two."""
        bound = self.bound(match[1])
        return match[0] if bound is None or bound > int(match[2]) else f"({match[1]}^{match[2]})"

    def signed(self, match: re.Match[str]) -> str:
        """A sign extension: of a value in two's complement, within 64 bits if it is in brackets with that mask."""
        value, sign = match[2], int(match[3])
        bound = self.bound(value)
        if value.isdigit():
            return match[0]
        if bound is not None and bound < sign:
            return value
        above = f"+{M64 + 1 - 2 * sign}" if match[1] else f"-{2 * sign}"
        return f"(s if(s:={value})<{sign} else s{above})"

    def learn(self, line: str, high: int | None) -> None:
        """What a line says of what it accesses, and an assignment of its target, which is at most `high`."""
        if ">>12]" in line:
            for access in ACCESS.finditer(line):
                self.accessed(access[1])
        match = ASSIGNMENT.fullmatch(line)
        if match is None:
            return
        name, source = match[1], match[2]
        aligned = bool(self.aligned) and self.is_aligned(source)
        most = self.most(source, high)
        self.forget(name)
        if source.isdigit():
            self.constants[name] = int(source)
        elif len(source) < 120 and ARITHMETIC.fullmatch(source):
            self.constants[name] = eval(source, {"__builtins__": {}})
        elif most is not None:
            self.high[name] = most
        if aligned:
            self.aligned.add(name)
        if name[0] == "a" and (step := STEP.fullmatch(source)) and step[2] == "+":
            self.origins[name] = step[1], int(source[source.index("+") + 1 : -1])

    def accessed(self, name: str) -> None:
        """Memory at an address was accessed through a view."""
        if name.isdigit():
            return
        self.high[name] = min(HIGHEST_VIEWED, self.high.get(name, HIGHEST_VIEWED))
        if name in self.origins:
            base, offset = self.origins[name]
            self.high[base] = min(HIGHEST_VIEWED - offset, self.bound(base) or M64, M64)

    def most(self, source: str, high: int | None) -> int | None:
        """The most that a source can be, which folding says is at most `high`."""
        if "&" in source and (total := SUM.fullmatch(source)) and total[2] == "+":
            a, b = self.bound(total[1]), self.bound(total[3])
            return int(total[4]) if a is None or b is None else min(int(total[4]), a + b)
        if "^" in source and (signed := SIGNED.fullmatch(source)):
            source = self.signed(signed)
        known = self.bound(source) if source.isidentifier() else None
        return min((bound for bound in (known, high) if bound is not None), default=None)

    def is_aligned(self, source: str) -> bool:
        """Whether a source is an aligned value, or that and a multiple of 16."""
        if source.endswith(f"&{M64})"):
            source = source[1 : -len(f"&{M64})")]
        step = STEP.fullmatch(source)
        if step is None:
            return source in self.aligned
        return step[1] in self.aligned and int(step[3]) % 16 == 0

    def forget(self, name: str) -> None:
        self.constants.pop(name, None)
        self.high.pop(name, None)
        self.aligned.discard(name)
        self.assumed.discard(name)
        if name == "sp":
            self.assumed.discard(ALIGNED)
        if self.origins:
            self.origins.pop(name, None)
            for address in [address for address, (base, _) in self.origins.items() if base == name]:
                del self.origins[address]


def tested(match: re.Match[str]) -> str:
    """A comparison with zero as Python does it without comparing; of one bit, without shifting."""
    value, shifted, by, mask, operator = match.groups()
    if shifted:
        value = f"{shifted}&{int(mask) << int(by)}"
    return f"if {value}:" if operator == "!=" else f"if not {value}:"
