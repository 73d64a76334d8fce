"""The on-disk code cache: private, never wrong, never in the way."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from axlab import Lab, code_cache
from axlab.cli import main
from axlab.code_cache import BATCH, NAME, CodeCache, cache_folder
from axlab.errors import AxError

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
KEY, VALUE = b"a key", b"a value" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache" / "axlab"


@pytest.fixture
def filled(folder: Path) -> Path:
    """A cache that holds VALUE at KEY and is closed."""
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
    return folder


@pytest.fixture
def any_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def change(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path / NAME) as connection:
        connection.execute(statement, values)
    connection.close()


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


# Private


@POSIX
def test_the_folder_and_its_files_are_private_whatever_the_umask(any_umask: None, folder: Path) -> None:
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
        cache.flush()
        assert [mode(place) for place in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
        assert {path.name: mode(path) for path in folder.iterdir()} == {
            NAME + side: 0o600 for side in ("", "-wal", "-shm")
        }


def refused(folder: Path, reason: str) -> None:
    """A cache is off for this reason, says so once, and does nothing."""
    cache = CodeCache(folder)
    cache.put(KEY, b"planted")
    assert cache.get(KEY) is None
    assert cache.reason == reason
    assert cache.warning == f"translated code is not kept: {reason}"
    with pytest.raises(AxError, match="^the code cache was left as it is: "):
        cache.clear()
    cache.close()


@POSIX
@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_refused(filled: Path, bits: int) -> None:
    filled.chmod(bits)
    refused(filled, f"{filled} can be written by others (mode {bits:04o})")


@POSIX
@pytest.mark.parametrize("side", ["", "-wal", "-journal"])
@pytest.mark.parametrize("bits", [0o660, 0o602])
def test_a_file_that_others_can_write_is_refused(filled: Path, side: str, bits: int) -> None:
    path = filled / (NAME + side)
    path.touch()
    path.chmod(bits)
    refused(filled, f"{path} can be written by others (mode {bits:04o})")


@POSIX
@pytest.mark.parametrize("name", ["", NAME])
def test_what_belongs_to_someone_else_is_refused(filled: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = filled / name
    real = os.lstat

    def lstat(path: str | Path) -> os.stat_result:
        values = list(real(path))
        if Path(path) == foreign:
            values[4] = os.geteuid() + 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "lstat", lstat)
    refused(filled, f"{foreign} belongs to someone else (user {os.geteuid() + 1})")


@POSIX
def test_a_folder_that_is_a_symbolic_link_is_refused(filled: Path) -> None:
    link = filled.with_name("link")
    link.symlink_to(filled)
    refused(link, f"{link} is a symbolic link")


@POSIX
@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_file_that_is_a_symbolic_link_is_refused(filled: Path, tmp_path: Path, target: str) -> None:
    (filled / NAME).rename(tmp_path / "elsewhere")
    (filled / NAME).symlink_to(tmp_path / target)
    refused(filled, f"{filled / NAME} is a symbolic link")
    assert not (tmp_path / "nowhere").exists()


@POSIX
def test_a_parent_in_which_everybody_can_exchange_the_folder_is_refused(filled: Path) -> None:
    filled.parent.chmod(0o777)
    refused(filled, f"{filled.parent} can be written by everybody (mode 0777)")
    filled.parent.chmod(0o1777)
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "axlab").write_text("")
    refused(tmp_path / "axlab", f"{tmp_path / 'axlab'} is no folder")
    cache = CodeCache(tmp_path / "axlab" / "below")
    assert cache.reason == f"{tmp_path / 'axlab' / 'below'}: not a directory"


def test_a_folder_where_the_file_should_be_is_refused(folder: Path) -> None:
    (folder / NAME).mkdir(parents=True)
    folder.chmod(0o700)
    refused(folder, f"{folder / NAME} is no regular file")


# Damaged


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


# Several processes


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


# Where it is


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"HOME": "/home/ada"}, "/home/ada/.cache/axlab"),
        ("linux", {"HOME": "/home/ada", "XDG_CACHE_HOME": "/scratch"}, "/scratch/axlab"),
        ("linux", {"HOME": "/home/ada", "XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/axlab"),
        ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Caches/axlab"),
        ("win32", {"LOCALAPPDATA": "/Local"}, "/Local/axlab/cache"),
        ("linux", {"HOME": "/home/ada", "AXLAB_CACHE": "/elsewhere"}, "/elsewhere"),
        ("linux", {"HOME": "/home/ada", "AXLAB_CACHE": "off"}, None),
        ("linux", {"HOME": "relative"}, None),
        ("emscripten", {"HOME": "/home/ada"}, None),
    ],
)
@POSIX
def test_where_the_cache_is(platform: str, environment: dict[str, str], folder: str | None) -> None:
    assert cache_folder(environment, platform) == (None if folder is None else Path(folder))


def test_a_cache_that_is_switched_off_is_off_without_a_word() -> None:
    with CodeCache(None) as cache:
        cache.put(KEY, VALUE)
        assert (cache.get(KEY), cache.reason, cache.warning) == (None, code_cache.NOWHERE, "")


# A lab


def boot(**settings: bool) -> tuple[Lab, str]:
    lab = Lab(**settings)
    lab.create("demo")
    assert lab.shell("vm start 0").ok
    return lab, lab.fingerprint()


def test_a_lab_finds_what_the_one_before_translated_and_does_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = boot()[1]
    monkeypatch.setenv("AXLAB_CACHE", str(folder))
    lab, cold = boot()
    assert lab.code_cache is not None
    lab.code_cache.close()
    puts: list[bytes] = []
    monkeypatch.setattr(CodeCache, "put", lambda self, key, value: puts.append(key))
    warm = boot()[1]
    assert puts == []
    assert without == cold == warm


def test_a_lab_that_asks_for_it_uses_no_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(folder))
    lab, _ = boot(code_cache=False)
    assert lab.code_cache is None and not folder.exists()
    with pytest.raises(AxError, match="^code_cache = 'no' is wrong: true or false is wanted$"):
        Lab(code_cache="no")


@POSIX
@pytest.mark.parametrize("words", [["run", "demo"], ["shell", "-c", "vm list", "--lab", "."]])
def test_the_command_line_says_once_why_code_is_not_kept(
    filled: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(filled))
    filled.chmod(0o777)
    assert main(words) == 0
    assert capsys.readouterr().err == (
        f"axlab: translated code is not kept: {filled} can be written by others (mode 0777)\n"
    )


# The command line


def test_axlab_cache_shows_and_clears(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(filled))
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out == f"{filled / NAME}: 1 entry, 12KB\n"
    assert main(["cache", "clear"]) == 0
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out.startswith(f"{filled / NAME}: 0 entries, ")


def test_axlab_cache_says_why_it_is_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AXLAB_CACHE", "off")
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out == f"The code cache is off: {code_cache.NOWHERE}.\n"
    assert main(["cache", "clear"]) == 2
    assert capsys.readouterr().err == f"axlab: the code cache was left as it is: {code_cache.NOWHERE}\n"
