"""Real guests that boot: Debian's U-Boot to its prompt, Debian's kernel to a userspace that powers off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from axlab.bench.clock import seconds
from axlab.bench.workloads import assembled
from axlab.code_cache import CodeCache
from axlab.errors import AxError
from axlab.events import Observers
from axlab.machine.board import Board
from axlab.vmm.config import VmConfig, load_config, parse_config
from axlab.vmm.config_new import new_config
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.vm import Vm

U_BOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
PROMPT = b"=> "
ANY_KEY = b"Hit any key"

KERNEL_CONFIG = "debian-kernel.toml"
CMDLINE = "console=ttyAMA0 cryptomgr.notests=1 rdinit=/init"
INIT_ADDRESS = 0x40_0000
INIT_SAYS = b"userspace is reached"
ALL_CPUS = b"SMP: Total of 2 processors activated"


@dataclass(frozen=True, slots=True)
class Boot:
    """A boot: CPU seconds, instructions, and the RAM of the guest that it touched. `peak` is the most memory that
    the process had, 0 where that is not known."""

    seconds: float
    instructions: int
    touched: int
    peak: int = 0


def boot_u_boot(cache: Path | None = None) -> Boot:
    """Boot U-Boot up to its prompt, and press a key where it asks for one. `cache`: a folder for translated code."""
    text = new_config("u-boot", name="u-boot", image=str(U_BOOT))
    config = parse_config(text, str(U_BOOT.with_suffix(".toml"))).require()
    with CodeCache(cache) as store:
        return boot_to_prompt(*started(config, store))


def boot_to_prompt(hypervisor: Hypervisor, vm: Vm) -> Boot:
    """Run U-Boot until it waits for a command."""

    def boot() -> None:
        hypervisor.advance(stop=lambda: ANY_KEY in vm.console.output)
        hypervisor.console_input(vm, b"\n")
        hypervisor.advance(stop=lambda: vm.console.output.endswith(PROMPT))

    return finish(hypervisor, vm, boot, PROMPT)


def boot_linux(folder: Path, cache: Path | None = None) -> Boot:
    """Boot the kernel that `axlab fetch debian-kernel` left in a folder, without FP, up to its power-off."""
    with CodeCache(cache) as store:
        hypervisor, vm = start_linux(folder, store)
        return finish(hypervisor, vm, hypervisor.advance, INIT_SAYS)


def boot_linux_on_two_cpus(folder: Path) -> tuple[Boot, Boot]:
    """The same with two vCPUs: to where both of them run, and from there to its power-off."""
    with CodeCache(None) as store:
        hypervisor, vm = start_linux(folder, store, cpus=2)

        def to_both() -> None:
            hypervisor.advance(stop=lambda: ALL_CPUS in vm.console.output)

        return finish(hypervisor, vm, to_both, ALL_CPUS), finish(hypervisor, vm, hypervisor.advance, INIT_SAYS)


def start_linux(folder: Path, store: CodeCache, cpus: int = 1) -> tuple[Hypervisor, Vm]:
    """The kernel with an /init of its own, about to be entered."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as scratch:
        ramdisk = Path(scratch) / "initramfs.cpio"
        ramdisk.write_bytes(archive("init", assembled("init.S", INIT_ADDRESS)))
        config = load_config(folder / KERNEL_CONFIG)
        kernel = replace(config.kernel, cmdline=CMDLINE, ramdisk_path=str(ramdisk))
        base, axlab = replace(config.base, cpu_num=cpus), replace(config.axlab, fp=False)
        return started(replace(config, base=base, kernel=kernel, axlab=axlab), store)


def started(config: VmConfig, store: CodeCache) -> tuple[Hypervisor, Vm]:
    """A VM that is about to enter its guest; nobody observes it."""
    hypervisor = Hypervisor(Board(), Observers())
    hypervisor.board.memory.code_store = store
    vm = hypervisor.create(config)
    hypervisor.start(vm)
    return hypervisor, vm


def finish(hypervisor: Hypervisor, vm: Vm, boot: Any, printed: bytes) -> Boot:
    """Measure a boot that must have printed something. Raises `AxError`."""
    time = seconds(boot)
    if printed not in vm.console.output:
        tail = bytes(vm.console.output[-200:]).decode("utf-8", "replace")
        raise AxError(f"{vm.name} ended ({vm.state} {vm.reason}) before it printed {printed!r}: ...{tail}")
    touched = hypervisor.board.memory.touched()
    return Boot(time, sum(vcpu.instructions for vcpu in vm.vcpus), touched, peak_memory())


def archive(name: str, data: bytes) -> bytes:
    """A cpio archive (the "newc" form) of one executable file: an initial RAM disk."""
    return entry(name, 0o100755, data) + entry("TRAILER!!!", 0, b"")


def entry(name: str, mode: int, data: bytes) -> bytes:
    """A file of a cpio archive: a header of 13 numbers in hexadecimal, the name and the data, padded to 4 bytes."""
    numbers = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + "".join(f"{number:08X}" for number in numbers).encode() + name.encode() + b"\0"
    return padded(header) + padded(data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def peak_memory() -> int:
    """The most memory in bytes that this process ever had; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def boot_linux_alone(folder: Path, cache: Path) -> Boot:
    """`boot_linux` in a process of its own, so that the memory that it takes can be told. Raises `AxError`."""
    package = str(Path(__file__).parent.parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder), str(cache)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AxError(f"the boot of Linux failed: {done.stdout.strip()}")
    return Boot(**json.loads(done.stdout))


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(boot_linux(Path(sys.argv[1]), Path(sys.argv[2])))))
    except AxError as error:
        print(error)
        sys.exit(1)
