"""The course: checks of exercises, predictions, the labs' sources, and the grading of submissions.

What a check file imports is here: `from axlab.course import expect, seed`.
"""

from axlab.course.expectations import Mismatch, expect, expect_that
from axlab.course.guests import fresh, guest
from axlab.course.interleavings import Outcome, Step, explore, until
from axlab.course.seeds import Seed, seed

__all__ = [
    "Mismatch",
    "Outcome",
    "Seed",
    "Step",
    "expect",
    "expect_that",
    "explore",
    "fresh",
    "guest",
    "seed",
    "until",
]
