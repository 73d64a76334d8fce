"""What all tests share: how much to run, which programs they need, and examples that never vary."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import schedule
from notebook_cells import ip  # noqa: F401 -- a fixture

# The same examples on every run and machine, and no time limit on an example: a slow machine is no defect.
hypothesis.settings.register_profile(
    "axlab",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.register_profile("axlab-long", hypothesis.settings.get_profile("axlab"), max_examples=1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the whole volume of fuzz and property tests")


def pytest_configure(config: pytest.Config) -> None:
    os.environ["AXLAB_CACHE"] = "off"  # a test must not depend on what ran before it, nor leave anything behind
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that has put the tests in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # they send Ctrl-C to themselves and what they start
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # tests start hundreds of processes: compile AxLab once for all
    hypothesis.settings.load_profile("axlab-long" if config.getoption("--long") else "axlab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    schedule.longest_first(items)


def pytest_collection_finish() -> None:
    gc.freeze()  # thousands of tests stay to the end: whoever looks for garbage need not look at them


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return schedule.made(config, log)


@pytest.fixture(scope="session")
def volume(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How much of a fuzz or property test to run: all of it with --long, a twentieth otherwise."""
    long = bool(request.config.getoption("--long"))
    return lambda whole: whole if long else max(1, whole // 20)


@pytest.fixture(scope="session")
def needs() -> Callable[[str, str], str]:
    """`needs("dtc", "device-tree-compiler")`: where a program (or a file, by its path) is.

    Where it is missing the test is skipped, naming the Debian package; with CI=true in the
    environment that is a failure, because there everything is installed.
    """
    return need


def need(program: str, debian_package: str) -> str:
    """See the fixture `needs`."""
    found = program if Path(program).is_absolute() and Path(program).exists() else shutil.which(program)
    if found:
        return found
    message = f"{program} is not installed: apt-get install {debian_package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
