"""A configuration as TOML text, in the schema's order and the schema's number styles."""

from __future__ import annotations

import json
from typing import Any

from axlab.vmm import config_schema as schema
from axlab.vmm.config import VmConfig
from axlab.vmm.config_schema import Key


def to_toml(config: VmConfig) -> str:
    """The configuration as a file; what is at its default or None is left out."""
    lines: list[str] = []
    for table in schema.TABLES:
        values = {key.name: effective(config, table.name, key) for key in table.keys}
        rows = [
            f"{key.name} = {written(key, values[key.name])}" for key in table.keys if is_written(key, values[key.name])
        ]
        if rows or table.required:
            lines += ["", f"[{table.name}]", *rows]
    return "\n".join(lines[1:]) + "\n"


def is_written(key: Key, value: Any) -> bool:
    """Whether a key must stand in the file."""
    return key.required or key.always or value not in (None, key.default)


def effective(config: VmConfig, table: str, key: Key) -> Any:
    """A key's value, with dataclasses taken apart into rows."""
    value = getattr(getattr(config, table), key.name, None)
    if key.kind != "rows" or value is None:
        return value
    return tuple(row_of(item) for item in value)


def row_of(item: Any) -> tuple[Any, ...]:
    """An element of an array of rows in the file's order of fields."""
    if isinstance(item, str):
        return (item,)
    if getattr(item, "path", ""):
        return (item.path,)
    fields = [name for name in type(item).__dataclass_fields__ if name != "path"]
    return tuple(getattr(item, name) for name in fields)


def written(key: Key, value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return number(key, value)
    if isinstance(value, str):
        return quoted(value)
    if key.kind == "rows":
        rows = [row_text(key, row) for row in value]
        return f"[{''.join(rows)}]" if len(rows) < 2 else "[\n" + "".join(f"  {row},\n" for row in rows) + "]"
    return "[" + ", ".join(number(key, item) for item in value) + "]"


def row_text(key: Key, row: tuple[Any, ...]) -> str:
    return "[" + ", ".join(written(item, value) for item, value in zip(key.fields, row, strict=False)) + "]"


def number(key: Key, value: int) -> str:
    """A number as people write it: addresses and sizes in hexadecimal, grouped by four digits."""
    return str(value) if key.style == "count" else f"{value:#_x}"


def quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are all TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
