"""What an exit costs: guests that leave for one reason, again and again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from axlab.bench.clock import seconds
from axlab.bench.engines import WrongResult
from axlab.bench.many_runs import CONFIG
from axlab.bench.workloads import ORIGIN, RAM_SIZE, RESULT, code_of, source_of
from axlab.events import Observers
from axlab.machine.board import Board
from axlab.trace.recorder import Recorder
from axlab.vmm.config import parse_config
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.vm import Vm

ROUNDS = 20_000
PASSED = 'passthrough_devices = [["/pl031@9010000"]]\n'
SLEEP = (
    "mov x1, #64",
    "msr cntv_tval_el0, x1",
    "mov x1, #1",
    "msr cntv_ctl_el0, x1",
    "wfi",  # interrupts are masked: it wakes, and takes none
    "msr cntv_ctl_el0, xzr",
    "mrs x1, icc_iar1_el1",
    "msr icc_eoir1_el1, x1",
)
LEAVES: dict[str, tuple[str, ...]] = {
    "a load of the UART": ("ldr w1, [x20, #0x18]",),
    "a store to the UART": ("str wzr, [x20, #0x38]",),
    "a load of a device that is passed through": ("ldr w1, [x21]",),
    "a hypercall": ("mov x0, #2", "hvc #0"),
    "WFI until the timer": SLEEP,
}
"""What a guest does, and in which instructions. All but the one that is passed through leave it."""


def cost(what: str, record: bool = False) -> float:
    """CPU seconds of one of `LEAVES`, without observers or with events recorded. Raises `WrongResult`."""
    hypervisor, vm = started(what, ROUNDS, record)
    time = seconds(hypervisor.advance)
    left = vm.vcpus[0].cpu.x[RESULT]
    if vm.state != "Stopped" or left:
        raise WrongResult(f"{what}: the VM is {vm.state} with {left} rounds left")
    return time / ROUNDS


def started(what: str, rounds: int, record: bool = False) -> tuple[Hypervisor, Vm]:
    """A guest that is about to do that so often."""
    source = source_of("exits.S").replace("        EXIT", "\n".join(LEAVES[what]))
    code = code_of(source, ORIGIN, "exits.S")
    hypervisor = Hypervisor(Board(), Observers())
    if record:
        hypervisor.events.add(Recorder())
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        image = Path(folder) / "exits.bin"
        image.write_bytes(code)
        text = CONFIG.format(id=0, path=image, origin=ORIGIN, size=RAM_SIZE) + PASSED
        vm = hypervisor.create(parse_config(text).require())
    hypervisor.start(vm)
    vm.vcpus[0].cpu.x[RESULT] = rounds
    return hypervisor, vm
