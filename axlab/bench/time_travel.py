"""Snapshots and going back, on a guest of 128 MB whose RAM is used, and on U-Boot where it is installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from axlab.bench.boots import ANY_KEY, PROMPT, U_BOOT
from axlab.bench.clock import seconds
from axlab.bench.engines import configuration
from axlab.bench.workloads import ORIGIN
from axlab.lab import Lab
from axlab.machine.isa.assembler import assemble
from axlab.vmm.config import parse_config
from axlab.vmm.config_new import new_config

SNAPSHOTS = 20
COUNTS = "    ldr x1, =0x40200000\n1:  ldr x2, [x1]\n    add x2, x2, #1\n    str x2, [x1]\n    b 1b\n"
FILL = bytes(range(256)) * 16
BACK = (1, 1_000, 100_000, 1_000_000, 10_000_000)

CONTINUE = """
import sys, time
began = time.process_time()
from axlab.lab import Lab
lab = Lab.restore(sys.argv[1], history=False, code_cache=False)
lab.hypervisor.advance(max_instructions=1000)
print(time.process_time() - began)
"""


@dataclass(frozen=True)
class InMemory:
    """CPU seconds of a snapshot and of going back to it, and the bytes that all of them keep."""

    save: float
    restore: float
    kept: int


def full_lab(folder: Path) -> Lab:
    """A lab with a guest of 128 MB that has used all of it, and counts."""
    image = folder / "counts.bin"
    image.write_bytes(assemble(COUNTS, origin=ORIGIN).code)
    lab = Lab(code_cache=False, history=False)
    vm = lab.create(configuration(image, 0, "counts", ram=128 << 20))
    lab.hypervisor.start(vm)
    region = vm.memory_regions[0]
    for page in range(1 << 20, region.size, 4096):
        vm.write(region.gpa + page, FILL)
    return lab


def in_memory(folder: Path) -> tuple[InMemory, int]:
    """Twenty snapshots while the guest counts, and going back to each; the bytes of RAM that the guest has used."""
    lab = full_lab(folder)
    saves, restores = [], []
    for number in range(SNAPSHOTS):
        saves.append(seconds(partial(lab.snapshots.save, f"s{number}")))
        lab.hypervisor.advance(max_instructions=100_000)
    kept = sum(snapshot.differs for snapshot in lab.snapshots)
    for number in range(SNAPSHOTS):
        restores.append(seconds(partial(lab.snapshots.restore, f"s{number}")))
    return InMemory(max(saves), max(restores), kept), lab.board.memory.touched()


def booted(history: bool) -> Lab:
    """U-Boot at its prompt."""
    lab = Lab(code_cache=False, history=history)
    text = new_config("u-boot", name="u-boot", image=str(U_BOOT))
    vm = lab.create(parse_config(text, "u-boot.toml").require())
    lab.hypervisor.start(vm)
    lab.hypervisor.advance(stop=lambda: ANY_KEY in vm.console.output)
    lab.hypervisor.console_input(vm, b"\n")
    lab.hypervisor.advance(stop=lambda: vm.console.output.endswith(PROMPT))
    return lab


def on_disk() -> tuple[float, float, int]:
    """CPU seconds of writing U-Boot at its prompt, of a new process until it goes on, and the size of the file."""
    lab = booted(history=False)
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        path = Path(folder) / "prompt.axsnap"
        write = seconds(lambda: lab.snapshots.write(path))
        command = [sys.executable, "-c", CONTINUE, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return write, float(done.stdout), path.stat().st_size


def going_back() -> Iterator[tuple[int, float]]:
    """From U-Boot's prompt so many instructions back: CPU seconds of each."""
    lab = booted(history=True)
    assert lab.history is not None
    for count in BACK:
        yield count, seconds(partial(lab.history.back, 0, count))
        lab.history.to_end()


def cost_of_history(pairs: int) -> float:
    """How much longer a boot takes with history, in parts of one."""
    times = [(seconds(lambda: booted(False)), seconds(lambda: booted(True))) for _ in range(pairs)]
    without, with_it = (min(column) for column in zip(*times, strict=True))
    return float(with_it / without - 1)
