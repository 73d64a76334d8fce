"""A damaged code cache gives no wrong value, and is never in the way."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from axlab import code_cache
from axlab.code_cache import BATCH, NAME, CodeCache
from code_cache.files import KEY, VALUE


def change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path / NAME) as connection:
        connection.execute(statement, values)
    connection.close()


def test_an_entry_that_was_changed_is_a_miss_and_is_deleted(filled: Path) -> None:
    change(filled, "UPDATE entry SET value = CAST(value || 'x' AS BLOB)")
    with CodeCache(filled) as cache:
        assert cache.get(KEY) is None
        assert (cache.reason, cache.figures().entries) == ("", 0)
        cache.put(KEY, VALUE)
        assert cache.get(KEY) == VALUE


@pytest.mark.parametrize("value", ["text", 5, b"", b"short"])
def test_an_entry_of_another_form_is_a_miss(filled: Path, value: object) -> None:
    change(filled, "UPDATE entry SET value = ?", value)
    with CodeCache(filled) as cache:
        assert (cache.get(KEY), cache.reason) == (None, "")


def test_the_entry_of_another_key_is_a_miss(filled: Path) -> None:
    with CodeCache(filled) as cache:
        cache.put(b"another key", b"of another key")
    change(filled, "UPDATE entry SET value = (SELECT value FROM entry ORDER BY rowid LIMIT 1)")
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE
        assert cache.get(b"another key") is None


def test_a_file_that_is_no_database_is_off_for_this_session_and_made_anew_in_the_next(filled: Path) -> None:
    (filled / NAME).write_bytes(b"This is not a database." * 1000)
    cache = CodeCache(filled)
    assert cache.get(KEY) is None
    cache.put(KEY, VALUE)
    assert cache.reason == f"{filled / NAME}: file is not a database"
    with CodeCache(filled) as again:
        again.put(KEY, VALUE)
        assert (again.get(KEY), again.reason) == (VALUE, "")


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 5000, 40_000])
def test_a_truncated_file_never_gives_a_wrong_value(folder: Path, size: int) -> None:
    with CodeCache(folder) as cache:
        for number in range(200):
            cache.put(b"%d" % number, b"%d" % number * 300)
    with (folder / NAME).open("r+b") as file:
        file.truncate(size)
    with CodeCache(folder) as cache:
        for number in range(200):
            assert cache.get(b"%d" % number) in (None, b"%d" % number * 300)
            cache.put(b"more %d" % number, VALUE)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_with_wrong_bytes_never_gives_a_wrong_value(folder: Path, seed: int) -> None:
    import random

    with CodeCache(folder) as cache:
        for number in range(100):
            cache.put(b"%d" % number, b"%d" % number * 300)
    data = bytearray((folder / NAME).read_bytes())
    chance = random.Random(seed)
    for _ in range(10 ** (seed % 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (folder / NAME).write_bytes(data)
    with CodeCache(folder) as cache:
        for number in range(100):
            assert cache.get(b"%d" % number) in (None, b"%d" % number * 300)
            cache.put(b"more %d" % number, VALUE)
            cache.flush()


def test_a_full_disk_switches_the_cache_off(filled: Path) -> None:
    cache = CodeCache(filled)
    assert cache.get(KEY) == VALUE
    connection = cache._database.connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 4")
    for number in range(2 * BATCH):
        cache.put(b"%d" % number, VALUE)
    assert cache.reason == f"{filled / NAME}: database or disk is full"
    assert cache.get(KEY) is None
    cache.close()
    with CodeCache(filled) as again:
        assert again.get(KEY) == VALUE


def test_a_python_without_sqlite_has_no_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
        assert (cache.get(KEY), cache.reason) == (None, "this Python has no SQLite")


def test_a_process_that_never_lets_go_is_waited_for_only_some_times(filled: Path) -> None:
    other = sqlite3.connect(filled / NAME, isolation_level=None)
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE
        other.execute("BEGIN IMMEDIATE")
        for number in range(code_cache.PATIENCE):
            assert cache.reason == ""
            cache.put(b"%d" % number, VALUE)
            cache.flush()
        assert cache.reason == f"{filled / NAME}: database is locked"
    other.close()
