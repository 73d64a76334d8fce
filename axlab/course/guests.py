"""Guests for checks: a VM from a few lines of assembly, in a lab of the check's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axlab.lab import Lab
    from axlab.vmm.vm import Vm


def guest(lab: Lab, source: str, name: str = "guest") -> Vm:
    """A VM with one vCPU that begins at the first instruction of the source. Raises AxError.

    >>> vm = guest(Lab(), "loop: wfi\\n b loop", "sleeper")
    """
    from axlab.guests import LOAD_ADDRESS
    from axlab.machine.isa.assembler import assemble

    path = Path(lab.folder) / f"{name}.bin"
    path.write_bytes(bytes(assemble(source, origin=LOAD_ADDRESS, name=name).code))
    return lab.create(path)
