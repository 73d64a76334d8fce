"""A VM's GIC and QEMU's do the same with the same accesses: random ones, as a guest with nested handlers makes them.

Left out is where QEMU 7.2 differs from the manual: a GICv2's groups and PPIs pended by hand, and
interrupts of a group that is disabled at the CPU interface.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from interrupt_bench import (
    GICC,
    GICD,
    ICACTIVER,
    ICENABLER,
    ICFGR,
    ICPENDR,
    IGROUPR,
    IPRIORITYR,
    ISACTIVER,
    ISENABLER,
    ISPENDR,
    ITARGETSR,
    SPURIOUS,
    Bench,
)

READ, WRITE, MRS, MSR = 1, 2, 3, 4
REGISTERS = "PMR IAR0 IAR1 EOIR0 EOIR1 DIR HPPIR0 HPPIR1 BPR0 BPR1 AP0R0 AP1R0 RPR CTLR IGRPEN0 IGRPEN1".split()
READABLE = ("IAR0", "IAR1", "HPPIR0", "HPPIR1", "AP0R0", "AP1R0", "RPR", "BPR0", "BPR1", "PMR")
BITS = (ISENABLER, ISENABLER, ICENABLER, ISPENDR, ISPENDR, ICPENDR, ICACTIVER)
SGIR_TO_SELF = 2 << 24
EOIMODE_V2 = 1 << 9


class Operation(NamedTuple):
    """One access: a width and an address, or the number of a system register, and what is written."""

    kind: int
    which: int
    address: int
    value: int


class Guest:
    """A guest that does what chance says, on a bench; `operations` and what they read are kept for QEMU."""

    def __init__(self, version: int, seed: int) -> None:
        self.bench = Bench(version, boot=False)
        self.version = version
        self.chance = random.Random(seed)
        self.operations: list[Operation] = []
        self.read: list[int] = []
        self.running: list[int] = []
        self.private = self.bench.private(0)

    def do(self, operation: Operation) -> int:
        """An access by vCPU 0, between an entry and an exit."""
        kind, which, address, value = operation
        self.operations.append(operation)
        bench, cpu = self.bench, self.bench.cpus[0]
        bench.vgic.flush(0)
        result = 0
        if kind == READ:
            result = bench.read(address, which)
        elif kind == WRITE:
            bench.write(address, value, which)
        elif kind == MRS:
            result = cpu.read(f"ICC_{REGISTERS[which]}_EL1")
        else:
            cpu.write(f"ICC_{REGISTERS[which]}_EL1", value)
        bench.vgic.sync(0)
        if kind in (READ, MRS):
            self.read.append(result)
        return result

    def load(self, address: int) -> int:
        return self.do(Operation(READ, 4, address, 0))

    def store(self, address: int, value: int, width: int = 4) -> None:
        self.do(Operation(WRITE, width, address, value))

    def msr(self, name: str, value: int) -> None:
        self.do(Operation(MSR, REGISTERS.index(name), 0, value))

    def mrs(self, name: str) -> int:
        return self.do(Operation(MRS, REGISTERS.index(name), 0, 0))

    def any_priority(self) -> int:
        return self.chance.randrange(32) * 8

    def boot(self) -> None:
        """Random priorities for the first 64 interrupts, some of them enabled, and open interfaces."""
        chance = self.chance
        self.store(GICD, 3)
        for base in (self.private, GICD + 32):
            for intid in range(0, 32, 4):
                self.store(base + IPRIORITYR + intid, sum(self.any_priority() << 8 * byte for byte in range(4)))
        for base in (self.private, GICD + 4):
            self.store(base + ISENABLER, chance.getrandbits(32))
            if self.version == 3:
                self.store(base + IGROUPR, chance.getrandbits(32))
        if self.version == 3:
            for name, value in (("PMR", 0xF8), ("IGRPEN0", 1), ("IGRPEN1", 1)):
                self.msr(name, value)
        else:
            for offset, value in ((0, 1), (4, 0xF8), (8, 2)):
                self.store(GICC + offset, value)
            for intid in range(32, 64, 4):
                self.store(GICD + ITARGETSR + intid, 0x0101_0101)

    def step(self) -> None:
        """One of the things that guests do with a GIC."""
        actions = (
            (25, self.write_bits),
            (20, self.read_bits),
            (7, self.write_settings),
            (14, self.acknowledge),
            (8, self.read_interface),
            (20, self.end),
            (6, self.write_interface),
        )
        self.chance.choices([action for _, action in actions], [weight for weight, _ in actions])[0]()

    def write_bits(self) -> None:
        chance = self.chance
        value = 1 << chance.randrange(32) if chance.random() < 0.8 else chance.getrandbits(32) & chance.getrandbits(32)
        if self.version == 3:
            base = chance.choice((self.private, GICD + 4))
            self.store(base + chance.choice((*BITS, IGROUPR)), value)
        elif chance.random() < 0.2:
            self.store(GICD + 0xF00, SGIR_TO_SELF | chance.randrange(16))
        else:
            self.store(GICD + 4 + chance.choice(BITS), value)

    def read_bits(self) -> None:
        base = self.chance.choice((self.private, GICD + 4))
        self.load(base + self.chance.choice((IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER)))

    def write_settings(self) -> None:
        chance = self.chance
        kind = chance.randrange(4)
        if kind < 2:
            base = self.private if chance.random() < 0.5 else GICD + 32
            self.store(base + IPRIORITYR + chance.randrange(32), self.any_priority(), 1)
        elif kind == 2:
            self.store(GICD + ICFGR + chance.choice((8, 12)), chance.getrandbits(32) & 0xAAAA_AAAA)
        else:
            self.store(GICD, chance.choice((0, 3, 3)))

    def acknowledge(self) -> None:
        intid = self.load(GICC + 0xC) if self.version == 2 else self.mrs(self.chance.choice(("IAR0", "IAR1")))
        if intid != SPURIOUS:
            self.running.append(intid)

    def read_interface(self) -> None:
        if self.version == 3:
            self.mrs(self.chance.choice(READABLE[2:]))
        else:
            self.load(GICC + self.chance.choice((0, 4, 8, 0x14)))

    def end(self) -> None:
        """Mostly of the innermost handler, sometimes of another, sometimes of what does not run at all."""
        chance = self.chance
        intid = chance.randrange(64)
        if self.running and chance.random() < 0.9:
            intid = self.running.pop(-1 if chance.random() < 0.8 else chance.randrange(len(self.running)))
        if self.version == 3:
            group = self.bench.gic.group_of(intid, 0) if chance.random() < 0.95 else chance.randrange(2)
            self.msr(f"EOIR{group}", intid)
            self.msr("DIR", intid)
        else:
            self.store(GICC + 0x10, intid)
            self.store(GICC + 0x1000, intid)

    def write_interface(self) -> None:
        chance = self.chance
        mask = chance.choice((0xF8, 0xF8, self.any_priority()))
        if self.version == 2:
            self.store(*chance.choice(((GICC + 4, mask), (GICC, chance.choice((1, 1 | EOIMODE_V2))))))
        else:
            points = [(name, chance.randrange(8)) for name in ("BPR0", "BPR1")]
            self.msr(*chance.choice((("PMR", mask), ("CTLR", chance.randrange(4)), *points)))


def read_by_qemu(operations: list[Operation], version: int, folder: Path, qemu: str, compiler: str) -> list[int]:
    """What the same accesses read on QEMU's virt board."""
    program, listing = folder / "program.elf", folder / "operations"
    source = Path(__file__).with_name("gic_program.c")
    flags = "-O1 -nostdlib -ffreestanding -mgeneral-regs-only -mstrict-align -fno-pic -static -no-pie"
    link = "-Wl,-Ttext=0x40400000 -Wl,--build-id=none"
    subprocess.run([compiler, *flags.split(), *link.split(), "-o", program, source], check=True)
    listing.write_bytes(b"".join(struct.pack("<IIQQ", *operation) for operation in operations) + bytes(24))
    machine = f"-machine virt,gic-version={version} -cpu cortex-a57 -smp 2 -m 64M"
    quiet = "-display none -nodefaults -serial stdio"
    loaded = [f"loader,file={program},cpu-num=0", f"loader,file={listing},addr=0x41000000,force-raw=on"]
    devices = [word for device in loaded for word in ("-device", device)]
    command = [qemu, *machine.split(), *quiet.split(), *devices]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)
    return [int(line, 16) for line in done.stdout.split()]


@pytest.mark.parametrize("version", [2, 3])
def test_a_gic_reads_as_qemus_after_random_accesses(
    version: int, tmp_path: Path, needs: Callable[[str, str], str], volume: Callable[[int], int]
) -> None:
    qemu = needs("qemu-system-aarch64", "qemu-system-arm")
    compiler = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    guest = Guest(version, seed=version)
    guest.boot()
    for _ in range(volume(40_000)):
        guest.step()
    expected = read_by_qemu(guest.operations, version, tmp_path, qemu, compiler)
    asked = [operation for operation in guest.operations if operation.kind in (READ, MRS)]
    differences = [
        f"{operation}: QEMU {theirs:#x}, here {ours:#x}"
        for operation, theirs, ours in zip(asked, expected, guest.read, strict=True)
        if theirs != ours
    ]
    assert differences == []
