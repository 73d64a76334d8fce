"""What happened, as exports draw it: spans, deliveries and exits, with the names of VMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from axlab.events import Exit, VmState
from axlab.trace.deliveries import Delivery
from axlab.trace.spans import Span


@dataclass(frozen=True)
class Story:
    """All of it in the order of time. `names` are those of VMs by id; `until` is the virtual ns at which it ends."""

    spans: list[Span] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    states: list[VmState] = field(default_factory=list)
    names: Mapping[int, str] = field(default_factory=dict)
    until: int = 0

    def label(self, vm: int) -> str:
        """`VM[0] demo`."""
        return f"VM[{vm}] {self.names.get(vm, '')}".strip()

    def vcpus(self) -> list[tuple[int, int]]:
        """(vm, vcpu) of all that appear, in their order."""
        found = {(span.vm, span.vcpu) for span in self.spans} | {(one.vm, one.vcpu) for one in self.deliveries}
        return sorted(found | {(exit.vm, exit.vcpu) for exit in self.exits})

    def pcpus(self) -> list[int]:
        """The physical CPUs that ran something."""
        return sorted({span.pcpu for span in self.spans if span.pcpu >= 0})
