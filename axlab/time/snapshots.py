"""Snapshots of a lab by name: `lab.snapshots`. In memory they are cheap; on disk they outlive the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError, nearest
from axlab.machine.page_versions import Version
from axlab.time import moment, snapshot_file
from axlab.time.history import Mark
from axlab.time.moment import Moment
from axlab.time.names import NAME, check_name
from axlab.time.snapshot_file import SUFFIX
from axlab.vmm.vm import Vm
from axlab.vmm.vm_folder import check_no_links

if TYPE_CHECKING:
    from axlab.time.one_vm import KeptVm


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
    `kept` is there for one of a single VM, `problem` says why a file is none.
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
    kept: KeptVm | None = None
    is_of_one: bool = False

    @property
    def differs(self) -> int:
        """Bytes of RAM that are kept in memory because they differ from those of the next one, or of the present."""
        return 0 if self.version is None else self.version.size

    @property
    def version(self) -> Version | None:
        """The version of RAM that it keeps."""
        if self.moment is not None:
            return self.moment.version
        return None if self.kept is None else self.kept.pages.version

    @property
    def places(self) -> str:
        """`memory`, `disk`, or both."""
        return ", ".join(["memory"] * (self.version is not None) + ["disk"] * (self.path is not None))


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

    def file(self, name: str, vm: Vm | VmThen | None = None) -> Path:
        """The file of a snapshot on disk, of one VM in its folder. Raises `AxError` for a wrong name."""
        folder = self.folder if vm is None else Path(self.lab.folder) / "vms" / vm.name / "snapshots"
        return folder / (check_name(name) + SUFFIX)

    def save(self, name: str, disk: bool = False, vm: Vm | None = None) -> Snapshot:
        """Keep the lab, or one VM, as it is now; a snapshot of that name is replaced. Raises `AxError`.

        With `disk` also as a file. Without, a name that one on disk has is refused.
        """
        path = self.file(name, vm)
        if vm is not None:
            return self.save_one(name, vm, path if disk else None)
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

    def save_one(self, name: str, vm: Vm, path: Path | None) -> Snapshot:
        """Keep one VM, also in a file if `path` says which."""
        known = {snapshot.name: snapshot for snapshot in self}.get(name)
        if path is None and known is not None and known.path is not None:
            raise AxError(f"{name!r} is a snapshot on disk; delete it first, take another name, or replace it (--disk)")
        from axlab.time import one_vm, one_vm_file

        kept = one_vm.keep(self.lab.hypervisor, vm, name)
        contents = one_vm_file.contents_of(self.lab, kept, str(vm.state))
        if path is not None:
            check_no_links(path.parent.parent)
            check_no_links(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            snapshot_file.write(path, contents)
        self.forget(name)
        vms = (VmThen(vm.id, vm.name, str(vm.state)),)
        self.in_memory[name] = snapshot = Snapshot(
            name, self.lab.hypervisor.now, vms, int(contents.header["touched"]), kept=kept, is_of_one=True
        )
        return self.with_file(snapshot)

    def write(self, path: Path, name: str = "") -> int:
        """Write the lab as it is now into a file. Returns its size; raises `AxError`."""

        if path.parent == self.folder:
            check_no_links(path)
            self.folder.mkdir(parents=True, exist_ok=True)
        from axlab.time import on_disk

        return snapshot_file.write(path, on_disk.contents_of(self.lab, name or path.stem))

    def load(self, path: str | Path) -> None:
        """Make the lab, or one VM of it, what a file says. Raises `AxError`, with the lab as it was."""
        from axlab.time import on_disk, one_vm_file

        contents = snapshot_file.read(Path(path))
        if "one" in contents.header:
            one_vm_file.put(self.lab, contents, Path(path))
            return
        with self.another_future(None):
            on_disk.put_into(self.lab, contents, Path(path))
        moment.tell(self.lab, f"restored snapshot {Path(path).name}")

    def restore(self, name: str) -> Snapshot:
        """Make the lab what it was. Raises `AxError` where there is no such snapshot, or its file is damaged."""
        snapshot = self[name]
        if snapshot.moment is not None:
            with self.another_future(snapshot.mark):
                moment.go(self.lab, snapshot.moment)
            moment.tell(self.lab, f"restored snapshot {name!r}")
        elif snapshot.kept is not None:
            self.lab.hypervisor.put_back(snapshot.kept)
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
        if snapshot is not None and snapshot.version is not None and not self.is_in_history(snapshot.kept):
            self.lab.board.memory.versions.forget(snapshot.version)

    def is_in_history(self, kept: KeptVm | None) -> bool:
        """Whether history may put that VM back again."""
        history = self.lab.history
        branches = () if history is None or kept is None else history.branches.known.values()
        return any(command.arguments.get("kept") is kept for branch in branches for command in branch.commands)

    def with_file(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with its file, if it has one."""
        vm = None if snapshot.kept is None else snapshot.vms[0]
        path = self.file(snapshot.name, vm)
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
        for path in self.files():
            name = path.name.removesuffix(SUFFIX)
            if name not in self.in_memory and NAME.fullmatch(name) and path.is_file():
                yield listed(name, path)

    def files(self) -> list[Path]:
        """Those on disk: of the lab, and of single VMs."""
        vms = Path(self.lab.folder) / "vms"
        return sorted(self.folder.glob("*" + SUFFIX)) + sorted(vms.glob("*/snapshots/*" + SUFFIX))

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
    return Snapshot(name, *numbers, path=path, is_of_one="one" in header)
