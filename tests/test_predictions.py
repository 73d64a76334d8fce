"""Predictions: kept before the run, compared after it."""

from __future__ import annotations

import pytest

from axlab.course.displays import PredictionsResult
from axlab.course.predictions import Predictions, same
from axlab.errors import AxError


def test_a_prediction_can_be_changed_until_its_outcome_is_known() -> None:
    kept = Predictions()
    kept.predict("exits", "10")
    kept.predict("exits", "20")
    kept.compare("exits", 20)
    assert kept.made["exits"].right
    with pytest.raises(AxError) as caught:
        kept.predict("exits", "30")
    assert str(caught.value) == (
        "the outcome of exits is known; the prediction stays as it was before the run (it was 20)"
    )
    assert kept.predict("exits", "20").right  # the cell was run again


def test_no_prediction_can_be_made_afterwards() -> None:
    kept = Predictions()
    kept.predict("exits", "...")
    assert kept.compare("exits", 104).right is None
    with pytest.raises(AxError, match="none was made"):
        kept.predict("exits", "104")


def test_an_outcome_without_a_question_is_a_mistake() -> None:
    kept = Predictions()
    kept.predict("exits", "1")
    with pytest.raises(AxError, match="nothing was asked under the name 'exit'; did you mean exits?"):
        kept.compare("exit", 1)


@pytest.mark.parametrize(
    ("predicted", "outcome", "right"),
    [("10", "10", True), ("0x10", "16", True), ("16", "0x10", True), ("10", "10.0", True), ("running", "Running", True),
     ("'Running'", "Running", True), ("10", "11", False), ("Stopped", "Running", False), ("ten", "10", False)],
)  # fmt: skip
def test_numbers_are_compared_by_value_and_words_without_case(predicted: str, outcome: str, right: bool) -> None:
    assert same(predicted, outcome) is right


def test_at_the_end_all_predictions_stand_beside_what_came() -> None:
    kept = Predictions()
    for name, value, outcome in (("state", "Running", "Running"), ("exits", "9", 104), ("time", "...", 3)):
        kept.predict(name, value)
        kept.compare(name, outcome)
    assert PredictionsResult(predictions=kept).text().splitlines() == [
        "QUESTION PREDICTED OUTCOME",
        "-------- --------- ------- -",
        "state    Running   Running ✓",
        "exits    9         104     ✗",
        "time     ...       3       –",
        "1 of 3 as predicted",
    ]
