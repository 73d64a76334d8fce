"""Which started VM has which device of the board, and which GIC version the board shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.machine.memory_map import Region

if TYPE_CHECKING:
    from axlab.vmm.vm import Vm

SHARED = ("uart", "gic")
"""Kinds of devices that every VM gets its own of: nobody owns the board's."""


class Ownership:
    """Owners of devices by region name, as VM ids; the GIC version of started VMs under passthrough."""

    def __init__(self) -> None:
        self.owners: dict[str, int] = {}
        self.gic_versions: dict[int, int] = {}

    def acquire(self, vm: Vm) -> None:
        """Give a VM that starts its devices, all or none; `AxError` names the owner of one that is taken."""
        wanted = [grant.region for grant in vm.granted if grant.region.kind not in SHARED]
        for region in wanted:
            self._check(vm, region)
        self._check_gic(vm)
        for region in wanted:
            self.owners[region.name] = vm.id
        if vm.config.devices.interrupt_mode == "passthrough":
            self.gic_versions[vm.id] = vm.config.axlab.gic_version

    def release(self, vm: Vm) -> None:
        """The VM has stopped: its devices are free."""
        self.owners = {name: owner for name, owner in self.owners.items() if owner != vm.id}
        self.gic_versions.pop(vm.id, None)

    def _check(self, vm: Vm, region: Region) -> None:
        owner = self.owners.get(region.name, vm.id)
        if owner != vm.id:
            raise AxError(f"device {region.name} ({region.node or hex(region.base)}) belongs to VM[{owner}]")

    def _check_gic(self, vm: Vm) -> None:
        if vm.config.devices.interrupt_mode != "passthrough":
            return
        for other, version in self.gic_versions.items():
            if version != vm.config.axlab.gic_version:
                raise AxError(
                    f"the board's GIC is version {version} while VM[{other}] runs, "
                    f"{vm.label} wants version {vm.config.axlab.gic_version}"
                )
