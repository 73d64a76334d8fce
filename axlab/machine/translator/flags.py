"""Lazy flags: an operation leaves its operands in `FA` and `FB` and its name in `FK`; who reads a flag computes it.

Most flags are never read, and of those that are, a compare followed by its branch is the rule: then the block
knows the operation and the condition is one comparison of the operands.
"""

from __future__ import annotations

M = {"32": (1 << 32) - 1, "64": (1 << 64) - 1}

# The number of each operation in FK. "nzcv": FA holds the four flags themselves.
KINDS = {name: code for code, name in enumerate(("nzcv", "sub64", "sub32", "add64", "add32", "logic64", "logic32"))}

# The condition codes 0 to 13 as text, after an operation on FA and FB of which {s} is the sign bit, {m} the mask.
# A missing one is computed from the four flags.
CONDITIONS: dict[str, dict[int, str]] = {
    "sub": {
        0: "FA==FB", 1: "FA!=FB", 2: "FA>=FB", 3: "FA<FB", 4: "FA-FB&{s}", 5: "not FA-FB&{s}", 8: "FA>FB", 9: "FA<=FB",
        10: "(FA^{s})>=(FB^{s})", 11: "(FA^{s})<(FB^{s})", 12: "(FA^{s})>(FB^{s})", 13: "(FA^{s})<=(FB^{s})",
    },
    "add": {
        0: "not FA+FB&{m}", 1: "FA+FB&{m}", 2: "FA+FB>{m}", 3: "FA+FB<={m}", 4: "FA+FB&{s}", 5: "not FA+FB&{s}",
    },
    "logic": {
        0: "not FA", 1: "FA", 2: "0", 3: "1", 4: "FA&{s}", 5: "not FA&{s}", 6: "0", 7: "1", 8: "0", 9: "1",
        10: "not FA&{s}", 11: "FA&{s}", 12: "0<FA<{s}", 13: "not 0<FA<{s}",
    },
}  # fmt: skip


def condition(cond: int, kind: str, right: str = "FB") -> str:
    """Python that is true if condition `cond` holds after operation `kind`, empty where it is not known.

    `right` is its second operand: FB, or a number, with which Python computes when it compiles.
    """
    if cond >= 14:
        return "1"
    known = CONDITIONS.get(kind[:-2], {}).get(cond)
    if known is None:
        return f"HOLDS[{cond}]>>nzcv_of(FK,FA,FB)&1"
    mask = M[kind[-2:]]
    return known.format(s=(mask + 1) >> 1, m=mask).replace("FB", right)


def carry(kind: str) -> str:
    """Python for PSTATE.C as a number."""
    known = CONDITIONS.get(kind[:-2], {}).get(2)
    return f"int({condition(2, kind)})" if known else "(nzcv_of(FK,FA,FB)>>1&1)"


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
