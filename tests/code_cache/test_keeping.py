"""What the on-disk code cache keeps, for how long, and of how much."""

from __future__ import annotations

import copy
import os
import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from axlab import code_cache
from axlab.code_cache import BATCH, NAME, CodeCache
from code_cache.files import KEY, VALUE

# Keeping


def test_what_was_put_is_there_the_next_time(filled: Path) -> None:
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE
        assert cache.get(b"another key") is None
        assert cache.reason == cache.warning == ""


def test_what_was_put_is_there_at_once_and_the_last_put_wins(folder: Path) -> None:
    with CodeCache(folder) as cache:
        cache.put(KEY, b"old")
        cache.flush()
        cache.put(KEY, VALUE)
        assert cache.get(KEY) == VALUE
        cache.flush()
        assert cache.get(KEY) == VALUE
        assert cache.figures().entries == 1


def test_puts_are_written_in_batches(folder: Path) -> None:
    with CodeCache(folder) as cache, CodeCache(folder) as other:
        for number in range(BATCH - 1):
            cache.put(b"%d" % number, VALUE)
        assert other.get(b"0") is None
        cache.put(b"the last of a batch", VALUE)
        assert other.get(b"0") == other.get(b"the last of a batch") == VALUE


def test_a_cache_that_is_forgotten_writes_what_waits(folder: Path) -> None:
    cache = CodeCache(folder)
    cache.put(KEY, VALUE)
    del cache
    with CodeCache(folder) as again:
        assert again.get(KEY) == VALUE


def test_a_cache_that_is_still_open_when_python_ends_writes_what_waits(folder: Path) -> None:
    program = (
        f"from pathlib import Path; from axlab.code_cache import CodeCache\nc = CodeCache(Path({str(folder)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", program + f"c.put({KEY!r}, {VALUE!r})"], check=True)
    with CodeCache(folder) as cache:
        assert cache.get(KEY) == VALUE


def test_a_closed_cache_is_off_without_a_word(filled: Path) -> None:
    cache = CodeCache(filled)
    cache.close()
    cache.close()
    cache.put(KEY, VALUE)
    assert (cache.get(KEY), cache.reason, cache.warning) == (None, "it is closed", "")


def test_nothing_is_opened_before_it_is_needed(folder: Path) -> None:
    with CodeCache(folder) as cache:
        assert cache.figures().entries == 0
    assert not (folder / NAME).exists()


def test_a_copy_of_a_lab_shares_its_cache_and_a_saved_one_has_none(folder: Path) -> None:
    with CodeCache(folder) as cache:
        assert copy.deepcopy(cache) is cache
        assert pickle.loads(pickle.dumps(cache)).get(KEY) is None


def test_another_version_of_axlab_or_python_finds_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_cache, "fingerprint", lambda: b"of another version")
    with CodeCache(filled) as cache:
        assert cache.get(KEY) is None
        cache.put(KEY, b"new")
    monkeypatch.undo()
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE


def test_the_fingerprint_is_of_the_contents_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prints() -> bytes:
        return code_cache.fingerprint.__wrapped__()

    here = prints()
    assert here == prints() and len(here) == 16
    package = tmp_path / "axlab"
    (package / "machine" / "isa").mkdir(parents=True)
    monkeypatch.setattr(code_cache, "__file__", str(package / "code_cache.py"))
    empty = prints()
    semantics = package / "machine" / "isa" / "semantics.py"
    semantics.write_text("a = 1\n")
    one = prints()
    semantics.write_text("a = 2\n")
    assert len({here, empty, one, prints()}) == 4
    monkeypatch.setattr(sys, "version", "4.0")
    assert prints() not in (here, one)


# Bounded


def test_the_oldest_generations_are_dropped_when_the_cache_is_full(folder: Path) -> None:
    limit = 400_000
    for session in range(6):
        with CodeCache(folder, limit) as cache:
            for number in range(100):
                cache.put(b"%d %d" % (session, number), os.urandom(1000))
            cache.flush()
            assert (folder / NAME).stat().st_size < limit + 200_000
    with CodeCache(folder, limit) as cache:
        kept = [cache.get(b"%d 0" % session) is not None for session in range(6)]
    assert kept == sorted(kept) and not kept[0] and kept[-1]


def test_a_session_that_fills_the_cache_alone_stops_to_write(folder: Path) -> None:
    with CodeCache(folder, 100_000) as cache:
        for number in range(4 * BATCH):
            cache.put(b"%d" % number, VALUE)
        assert cache.figures().entries == BATCH
        assert (cache.get(b"0"), cache.reason) == (VALUE, "")


def test_an_old_entry_that_is_used_counts_as_new(filled: Path) -> None:
    for session in range(code_cache.REFRESH + 1):
        with CodeCache(filled) as cache:
            cache.put(b"%d" % session, VALUE)
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE
    with sqlite3.connect(filled / NAME) as connection:
        newest = connection.execute("SELECT MAX(generation) FROM entry").fetchone()
        assert connection.execute("SELECT generation FROM entry ORDER BY rowid LIMIT 1").fetchone() == newest
    connection.close()
