"""What runs a workload: a CPU alone, a CPU under the hypervisor, Unicorn. Each checks the result."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.bench.clock import seconds
from axlab.bench.workloads import ORIGIN, RAM_SIZE, RESULT, SYSTEM_OFF, Workload, end_of
from axlab.events import Observers
from axlab.machine.board import Board
from axlab.machine.bus import Bus
from axlab.machine.cpu import Cpu
from axlab.machine.features import Features
from axlab.machine.instruction_trace import InstructionTrace
from axlab.machine.memory import Memory
from axlab.machine.translator.translated import Translated
from axlab.vmm.config import VmConfig, parse_config
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.vm import Vm

ENOUGH = 1 << 40  # instructions: more than any workload has

CONFIG = """
[base]
id = {id}
name = "{name}"
vm_type = 1
cpu_num = {vcpus}
[kernel]
entry_point = {origin:#x}
kernel_path = "{path}"
kernel_load_addr = {origin:#x}
memory_regions = [[{origin:#x}, {size:#x}, 0x7, 0]]
[devices]
interrupt_mode = "no_irq"
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended as it should: CPU seconds and instructions."""

    seconds: float
    instructions: int

    @property
    def rate(self) -> float:
        """Million instructions per CPU second."""
        return self.instructions / self.seconds / 1e6


class WrongResult(Exception):
    """A workload computed something else than it should: nothing that it measured counts."""


def check(workload: Workload, engine: str, result: int) -> None:
    if result != workload.result:
        raise WrongResult(f"{workload.name} on {engine} ended with {result:#x}, not {workload.result:#x}")


def bare_cpu(code: bytes) -> Cpu:
    """A CPU with nothing but RAM, about to enter a program."""
    memory = Memory(ORIGIN, RAM_SIZE)
    memory.write(ORIGIN, code)
    cpu = Cpu(memory, Bus(), 0, 0, Features())
    cpu.reset(ORIGIN)
    return cpu


def run_bare(workload: Workload, trace: InstructionTrace | None = None) -> Run:
    """On a CPU without a hypervisor, and so without stage 2; every instruction goes into `trace` if there is one."""
    cpu = bare_cpu(workload.build())
    cpu.record(trace)
    time = seconds(lambda: cpu.run(ENOUGH))
    check(workload, "a bare CPU", cpu.x[RESULT] if cpu.x[0] == SYSTEM_OFF else -1)
    return Run(time, cpu.executed)


def run_without_regions(workload: Workload) -> Run:
    """As `run_bare`, with blocks alone: nothing is hot enough for a region."""
    cpu = bare_cpu(workload.build())
    cpu.translated = Translated(cpu)
    cpu.translated.hot.enough = ENOUGH
    time = seconds(lambda: cpu.run(ENOUGH))
    check(workload, "a bare CPU", cpu.x[RESULT] if cpu.x[0] == SYSTEM_OFF else -1)
    return Run(time, cpu.executed)


def run_recorded(workload: Workload) -> Run:
    """As `run_bare`, recording every instruction."""
    trace = InstructionTrace()
    run = run_bare(workload, trace)
    if len(trace) != run.instructions:
        raise WrongResult(f"{workload.name}: {len(trace)} instructions were recorded of {run.instructions}")
    return run


def configuration(path: Path, id: int, name: str, vcpus: int = 1, ram: int = RAM_SIZE) -> VmConfig:
    """A VM for a flat binary at the beginning of its RAM."""
    text = CONFIG.format(id=id, name=name, path=path, vcpus=vcpus, origin=ORIGIN, size=ram)
    return parse_config(text, str(path.with_suffix(".toml"))).require()


def run_under_hypervisor(workload: Workload) -> Run:
    """In a VM: with stage 2, ticks of the host, and a scheduler."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        image = Path(folder) / f"{workload.name}.bin"
        image.write_bytes(workload.build())
        hypervisor = Hypervisor(Board(), Observers())
        vm = hypervisor.create(configuration(image, 0, workload.name))
    hypervisor.start(vm)
    time = seconds(hypervisor.advance)
    check_vm(workload, vm)
    return Run(time, vm.vcpus[0].instructions)


def check_vm(workload: Workload, vm: Vm) -> None:
    """The VM has powered itself off with the right result."""
    check(workload, "the hypervisor", vm.vcpus[0].cpu.x[RESULT] if vm.state == "Stopped" else -1)


def has_unicorn() -> bool:
    return importlib.util.find_spec("unicorn") is not None


def run_unicorn(workload: Workload, trace: str = "") -> float:
    """CPU seconds on Unicorn. `trace`: "" no hook, "instruction" or "block" a Python hook that records each pc."""
    unicorn: Any = importlib.import_module("unicorn")
    registers: Any = importlib.import_module("unicorn.arm64_const")
    code = workload.build()
    emulator = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    emulator.mem_map(ORIGIN, RAM_SIZE)
    emulator.mem_write(ORIGIN, code)
    if trace:
        kind = {"instruction": unicorn.UC_HOOK_CODE, "block": unicorn.UC_HOOK_BLOCK}[trace]
        emulator.hook_add(kind, recorder(array("Q")))
    time = seconds(lambda: emulator.emu_start(ORIGIN, end_of(code)))
    check(workload, "Unicorn", emulator.reg_read(registers.UC_ARM64_REG_X19))
    return time


def recorder(trace: array[int]) -> Callable[..., None]:
    """A hook that does the least a trace needs: it appends the pc."""
    append = trace.append

    def hook(emulator: Any, address: int, size: int, data: Any) -> None:
        append(address)

    return hook
