"""`vm why`: why a VM failed, or is not moving."""

from __future__ import annotations

from dataclasses import dataclass, field

from axlab.shell.arguments import VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines
from axlab.shell.results import Result
from axlab.vmm.findings import Finding
from axlab.vmm.why import explain

SIGNS = {"cause": "●", "fact": "ℹ", "warning": "⚠"}


@dataclass(kw_only=True)
class WhyResult(Result):
    """What was found: the causes first, then facts, then warnings."""

    ROWS = "findings"
    vm: int
    findings: list[Finding] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        lines = []
        for finding in self.findings:
            lines.append(f"{SIGNS[finding.kind]} {finding.text}")
            lines += [f"    {line}" for line in finding.details]
        return [*self.transcript, Lines(tuple(lines))]


@command("vm why", "Say why a virtual machine failed, or is not moving", one_vm(), table_format())
def why(context: Context, vm: VmReference, format: str) -> Result:
    """Say why a VM does not go on.

    Its state is looked at, and a copy of the lab runs on for a moment and is watched: what the vCPUs wait for, which
    loop they are in, what it reads, who would change that and does not run. The lab itself stays as it is.
    """
    found = the_vm(context, vm)
    return WhyResult(vm=found.id, findings=explain(context.hypervisor, found), format=format)
