"""What a check expects of a student's work. A difference is an AssertionError, as otter-grader wants it."""

from __future__ import annotations

from typing import Any

LONGEST = 400  # characters of a value that a message shows


class Mismatch(AssertionError):
    """Something is otherwise than expected: `what` was looked at, and the two values as text."""

    def __init__(self, what: str, wanted: str, got: str) -> None:
        super().__init__(f"{what}: expected {wanted}, got {got}")
        self.what, self.wanted, self.got = what, wanted, got


def expect(what: str, got: Any, wanted: Any) -> None:
    """Return if `got` equals `wanted`; raise Mismatch otherwise.

    >>> expect("the state after 'vm start 0'", vm.state, "Running")
    """
    if not bool(got == wanted):
        raise Mismatch(what, shown(wanted), shown(got))


def expect_that(what: str, holds: bool, got: Any, wanted: str) -> None:
    """Return if `holds`; raise Mismatch otherwise. `wanted` is in words: "at most 40 exits"."""
    if not holds:
        raise Mismatch(what, wanted, shown(got))


def shown(value: Any) -> str:
    """A value as a message shows it: text as it is, everything else as Python writes it, bounded."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # a student's own __repr__
        text = f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
