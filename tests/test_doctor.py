"""The doctor says what is there, what is missing, for which feature, and how to get it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from axlab import doctor
from axlab.doctor import NEEDS, Finding, Need, Report, find

ROOT = Path(__file__).parent.parent


def test_what_is_installed_is_found_with_its_version() -> None:
    finding = find(Need("lark", "package", "grammars", "axlab"))
    assert finding.ok and finding.found[0].isdigit() and finding.remedy == ""


@pytest.mark.parametrize(
    ("need", "remedy"),
    [
        (Need("no-such-package-9", "package", "x", "axlab[parquet]"), '-m pip install "axlab[parquet]"'),
        (Need("no-such-program", "program", "x", "device-tree-compiler"), "apt-get install device-tree-compiler"),
        (Need("/no/such/file", "file", "x", "u-boot-qemu"), "apt-get install u-boot-qemu"),
    ],
)
def test_what_is_missing_comes_with_the_way_to_get_it(need: Need, remedy: str) -> None:
    finding = find(need)
    assert not finding.ok
    assert remedy in finding.remedy


def test_a_missing_extra_does_not_keep_axlab_from_running() -> None:
    report = Report((Finding(Need("x", "program", "an extra", "x-package"), "", "apt-get install x-package"),))
    assert report.ok
    assert report.text().splitlines()[1:] == [
        "⚠ x  (an extra)",
        "     missing; apt-get install x-package",
        "AxLab can run; 1 missing of 1.",
    ]


def test_a_missing_requirement_does() -> None:
    report = Report((Finding(Need("lark", "package", "grammars", "axlab", required=True), "", "pip"),))
    assert not report.ok
    assert report.text().endswith("AxLab cannot run; 1 missing of 1.")


def test_a_python_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PYTHON_NEEDED", (9, 9))
    assert not Report(()).ok
    assert "✗ Python 9.9 or newer is needed" in Report(()).text()


def test_the_report_is_json_too() -> None:
    report = json.loads(doctor.examine().json())
    assert report["ok"] is True
    assert {finding["name"] for finding in report["findings"]} == {need.name for need in NEEDS}
    assert all(finding["found"] or finding["remedy"] for finding in report["findings"])


def test_the_table_names_every_package_that_users_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    sources = {"axlab": project["dependencies"]} | {f"axlab[{name}]": extras[name] for name in extras}
    for source, requirements in sources.items():
        names = {requirement.split(">")[0].split("[")[0] for requirement in requirements}
        assert {need.name for need in NEEDS if need.source == source} == names


OF_EVERY_DEBIAN = {"apt", "dash", "util-linux"}


def test_every_debian_package_that_a_test_needs_is_in_the_table_and_installed_for_the_whole_run() -> None:
    calls = [
        match.group(1)
        for path in (ROOT / "tests").rglob("*.py")
        for match in re.finditer(r"\bneeds?\([^,\n]*, \"([a-z0-9-]+)\"\)", path.read_text(encoding="utf-8"))
    ]
    needed = set(calls) - OF_EVERY_DEBIAN
    assert "qemu-system-arm" in needed
    assert needed <= {need.source for need in NEEDS}
    (listed,) = re.findall(r'PACKAGES="([^"]*)"', (ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert needed <= set(listed.split())
