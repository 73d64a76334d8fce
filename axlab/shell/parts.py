"""Arguments, options and flags that several commands declare alike."""

from __future__ import annotations

from axlab.shell.arguments import Choice, Vm
from axlab.shell.declaration import Argument, Flag, Option

NO_VM = "Error: No VM specified"
FORMAT_TYPE = Choice(("table", "json"), "FORMAT")


def vms(operation: str = "", minimum: int = 1, summary: str = "Ids, names, ranges such as 0-3, or all") -> Argument:
    """VMs by id, name, range, or `all`; completion offers those that admit `operation`."""
    kind = Vm(several=True, operation=operation)
    return Argument("vms", kind, summary, minimum=minimum, maximum=None, missing=NO_VM if minimum else "")


def one_vm(lists_flags: bool = False) -> Argument:
    """One VM by id or name."""
    return Argument("vm", Vm(), "Id or name of the VM", missing=NO_VM, lists_flags=lists_flags)


def table_format(short: str = "f") -> Option:
    """`--format table|json`."""
    return Option("format", FORMAT_TYPE, "Output format", short=short, default="table")


FORCE_STOP = Flag("force", "Force stop without waiting", short="f")
