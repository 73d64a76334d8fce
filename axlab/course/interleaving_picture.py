"""An order of steps as a picture: time goes down, each thread has a column."""

from __future__ import annotations

from axlab.course.interleavings import Outcome
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture

LEFT, TOP, ROW, COLUMN = 44, 46, 26, 260
SIZE = 12
COLOURS = (d.BLUE, d.GREEN, d.ORANGE, d.PURPLE)


def draw(outcome: Outcome) -> Picture:
    """The steps of an outcome. One that is good has none: the picture says so."""
    text = repr(outcome)
    if outcome.ok:
        parts = [d.words(LEFT, 30, text, size=13, fill=d.GREEN)]
        return Picture(d.document(700, 48, text, parts), text, text)
    columns = {name: LEFT + place * COLUMN for place, name in enumerate(outcome.threads)}
    bottom = TOP + ROW * len(outcome.steps) + 8
    parts = []
    for place, (name, x) in enumerate(columns.items()):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(d.words(x, 24, name, size=13, bold=True, fill=colour))
        parts.append(d.rule(x + 4, 32, x + 4, bottom, colour=colour, opacity=d.FAINT))
    for number, step in enumerate(outcome.steps):
        y = TOP + ROW * number
        x = columns[step.thread]
        colour = COLOURS[outcome.threads.index(step.thread) % len(COLOURS)]
        parts.append(d.words(LEFT - 12, y + 16, str(number + 1), size=10, anchor="end"))
        parts.append(d.box(x, y + 2, 8, ROW - 6, colour))
        parts.append(d.words(x + 16, y + 16, d.fitted(step.name, COLUMN - 28, SIZE), size=SIZE))
    for name in outcome.waiting:
        parts.append(d.words(columns[name] + 16, bottom + 8, "… for ever", size=SIZE, fill=d.RED, bold=True))
    parts.append(d.words(LEFT, bottom + 32, f"✗ {outcome.wrong}", size=13, fill=d.RED, bold=True))
    width = LEFT + max(COLUMN * len(columns), 460)
    alt = f"Steps of {', '.join(outcome.threads)}, in an order that goes wrong: {outcome.wrong}"
    return Picture(d.document(width, bottom + 48, alt, parts), alt, text)
