"""Lazy flags: an operation leaves its operands in `FA` and `FB` and its number in `FK`; who reads a flag computes it.

Most flags are never read, and of those that are, a compare followed by its branch is the rule: then the block
knows the operation, and the condition is one comparison of its operands. The cells are written where a block is
left; within it `Flags` say from which names the flags would follow.
"""

from __future__ import annotations

from dataclasses import dataclass

from axlab.machine.isa.condition_codes import HOLDS

M = {"32": (1 << 32) - 1, "64": (1 << 64) - 1}

# The number of each operation in FK. "nzcv": FA holds the four flags themselves.
KINDS = {name: code for code, name in enumerate(("nzcv", "sub64", "sub32", "add64", "add32", "logic64", "logic32"))}

# The condition codes 0 to 13 as text, after an operation on {a} and {b} of which {s} is the sign bit, {m} the mask.
# A missing one is computed from the four flags. Signed numbers of the same sign compare like those without; a number
# in {b} is positive.
CONDITIONS: dict[str, dict[int, str]] = {
    "sub": {
        0: "{a}=={b}", 1: "{a}!={b}", 2: "{a}>={b}", 3: "{a}<{b}", 4: "{a}-{b}&{s}", 5: "not {a}-{b}&{s}",
        8: "{a}>{b}", 9: "{a}<={b}",
        10: "{a}>={b} if {a}^{b}<{s} else {a}<{b}", 11: "{a}<{b} if {a}^{b}<{s} else {a}>{b}",
        12: "{a}>{b} if {a}^{b}<{s} else {a}<{b}", 13: "{a}<={b} if {a}^{b}<{s} else {a}>{b}",
    },
    "sub a number": {10: "{b}<={a}<{s}", 11: "not {b}<={a}<{s}", 12: "{b}<{a}<{s}", 13: "not {b}<{a}<{s}"},
    "add": {
        0: "not {a}+{b}&{m}", 1: "{a}+{b}&{m}", 2: "{a}+{b}>{m}", 3: "{a}+{b}<={m}", 4: "{a}+{b}&{s}",
        5: "not {a}+{b}&{s}",
    },
    "logic": {
        0: "not {a}", 1: "{a}", 2: "0", 3: "1", 4: "{a}&{s}", 5: "not {a}&{s}", 6: "0", 7: "1", 8: "0", 9: "1",
        10: "not {a}&{s}", 11: "{a}&{s}", 12: "0<{a}<{s}", 13: "not 0<{a}<{s}",
    },
}  # fmt: skip
SAME_FOR_BOTH_WIDTHS = (0, 1, 2, 3, 8, 9)  # after a subtraction
CARRY = 2  # the condition that is PSTATE.C


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags as an operation of `KINDS` on two operands left them: names or numbers, as text."""

    kind: str
    left: str = "FA"
    right: str = "FB"

    @property
    def in_cells(self) -> Flags:
        """The same flags once they are stored: numbers stay known."""
        return Flags(self.kind, *[text if text.isdigit() else cell for text, cell in zip(self.names, ("FA", "FB"))])

    @property
    def names(self) -> tuple[str, str]:
        return self.left, self.right

    def renamed(self, old: str, new: str) -> Flags:
        """The same flags, where what an operand is called has changed."""
        left, right = [new if name == old else name for name in self.names]
        return Flags(self.kind, left, right)

    def store(self) -> str:
        """The statements that store them in the cells."""
        if self.kind == "nzcv" or self.kind.startswith("logic"):
            return f"FA={self.left};FK={KINDS[self.kind]}"
        return f"FA={self.left};FB={self.right};FK={KINDS[self.kind]}"

    def condition(self, cond: int) -> str:
        """Python that is true if condition `cond` holds, with whose numbers Python computes when it compiles."""
        if cond >= 14:
            return "1"
        if self.kind == "nzcv":
            return str(HOLDS[cond] >> int(self.left) & 1) if self.left.isdigit() else f"HOLDS[{cond}]>>{self.left}&1"
        operation, mask = self.kind[:-2], M[self.kind[-2:]]
        known = CONDITIONS[operation].get(cond)
        if operation == "sub" and self.right.isdigit() and int(self.right) <= mask >> 1:
            known = CONDITIONS["sub a number"].get(cond, known)
        if known is None:
            return f"HOLDS[{cond}]>>nzcv_of({KINDS[self.kind]},{self.left},{self.right})&1"
        return known.format(s=(mask + 1) >> 1, m=mask, a=self.left, b=self.right)


def condition(cond: int, candidates: tuple[Flags, ...]) -> str:
    """Python that is true if condition `cond` holds after one of two operations, of which FK says which, or after
    the only one; after any operation if there is no candidate."""
    if len(candidates) == 1 or cond >= 14:
        return candidates[0].condition(cond) if candidates else "1"
    if candidates:
        first, second = candidates
        return f"({first.condition(cond)}) if FK=={KINDS[first.kind]} else ({second.condition(cond)})"
    computed = f"HOLDS[{cond}]>>nzcv_of(FK,FA,FB)&1"
    if cond not in SAME_FOR_BOTH_WIDTHS:
        return computed
    return f"({Flags('sub64').condition(cond)}) if 1<=FK<=2 else {computed}"


def nzcv_of_add(a: int, b: int, carry_in: int, sf: int) -> int:
    """The four flags of a + b + carry_in (the manual's AddWithCarry)."""
    top = 63 if sf else 31
    mask = (2 << top) - 1
    total = a + b + carry_in
    result = total & mask
    return result >> top << 3 | (not result) << 2 | (total > mask) << 1 | ((a ^ result) & (b ^ result)) >> top & 1


def nzcv_of(kind: int, a: int, b: int) -> int:
    """The four flags that `FK`, `FA` and `FB` stand for."""
    if kind == 0:
        return a
    sf = kind & 1
    if kind >= 5:
        return a >> (63 if sf else 31) << 3 | (not a) << 2
    if kind >= 3:
        return nzcv_of_add(a, b, 0, sf)
    return nzcv_of_add(a, b ^ (M["64"] if sf else M["32"]), 1, sf)
