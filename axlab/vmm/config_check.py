"""From TOML text to a `VmConfig`: the form by the schema, then what the values mean together.

Nothing is raised and nothing stops at the first mistake: everything wrong is found at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.vmm import config_schema as schema
from axlab.vmm.config import (
    AddressRange,
    AxlabConfig,
    BaseConfig,
    Checked,
    DevicesConfig,
    EmulatedDevice,
    Finding,
    Host,
    KernelConfig,
    MemoryRegion,
    PassthroughDevice,
    Purpose,
    VmConfig,
)
from axlab.vmm.config_findings import Report, spelled
from axlab.vmm.config_form import BAD, checked_table, hint_for
from axlab.vmm.config_meaning import check_meaning

TOML_LIMIT = 1 << 20
"""A configuration is a page of text. What is larger than this is something else."""


def read_text(path: Path) -> str:
    """The text of a configuration file. Raises `AxError` with the reason and what would be right."""
    try:
        if path.is_dir():
            raise AxError("is a directory; name the TOML file in it", source=str(path))
        with path.open("rb") as file:
            data = file.read(TOML_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise AxError(f"cannot be read: {reason(error)}", source=str(path)) from None
    if len(data) > TOML_LIMIT:
        raise AxError("is larger than 1 MB: that is no VM configuration; is it the image?", source=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AxError(
            f"byte {data[error.start]:#04x} is no UTF-8 text; a VM configuration is a TOML file in UTF-8",
            source=str(path),
            line=line,
        ) from None


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def check_text(text: str, source: str, folder: str, purpose: Purpose, host: Host) -> Checked:
    """All findings of a text, in the order of its lines, and the configuration if there is no error."""
    import tomllib

    from axlab.vmm.config_positions import positions

    report = Report(source, purpose)
    config = None
    try:
        document = tomllib.loads(text)
        report.lines = {spelled(path): line for path, line in positions(text).items()}
    except tomllib.TOMLDecodeError as error:
        report.findings.append(syntax_finding(text, source, str(error)))
    except RecursionError:
        report.error((), "brackets are nested too deeply")
    except ValueError as error:
        report.error((), f"is no TOML that can be read: {error}")
    else:
        config = checked_document(document, report, source, folder, host)
    report.findings.sort(key=lambda finding: finding.line)
    return Checked(None if report.failed else config, report.findings)


def check_document(document: dict[str, Any], source: str, folder: str, purpose: Purpose, host: Host) -> Checked:
    """All findings of a TOML document that was parsed already (and perhaps changed), so without lines."""
    report = Report(source, purpose)
    config = checked_document(document, report, source, folder, host)
    return Checked(None if report.failed else config, report.findings)


def syntax_finding(text: str, source: str, message: str) -> Finding:
    """tomllib's complaint, with the line and a caret under the column."""
    what, _, place = message.partition(" (at ")
    lines = text.splitlines() or [""]
    found = re.search(r"line (\d+), column (\d+)", place)
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    wrong = lines[line - 1] if line <= len(lines) else ""
    caret = re.sub(r"[^\t]", " ", wrong[: column - 1]) + "^"
    where = f"column {column}" if found else "end of the file"
    return Finding(source, "", line, "error", f"{where}: {what}\n  {wrong}\n  {caret}")


def check_config(config: VmConfig, host: Host) -> list[Finding]:
    """What a host has against a configuration whose form is right: for `create`, so all of it refuses."""
    report = Report(config.source, "create", config.lines)
    check_meaning(config, report, host)
    return report.findings


def check(paths: Iterable[str | Path], images: bool = False, host: Host | None = None) -> list[Finding]:
    """`axlab config check`: all findings of all files; with `images` also what is wrong with the files they name."""
    from axlab.vmm.load_plan import problems

    found: list[Finding] = []
    for path in paths:
        try:
            text = read_text(Path(path))
        except AxError as error:
            found.append(Finding(str(path), "", error.line, "error", error.message))
            continue
        checked = check_text(text, str(path), str(Path(path).parent), "check", host or Host())
        found += checked.findings
        if images and checked.config is not None:
            told = {finding.key for finding in checked.findings}
            found += [problem for problem in problems(checked.config) if problem.key not in told]
    return found


# --- from a document to the configuration ------------------------------------------------------------


def checked_document(document: dict[str, Any], report: Report, source: str, folder: str, host: Host) -> VmConfig:
    """The configuration of a parsed file. What is wrong in form is replaced, so that the meaning of the rest is
    looked at, too."""
    known = [table.name for table in schema.TABLES]
    for name in document:
        if name not in known:
            report.warn((name,), f"unknown table or key{hint_for((name,), known)}")
    values = {table.name: checked_table(table, document.get(table.name), report) for table in schema.TABLES}
    wrong = {f"{table}.{key}" for table, keys in values.items() for key, value in keys.items() if value is BAD}
    for name in wrong:
        table, _, key = name.partition(".")
        values[table][key] = STAND_INS.get(name, schema.table(table).key(key).default)
    config = built(values, source, folder, report.lines)
    check_meaning(config, report, host, wrong)
    return config


STAND_INS = {
    "base.id": 0,
    "base.name": "x",
    "base.vm_type": 1,
    "base.cpu_num": 1,
    "kernel.kernel_path": "x",
    "kernel.memory_regions": (),
}
"""For required keys that are wrong; no rule that reads one of them is asked."""


# --- the values ------------------------------------------------------------------------------------


def built(values: dict[str, dict[str, Any]], source: str, folder: str, lines: dict[str, int]) -> VmConfig:
    """The dataclasses from values that the schema admits."""
    base, kernel, devices = dict(values["base"]), dict(values["kernel"]), dict(values["devices"])
    mask = base.pop("cpu_set")
    if mask is not None and base["phys_cpu_sets"] is None:
        base["phys_cpu_sets"] = (mask,) * base["cpu_num"]
    kernel["memory_regions"] = tuple(MemoryRegion(*row) for row in kernel["memory_regions"])
    devices["emu_devices"] = tuple(EmulatedDevice(*row) for row in devices["emu_devices"])
    devices["passthrough_devices"] = tuple(map(passthrough, devices["passthrough_devices"]))
    devices["excluded_devices"] = tuple(row[0] for row in devices["excluded_devices"])
    devices["passthrough_addresses"] = tuple(AddressRange(*row) for row in devices["passthrough_addresses"])
    return VmConfig(
        BaseConfig(**base),
        KernelConfig(**kernel),
        DevicesConfig(**devices),
        AxlabConfig(**values["axlab"]),
        source,
        folder,
        lines,
    )


def passthrough(row: tuple[str, int, int, int, int]) -> PassthroughDevice:
    """By path where the row begins with one and gives no addresses, else by address."""
    name, gpa, hpa, length, irq = row
    if name.startswith("/") and not length:
        return PassthroughDevice(path=name)
    return PassthroughDevice("", name, gpa, hpa, length, irq)
