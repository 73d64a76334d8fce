"""What is installed: the same by pip and by conda, and complete."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

from axlab import __version__, languages

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

# What conda-forge calls otherwise, or keeps in several packages.
CONDA_NAMES = {
    "matplotlib": ["matplotlib-base"],
    "dask": ["dask", "distributed"],
    "duckdb": ["python-duckdb"],
}
ONLY_CONDA = {"pip"}


def by_pip() -> dict[str, SpecifierSet]:
    """conda's name -> range, of all that pyproject.toml asks for."""
    wanted = {"python": SpecifierSet(PROJECT["requires-python"])}
    for text in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        requirement = Requirement(text)
        for name in CONDA_NAMES.get(requirement.name, [requirement.name]):
            wanted[name] = requirement.specifier
    return wanted


def by_conda() -> dict[str, SpecifierSet]:
    specs = [MatchSpec(text) for text in CONDA["dependencies"]]
    return {
        spec.name.normalized: SpecifierSet(str(spec.version or ""))
        for spec in specs
        if spec.name.normalized not in ONLY_CONDA
    }


def test_conda_and_pip_ask_for_the_same_packages_in_the_same_ranges() -> None:
    assert by_conda() == by_pip()


@pytest.mark.parametrize("text", CONDA["dependencies"])
def test_every_conda_line_is_a_spec_that_conda_can_read(text: str) -> None:
    assert MatchSpec(text, strict=True).name is not None


def test_every_range_has_a_lower_bound() -> None:
    for text in PROJECT["dependencies"]:
        assert ">=" in str(Requirement(text).specifier), text


def test_the_versions_agree() -> None:
    assert PROJECT["version"] == __version__


def test_what_a_browser_cannot_have_is_left_out_there() -> None:
    marked = {Requirement(text).name for text in PROJECT["dependencies"] if Requirement(text).marker}
    assert marked == {"pandas", "matplotlib"}


def test_the_installed_versions_are_in_the_ranges() -> None:
    from importlib.metadata import version

    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(version(requirement.name)), text


def test_a_grammar_is_read_from_the_checkout() -> None:
    assert languages.read_grammar("a64.isa").strip()


def test_a_grammar_that_is_not_there_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        languages.read_grammar("nothing.lark")


@pytest.mark.slow
def test_the_wheel_holds_the_package_with_its_grammars_guests_and_checks(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        file.extractall(tmp_path / "site")
    grammars = {f"axlab/grammars/{path.name}" for path in (ROOT / "grammars").iterdir()}
    guests = {f"axlab/guests/{path.name}" for path in (ROOT / "axlab/guests").iterdir() if path.is_file()}
    checks = {f"axlab/course/checks/{path.name}" for path in (ROOT / "notebooks/checks").glob("*.py")}
    assert grammars | guests | checks <= set(names)
    program = "from axlab import languages, guests; print(languages.folder()); guests.source('demo')"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "site", capture_output=True, text=True, check=True
    )
    assert Path(result.stdout.strip()) == tmp_path / "site/axlab/grammars"


def test_the_license_is_apache_2() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0", (ROOT / "LICENSE").read_text(encoding="utf-8"))
