"""Translated code on disk, so that a guest that booted once boots faster the next time.

The values are code objects in `marshal`'s form: whoever can write them can make this user execute anything.
So nothing is read from a folder or file that someone else owns or can write, or that is a symbolic link
(`private_folder`); a checksum finds what a crash or a disk did to an entry. Every key contains a fingerprint
of all that translated code depends on, so that another version of AxLab or Python finds nothing.

The cache can only be slow or empty, never wrong or in the way: whatever SQLite complains about switches it
off for the session, and `reason` says why.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.languages import folder as grammars
from axlab.private_folder import make_private, make_private_file, objection

if TYPE_CHECKING:
    import sqlite3

LIMIT = 256 << 20  # bytes on disk, about
BATCH = 512  # puts that are written in one transaction
BATCH_BYTES = 4 << 20
BUSY_SECONDS = 0.25  # how long to wait for another process
PATIENCE = 8  # how often, until the cache is switched off
REFRESH = 8  # generations after which an entry that is used counts as new again
CHECKSUM = 16  # bytes
SWITCH = "AXLAB_CACHE"
NOWHERE = f"{SWITCH} switches it off, or there is no home folder for it"
NAME = "code-1.sqlite3"  # the number is that of the schema
SIDE_FILES = ("", "-wal", "-shm", "-journal")  # what SQLite keeps; the first two hold entries

# A generation is a session that wrote something; PRAGMA user_version is the last one's number.
# Entries stand in the order in which they were written: the ids are random, and a table in their order is slower.
SCHEMA = "CREATE TABLE IF NOT EXISTS entry (id INTEGER UNIQUE, generation INTEGER NOT NULL, value BLOB NOT NULL)"
GET = "SELECT value, generation <= ? FROM entry WHERE id = ?"
PUT = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?)"
TOUCH = "UPDATE entry SET generation = ? WHERE id = ?"
SIZES = "SELECT generation, SUM(LENGTH(value) + 16) FROM entry WHERE generation < ? GROUP BY generation ORDER BY 1"


def cache_folder(environment: Mapping[str, str], platform: str) -> Path | None:
    """Where the cache is, by the environment and `sys.platform`; None where there shall be none."""
    chosen = environment.get(SWITCH, "")
    if chosen.lower() in ("off", "0", "no", "false") or platform == "emscripten":
        return None
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute()
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    if not home.is_absolute():
        return None
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "axlab" / "cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "axlab"
    xdg = Path(environment.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else home / ".cache") / "axlab"


@functools.cache
def fingerprint() -> bytes:
    """A hash of all that the code of a block depends on: this Python, the machine's source, the table of rows."""
    import importlib.util

    digest = blake2b(digest_size=16)
    digest.update(f"{sys.version} {sys.implementation.cache_tag} {sys.flags.optimize}".encode())
    digest.update(importlib.util.MAGIC_NUMBER)
    machine = Path(__file__).parent / "machine"
    rows = [grammars() / "a64.isa", grammars() / "isa.lark"]
    for path in [*sorted(machine.rglob("*.py")), *rows]:
        text = path.read_bytes()
        digest.update(f"{path.name} {len(text)} ".encode())
        digest.update(text)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a cache holds: its file, bytes on disk, entries; `reason` says why it is off, or is ""."""

    path: Path | None
    size: int
    entries: int
    reason: str


class CodeCache:
    """A store of bytes by key, shared by all processes of this user.

    `reason` is "" while it works. Off, it answers `get` with None and ignores `put`; `warning` is what the
    user should be told then: nothing, where the user switched it off. Close it, or leave a `with` block, to
    write what is still in memory; a cache that is forgotten does so by itself.
    """

    def __init__(self, folder: Path | None, limit: int = LIMIT) -> None:
        self.path = None if folder is None else folder / NAME
        self.wanted = folder is not None
        self.reason = NOWHERE if folder is None else make_private(folder)
        self._database = _Database(limit)
        self._patience = PATIENCE
        self._end = weakref.finalize(self, _Database.close, self._database)
        if hasattr(os, "register_at_fork") and not self.reason:
            os.register_at_fork(before=functools.partial(_before_fork, weakref.ref(self._database)))

    @property
    def warning(self) -> str:
        """What to tell the user once, or ""."""
        return f"translated code is not kept: {self.reason}" if self.reason and self.wanted else ""

    def get(self, key: bytes) -> bytes | None:
        """The value that was put for a key, by whichever process; None where there is none to be trusted."""
        database = self._open()
        return None if database is None else self._guarded(database.get, database.identity(key))

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value for the next time. It is written later, many at once."""
        database = self._open()
        if database is not None and database.put(database.identity(key), value):
            self.flush()

    def flush(self) -> None:
        """Write what is still in memory."""
        self._guarded(self._database.flush)

    def close(self) -> None:
        """Write what is still in memory; the cache is off from now on."""
        self.flush()
        self._end()
        self.reason = self.reason or "it is closed"
        self.wanted = False

    def clear(self) -> None:
        """Drop all entries, also for processes that use them now. Raises AxError where that cannot be done."""
        if self.reason:
            raise AxError(f"the code cache was left as it is: {self.reason}")
        database = self._open()
        if database is not None:
            self._guarded(database.clear)
        if self.reason:  # what cannot be read as a database is no loss
            self._database.close()
            self._remove()

    def figures(self) -> Figures:
        """Where the cache is and what it holds; nothing is made for this."""
        entries = 0
        if self.path is not None and not self.reason and self.path.exists():
            database = self._open()
            entries = self._guarded(database.entries) or 0 if database is not None else 0
        return Figures(self.path, sum(map(_size, self._files()[:2])), entries, self.reason)

    def __enter__(self) -> CodeCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> CodeCache:
        return self  # a copy of a lab uses the same cache

    def __reduce__(self) -> tuple[Any, ...]:
        return CodeCache, (None,)  # a saved lab has none until it is given one

    def _open(self) -> _Database | None:
        """The database, opened now if need be; None where the cache is off."""
        if self.reason or self.path is None:
            return None
        if self._database.connection is None:
            objections = [objection(path, stat.S_ISREG) for path in self._files()]
            self.reason = next(filter(None, objections), "") or make_private_file(self.path)
            if not self.reason:
                self._guarded(self._database.open, self.path)
        return None if self.reason else self._database

    def _guarded(self, operation: Any, *arguments: Any) -> Any:
        """The result of an operation, or None: another process is in the way, or the cache is off from now on."""
        if self.reason:
            return None
        try:
            import sqlite3
        except ImportError:
            self.reason = "this Python has no SQLite"
            return None
        try:
            return operation(*arguments)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            self._patience -= 1
            busy = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and self._database.connection is not None
            if not busy or not self._patience:
                self.reason = f"{self.path}: {error}"
                self._database.forget()
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._remove()  # the next session begins anew
        except (ValueError, TypeError) as error:  # such as text that is no UTF-8, where SQLite noticed nothing
            self.reason = f"{self.path} is damaged: {error}"
            self._database.forget()
            self._remove()
        except OSError as error:
            self.reason = f"{error.filename}: {(error.strerror or str(error)).lower()}"
        return None

    def _remove(self) -> None:
        try:
            for path in self._files():
                path.unlink(missing_ok=True)
        except OSError:
            return

    def _files(self) -> list[Path]:
        """The database and what SQLite keeps beside it."""
        return [] if self.path is None else [self.path.with_name(self.path.name + side) for side in SIDE_FILES]


