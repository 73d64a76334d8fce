"""Loops that only fill or copy memory: most of their iterations are one assignment of a slice.

`memset` and its like store the same at addresses one behind the other, until a pointer or a counter is at its end.
The text of such a loop shows that: its registers are constant, move by constants, or are computed anew in every
iteration from those. Then as many iterations are done at once as surely come, stay within a page and fit the
budget. One of the page's is left to the loop: what it computes is as it has to be when something can see it.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field

from axlab.machine.tlb import FORMATS, PAGE_MASK, Views
from axlab.machine.translator.values import M64

LONGEST = 12  # lines
FEWEST = 32  # iterations for which it is worth while

NAME = r"[a-z]+_?\d*"
OPERAND = rf"({NAME}|\d+)"
SUM = re.compile(rf"\({OPERAND}(\+-?|-){OPERAND}\)|{OPERAND}")
ASSIGNMENT = re.compile(rf"({NAME})=(.*)")
PLACE = r"\[(?P<a>\w+)>>12\]"
OFFSET = r"(?:I(?P=n)\[)?(?P=a)&4095\]?"
STORE = re.compile(rf"W(?P<n>[1248]){PLACE}\[{OFFSET}\]=(?P<v>.*)")
STORE_PAIR = re.compile(rf"p=W(?P<n>[48]){PLACE};i={OFFSET};p\[i\+1\]=(?P<second>[^;]*);p\[i\]=(?P<v>[^;]*)")
LOAD = re.compile(rf"({NAME})=R(?P<n>[1248]){PLACE}\[{OFFSET}\]")
LOAD_PAIR = re.compile(rf"p=R(?P<n>[48]){PLACE};i={OFFSET};q=p\[i\];r=p\[i\+1\]")
TEST = re.compile(rf"if \(({NAME})(!=|<|>)({NAME}|\d+)\):")
LOW_PART = re.compile(r"\((\w+)&\d+\)")


class Other(Exception):
    """The loop does something else."""


@dataclass(frozen=True, slots=True)
class Form:
    """A sum of registers, as they are when an iteration begins, and a constant; `loaded`: which element was loaded."""

    registers: tuple[str, ...] = ()  # "-x1" is subtracted
    constant: int = 0
    loaded: int | None = None

    @property
    def text(self) -> str:
        return f"({'+'.join((*self.registers, str(self.constant)))}&{M64})"


@dataclass(slots=True)
class Loop:
    """What the lines of an iteration say."""

    known: dict[str, Form | None] = field(default_factory=dict)  # None: computed, whatever from
    read: set[str] = field(default_factory=set)  # as they are when an iteration begins
    store: tuple[int, Form, tuple[str, ...]] | None = None  # size, address, values
    load: tuple[int, Form, int] | None = None  # size, address, number of elements

    def form(self, text: str) -> Form | None:
        """The form of a name or number."""
        if text.isdigit():
            return Form(constant=int(text))
        if text not in self.known:
            self.read.add(text)
            return Form((text,))
        return self.known[text]

    def sum(self, source: str) -> Form | None:
        """The form of an expression, if it is a sum; what it reads is noted."""
        wrapped = source.startswith("((") and source.endswith(f"&{M64})")
        match = SUM.fullmatch(source[1 : -len(f"&{M64})")] if wrapped else source)
        if match is None:
            for name in re.findall(r"\b(?:x\d+|sp|[a-z]+_\d+)\b", source):
                self.form(name)
            return None
        if match[4]:
            return self.form(match[4])
        a, b = self.form(match[1]), self.form(match[3])
        if a is None or b is None or (a.loaded, b.loaded) != (None, None):
            return None
        if match[2] == "+":
            return Form(a.registers + b.registers, a.constant + b.constant)
        opposite = tuple(name[1:] if name[0] == "-" else "-" + name for name in b.registers)
        return Form(a.registers + opposite, a.constant - b.constant)

    def line(self, line: str) -> None:
        """Take a line of the loop."""
        if match := STORE_PAIR.fullmatch(line):
            self.stores(match, match["v"], match["second"])
        elif match := STORE.fullmatch(line):
            self.stores(match, match["v"])
        elif match := LOAD_PAIR.fullmatch(line):
            self.loads(match, "q", "r")
        elif match := LOAD.fullmatch(line):
            self.loads(match, match[1])
        elif (match := ASSIGNMENT.fullmatch(line)) and "[" not in line:
            self.known[match[1]] = self.sum(match[2])
        else:
            raise Other

    def address(self, match: re.Match[str]) -> Form:
        found = self.form(match["a"])
        if found is None or found.loaded is not None:
            raise Other
        return found

    def stores(self, match: re.Match[str], *values: str) -> None:
        if self.store:
            raise Other
        self.store = int(match["n"]), self.address(match), values
        for value in values:
            self.sum(value)

    def loads(self, match: re.Match[str], *names: str) -> None:
        if self.load or self.store:
            raise Other
        self.load = int(match["n"]), self.address(match), len(names)
        for element, name in enumerate(names):
            self.known[name] = Form(loaded=element)

    def steps(self) -> dict[str, int]:
        """By how much the registers move that iterations begin with. Those must not be computed otherwise."""
        found = {}
        for name in self.read:
            form = self.known.get(name, Form((name,)))
            if form is None or form.registers != (name,):
                raise Other
            found[name] = form.constant
        return found


def step(form: Form, steps: dict[str, int]) -> int:
    """By how much a form moves from one iteration to the next."""
    return sum(-steps[name[1:]] if name[0] == "-" else steps[name] for name in form.registers)


def run(lines: list[str], instructions: int, least: int, budget: str) -> list[str]:
    """Lines that do many iterations of a loop at once; none for other loops.

    `lines` are the loop's up to the test that leads back to its beginning, where the variable `budget` is at least
    `least`.
    """
    if not 2 <= len(lines) <= LONGEST or not (test := TEST.fullmatch(lines[-1])):
        return []
    loop = Loop()
    try:
        for line in lines[:-1]:
            loop.line(line)
        left, right = loop.form(test[1]), loop.form(test[3])
        steps = loop.steps()
        if loop.store is None or left is None or right is None or step(right, steps):
            return []
        size, address, values = loop.store
        if step(address, steps) != size * len(values):
            return []
        distance, per_iteration = remaining(test, step(left, steps))
        done = call(loop, steps, f"min(({distance}-1)//{per_iteration},({budget}-{least})//{instructions})")
    except Other:
        return []
    moved = "".join(f"{name}={name}+{by}*n&{M64};" for name, by in sorted(steps.items()) if by)
    return [f"if {distance}>{FEWEST * per_iteration}:", f" n={done};{moved}{budget}-={instructions}*n"]


def remaining(test: re.Match[str], by: int) -> tuple[str, int]:
    """How far the test's left side is from its right side, and by how much less in each iteration."""
    if test[2] in "!=<" and by > 0:
        return f"({test[3]}-{test[1]})", by
    if test[2] in "!=>" and by < 0:
        return f"({test[1]}-{test[3]})", -by
    raise Other


