"""`vm why`: why a VM failed, or is not moving."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from axlab.shell.arguments import VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines
from axlab.shell.results import Result
from axlab.shell.running import Interruptible
from axlab.shell.stop_lines import access_text, instruction_text
from axlab.units import format_duration
from axlab.vmm.findings import Finding
from axlab.vmm.why import explain

PATIENCE = 1000  # slices of the past that are looked through for who wrote something
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
    findings = [with_writer(context, found, finding) for finding in explain(context.hypervisor, found)]
    return WhyResult(vm=found.id, findings=findings, format=format)


def with_writer(context: Context, vm: Any, finding: Finding) -> Finding:
    """A finding about memory that a loop waits for, with who wrote there last, by the lab's history."""
    if finding.awaits is None:
        return finding
    asked = 0
    with Interruptible() as interrupt:

        def stopped() -> bool:
            nonlocal asked
            asked += 1
            return interrupt.requested or asked > PATIENCE

        last = context.lab.last_write(vm, *finding.awaits, stopped)
    if last is None or last.hit is None:
        return finding
    writer = vm.vcpus[last.vcpu]
    ago = format_duration(max(0, context.hypervisor.now - last.time))
    state = f"{writer.state} ({writer.wait_reason})" if writer.wait_reason else str(writer.state)
    line = (
        f"VCpu[{last.vcpu}] wrote it last, {ago} ago: {access_text(vm, last.hit)}, "
        f"by {instruction_text(vm, writer, last.hit.pc)}; it is {state} now"
    )
    return replace(finding, details=(*finding.details, line))
