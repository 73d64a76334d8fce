"""Snapshots of a lab by name: `lab.snapshots`. In memory they are cheap; on disk they outlive the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axlab.errors import AxError, nearest
from axlab.time import moment, snapshot_file
from axlab.time.history import Mark
from axlab.time.moment import Moment
from axlab.time.names import NAME, check_name
from axlab.time.snapshot_file import SUFFIX
from axlab.vmm.vm_folder import check_no_links


@dataclass(frozen=True)
class VmThen:
    """A VM as it was."""

    id: int
    name: str
    state: str


@dataclass(frozen=True)
class Snapshot:
    """The lab at a moment: virtual time `now` in ns, the bytes of RAM that were in use, the trace's fingerprint.

    `moment` is there for one in memory (`mark` is its place in the lab's history), `path` for one on disk.
    `problem` says why a file is none.
    """

    name: str
    now: int = 0
    vms: tuple[VmThen, ...] = ()
    touched: int = 0
    fingerprint: str = ""
    moment: Moment | None = None
    mark: Mark | None = None
    path: Path | None = None
    problem: str = ""

    @property
    def differs(self) -> int:
        """Bytes of RAM that are kept in memory because they differ from those of the next one, or of the present."""
        return 0 if self.moment is None else self.moment.version.size

    @property
    def places(self) -> str:
        """`memory`, `disk`, or both."""
        return ", ".join(["memory"] * (self.moment is not None) + ["disk"] * (self.path is not None))


class Snapshots:
    """The snapshots of one lab, in the order in which they were made; those on disk only come last.

    >>> lab.snapshots.save("booted")
    >>> lab.run("1s")
    >>> lab.snapshots.restore("booted")

    Those on disk are files in the folder `snapshots` of the lab's.
    """

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.in_memory: dict[str, Snapshot] = {}

    @property
    def folder(self) -> Path:
        """Where those on disk are."""
        return Path(self.lab.folder) / "snapshots"

    def file(self, name: str) -> Path:
        """The file of a snapshot on disk. Raises `AxError` for a wrong name."""
        return self.folder / (check_name(name) + SUFFIX)

    def save(self, name: str, disk: bool = False) -> Snapshot:
        """Keep the lab as it is now; a snapshot of that name is replaced. Raises `AxError`.

        With `disk` also as a file. Without, a name that one on disk has is refused.
        """
        path = self.file(name)
        if disk:
            self.write(path, name)
        elif path.exists():
            raise AxError(f"{name!r} is a snapshot on disk; delete it first, take another name, or replace it (--disk)")
        last = next(reversed(self.in_memory.values()), None)
        taken = moment.take(self.lab, None if last is None else last.moment)
        vms = tuple(VmThen(vm.id, vm.name, str(vm.state)) for vm in self.lab.hypervisor.vms)
        touched = self.lab.board.memory.touched()
        mark = None if self.lab.history is None else self.lab.history.mark()
        snapshot = Snapshot(name, self.lab.hypervisor.now, vms, touched, self.lab.fingerprint(), taken, mark)
        self.forget(name)
        self.in_memory[name] = snapshot
        return self.with_file(snapshot)

    def write(self, path: Path, name: str = "") -> int:
        """Write the lab as it is now into a file. Returns its size; raises `AxError`."""
        from axlab.time import on_disk

        if path.parent == self.folder:
            check_no_links(path)
            self.folder.mkdir(parents=True, exist_ok=True)
        return snapshot_file.write(path, on_disk.contents_of(self.lab, name or path.stem))

    def load(self, path: str | Path) -> None:
        """Make the lab what a file says. Raises `AxError`, with the lab as it was."""
        from axlab.time import on_disk

        with self.another_future(None):
            on_disk.put_into(self.lab, snapshot_file.read(Path(path)), Path(path))
        moment.tell(self.lab, f"restored snapshot {Path(path).name}")

    def restore(self, name: str) -> Snapshot:
        """Make the lab what it was. Raises `AxError` where there is no such snapshot, or its file is damaged."""
        snapshot = self[name]
        if snapshot.moment is not None:
            with self.another_future(snapshot.mark):
                moment.go(self.lab, snapshot.moment)
            moment.tell(self.lab, f"restored snapshot {name!r}")
        else:
            assert snapshot.path is not None
            self.load(snapshot.path)
        return snapshot

    @contextmanager
    def another_future(self, mark: Mark | None) -> Iterator[None]:
        """While this is entered, the lab becomes another one; its history goes on from a mark, or begins."""
        history = self.lab.history
        end = None if history is None else history.end
        yield
        if history is not None:
            history.restored(mark, end)

    def delete(self, name: str) -> Snapshot:
        """Forget a snapshot, and delete its file. Raises `AxError` where there is none."""
        snapshot = self[name]
        self.forget(name)
        if snapshot.path is not None:
            try:
                snapshot.path.unlink()
            except OSError as error:
                raise AxError(f"{snapshot.path} cannot be deleted: {snapshot_file.reason(error)}") from None
        return snapshot

    def forget(self, name: str) -> None:
        """Free what a snapshot keeps in memory, if it does."""
        snapshot = self.in_memory.pop(name, None)
        if snapshot is not None and snapshot.moment is not None:
            moment.forget(self.lab, snapshot.moment)

    def with_file(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with its file, if it has one."""
        path = self.file(snapshot.name)
        return replace(snapshot, path=path) if path.is_file() else snapshot

    def __getitem__(self, name: str) -> Snapshot:
        for snapshot in self:
            if snapshot.name == name:
                return snapshot
        check_name(name)
        known = [snapshot.name for snapshot in self]
        there = f" (there are: {', '.join(known)})" if known else "; 'vm snapshot save NAME' makes one"
        raise AxError(f"there is no snapshot {name!r}{nearest(name, known)}{there}")

    def __iter__(self) -> Iterator[Snapshot]:
        for snapshot in list(self.in_memory.values()):
            yield self.with_file(snapshot)
        for path in sorted(self.folder.glob("*" + SUFFIX)) if self.folder.is_dir() else ():
            name = path.name.removesuffix(SUFFIX)
            if name not in self.in_memory and NAME.fullmatch(name) and path.is_file():
                yield listed(name, path)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Snapshots: {', '.join(snapshot.name for snapshot in self) or 'none'}>"


def listed(name: str, path: Path) -> Snapshot:
    """A snapshot on disk, as far as its header says."""
    try:
        header = snapshot_file.read_header(path)
        vms = tuple(VmThen(int(vm["id"]), str(vm["name"]), str(vm["state"])) for vm in header["vms"])
        numbers = int(header["time"]), vms, int(header["touched"]), str(header["fingerprint"])
    except AxError as error:
        return Snapshot(name, path=path, problem=error.message)
    except (KeyError, TypeError, ValueError):
        return Snapshot(name, path=path, problem=f"the snapshot {path} is damaged: its header says too little")
    return Snapshot(name, *numbers, path=path)
