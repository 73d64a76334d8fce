"""Which VM a view is of: by its id, its name, or itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, SupportsInt

from axlab.errors import no_vm
from axlab.trace.columns import KINDS

if TYPE_CHECKING:
    from axlab.trace.recorder import Recorder


class Known(Protocol):
    """What is asked of a VM."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


Which = int | str | Known | None
"""A VM by its id, by its name or itself; None: all of them."""


def id_of(which: Which, vms: Iterable[Known], recorder: Recorder) -> int | None:
    """The id of a VM that is there (`vms`), or that is no more and left rows (by its id); None for None.

    Raises `AxError`, which names those that there are.
    """
    if which is None:
        return None
    names = {vm.id: vm.name for vm in vms}
    if isinstance(which, str):
        found = next((number for number, name in names.items() if name == which), None)
    else:
        found = int(which if isinstance(which, SupportsInt) else which.id)  # numpy's integers of a frame, too
    if found in names or found is not None and has_rows(found, recorder):
        return found
    gone = [number for number in changed(recorder) if number not in names]
    raise no_vm(which if isinstance(which, str) else f"{found}", names | dict.fromkeys(gone, ""))


def has_rows(vm: int, recorder: Recorder) -> bool:
    """Whether something of a VM was recorded."""
    if any(one.vm == vm for one in recorder.executed.every()):
        return True
    stores = (recorder.table(kind).stored() for kind in KINDS)
    return any("vm" in columns and vm in columns["vm"].values for columns in stores)


def changed(recorder: Recorder) -> list[int]:
    """The ids of the VMs whose states changed, in ascending order."""
    return sorted(set(recorder.table("vm_states").stored()["vm"].values))
