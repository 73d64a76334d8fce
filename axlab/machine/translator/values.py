"""What is known of a value while a semantics function is folded: a number, a hole, or text that runs.

A *number* is known for the shape. A *hole* depends on the instruction's fields and address alone: its text is
computed when a template is filled. *Text* is evaluated when the block runs; in it `{...}` is a hole.
`low` and `high` bound the value, where they are known: that is what lets masks be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

M32 = (1 << 32) - 1
M64 = (1 << 64) - 1


class Unfoldable(Exception):
    """The function does something that a template cannot say; the stepper executes such instructions."""


@dataclass(frozen=True, slots=True)
class Value:
    """`kind` is "number", "hole" or "text"; `text` is Python in all three."""

    kind: str
    text: str
    low: int | None = None
    high: int | None = None
    effects: str = ""  # "memory" where evaluating it may fault, "flags" where it reads them
    loose: tuple[str, int] | None = None  # cheaper text that agrees in the lowest so many bits

    @property
    def number(self) -> int:
        """The value of a number; `Unfoldable` for anything else."""
        if self.kind != "number":
            raise Unfoldable(f"{self.text} is not known")
        return int(self.text, 0)

    @property
    def run(self) -> str:
        """How the value stands in text that runs."""
        return "{" + self.text + "}" if self.kind == "hole" else self.text

    @property
    def simple(self) -> bool:
        """Whether it may be repeated without cost: a number, a hole or a name."""
        return self.kind != "text" or self.text.replace("{", "").replace("}", "").isidentifier()

    @property
    def most(self) -> int | None:
        """The upper bound of a value that is surely not negative."""
        return None if self.low is None or self.low < 0 else self.high

    def fits(self, mask: int) -> bool:
        """Whether it is surely within 0 to `mask`."""
        return self.low is not None and self.high is not None and 0 <= self.low and self.high <= mask


def number(value: int) -> Value:
    return Value("number", repr(int(value)), int(value), int(value))


def text(source: str, low: int | None = None, high: int | None = None, effects: str = "") -> Value:
    return Value("text", source, low, high, effects)


def combine(operator: str, a: Value, b: Value) -> Value:
    """The value of a binary operation, simplified where that is plain to see."""
    low, high = bounds(operator, a, b)
    if a.kind == b.kind == "number":
        return number(eval(f"({a.text}){operator}({b.text})", {"__builtins__": {}}))
    if operator == "&":
        for value, other in ((a, b), (b, a)):
            if other.kind == "number" and other.number > 0 and not other.number & (other.number + 1):
                return value if value.fits(other.number) else masked_text(value, other.number)
    if b.kind == "number" and b.number == 0 and operator in ("+", "-", "|", "^", "<<", ">>"):
        return a
    if a.kind == "number" and a.number == 0 and operator in ("+", "|", "^"):
        return b
    if a.kind == "number" and a.number == 0 and operator in ("<<", ">>", "&", "*"):
        return a
    if "text" not in (a.kind, b.kind):
        return Value("hole", f"({a.text}{operator}{b.text})", low, high)
    return Value("text", f"({a.run}{operator}{b.run})", low, high, a.effects or b.effects, loosened(operator, a, b))


def loosened(operator: str, a: Value, b: Value) -> tuple[str, int] | None:
    """The operation on cheaper operands, where it carries nothing from higher bits to lower ones."""
    if operator not in ("+", "-", "*", "&", "|", "^", "<<"):
        return None
    if operator == "<<":
        return (f"({a.loose[0]}<<{b.run})", a.loose[1]) if a.loose else None
    if not a.loose and not b.loose:
        return None
    texts = [value.loose[0] if value.loose else value.run for value in (a, b)]
    return f"({texts[0]}{operator}{texts[1]})", min(value.loose[1] for value in (a, b) if value.loose)


def bounds(operator: str, a: Value, b: Value) -> tuple[int | None, int | None]:
    """Interval arithmetic; (None, None) where nothing is known."""
    if operator == "&":
        highs = [v.high for v in (a, b) if v.low is not None and v.high is not None and v.low >= 0]
        return (0, min(highs)) if highs else (None, None)
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None, None
    if operator == "+":
        return a.low + b.low, a.high + b.high
    if operator == "-":
        return a.low - b.high, a.high - b.low
    if operator in ("<<", ">>") and 0 <= b.low and b.high <= 128:
        corners = [v << s if operator == "<<" else v >> s for v in (a.low, a.high) for s in (b.low, b.high)]
        return min(corners), max(corners)
    if min(a.low, b.low) < 0:
        return None, None
    if operator in ("|", "^"):
        return 0, (1 << max(a.high.bit_length(), b.high.bit_length())) - 1
    if operator == "*":
        return a.low * b.low, a.high * b.high
    if operator == "//":
        return 0, a.high
    return None, None


def union(a: Value, b: Value) -> tuple[int | None, int | None]:
    """Bounds of a value that is either `a` or `b`."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None, None
    return min(a.low, b.low), max(a.high, b.high)


def masked(value: Value, mask: int) -> Value:
    """The value within `mask` (a power of two minus 1)."""
    if value.fits(mask):
        return value
    return combine("&", value, number(mask))


def masked_text(value: Value, mask: int) -> Value:
    """The value and a mask that it does not surely fit; of cheaper text where that agrees in the mask's bits."""
    bits = mask.bit_length()
    if value.kind != "text":
        return Value("hole", f"({value.text}&{mask})", 0, mask)
    source = value.loose[0] if value.loose and value.loose[1] >= bits else value.text
    return Value("text", f"({source}&{mask})", 0, mask, value.effects, (source, bits))
