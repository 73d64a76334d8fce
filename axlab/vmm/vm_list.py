"""The VM list: VMs in ascending order of their ids, found by id or by name."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from axlab.errors import AxError, no_vm

MAX_ID = 255


class Listed(Protocol):
    """What the list needs to know of a VM."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


V = TypeVar("V", bound=Listed)


class VmList(Generic[V]):
    """VMs in ascending id. AxVisor's BTreeMap: ids are few and small, and order matters more than speed."""

    def __init__(self) -> None:
        self._vms: list[V] = []

    def check_free(self, vm_id: int, name: str) -> None:
        """Raise `AxError` if the id or the name is taken, or the id is none: before anything of a VM is built."""
        if not 0 <= vm_id <= MAX_ID:
            raise AxError(f"VM id {vm_id} is out of range; ids are 0 to {MAX_ID}")
        if vm_id in self:
            raise AxError(f"VM with id {vm_id} already exists")
        taken = next((vm for vm in self if vm.name == name), None)
        if taken is not None:
            raise AxError(f"VM with name {name!r} already exists: VM[{taken.id}]")

    def push(self, vm: V) -> None:
        """Add a VM; raises `AxError` as `check_free` does."""
        self.check_free(vm.id, vm.name)
        insort(self._vms, vm, key=lambda known: known.id)

    def remove(self, vm_id: int) -> V | None:
        """Take a VM off the list, if it is there. It is not stopped: who removes it has done that."""
        vm = self.get(vm_id)
        if vm is not None:
            self._vms.remove(vm)
        return vm

    def get(self, vm_id: int) -> V | None:
        """The VM with this id, if there is one."""
        return next((vm for vm in self if vm.id == vm_id), None)

    def find(self, key: int | str) -> V:
        """The VM with this id or name; `AxError`, which names those that there are, where there is none."""
        for vm in self:
            if key in (vm.id, vm.name):
                return vm
        raise no_vm(key, {vm.id: vm.name for vm in self})

    def range(self, low: int, high: int) -> list[V]:
        """The VMs with ids from `low` to `high`, both included, in order."""
        return [vm for vm in self if low <= vm.id <= high]

    def __contains__(self, vm_id: object) -> bool:
        return any(vm.id == vm_id for vm in self)

    def __iter__(self) -> Iterator[V]:
        """All VMs in ascending id. The list may change meanwhile."""
        return iter(tuple(self._vms))

    def __len__(self) -> int:
        return len(self._vms)
