"""From TOML text to a `VmConfig`: the form by the schema, then what the values mean together.

Nothing is raised and nothing stops at the first mistake: everything wrong is found at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axlab.errors import AxError, nearest
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
    Severity,
    VmConfig,
)
from axlab.vmm.config_positions import Path as KeyPath
from axlab.vmm.config_positions import positions
from axlab.vmm.config_schema import Key, Table

TOML_LIMIT = 1 << 20
"""A configuration is a page of text. What is larger than this is something else."""

BAD = object()
"""In place of a value that was found wrong, so that nothing is said of it twice."""


@dataclass
class Report:
    """Collects findings; `lines` knows where every key stands."""

    file: str
    purpose: Purpose
    lines: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, path: KeyPath, message: str, severity: Severity = "error") -> None:
        self.findings.append(Finding(self.file, spelled(path), self.line_of(path), severity, message))

    def line_of(self, path: KeyPath) -> int:
        """The line of a path, or of the nearest thing around it that has one; 0 for nothing."""
        around = (path[:length] for length in range(len(path), 0, -1))
        return next((self.lines[spelled(part)] for part in around if spelled(part) in self.lines), 0)

    def error(self, path: KeyPath, message: str) -> None:
        """Wrong for everybody."""
        self.add(path, message)

    def warn(self, path: KeyPath, message: str) -> None:
        """Strange, but nothing stops."""
        self.add(path, message, "warning")

    def refuse(self, path: KeyPath, message: str) -> None:
        """Depends on the machine that runs it: `check` warns, `create` refuses."""
        self.add(path, message, "warning" if self.purpose == "check" else "error")

    @property
    def failed(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


def spelled(path: KeyPath) -> str:
    """A path as people write it: `kernel.memory_regions[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else repr(part)
            text += f".{bare}" if text else bare
    return text


def shown(value: object, key: Key | None = None) -> str:
    """A value as it would stand in the file, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        if value.bit_length() > 80:
            return f"a number of {value.bit_length()} bits"
        return f"{value:#x}" if key is None or key.style != "count" else str(value)
    if isinstance(value, list):
        text = f"[{', '.join(shown(item) for item in value[:9])}]"
    else:
        text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def counted(number: int, what: str) -> str:
    """`1 field`, `2 fields`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# --- reading ---------------------------------------------------------------------------------------


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
    from axlab.vmm.config_meaning import check_meaning

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


# --- the form --------------------------------------------------------------------------------------


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
    from axlab.vmm.config_meaning import check_meaning

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


def hint_for(path: tuple[str, ...], known: list[str]) -> str:
    """What an unknown key may have meant: a later AxVisor's form, a key of another table, the nearest one."""
    newer = schema.NEWER_FORMS.get(".".join(path))
    if newer is not None:
        return f" (of a later AxVisor); here it is: {newer}"
    where = home_of(path[-1], path[0])
    return f"; it belongs into [{where}]" if where else nearest(path[-1], known)


def home_of(name: str, but: str = "") -> str:
    """The table that has a key of that name, or nothing."""
    return next((t.name for t in schema.TABLES if t.name != but and any(k.name == name for k in t.keys)), "")


def checked_table(table: Table, given: object, report: Report) -> dict[str, Any]:
    """Every key of a table, given or by default."""
    if given is None:
        if table.required:
            needed = ", ".join(key.name for key in table.keys if key.required)
            what = f"; it needs {needed}" if needed else ""
            if table.name == "devices":
                report.warn((), "[devices] is missing: the guest gets no device and no interrupt")
            else:
                report.error((), f"[{table.name}] is missing: {table.about}"[:-1] + what)
        return {key.name: BAD if key.required else key.default for key in table.keys}
    if not isinstance(given, dict):
        report.error((table.name,), f"{shown(given)} is no table; write [{table.name}] and its keys below")
        return {key.name: BAD if key.required else key.default for key in table.keys}
    names = [key.name for key in table.keys]
    for name in given:
        if name not in names:
            report.warn((table.name, name), f"unknown key{hint_for((table.name, name), names)}")
    return {key.name: checked_key(table, key, given, report) for key in table.keys}


def checked_key(table: Table, key: Key, given: dict[str, Any], report: Report) -> Any:
    """One key's value, its default, or BAD."""
    path = (table.name, key.name)
    if key.name in given:
        return CHECKERS[key.kind](key, given[key.name], path, report)
    if key.required:
        report.add((table.name,), f"{key.name} is missing; write for example: {key.name} = {key.example}")
        return BAD
    return key.default


def checked_integer(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    field_name = field_of(key, path)
    if not isinstance(value, int) or isinstance(value, bool):
        report.error(path, f"{field_name}{shown(value)} is no integer; write a number without quotes{such_as(key)}")
        return BAD
    if key.choices is not None:
        return checked_choice(key, value, path, report)
    if not key.low <= value <= key.high:
        low, high = shown(key.low, key), shown(key.high, key)
        report.error(path, f"{field_name}{shown(value, key)} is out of range; right is {low} to {high}")
        return BAD
    return value


def checked_string(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    field_name = field_of(key, path)
    if not isinstance(value, str):
        report.error(path, f"{field_name}{shown(value)} is no string; write it in quotes{such_as(key)}")
        return BAD
    if "\0" in value:
        report.error(path, f"{field_name}{value[:60]!r} has a NUL character")
        return BAD
    return checked_choice(key, value, path, report) if key.choices is not None else value


def checked_choice(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    choices = key.choices or {}
    if value not in choices:
        right = ", ".join(shown(choice, key) for choice in choices)
        hint = nearest(value, [str(choice) for choice in choices]) if isinstance(value, str) else ""
        report.error(path, f"{field_of(key, path)}{shown(value, key)} is none of {right}{hint}")
        return BAD
    return choices[value]


def checked_boolean(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    if not isinstance(value, bool):
        report.error(path, f"{field_of(key, path)}{shown(value, key)} is neither true nor false")
        return BAD
    return value


def checked_integers(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    if not isinstance(value, list):
        right = f"; write [{shown(value, key)}]" if isinstance(value, int) else such_as(key)
        report.error(path, f"{field_of(key, path)}{shown(value, key)} is no array{right}")
        return BAD
    numbers = [checked_integer(key, item, (*path, i), report) for i, item in enumerate(value)]
    return BAD if BAD in numbers else tuple(numbers)


def checked_rows(key: Key, value: object, path: KeyPath, report: Report) -> Any:
    """An array of rows; a row is an array, or an inline table with the fields' names."""
    if not isinstance(value, list):
        report.error(path, f"{shown(value, key)} is no array; write {key.name} = {key.example}")
        return BAD
    rows = [checked_row(key, row, (*path, i), report) for i, row in enumerate(value)]
    return BAD if BAD in rows else tuple(rows)


def checked_row(key: Key, row: object, path: KeyPath, report: Report) -> Any:
    names = [item.name for item in key.fields]
    if isinstance(row, str) and key.shortest == 1:
        report.error(path, f'"{row}" must stand in brackets of its own: ["{row}"]')
        return BAD
    if isinstance(row, dict):
        return checked_fields(key, row, {name: (*path, name) for name in names}, path, report)
    if not isinstance(row, list):
        report.error(path, f"{shown(row)} is no array; write [{', '.join(names)}]")
        return BAD
    if not key.shortest <= len(row) <= len(names):
        most = f" to {len(names)}" if len(names) > key.shortest else ""
        report.error(
            path, f"{shown(row)} has {counted(len(row), 'field')}; right is {key.shortest}{most}: [{', '.join(names)}]"
        )
        return BAD
    places: dict[str, KeyPath] = {name: (*path, index) for index, name in enumerate(names)}
    return checked_fields(key, dict(zip(names, row, strict=False)), places, path, report)


def checked_fields(key: Key, given: dict[str, Any], paths: dict[str, KeyPath], path: KeyPath, report: Report) -> Any:
    """The row's fields in their order, or BAD."""
    for name in given:
        if name not in paths:
            report.warn((*path, name), f"unknown field{nearest(name, list(paths))}")
    values = []
    for item in key.fields:
        if item.name in given:
            values.append(CHECKERS[item.kind](item, given[item.name], paths[item.name], report))
        elif item.required:
            report.error(path, f"{item.name} is missing: {item.about}")
            values.append(BAD)
        else:
            values.append(item.default)
    return BAD if BAD in values else tuple(values)


CHECKERS: dict[str, Callable[[Key, object, KeyPath, Report], Any]] = {
    "integer": checked_integer,
    "string": checked_string,
    "boolean": checked_boolean,
    "integers": checked_integers,
    "rows": checked_rows,
}


def field_of(key: Key, path: KeyPath) -> str:
    """The field's name before the value, where the path ends in a number and does not say it."""
    return f"{key.name} " if path and isinstance(path[-1], int) else ""


def such_as(key: Key) -> str:
    return f", such as {key.example}" if key.example else ""


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
