"""Several processes use one code cache at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from axlab.code_cache import NAME, CodeCache
from code_cache.files import KEY, VALUE

WRITER = """
import sys
from pathlib import Path
from axlab.code_cache import CodeCache
with CodeCache(Path(sys.argv[1])) as cache:
    for number in range(3000):
        cache.put(b"%d" % (number // 2 * 2 + int(sys.argv[2]) * (number & 1)), b"%d" % number * 50)
        cache.get(b"%d" % (number // 3))
    print(cache.reason, end="")
"""


def test_several_processes_write_at_once(folder: Path) -> None:
    """Whoever waits too long for the others goes on without the cache, and says so."""
    words = [sys.executable, "-c", WRITER, str(folder)]
    writers = [subprocess.Popen([*words, str(n)], stdout=subprocess.PIPE, text=True) for n in (0, 1, 1)]
    reasons = [writer.communicate()[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert all(reason == "" or "locked" in reason for reason in reasons) and "" in reasons
    with CodeCache(folder) as cache:
        found = sum(cache.get(b"%d" % number) is not None for number in range(3000))
        assert cache.reason == "" and found > 1000
    with sqlite3.connect(folder / NAME) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def child(cache: CodeCache, number: int) -> None:
    if cache.get(KEY) != VALUE:
        os._exit(3)
    cache.put(b"of child %d" % number, VALUE)
    cache.close()
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_shares_no_open_file(folder: Path) -> None:
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
        children = [multiprocessing.get_context("fork").Process(target=child, args=(cache, n)) for n in (0, 1)]
        for process in children:
            process.start()
            assert cache.get(KEY) == VALUE
        for process in children:
            process.join(30)
        assert [process.exitcode for process in children] == [0, 0]
        assert cache.get(b"of child 0") == cache.get(b"of child 1") == VALUE


def test_clear_leaves_nothing_also_for_those_who_have_it_open(filled: Path) -> None:
    with CodeCache(filled) as user, CodeCache(filled) as cache:
        assert user.get(KEY) == VALUE
        cache.clear()
        assert user.get(KEY) is None
        user.put(KEY, VALUE)
        assert user.get(KEY) == VALUE
        assert user.reason == cache.reason == ""


def test_clear_removes_what_is_no_database(filled: Path) -> None:
    (filled / NAME).write_bytes(b"This is not a database." * 1000)
    CodeCache(filled).clear()
    assert not (filled / NAME).exists()
