"""The form of a configuration: every table, key and row by the schema. What is wrong is reported, and becomes BAD."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from axlab.errors import nearest
from axlab.vmm import config_schema as schema
from axlab.vmm.config_findings import Report, counted, shown
from axlab.vmm.config_schema import Key, Table

if TYPE_CHECKING:
    from axlab.vmm.config_positions import Path as KeyPath

BAD = object()
"""In place of a value that was found wrong, so that nothing is said of it twice."""


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
