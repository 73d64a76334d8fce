"""Guests in C, as compilers make them, print in a lab what they print on QEMU: see the files in `guests/`.

What they print is in `guests/*.txt`; one test holds QEMU to it, the others hold a lab to it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from axlab.lab import Lab
from axlab.vmm.config import parse_config
from axlab.vmm.vm import Vm

pytestmark = pytest.mark.slow

Needs = Callable[[str, str], str]
Build = Callable[["Guest"], Path]
HERE = Path(__file__).parent / "guests"
LIBC = "/usr/aarch64-linux-gnu/lib/libc.a"

CONFIG = """
[base]
id = 1
name = "guest"
vm_type = 1
cpu_num = {guest.cpus}
[kernel]
kernel_path = "{kernel}"
memory_regions = [[0x4000_0000, 0x800_0000, 0x7, 0]]
[devices]
interrupt_mode = "{guest.mode}"
passthrough_devices = [["/"]]
[axlab]
gic_version = {guest.gic}
lse = {lse}
"""


@dataclass(frozen=True)
class Guest:
    """A source file and how it is compiled; `prints` names the file with what it prints, `libraries` what it needs."""

    source: str
    options: str
    prints: str = ""
    cpus: int = 1
    gic: int = 3
    lse: bool = False
    mode: str = "emulated"
    libraries: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source} {self.options} gic{self.gic} {self.mode}".replace(" ", "_")

    @property
    def printed(self) -> str:
        return (HERE / f"{self.prints or self.source}.txt").read_text(encoding="utf-8")


INTEGER = "-mgeneral-regs-only -mno-outline-atomics"
COMPUTE = [
    Guest("compute", options)
    for options in (
        "-O0", "-O1 -mbranch-protection=standard", "-O2 -mgeneral-regs-only -mstrict-align", "-O3 -fno-tree-vectorize",
        "-O3", "-Os -fstack-check -fno-omit-frame-pointer", "-O2 -mcpu=cortex-a53 -mcmodel=large",
        "-O2 -march=armv8-a+crc -funroll-all-loops -fno-jump-tables",
    )
]  # fmt: skip
SYSTEMS = [
    Guest("libc_strings", "-O1 -mgeneral-regs-only", libraries=(LIBC,)),
    Guest("smp", f"-O2 {INTEGER} -DCPUS=4", "smp4", cpus=4),
    Guest("smp", f"-O0 {INTEGER} -DCPUS=4", "smp4", cpus=4, gic=2),
    Guest("smp", "-O2 -mgeneral-regs-only -moutline-atomics -DCPUS=8", "smp8", cpus=8),
    Guest("smp", "-O2 -mgeneral-regs-only -moutline-atomics -DCPUS=4", "smp4", cpus=4, lse=True),
    Guest("smp", "-O2 -mgeneral-regs-only -march=armv8.1-a -DCPUS=4", "smp4", cpus=4, lse=True, mode="passthrough"),
    Guest("rtos", f"-O1 {INTEGER}"),
    Guest("rtos", f"-O2 {INTEGER}", gic=2, mode="passthrough"),
    Guest("kernel", f"-O2 {INTEGER}"),
]
STEPPED = [Guest("smp", f"-O2 {INTEGER} -DCPUS=4", "smp4", cpus=4), Guest("rtos", f"-O1 {INTEGER}")]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, needs: Needs) -> Build:
    """Compile a guest; every guest once."""
    compiler = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    folder = tmp_path_factory.mktemp("guests")
    made: dict[Guest, Path] = {}

    def run(*words: object) -> None:
        subprocess.run([compiler, *map(str, words)], check=True)

    def built(guest: Guest) -> Path:
        if guest in made:
            return made[guest]
        options = f"-DGIC={guest.gic} {guest.options}".split()
        for library in guest.libraries:
            needs(library, "libc6-dev-arm64-cross")
        if guest.source == "kernel":
            needs(LIBC, "libc6-dev-arm64-cross")
            run("-O2", "-static", "-o", folder / "user", HERE / "user_program.c")
            options.append(f'-DUSER_PROGRAM="{folder / "user"}"')
        made[guest] = folder / f"{len(made)}.elf"
        run(
            *"-nostdlib -ffreestanding -fno-pic -static -no-pie -Wno-builtin-declaration-mismatch".split(),
            *"-Wl,-Ttext-segment=0x40400000 -Wl,--build-id=none -Wl,-z,noexecstack".split(),
            *options, "-o", made[guest], *(HERE / name for name in ("runtime.S", "runtime.c", f"{guest.source}.c")),
            *guest.libraries, "-lgcc",
        )  # fmt: skip
        return made[guest]

    return built


def started(guest: Guest, kernel: Path) -> tuple[Lab, Vm]:
    lab = Lab(cpus=max(4, guest.cpus), gic_version=guest.gic)
    text = CONFIG.format(guest=guest, kernel=kernel, lse=str(guest.lse).lower())
    vm = lab.create(parse_config(text, "guest.toml").require())
    lab.hypervisor.start(vm)
    return lab, vm


@pytest.mark.parametrize("guest", [COMPUTE[0], *SYSTEMS], ids=str)
def test_qemu_prints_what_is_expected(guest: Guest, build: Build, needs: Needs) -> None:
    qemu = needs("qemu-system-aarch64", "qemu-system-arm")
    cpu = "cortex-a76" if guest.lse else "cortex-a53"
    options = f"-machine virt,gic-version={guest.gic} -cpu {cpu} -smp {guest.cpus} -m 128M -display none -nodefaults"
    command = [qemu, *options.split(), "-serial", "stdio", "-kernel", str(build(guest))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)
    assert done.stdout.decode() == guest.printed


@pytest.mark.parametrize("guest", [*COMPUTE, *SYSTEMS], ids=str)
def test_a_lab_prints_the_same(guest: Guest, build: Build) -> None:
    lab, vm = started(guest, build(guest))
    lab.run("5s")
    assert bytes(vm.console.output).decode() == guest.printed
    assert vm.reason == "guest power-off"


@pytest.mark.parametrize("guest", STEPPED, ids=str)
def test_the_stepper_prints_the_same_as_translated_code(guest: Guest, build: Build) -> None:
    lab, vm = started(guest, build(guest))
    for vcpu in vm.vcpus:
        vcpu.cpu.translates = False
    lab.run("5s")
    assert bytes(vm.console.output).decode() == guest.printed


def test_code_compiled_for_integers_alone_needs_no_simd(build: Build) -> None:
    lab = Lab()
    text = CONFIG.format(guest=STEPPED[0], kernel=build(STEPPED[0]), lse="false\nfp = false")
    vm = lab.create(parse_config(text, "guest.toml").require())
    lab.hypervisor.start(vm)
    lab.run("5s")
    assert bytes(vm.console.output).decode() == STEPPED[0].printed
