"""`vm list`: every VM in one table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from axlab.shell.context import Context
from axlab.shell.declaration import Flag, command
from axlab.shell.parts import table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.units import format_memory_size

TITLES = ("VM ID", "NAME", "STATUS", "VCPU", "MEMORY", "VCPU STATE")
WIDTHS = (6, 15, 12, 15, 10, 20)

ABBREVIATIONS = {
    "Free": "Free",
    "Running": "Run",
    "Blocked": "Blk",
    "Invalid": "Inv",
    "Created": "Cre",
    "Ready": "Rdy",
}


@dataclass(frozen=True)
class VmRow:
    """One VM of the list: `memory` as people read it, `memory_bytes` exactly, `vcpu` how many it has."""

    id: int
    name: str
    state: str
    vcpu: int
    memory: str
    memory_bytes: int
    vcpu_states: dict[str, int]
    vcpu_ids: tuple[int, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        ids = ",".join(map(str, self.vcpu_ids))
        return str(self.id), self.name, self.state, ids, self.memory, summary(self.vcpu_states)


def summary(states: dict[str, int]) -> str:
    """`Blk:1,Run:2`: abbreviated and in alphabetical order."""
    return ",".join(f"{name}:{count}" for name, count in sorted((ABBREVIATIONS[s], n) for s, n in states.items()))


def row_of(vm: Any) -> VmRow:
    size = sum(region.size for region in vm.memory_regions)
    states = Counter(str(vcpu.state) for vcpu in vm.vcpus)
    ids = tuple(vcpu.id for vcpu in vm.vcpus)
    return VmRow(
        vm.id, vm.name, str(vm.state), len(ids), format_memory_size(size), size, dict(sorted(states.items())), ids
    )


@dataclass(kw_only=True)
class VmListResult(Result):
    """The VMs in ascending order of their ids."""

    vms: list[VmRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        if not self.vms:
            return [Lines(("No virtual machines found.",))]
        return [Table(TITLES, tuple(row.cells for row in self.vms), WIDTHS)]

    def json(self) -> dict[str, Any]:
        keys = ("id", "name", "state", "vcpu", "memory", "memory_bytes", "vcpu_states")
        return {"vms": [{key: getattr(row, key) for key in keys} for row in self.vms]}

    def json_text(self) -> str:
        return super().json_text() if self.vms else '{"vms": []}'


@command(
    "vm list",
    "List all virtual machines",
    table_format(),
    Flag("all", "Every VM is always shown; accepted because AxVisor has it", short="a"),
)
def list_vms(context: Context, format: str, all: bool) -> VmListResult:
    return VmListResult(vms=[row_of(vm) for vm in context.hypervisor.vms], format=format)
