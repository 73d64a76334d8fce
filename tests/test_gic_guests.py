"""A guest with two CPUs that uses all of its interrupt controller prints the same on QEMU and in a lab."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from axlab.lab import Lab
from axlab.vmm.config import VmConfig, parse_config

Needs = Callable[[str, str], str]
HERE = Path(__file__).parent

PRINTED = """\
second CPU
answered by {answer}
to all others 7
not to oneself
to oneself 9
virtual timer 27
physical timer 30
the better timer first 30 27
more than list registers 65 58 51 68 61 71 64 57 50 67 60 53 70 63 56 49 66 59 52 69 62 55 48
nested 54 55 1000 56
. a level 33
routed to the second CPU 72
not here
a masked interrupt ends WFI
and is taken later 27
"""
"""On a GICv2 an SGI names its sender, CPU 1, in bits 12:10."""
ANSWERS = {2: 6 | 1 << 10, 3: 6}

CONFIG = """
[base]
id = 1
name = "gic"
vm_type = 1
cpu_num = 2
phys_cpu_ids = [0, 1]
phys_cpu_sets = [1, 2]
[kernel]
kernel_path = "{kernel}"
memory_regions = [[0x4000_0000, 0x400_0000, 0x7, 0]]
[devices]
interrupt_mode = "{mode}"
passthrough_devices = [["/"]]
[axlab]
gic_version = {version}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, needs: Needs) -> Callable[[int], Path]:
    """The guest, compiled for a GIC of this version."""
    compiler = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    flags = "-O1 -nostdlib -ffreestanding -mgeneral-regs-only -mstrict-align -fno-pic -static -no-pie"
    link = "-Wl,-Ttext=0x40400000 -Wl,--section-start=.text.start=0x40400000 -Wl,--build-id=none"

    def compiled(version: int) -> Path:
        path = tmp_path_factory.mktemp("gic") / "guest.elf"
        sources = [str(HERE / "gic_guest.S"), str(HERE / "gic_guest.c")]
        subprocess.run([compiler, f"-DGIC={version}", *flags.split(), *link.split(), "-o", path, *sources], check=True)
        return path

    return compiled


def config(kernel: Path, version: int, mode: str = "emulated") -> VmConfig:
    text = CONFIG.format(kernel=kernel, version=version, mode=mode)
    return parse_config(text, "gic.toml", folder=kernel.parent).require()


@pytest.mark.parametrize("version", [2, 3])
def test_qemu_prints_what_is_expected(version: int, program: Callable[[int], Path], needs: Needs) -> None:
    qemu = needs("qemu-system-aarch64", "qemu-system-arm")
    options = f"-machine virt,gic-version={version} -cpu cortex-a57 -smp 2 -m 64M -display none -nodefaults"
    loader = f"loader,file={program(version)},cpu-num=0"
    command = [qemu, *options.split(), "-serial", "stdio", "-device", loader]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode() == PRINTED.format(answer=ANSWERS[version])


@pytest.mark.parametrize("mode", ["emulated", "passthrough"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_lab_prints_the_same(version: int, mode: str, program: Callable[[int], Path]) -> None:
    lab = Lab(cpus=2, gic_version=version)
    vm = lab.create(config(program(version), version, mode))
    lab.hypervisor.start(vm)
    lab.run("1s")
    assert bytes(vm.console.output).decode() == PRINTED.format(answer=ANSWERS[version])


@pytest.mark.parametrize("version", [2, 3])
def test_two_vcpus_can_share_one_physical_cpu(version: int, program: Callable[[int], Path]) -> None:
    lab = Lab(cpus=1, gic_version=version, tick="1ms", scheduler="rr")
    shared = CONFIG.replace("phys_cpu_sets = [1, 2]", "phys_cpu_sets = [1, 1]")
    text = shared.format(kernel=program(version), version=version, mode="emulated")
    vm = lab.create(parse_config(text, "gic.toml").require())
    lab.hypervisor.start(vm)
    lab.run("2s")
    assert bytes(vm.console.output).decode() == PRINTED.format(answer=ANSWERS[version])


def test_a_lab_copied_in_the_middle_prints_the_same(program: Callable[[int], Path]) -> None:
    lab = Lab(cpus=2)
    vm = lab.create(config(program(3), 3))
    lab.hypervisor.start(vm)
    copies = []
    for _ in range(8):
        lab.run("700us")
        copies.append(copy.deepcopy(lab.hypervisor))
    expected = PRINTED.format(answer=ANSWERS[3])
    for hypervisor in copies:
        hypervisor.advance(1_000_000_000)
        assert bytes(hypervisor.vms.find(vm.id).console.output).decode() == expected
