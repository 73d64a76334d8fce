"""Templates: what folding leaves of a row for one shape, and how its holes are filled."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from axlab.machine.isa.table import Row
from axlab.machine.translator.fold import Folder
from axlab.machine.translator.records import Record
from axlab.machine.translator.values import Unfoldable

Fill = Callable[..., tuple[str, ...]]


@dataclass(slots=True)
class Template:
    """Records whose texts are replaced by their places in what `fill(*fields, pc)` returns.

    `may_fault`: it may raise where it stands. `hides_flags`: it sets the flags before anything can see what they were.
    """

    records: list[Record]
    fill: Fill
    may_fault: bool
    hides_flags: bool


@dataclass(slots=True)
class Question:
    """A path through the function depends on `ask(*fields)`; what follows is by answer."""

    ask: Callable[..., int]
    answers: dict[int, Question | Template | None] = field(default_factory=dict)


@dataclass(slots=True)
class RowTemplates:
    """The templates of a row: a tree of questions to an instruction's fields, with templates as leaves."""

    row: Row
    function: Callable[..., Any]
    root: dict[int, Question | Template | None] = field(default_factory=dict)

    def template(self, fields: tuple[int, ...]) -> Template | None:
        """The template for an instruction with these fields; None where its row does not fold."""
        answers, answer = self.root, 0
        while answer in answers:
            found = answers[answer]
            if not isinstance(found, Question):
                return found
            answers, answer = found.answers, int(found.ask(*fields))
        return self.grown(fields)

    def grown(self, fields: tuple[int, ...]) -> Template | None:
        """The same for the first instruction of its shape; the tree knows it from now on."""
        answers, answer = self.root, 0

        def ask(source: str) -> int:
            nonlocal answers, answer
            question = answers.get(answer)
            if not isinstance(question, Question):
                question = answers[answer] = Question(self.compiled(source, ()))
            answers, answer = question.answers, int(question.ask(*fields))
            return answer

        made = self.folded(ask)
        answers[answer] = made
        return made

    def folded(self, answer: Callable[[str], int]) -> Template | None:
        """The template of the shape that the answers choose, if it folds."""
        widths = {name: width for name, (_, width) in self.row.fields.items()}
        try:
            records = Folder(self.function, widths, answer).fold()
        except Unfoldable:
            return None
        texts: list[str] = []
        number_texts(records, texts)
        source = "(" + "".join(f'f"{source}",' for source in texts) + ")"
        fill = self.compiled(source, ("pc",))
        return Template(records, fill, may_fault(records), hides_flags(records))

    def compiled(self, source: str, more: tuple[str, ...]) -> Callable[..., Any]:
        return compiled((*self.row.fields, *more), source, self.function.__module__)


def may_fault(records: list[Record]) -> bool:
    """Whether any record accesses memory or checks the stack pointer."""
    return any(
        record.kind in ("memory", "check_sp") or may_fault(record.body) or may_fault(record.orelse)
        for record in records
    )


def hides_flags(records: list[Record]) -> bool:
    """Whether the flags are set before any record reads them, may fault or leaves the block."""
    for record in records:
        if record.kind not in ("line", "flags") or any("@" in text for text in record.texts):
            return False
        if record.kind == "flags":
            return True
    return False


def number_texts(records: list[Record], texts: list[str]) -> None:
    """Gather the texts of records, and leave in each record where its texts stand."""
    for record in records:
        record.places = range(len(texts), len(texts) + len(record.texts))
        texts.extend(record.texts)
        number_texts(record.body, texts)
        number_texts(record.orelse, texts)


@cache
def compiled(parameters: tuple[str, ...], source: str, module: str) -> Callable[..., Any]:
    """A function of a row's fields, and perhaps `pc`, in a module of semantics. `source` is from there and the rows."""
    function: Callable[..., Any] = eval(f"lambda {','.join(parameters)}: {source}", vars(sys.modules[module]))
    return function