class _Database:
    """An open SQLite file and what is to be written into it. Its methods raise sqlite3.Error."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.salt = b""
        self.connection: sqlite3.Connection | None = None
        self.generation = 0
        self.waiting: dict[int, bytes] = {}
        self.waiting_bytes = 0
        self.used: list[int] = []  # old entries that were used again
        self.full = False  # this session alone has filled the cache

    def open(self, path: Path) -> None:
        """Connect, and make the table where it is missing. No lock is held between calls."""
        import sqlite3

        self.salt = fingerprint()
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # what a power cut breaks, a checksum or SQLite finds
            connection.execute(SCHEMA)
            self.generation = self.generation or connection.execute("PRAGMA user_version").fetchone()[0] + 1
        except BaseException:
            connection.close()
            raise
        self.connection = connection

    def identity(self, key: bytes) -> bytes:
        """What a key is known by; no other version of AxLab or Python has the same for it."""
        return blake2b(key, digest_size=32, key=self.salt).digest()

    def get(self, identity: bytes) -> bytes | None:
        number = int.from_bytes(identity[:8], "little", signed=True)
        entry = self.waiting.get(number)
        if entry is None:
            assert self.connection is not None
            row = self.connection.execute(GET, (self.generation - REFRESH, number)).fetchone()
            if row is None:
                return None
            entry, old = row
            if old:
                self.used.append(number)
        value = checked(identity, entry)
        if value is None and self.connection is not None:
            self.connection.execute("DELETE FROM entry WHERE id = ?", (number,))
        return value

    def put(self, identity: bytes, value: bytes) -> bool:
        """Keep a value until the next flush; True where that should be now."""
        if not self.full:
            self.waiting[int.from_bytes(identity[:8], "little", signed=True)] = checksum(identity, value) + value
            self.waiting_bytes += len(value)
        return len(self.waiting) >= BATCH or self.waiting_bytes >= BATCH_BYTES

    def flush(self) -> None:
        """Write all that waits in one transaction. If another process is in the way for long, it is lost."""
        entries, used = self.waiting, self.used
        self.waiting, self.waiting_bytes, self.used = {}, 0, []
        if self.connection is None or not (entries or used):
            return
        with self.connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(PUT, ((number, self.generation, entry) for number, entry in entries.items()))
            connection.executemany(TOUCH, ((self.generation, number) for number in used))
            connection.execute(f"PRAGMA user_version = {self.generation}")
            self.trim(connection)

    def trim(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest generations where the cache has grown too big."""
        used = self.bytes_used(connection)
        if used <= self.limit:
            return
        for generation, size in connection.execute(SIZES, (self.generation,)).fetchall():
            connection.execute("DELETE FROM entry WHERE generation = ?", (generation,))
            used -= size
            if used <= self.limit * 3 // 4:
                break
        self.full = self.bytes_used(connection) > self.limit

    @staticmethod
    def bytes_used(connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def entries(self) -> int:
        assert self.connection is not None
        return int(self.connection.execute("SELECT COUNT(*) FROM entry").fetchone()[0]) + len(self.waiting)

    def clear(self) -> None:
        self.waiting.clear()
        self.used.clear()
        assert self.connection is not None
        self.connection.execute("DELETE FROM entry")
        self.connection.execute("VACUUM")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Write what waits, if that can be done, and let go of the file."""
        if self.connection is None:
            return
        import sqlite3

        try:
            self.flush()
        except sqlite3.Error:
            pass
        self.forget()

    def forget(self) -> None:
        """Let go of the file without writing."""
        import sqlite3

        connection, self.connection = self.connection, None
        self.waiting.clear()
        self.used.clear()
        try:
            if connection is not None:
                connection.close()
        except sqlite3.Error:
            pass


def checksum(identity: bytes, value: bytes) -> bytes:
    return blake2b(value, digest_size=CHECKSUM, key=identity).digest()


def checked(identity: bytes, entry: object) -> bytes | None:
    """The value of an entry, or None where it is not what was put for this key."""
    if not isinstance(entry, bytes) or checksum(identity, entry[CHECKSUM:]) != entry[:CHECKSUM]:
        return None
    return entry[CHECKSUM:]


def _before_fork(database: weakref.ref[_Database]) -> None:
    """SQLite forbids to carry an open database into a forked process; both open it again when they need it."""
    found = database()
    if found is not None:
        found.close()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def open_cache() -> CodeCache:
    """The cache of this user, where the environment says. To be called at the edge: command line, lab, notebook."""
    return CodeCache(cache_folder(os.environ, sys.platform))
