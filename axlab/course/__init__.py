"""The course: checks of exercises, predictions, the labs' sources, and the grading of submissions.

What a check file imports is here: `from axlab.course import expect, seed`.
"""

from axlab.course.expectations import Mismatch, expect, expect_that
from axlab.course.guests import fresh, guest
from axlab.course.seeds import Seed, seed

__all__ = ["Mismatch", "Seed", "expect", "expect_that", "fresh", "guest", "seed"]
