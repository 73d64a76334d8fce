"""Snapshots of a lab by name: `lab.snapshots`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError, nearest
from axlab.time import moment
from axlab.time.moment import Moment
from axlab.time.names import check_name


@dataclass(frozen=True)
class VmThen:
    """A VM as it was."""

    id: int
    name: str
    state: str


@dataclass(frozen=True)
class Snapshot:
    """The lab at a moment. `touched` are the bytes of RAM that it had used, `fingerprint` that of its trace."""

    name: str
    moment: Moment
    vms: tuple[VmThen, ...]
    touched: int
    fingerprint: str

    @property
    def now(self) -> int:
        """Virtual time in ns."""
        return self.moment.now

    @property
    def differs(self) -> int:
        """Bytes of RAM that it keeps because they differ from those of the next one, or of the present."""
        return self.moment.version.size


class Snapshots:
    """The snapshots of one lab, in the order in which they were made.

    >>> lab.snapshots.save("booted")
    >>> lab.run("1s")
    >>> lab.snapshots.restore("booted")
    """

    def __init__(self, lab: Any) -> None:
        self.lab = lab
        self.known: dict[str, Snapshot] = {}

    def save(self, name: str) -> Snapshot:
        """Keep the lab as it is now; a snapshot of that name is replaced. Raises `AxError` for a wrong name."""
        check_name(name)
        last = next(reversed(self.known.values()), None)
        taken = moment.take(self.lab, None if last is None else last.moment)
        vms = tuple(VmThen(vm.id, vm.name, str(vm.state)) for vm in self.lab.hypervisor.vms)
        snapshot = Snapshot(name, taken, vms, self.lab.board.memory.touched(), self.lab.fingerprint())
        if name in self.known:
            self.delete(name)
        self.known[name] = snapshot
        return snapshot

    def restore(self, name: str) -> Snapshot:
        """Make the lab what it was. Raises `AxError` where there is no such snapshot."""
        snapshot = self[name]
        moment.go(self.lab, snapshot.moment)
        moment.tell(self.lab, f"restored snapshot {name!r}")
        return snapshot

    def delete(self, name: str) -> None:
        """Forget a snapshot. Raises `AxError` where there is none."""
        moment.forget(self.lab, self[name].moment)
        del self.known[name]

    def __getitem__(self, name: str) -> Snapshot:
        if name not in self.known:
            known = list(self.known)
            there = f" (there are: {', '.join(known)})" if known else "; 'vm snapshot save NAME' makes one"
            raise AxError(f"there is no snapshot {name!r}{nearest(name, known)}{there}")
        return self.known[name]

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.known.values())

    def __len__(self) -> int:
        return len(self.known)

    def __repr__(self) -> str:
        return f"<Snapshots: {', '.join(self.known) or 'none'}>"
