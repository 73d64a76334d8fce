"""`vm snapshot`: keep the state of the lab, and go back to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.shell.arguments import Vm, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.time.snapshots import Snapshot
from axlab.units import format_duration, format_memory_size


@dataclass(frozen=True)
class SnapshotName:
    """The name of a snapshot; `known` ones are offered by completion."""

    metavar: str = "NAME"
    kind: ClassVar[str] = "name"

    def convert(self, text: str) -> str:
        return text

    def words(self, lab: Any) -> list[str]:
        """What completion offers."""
        return [known.name for known in lab.snapshots]


NAME = Argument("name", SnapshotName(), "What it is called: a plain file name")


@dataclass(frozen=True)
class SnapshotRow:
    """One snapshot: `time` is virtual ns, sizes are bytes of RAM; `problem` says why a file is none."""

    name: str
    places: str
    time: int
    vms: list[dict[str, Any]]
    touched: int
    differs: int
    fingerprint: str
    problem: str = ""
    is_of_one: bool = False


def row_of(snapshot: Snapshot) -> SnapshotRow:
    vms = [{"id": vm.id, "name": vm.name, "state": vm.state} for vm in snapshot.vms]
    sizes = snapshot.touched, snapshot.differs
    return SnapshotRow(
        snapshot.name,
        snapshot.places,
        snapshot.now,
        vms,
        *sizes,
        snapshot.fingerprint,
        snapshot.problem,
        snapshot.is_of_one,
    )


@dataclass(kw_only=True)
class SnapshotResult(Result):
    """One snapshot, and what was done with it."""

    snapshot: SnapshotRow


@dataclass(kw_only=True)
class SnapshotListResult(Result):
    """The snapshots, oldest first."""

    snapshots: list[SnapshotRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        if not self.snapshots:
            return [Lines(("No snapshots.",))]
        rows = [
            (row.name, row.places, "damaged", "", "", "")
            if row.problem
            else (row.name, row.places, format_duration(row.time), who(row), format_memory_size(row.touched),
                  format_memory_size(row.differs))
            for row in self.snapshots
        ]  # fmt: skip
        return [Table(("NAME", "WHERE", "TIME", "VMS", "MEMORY", "DIFFERS"), tuple(rows))]


def who(row: SnapshotRow) -> str:
    """How many VMs, or which one alone."""
    return f"only {row.vms[0]['id']}" if row.is_of_one else str(len(row.vms))


def count(number: int) -> str:
    return f"{number} VM{'s' * (number != 1)}"


@command(
    "vm snapshot save",
    "Keep the state of the lab under a name",
    NAME,
    Flag("disk", "Also as a file in /snapshots, or in the VM's folder, which outlives the process", short="d"),
    Option("vm", Vm(), "Only this VM, which can be put back while the others go on"),
)
def save(context: Context, name: str, disk: bool, vm: VmReference | None) -> Result:
    """Keep the whole lab as it is now: memory, vCPUs, devices, virtual time, the trace.

    A snapshot of that name is replaced. It costs the pages that are written afterwards.
    """
    one = None if vm is None else the_vm(context, vm)
    snapshot = context.lab.snapshots.save(name, disk, one)
    row = row_of(snapshot)
    memory = format_memory_size(row.touched)
    where = f" (/{snapshot.path.relative_to(context.lab.folder)})" if snapshot.path is not None and disk else ""
    what = count(len(row.vms)) if one is None else one.label
    context.say(f"✓ snapshot {name!r} at {format_duration(row.time)}: {what}, {memory} of memory{where}")
    return SnapshotResult(snapshot=row, transcript=context.transcript)


@command("vm snapshot restore", "Go back to a snapshot", NAME)
def restore(context: Context, name: str) -> Result:
    """Make the whole lab what it was: also virtual time and the trace.

    What has happened since then has not happened. A snapshot of one VM puts that VM back, and the others go on from
    where they are; the VM goes on as if it had been suspended in between. The snapshot stays.
    """
    before = context.hypervisor.now
    row = row_of(context.lab.snapshots.restore(name))
    if row.is_of_one:
        context.say(f"✓ restored {name!r}: VM[{row.vms[0]['id']}] is as it was at {format_duration(row.time)}")
        return SnapshotResult(snapshot=row, transcript=context.transcript)
    context.say(f"✓ restored {name!r}: the lab is at {format_duration(row.time)} (it was at {format_duration(before)})")
    return SnapshotResult(snapshot=row, transcript=context.transcript)


@command("vm snapshot list", "List snapshots", table_format())
def list_snapshots(context: Context, format: str) -> Result:
    return SnapshotListResult(snapshots=[row_of(known) for known in context.lab.snapshots], format=format)


@command("vm snapshot show", "Show a snapshot", NAME, table_format())
def show(context: Context, name: str, format: str) -> Result:
    row = row_of(context.lab.snapshots[name])
    if row.problem:
        raise AxError(row.problem)
    kept = f", of which {format_memory_size(row.differs)} are kept here" if "memory" in row.places else ""
    context.say(
        f"Snapshot {row.name} ({row.places})",
        f"  Time:        {format_duration(row.time)}",
        f"  Memory:      {format_memory_size(row.touched)}{kept}",
        *([f"  Fingerprint: {row.fingerprint}"] if row.fingerprint else []),  # a VM alone has none
        *(f"  VM[{vm['id']}] {vm['name']}: {vm['state']}" for vm in row.vms),
    )
    return SnapshotResult(snapshot=row, transcript=context.transcript, format=format)


@command("vm snapshot delete", "Delete a snapshot", NAME)
def delete(context: Context, name: str) -> Result:
    row = row_of(context.lab.snapshots.delete(name))
    context.say(f"✓ snapshot {name!r} deleted")
    return SnapshotResult(snapshot=row, transcript=context.transcript)
