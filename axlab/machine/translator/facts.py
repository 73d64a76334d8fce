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
from axlab.machine.translator.statements import MASKED_OR_NAMED, SIGNED, SUM, VARIABLE, Statement, statement
from axlab.machine.translator.values import M32, M64

CORRECTED = re.compile(rf"({VARIABLE})=\(s if\(s:=([^:]*)\)(<=|>=|<)(\d+) else s([+-]\d+)\)")
OPPOSITE = {"<=": ">", ">=": "<", "<": ">="}
TEST = re.compile(r"if \((\w+|\((?:\w+|\((\w+)>>(\d+)\))&(\d+)\))(==|!=)0\):")
SHIFTED = re.compile(r"\((\w+)<<(\d+)\)")
INVERTED = re.compile(rf"\(\(~(x\d+)\)&({M32}|{M64})\)")
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
        said = statement(text)
        if said.names.isdisjoint(self.constants) and not said.masked:
            return text
        source = MASKED_OR_NAMED.sub(self.better, said.source)
        return f"{said.target}={source}" if said.target else source

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
        said = statement(line)
        for address in said.accessed:
            self.accessed(address)
        name = said.target
        if not name:
            return
        aligned = said.aligned_with in self.aligned
        most = self.most(said, high)
        self.forget(name)
        if said.number is not None:
            self.constants[name] = said.number
        elif most is not None:
            self.high[name] = most
        if aligned:
            self.aligned.add(name)
        if said.origin and name[0] == "a":
            self.origins[name] = said.origin

    def accessed(self, name: str) -> None:
        """Memory at an address was accessed through a view."""
        self.high[name] = min(HIGHEST_VIEWED, self.high.get(name, HIGHEST_VIEWED))
        if name in self.origins:
            base, offset = self.origins[name]
            self.high[base] = min(HIGHEST_VIEWED - offset, self.bound(base) or M64, M64)

    def most(self, said: Statement, high: int | None) -> int | None:
        """The most that a source can be, which folding says is at most `high`."""
        if said.total:
            left, right, mask = said.total
            a, b = self.bound(left), self.bound(right)
            return mask if a is None or b is None else min(mask, a + b)
        source = self.signed(said.signed) if said.signed else said.source
        known = self.bound(source) if source.isidentifier() else None
        if known is None or high is None:
            return high if known is None else known
        return min(known, high)

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
