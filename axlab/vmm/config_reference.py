"""The reference page of configuration files, printed from the schema: `docs/configuration.md`."""

from __future__ import annotations

from axlab.vmm import config_schema as schema
from axlab.vmm.config_schema import Key, Table
from axlab.vmm.config_write import written

INTRODUCTION = """\
# Configuration files

A VM is described by a TOML file. The tables `[base]`, `[kernel]` and `[devices]` are AxVisor's, so that
one file runs on both; `[axlab]` is AxLab's own, and AxVisor ignores it. `axlab config new` writes a
commented file, `axlab config check FILE...` says what is wrong with one, and where.

This page is printed from the same table that checks the files (`axlab/vmm/config_schema.py`).
"""

ENDING = """\
## What stops a VM

Wrong syntax, wrong types, missing keys and empty `memory_regions` are errors. What depends on the machine
that will run the VM is a warning for `axlab config check` and a refusal for `vm create`: RAM that overlaps
RAM, an entry point or a load address outside RAM, MapIdentical RAM outside the host's (8 GB from
`0x4000_0000`), a CPU mask without a physical CPU. Unknown keys, unknown device types and devices that the
board lacks are warnings for both.

## Images

An image is a flat binary, a Linux arm64 `Image`, either of them also compressed with gzip, or an ELF file.

| image | where it goes | where it begins |
|---|---|---|
| flat | `kernel_load_addr`, else `entry_point`; one of them is needed | `entry_point`, else its first byte |
| arm64 Image | the same; without both, a 2 MB boundary in RAM plus its text_offset | the same |
| ELF | its physical addresses; `kernel_load_addr` is ignored | `entry_point`, else its own entry, made physical |
| `axlab:demo` | the guest that comes with AxLab, a flat binary | |

An image named alone on the command line (`axlab run IMAGE`) gets a GIC and a UART of its own, and: a flat
binary 128 MB of RAM at `0x4000_0000`, loaded and entered at `0x4008_0000`; an arm64 Image 256 MB, loaded at
`0x4020_0000`; an ELF file the RAM that its addresses need. Debian's U-Boot is a flat binary for address 0 and
needs a file of its own: `axlab config new --kind u-boot`.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    return "\n".join([INTRODUCTION, *(table_text(table) for table in schema.TABLES), ENDING])


def table_text(table: Table) -> str:
    """One table of the file as a table of the page, and the fields of its rows."""
    parts = [f"## `[{table.name}]`\n\n{table.about}\n", keys_text("key", table.keys)]
    parts += [f"A row of `{key.name}`:\n\n" + keys_text("field", key.fields) for key in table.keys if key.fields]
    return "\n".join(parts)


def keys_text(what: str, keys: tuple[Key, ...]) -> str:
    """Keys or fields, one to a line."""
    lines = [f"| {what} | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{key.name}` | {type_text(key)} | {default_text(key)} | {cell(key.about)} |" for key in keys]
    return "\n".join(lines) + "\n"


def type_text(key: Key) -> str:
    """The type in a reader's words, with the spellings that are admitted."""
    if key.choices is not None:
        return ", ".join(f"`{choice}`" for choice in key.choices)
    words = {"integers": "array of integers", "rows": "array of rows"}
    return words.get(key.kind, key.kind)


def default_text(key: Key) -> str:
    """The default, or whether there must be a value."""
    if key.required:
        return "required"
    return "" if key.default is None or key.default == () else f"`{written(key, key.default)}`"


def cell(text: str) -> str:
    """Text that does not break a table."""
    return text.replace("|", "\\|")
