"""`docs/machine.md` says of the machine what the machine's own tables say."""

from __future__ import annotations

from pathlib import Path

from axlab.machine.isa.semantics import SEMANTICS
from axlab.machine.isa.table import load_table
from axlab.machine.memory_map import BOARD
from axlab.machine.reference import TABLES, board_table, instruction_table, operation_table, register_table, with_tables
from axlab.machine.register_table import TABLE
from axlab.machine.system_operations import OPERATIONS

PAGE = Path(__file__).parent.parent / "docs" / "machine.md"


def rows(table: str) -> list[str]:
    return table.splitlines()[2:]


def test_the_tables_of_the_page_are_the_machines() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"<!-- table {name} -->" in page for name in TABLES)
    assert page == with_tables(page), "print the tables of docs/machine.md anew: with_tables(page)"


def test_a_page_without_places_for_tables_stays_as_it_is() -> None:
    assert with_tables("a page\n") == "a page\n"
    assert with_tables("<!-- table board -->\nold\n<!-- end --> and on").endswith("|  |\n<!-- end --> and on")


def test_the_board_table_has_every_region_once() -> None:
    table = board_table()
    assert all(f" {known.name} " in table for known in BOARD if known.kind != "virtio")
    assert "| `0x0a00_0000` | 32 x 512 B | virtio0 to virtio31 | 48 to 79 |" in table
    assert "| `0x4000_0000` | 8 GB | RAM |" in table
    assert rows(table) == sorted(rows(table))


def test_the_instruction_table_counts_every_row_once() -> None:
    counted = sum(int(row.split("|")[2]) for row in rows(instruction_table()))
    assert counted == len(load_table().rows) == len(SEMANTICS)


def test_every_register_and_operation_has_a_place() -> None:
    assert [row.split("`")[1] for row in rows(register_table())] == [known.name for known in TABLE]
    assert sum(row.count(",") + 1 for row in rows(operation_table())) == len(OPERATIONS)
