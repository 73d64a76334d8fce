"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the whole volume of fuzz and property tests")


@pytest.fixture(scope="session")
def volume(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How much of a fuzz or property test to run: all of it with --long, a tenth otherwise."""
    long = bool(request.config.getoption("--long"))
    return lambda whole: whole if long else max(1, whole // 10)
