"""Predictions: what a student expects, kept before the run that answers it, and compared with it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.course.expectations import shown
from axlab.errors import AxError, nearest

OPEN = "..."  # what stands in a lab where a student is to write


@dataclass
class Prediction:
    """One question: the text that was predicted, and the outcome once it is known."""

    value: str = OPEN
    outcome: str | None = None

    @property
    def right(self) -> bool | None:
        """Whether it came as predicted; None where nothing was predicted or nothing has come yet."""
        if self.value == OPEN or self.outcome is None:
            return None
        return same(self.value, self.outcome)


@dataclass
class Predictions:
    """The predictions of one notebook, in the order in which they were asked."""

    made: dict[str, Prediction] = field(default_factory=dict)

    def predict(self, name: str, value: str) -> Prediction:
        """Keep a prediction. Raises AxError where its outcome is known already and the prediction differs."""
        known = self.made.get(name)
        if known and known.outcome is not None and value != known.value:
            before = "none was made" if known.value == OPEN else f"it was {known.value}"
            raise AxError(f"the outcome of {name} is known; the prediction stays as it was before the run ({before})")
        prediction = known if known and known.outcome is not None else Prediction(value)
        self.made[name] = prediction
        return prediction

    def compare(self, name: str, outcome: Any) -> Prediction:
        """Keep the outcome; from here on the prediction cannot be changed. Raises AxError for an unknown name."""
        if name not in self.made:
            raise AxError(f"nothing was asked under the name {name!r}{nearest(name, list(self.made))}")
        self.made[name].outcome = shown(outcome)
        return self.made[name]


def same(predicted: str, outcome: str) -> bool:
    """Numbers by value, other texts without regard to case, blanks and quotes."""
    try:
        return _number(predicted) == _number(outcome)
    except ValueError:
        return _plain(predicted) == _plain(outcome)


def _number(text: str) -> float:
    """A number in any of Python's forms, 0x200 among them. Raises ValueError."""
    try:
        return int(text, 0)
    except ValueError:
        return float(text)


def _plain(text: str) -> str:
    return " ".join(text.strip("'\" ").split()).casefold()