def call(loop: Loop, steps: dict[str, int], limit: str) -> str:
    """The call that does iterations: of `fill` where the values stay, of `copy` where they were loaded."""
    assert loop.store is not None
    size, address, values = loop.store
    names = [LOW_PART.sub(r"\1", value) for value in values]
    if loop.load is None:
        constant = [steps.get(name, 0) == 0 for name in names if not name.isdigit()]
        if not all(constant) or any(name in loop.known or not name.isalnum() for name in names):
            raise Other
        return f"fill(W{size},{address.text},{size},({','.join(values)},),{limit})"
    loaded = [loop.known.get(name) for name in names]
    expected = [Form(loaded=element) for element in range(len(values))]
    if loaded != expected or loop.load[0] != size or loop.load[2] != len(values):
        raise Other
    if step(loop.load[1], steps) != size * len(values):
        raise Other
    return f"copy(R{size},W{size},{loop.load[1].text},{address.text},{size},{len(values)},{limit})"


def fill(views: Views, address: int, size: int, values: tuple[int, ...], limit: int) -> int:
    """Store values of `size` bytes again and again, at most `limit` times; how often it was done."""
    page = views.get(address >> 12)
    if page is None or address % size:
        return 0
    first, count = (address & PAGE_MASK) // size, len(values)
    times = min(limit, (len(page) - first) // count - 1)
    if times <= 0:
        return 0
    page[first : first + times * count] = array(FORMATS[size], values) * times
    return times


def copy(readers: Views, writers: Views, source: int, target: int, size: int, count: int, limit: int) -> int:
    """Copy `count` elements of `size` bytes again and again, at most `limit` times; how often it was done."""
    from_page, to_page = readers.get(source >> 12), writers.get(target >> 12)
    if from_page is None or to_page is None or source % size or target % size:
        return 0
    first, to = (source & PAGE_MASK) // size, (target & PAGE_MASK) // size
    times = min(limit, (len(to_page) - max(first, to)) // count - 1)
    if times <= 0 or from_page.obj is to_page.obj and abs(to - first) < times * count:
        return 0
    to_page[to : to + times * count] = from_page[first : first + times * count]
    return times
