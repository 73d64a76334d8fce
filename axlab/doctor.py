"""`axlab doctor`: what is installed, what is missing for which feature, and how to get it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from axlab import __version__

PYTHON_NEEDED = (3, 11)
U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
ARM_LIBC = "/usr/aarch64-linux-gnu/lib/libc.a"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a feature needs. `kind`: "package" (Python's), "program" (on PATH) or "file".

    `source`: the pip requirement, or the Debian package. `required`: AxLab does not run without it.
    """

    name: str
    kind: str
    feature: str
    source: str
    required: bool = False


# fmt: off
NEEDS = (
    Need("lark",         "package", "reading the grammars (instructions, shell, filters)", "axlab", required=True),
    Need("pyelftools",   "package", "ELF images",                                     "axlab"),
    Need("tqdm",         "package", "progress in the terminal",                       "axlab"),
    Need("ipython",      "package", "%vm in notebooks, the interactive shell",        "axlab"),
    Need("pandas",       "package", "traces as DataFrames",                           "axlab"),
    Need("matplotlib",   "package", "`plot` of frames",                               "axlab"),
    Need("ipywidgets",   "package", "live views in notebooks",                        "axlab"),
    Need("anywidget",    "package", "live views in notebooks",                        "axlab"),
    Need("jupyterlab",   "package", "the notebooks",                                  "axlab[lab]"),
    Need("voila",        "package", "notebooks served as pages",                      "axlab[lab]"),
    Need("pyarrow",      "package", "traces as .parquet and .arrow files",            "axlab[parquet]"),
    Need("pyarrow",      "package", "many runs kept as Parquet",                      "axlab[scale]"),
    Need("joblib",       "package", "many runs at once",                              "axlab[scale]"),
    Need("cloudpickle",  "package", "many runs of a function of yours",               "axlab[scale]"),
    Need("dask",         "package", "many runs on several machines",                  "axlab[scale]"),
    Need("duckdb",       "package", "questions about many traces in SQL",             "axlab[scale]"),
    Need("aarch64-linux-gnu-gcc",     "program", "guests written in C",               "gcc-aarch64-linux-gnu"),
    Need("gdb-multiarch",             "program", "a debugger for guests",             "gdb-multiarch"),
    Need(U_BOOT,                      "file",    "Debian's U-Boot as a guest",        "u-boot-qemu"),
    Need("aarch64-linux-gnu-as",      "program", "tests: the assembler's oracle",     "binutils-aarch64-linux-gnu"),
    Need("aarch64-linux-gnu-objdump", "program", "tests: the disassembler's oracle",  "binutils-aarch64-linux-gnu"),
    Need("llvm-mc",                   "program", "tests: the disassembler's oracle",  "llvm"),
    Need(ARM_LIBC,                    "file",    "tests: programs for a guest's EL0", "libc6-dev-arm64-cross"),
    Need("qemu-system-aarch64",       "program", "tests: the machine's oracle",       "qemu-system-arm"),
    Need("dtc",                       "program", "tests: the device tree's oracle",   "device-tree-compiler"),
    Need("chromium",                  "program", "tests: notebooks in a browser",     "chromium"),
    Need("node",                      "program", "tests: the trace processor of Perfetto", "nodejs"),
    Need("unicorn",                   "package", "tests: the instructions' oracle",   "unicorn"),
    Need("capstone",                  "package", "tests: the decoder's oracle",       "capstone"),
    Need("playwright",                "package", "tests: notebooks in a browser",     "playwright"),
    Need("nbval",                     "package", "tests: notebooks give what they show", "nbval"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a need: a version or a path, or "" where it is missing; then `remedy` says how to get it."""

    need: Need
    found: str
    remedy: str

    @property
    def ok(self) -> bool:
        return bool(self.found)


def find(need: Need) -> Finding:
    """Look for one need."""
    found = FINDERS[need.kind](need.name)
    return Finding(need, found, "" if found else remedy(need))


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _program(name: str) -> str:
    return shutil.which(name) or ""


def _file(name: str) -> str:
    return name if Path(name).is_file() else ""


FINDERS = {"package": _package, "program": _program, "file": _file}


def remedy(need: Need) -> str:
    """How to get what a need asks for."""
    if need.kind == "package":
        return f'{Path(sys.executable).name} -m pip install "{need.source}"'
    package = f"apt-get install {need.source}"
    return package if sys.platform == "linux" else f"Debian: {package}; elsewhere: the package that holds {need.name}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that `axlab doctor` says."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether AxLab can run: nothing required is missing."""
        return python_fits() and all(finding.ok for finding in self.findings if finding.need.required)

    def text(self) -> str:
        """For people: what is there, then what is missing, why it matters, and how to get it."""
        lines = [f"AxLab {__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
        if not python_fits():
            lines.append(f"✗ Python {PYTHON_NEEDED[0]}.{PYTHON_NEEDED[1]} or newer is needed")
        width = max((len(finding.need.name) for finding in self.findings if finding.need.kind != "file"), default=0)
        for finding in self.findings:
            mark = "✓" if finding.ok else "✗" if finding.need.required else "⚠"
            name, feature = finding.need.name, finding.need.feature
            what = f"{finding.found}  " if finding.need.kind == "package" and finding.ok else ""
            lines.append(f"{mark} {name:<{width}}  {what}({feature})")
            if not finding.ok:
                lines.append(f"  {'':<{width}}  missing; {finding.remedy}")
        missing = sum(not finding.ok for finding in self.findings)
        verdict = "AxLab can run" if self.ok else "AxLab cannot run"
        lines.append(f"{verdict}; {f'{missing} missing of {len(self.findings)}' if missing else 'nothing is missing'}.")
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: `{"axlab", "python", "system", "machine", "ok", "findings": [{name, kind, feature, ...}]}`."""
        head = {
            "axlab": __version__,
            "python": platform.python_version(),
            "system": platform.system(),
            "machine": platform.machine(),
            "ok": self.ok,
        }
        findings = [
            asdict(finding.need) | {"found": finding.found, "ok": finding.ok, "remedy": finding.remedy}
            for finding in self.findings
        ]
        return json.dumps(head | {"findings": findings}, indent=2, ensure_ascii=False)


def python_fits() -> bool:
    """Whether this Python is new enough."""
    return sys.version_info[:2] >= PYTHON_NEEDED


def examine() -> Report:
    """Look for everything."""
    return Report(tuple(find(need) for need in NEEDS))
