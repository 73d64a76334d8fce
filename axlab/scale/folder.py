"""The folder of a sweep: what it is (`sweep.json`), and a Parquet part for every run that is done.

A part is written under another name and renamed, so that a file with a part's name is whole. Only the process
that sweeps writes here, whoever makes the runs, and only one at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.scale.parameters import Parameters

MANIFEST = "sweep.json"
PARTS = "parts"
UNFINISHED = ".unfinished"
FORM = 1  # of the manifest and the parts
MAGIC = b"PAR1"  # the last bytes of a Parquet file


@dataclass(frozen=True)
class Manifest:
    """What a sweep is. The hashes tell whether another one is the same."""

    what: str
    trace: str
    parameters: list[Parameters]
    hashes: dict[str, str] = field(default_factory=dict)
    axlab: str = __version__
    form: int = FORM


def manifest(what: str, text: str, trace: str, parameters: list[Parameters]) -> Manifest:
    """The manifest of a sweep; `text` changes when what is run changes."""
    hashes = {
        "what is run": digest(text),
        "the list of parameters": digest(json.dumps(parameters, sort_keys=True)),
        "the level of the trace": digest(trace),
    }
    return Manifest(what, trace, parameters, hashes)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder. Raises `AxError` where there is none, or none that can be read."""
    path = folder / MANIFEST
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if given["form"] != FORM:
            raise AxError(f"{folder} was written by AxLab {given['axlab']}, in a form that this version cannot read")
        return Manifest(**given)
    except FileNotFoundError:
        raise AxError(f"{folder} is no folder of a sweep: it has no {MANIFEST}") from None
    except OSError as error:
        raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise AxError(f"{path} is damaged: {error}") from None


class SweepFolder:
    """An output folder while a sweep writes to it; `done` holds the numbers of the runs that are there.

    Raises `AxError` where the folder belongs to another sweep or holds other things, where a sweep is
    writing to it, and where it cannot be written.
    """

    def __init__(self, folder: str | Path, wanted: Manifest) -> None:
        self.path = Path(folder)
        self.parts = self.path / PARTS
        self.done: set[int] = set()
        self._lock: Any = None
        try:
            self._open(wanted)
        except OSError as error:
            self.close()
            raise AxError(f"{error.filename or folder}: {(error.strerror or str(error)).lower()}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SweepFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write."""
        if self._lock is not None:
            self._lock.close()

    def _open(self, wanted: Manifest) -> None:
        if self.path.is_dir() and not (self.path / MANIFEST).exists() and not _only_ours(self.path):
            raise AxError(f"{self.path} holds other things than a sweep; choose another folder")
        self.parts.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.path)
        if (self.path / MANIFEST).exists():
            _same(read_manifest(self.path), wanted, self.path)
        else:
            self.write(self.path / MANIFEST, json.dumps(asdict(wanted), indent=1).encode())
        for left in self.parts.glob(f"*{UNFINISHED}"):
            left.unlink()
        self.done = set(whole_parts(self.parts))

    def add(self, run: int, part: bytes) -> None:
        """Keep a run's part. Raises `AxError` where that is impossible, and leaves nothing half written."""
        try:
            self.write(part_path(self.parts, run), part)
        except OSError as error:
            raise AxError(
                f"run {run} cannot be kept in {self.path}: {(error.strerror or str(error)).lower()}; "
                f"{len(self.done)} runs are there, and the same sweep goes on with the others when there is room"
            ) from None
        self.done.add(run)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all."""
        beside = path.with_name(path.name + UNFINISHED)
        try:
            with beside.open("wb") as file:
                file.write(data)
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def part_path(parts: Path, run: int) -> Path:
    return parts / f"{run:06}.parquet"


def whole_parts(parts: Path) -> dict[int, Path]:
    """Run -> file, of the parts in a folder that are whole: a power cut may leave one that is not."""
    named = {int(path.stem): path for path in sorted(parts.glob("*.parquet")) if path.stem.isdecimal()}
    return {run: path for run, path in sorted(named.items()) if _is_whole(path)}


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(MAGIC)))
        return file.read() == MAGIC


def _only_ours(folder: Path) -> bool:
    """Whether a folder without a manifest is empty, but for what a sweep makes before it."""
    return {path.name for path in folder.iterdir()} <= {PARTS, f"{MANIFEST}.lock", f"{MANIFEST}{UNFINISHED}"}


def _locked(folder: Path) -> Any:
    """An open file that nobody else can lock while it is open; it does not outlive the process."""
    file = (folder / f"{MANIFEST}.lock").open("a", encoding="utf-8")
    try:
        import fcntl
    except ImportError:  # Windows: whoever sweeps twice into one folder makes the same runs twice
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise AxError(f"a sweep is writing to {folder} now; wait for its end, or choose another folder") from None
    return file


def _same(there: Manifest, wanted: Manifest, folder: Path) -> None:
    """Refuse a folder whose sweep differs, and say in what."""
    if there.axlab != wanted.axlab:
        raise AxError(f"{folder} was begun by AxLab {there.axlab}, and this is {wanted.axlab}; choose another folder")
    other = [what for what, value in wanted.hashes.items() if there.hashes.get(what) != value]
    if other:
        raise AxError(
            f"{folder} holds another sweep, of {there.what} (different: {', '.join(other)}); "
            "choose another folder, or remove this one"
        )
