"""A lab whose guest counts, and what it has counted."""

from __future__ import annotations

from shell_labs import lab_with
from small_guests import COUNTS

from axlab.lab import Lab
from axlab.time.history import History

COUNTER = 0x4020_0000


def history_of(lab: Lab) -> History:
    assert lab.history is not None
    return lab.history


def counting_lab() -> Lab:
    """A guest that counts at COUNTER: four instructions for each number."""
    lab = lab_with(COUNTS)
    lab.hypervisor.start(lab.vm(0))
    return lab


def counted(lab: Lab) -> int:
    data = lab.vm(0).read(COUNTER, 8)
    assert data is not None
    return int.from_bytes(data, "little")


def executed(lab: Lab, vm: int = 0) -> int:
    return sum(vcpu.instructions for vcpu in lab.vm(vm).vcpus)
