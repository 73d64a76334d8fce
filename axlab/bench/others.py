"""What is not the speed of one guest: many VMs, several vCPUs, and how soon AxLab answers."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from axlab.bench.clock import seconds
from axlab.bench.engines import Run, WrongResult, check_vm, configuration
from axlab.bench.workloads import ORIGIN, RAM_SIZE, RESULT, WORKLOADS, assembled
from axlab.events import Observers
from axlab.lab import Lab
from axlab.machine.board import Board
from axlab.machine.instruction_trace import InstructionTrace
from axlab.trace.recorder import Recorder
from axlab.vmm.config import default_config
from axlab.vmm.hypervisor import Hypervisor

ALU, FIB = WORKLOADS[0], WORKLOADS[2]
LISTED = 10
LISTINGS = 100
IMPORTS = 5
IMPORT = "import time; start = time.process_time(); import axlab{}; print(time.process_time() - start)"

ROUNDS, ALONE = 20_000, 8  # of lock.S
COUNT = 0x4020_00C0


def beside_sleepers(sleepers: int) -> float:
    """CPU seconds of a VM that computes, while so many others sleep."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        sleeps, computes = Path(folder) / "sleep.bin", Path(folder) / "alu.bin"
        sleeps.write_bytes(assembled("sleep.S", ORIGIN))
        computes.write_bytes(ALU.build())
        hypervisor = Hypervisor(Board(), Observers())
        for id in range(1, sleepers + 1):
            hypervisor.start(hypervisor.create(configuration(sleeps, id, f"sleeper-{id}")))
        vm = hypervisor.create(configuration(computes, 0, "alu"))
    hypervisor.advance()  # until all of them sleep
    hypervisor.start(vm)
    time = seconds(hypervisor.advance)
    check_vm(ALU, vm)
    return time


def share_a_lock(vcpus: int, rounds: int = ROUNDS, alone: int = ALONE) -> Run:
    """vCPUs of one VM, each on a physical CPU of its own, that spin on each other's lock `rounds` times, and compute
    in between: `alone` times four instructions."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        image = Path(folder) / "lock.bin"
        image.write_bytes(assembled("lock.S", ORIGIN))
        hypervisor = Hypervisor(Board(), Observers())
        vm = hypervisor.create(configuration(image, 0, "lock", vcpus))
    hypervisor.start(vm)
    vm.write(COUNT, struct.pack("<III", vcpus - 1, rounds, alone))
    time = seconds(hypervisor.advance)
    counted = vm.vcpus[0].cpu.x[RESULT]
    if counted != vcpus * rounds:
        raise WrongResult(f"{vcpus} vCPUs counted {counted}, not {vcpus * rounds}")
    return Run(time, sum(vcpu.instructions for vcpu in vm.vcpus))


def many_at_once(vms: int = 1, ram: int = RAM_SIZE, level: str = "off") -> Run:
    """VMs that all compute, on four physical CPUs. `level`: what is recorded, "off", "events" or "instructions"."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        image = Path(folder) / "fib.bin"
        image.write_bytes(FIB.build())
        hypervisor = Hypervisor(Board(), Observers())
        if level != "off":
            hypervisor.events.add(Recorder())
        for id in range(vms):
            hypervisor.create(configuration(image, id, f"fib-{id}", ram=ram))
    for vm in hypervisor.vms:
        vm.vcpus[0].cpu.record(InstructionTrace() if level == "instructions" else None)
        hypervisor.start(vm)
    time = seconds(hypervisor.advance)
    for vm in hypervisor.vms:
        check_vm(FIB, vm)
    return Run(time, sum(vm.vcpus[0].instructions for vm in hypervisor.vms))


def listing() -> float:
    """CPU seconds of one `vm list` with ten VMs."""
    lab = Lab()
    for id in range(LISTED):
        lab.create(default_config("demo", id=id, name=f"demo-{id}"))

    def listings() -> None:
        for _ in range(LISTINGS):
            lab.shell("vm list").text()

    lab.shell("vm list")  # what is read and built on first use
    return seconds(listings) / LISTINGS


def importing(what: str) -> float:
    """CPU seconds of importing axlab and what stands behind it, at best, in a fresh interpreter."""
    path = str(Path(__file__).parent.parent.parent)
    words = [sys.executable, "-c", IMPORT.format(what)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([path, os.environ.get("PYTHONPATH", "")])}
    runs = [subprocess.run(words, env=environment, capture_output=True, text=True, check=True) for _ in range(IMPORTS)]
    return min(float(run.stdout) for run in runs)
