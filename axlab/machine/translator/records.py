"""What a template is made of."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Record:
    """One piece of a template. `high` is the most that an assigned value, which is not negative, can be: None if
    nothing is known. `kind` and what `texts` are:

    line [statement] · memory [statement that may fault] · flags [a, b], `name` the operation ·
    if [test], `body` and `orelse` · branch [target], jump [target that is computed] · check_sp []
    """

    kind: str
    texts: list[str] = field(default_factory=list)
    name: str = ""
    high: int | None = None
    body: list[Record] = field(default_factory=list)
    orelse: list[Record] = field(default_factory=list)
    places: range = range(0)
